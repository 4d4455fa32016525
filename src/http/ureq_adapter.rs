//! The adapter to ureq: an open connection as its transport, and the conversions of headers, bodies and errors.

use std::fmt;
use std::io::{self, Read};

use bytes::Bytes;
use ureq::Body;
use ureq::config::Config;
use ureq::http::{self, HeaderValue, Uri};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport as UreqSocket};
use zeroize::Zeroizing;

use super::buffers::{ExchangeBuffers, SEND_BUFFER};
use super::exchange::SharedExchange;
use super::response::HEAD_MAX;
use super::transport_context::TransportContext;
use crate::error::{Error, Kind};
use crate::sync::{Mutex, lock};

/// The size of ureq's input buffer, in bytes. It must hold a header section and the few bytes that normalizing adds.
const RECV_BUFFER: usize = HEAD_MAX + (4 << 10);

/// The maximum length of an output that is cleared after sending, in bytes. A longer output is never the head of a request
/// alone; later output overwrites it, or it is cleared with the connection.
const HEAD_CLEARED: usize = 32 << 10;

/// Gives ureq an open connection as its transport. Dropping it closes the connection.
pub(crate) struct UreqAdapter {
    exchange: SharedExchange,
    buffers: ExchangeBuffers,
}

impl UreqAdapter {
    /// Creates the adapter over an open connection.
    ///
    /// # Errors
    /// `Memory`.
    pub(crate) fn new(exchange: SharedExchange) -> crate::error::Result<Self> {
        Ok(Self { exchange, buffers: ExchangeBuffers::new(RECV_BUFFER, SEND_BUFFER)? })
    }
}

impl UreqSocket for UreqAdapter {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        let bytes = self.buffers.output().get(..amount).unwrap_or_default();
        let sent = lock(&self.exchange).send(bytes).map_err(wrap_error);
        // The buffer contains no payload, so only the head of a request needs clearing.
        if amount <= HEAD_CLEARED {
            self.buffers.clear_output(amount);
        }
        sent
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        let input = self.buffers.input_append_buf();
        let length = lock(&self.exchange).receive(input).map_err(wrap_error)?;
        self.buffers.input_appended(length);
        Ok(length > 0)
    }

    fn is_open(&mut self) -> bool {
        lock(&self.exchange).is_persistent()
    }

    fn is_tls(&self) -> bool {
        lock(&self.exchange).is_tls()
    }
}

impl fmt::Debug for UreqAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UreqAdapter").finish_non_exhaustive()
    }
}

/// Wraps an error of this library so that ureq passes it on. [`unwrap_error`] extracts it.
pub(crate) fn wrap_error(error: Error) -> ureq::Error {
    ureq::Error::Io(io::Error::other(error))
}

/// Converts an error of ureq. An error of this library inside of it is returned unchanged. `has_response`: ureq has received a
/// byte of the response.
pub(crate) fn unwrap_error(transport: &TransportContext, error: ureq::Error, has_response: bool) -> Error {
    match error {
        ureq::Error::Io(error) => match error.downcast::<Error>() {
            Ok(ours) => ours,
            Err(error) if error.kind() == io::ErrorKind::OutOfMemory => {
                transport.error(Kind::Memory, "out of memory for the body of the response").caused_by(error)
            }
            Err(error) => transport.error(Kind::Network, format_args!("the exchange failed: {error}")).caused_by(error),
        },
        ureq::Error::ConnectionFailed => transport.error(Kind::Network, "the peer closed the connection"),
        // A URL or a header that is too long, or has a character that is not allowed.
        ureq::Error::Protocol(_) | ureq::Error::Http(_) | ureq::Error::BadUri(_) if !has_response => {
            transport.error(Kind::Invalid, format_args!("the request cannot be sent: {error}")).caused_by(error)
        }
        ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..) | ureq::Error::BodyStalled => {
            transport.error(Kind::Protocol, format_args!("the response is not HTTP: {error}")).caused_by(error)
        }
        error => transport.error(Kind::Internal, format_args!("the request cannot be sent: {error}")).caused_by(error),
    }
}

/// A connector that gives ureq one open connection and never another: a new connection must be opened before the next request
/// is signed.
#[derive(Debug)]
pub(crate) struct SingleConnection(Mutex<Option<UreqAdapter>>);

impl SingleConnection {
    /// Creates the connector for one connection.
    pub(crate) fn new(adapter: UreqAdapter) -> Self {
        Self(Mutex::new(Some(adapter)))
    }
}

impl Connector<()> for SingleConnection {
    type Out = UreqAdapter;

    fn connect(&self, _: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<UreqAdapter>, ureq::Error> {
        Ok(lock(&self.0).take())
    }
}

/// A resolver that looks up no names. ureq looks up names before every request, with some timeouts on threads that it
/// abandons.
#[derive(Debug)]
pub(crate) struct NoDns;

impl Resolver for NoDns {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

/// Creates a header value whose bytes are wiped when its last copy is dropped: one of the headers is the session token.
pub(crate) fn header_value(text: &str) -> std::result::Result<HeaderValue, ureq::Error> {
    let bytes = Bytes::from_owner(Zeroizing::new(text.as_bytes().to_vec()));
    Ok(HeaderValue::from_maybe_shared(bytes).map_err(http::Error::from)?)
}

/// Returns the headers of a response. Bytes that are not UTF-8 are replaced.
pub(crate) fn headers(map: &http::HeaderMap) -> Vec<(String, String)> {
    map.iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

/// Reads a body to its end. The response reader has limited its size.
pub(crate) fn read_body(body: Body) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    body.into_reader().read_to_end(&mut bytes)?;
    Ok(bytes)
}
