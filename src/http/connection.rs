//! A connection that uses ureq. It is opened when needed, carries one exchange after another, and is reopened after it closed.
//!
//! ureq asks for the payload of a request. It would copy the payload to a buffer of its own and send it from there. To save the
//! copy, [`Payload`] sends the payload itself and leaves ureq's buffer unchanged.

use std::io::{self, BufRead, Read};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use ureq::http::Request as HttpRequest;
use ureq::{Agent, SendBody};

use super::dial::dial;
use super::exchange::{Exchange, SharedExchange};
use super::interface::Connection;
use super::message::{Method, Request, Response};
use super::proxy::{PROXY_AUTHENTICATE, schemes};
use super::request_context::RequestContext;
use super::transport_context::TransportContext;
use super::ureq_adapter::{NoDns, SingleConnection, UreqAdapter, header_value, headers, read_body, unwrap_error};
use crate::error::{Error, Kind, Result};
use crate::sync::{Mutex, lock};
use crate::sys::wiping::WipedFrees;

/// The maximum idle time of a connection. After a longer time the service may close it while the next request is sent.
const IDLE_MAX: Duration = Duration::from_secs(15);

/// The status of a proxy that requires other credentials.
const PROXY_AUTHENTICATION_REQUIRED: u16 = 407;

/// A connection, open or not.
#[derive(Debug)]
pub struct UreqConnection {
    transport: Arc<TransportContext>,
    open: Option<Open>,
}

/// An open connection. Its agent serves only this connection.
#[derive(Debug)]
struct Open {
    agent: Agent,
    /// Valid as long as ureq keeps the connection.
    exchange: Weak<Mutex<Exchange>>,
    address: SocketAddr,
    /// Whether the connection has carried a response.
    has_responded: bool,
    last_use: Instant,
}

impl UreqConnection {
    pub(crate) fn new(transport: Arc<TransportContext>) -> Self {
        Self { transport, open: None }
    }

    /// Returns the open exchange if it can carry another request; otherwise opens a connection for a new one.
    fn ready_exchange(&mut self, context: &RequestContext) -> Result<(&mut Open, SharedExchange)> {
        context.cancel.check()?;
        if let Some(shared) = self.open.as_ref().and_then(Open::reusable)
            && let Some(open) = self.open.take()
        {
            return Ok((self.open.insert(open), shared));
        }
        // The old connection is closed before another one is opened.
        self.close();
        let (address, channel) = dial(&self.transport, &context.cancel)?;
        let shared = Arc::new(Mutex::new(Exchange::new(self.transport.clone(), channel, context)));
        let open = Open::new(&self.transport, &shared, address)?;
        Ok((self.open.insert(open), shared))
    }

    /// Closes the connection. Its buffers can contain secrets of responses.
    fn close(&mut self) {
        let _wiped = WipedFrees::begin();
        self.open = None;
    }
}

impl Drop for UreqConnection {
    fn drop(&mut self) {
        self.close();
    }
}

impl Connection for UreqConnection {
    fn open(&mut self, context: &RequestContext) -> Result<()> {
        self.ready_exchange(context).map(|_| ())
    }

    fn exchange(&mut self, request: &Request, payload: &mut dyn BufRead, context: &RequestContext) -> Result<Response> {
        let transport = self.transport.clone();
        let (open, shared) = self.ready_exchange(context).map_err(Error::not_sent)?;
        lock(&shared).begin(context, request.length);
        let result = exchange(
            &transport,
            &open.agent,
            request,
            Payload { exchange: &shared, context, reader: payload, left: request.length },
        )
        .map_err(|error| {
            let exchange = lock(&shared);
            let error = unwrap_error(&transport, error, exchange.has_delivered());
            if exchange.is_begun() { error } else { error.not_sent() }
        });
        open.last_use = Instant::now();
        match &result {
            Ok(_) => open.has_responded = true,
            Err(error) => {
                if !open.has_responded && is_of_peer(error) {
                    lock(&transport.addresses).failed(open.address);
                }
                self.close();
            }
        }
        result.and_then(|response| check_proxy(&transport, response))
    }
}

impl Open {
    fn new(transport: &TransportContext, exchange: &SharedExchange, address: SocketAddr) -> Result<Self> {
        let connector = SingleConnection::new(UreqAdapter::new(exchange.clone())?);
        Ok(Self {
            agent: Agent::with_parts(transport.config.clone(), connector, NoDns),
            exchange: Arc::downgrade(exchange),
            address,
            has_responded: false,
            last_use: Instant::now(),
        })
    }

    /// Returns the exchange if the connection can carry another request.
    fn reusable(&self) -> Option<SharedExchange> {
        if self.last_use.elapsed() >= IDLE_MAX {
            return None;
        }
        self.exchange.upgrade().filter(|exchange| lock(exchange).is_reusable())
    }
}

fn exchange(
    transport: &TransportContext,
    agent: &Agent,
    request: &Request,
    mut payload: Payload<'_>,
) -> std::result::Result<Response, ureq::Error> {
    let mut head =
        HttpRequest::builder().method(request.method.as_str()).uri(format!("{}{}", transport.endpoint, request.target));
    for (name, value) in &request.headers {
        head = head.header(*name, header_value(value)?);
    }
    // Without a length, ureq sends an empty POST in chunks.
    if request.length > 0 || matches!(request.method, Method::Post | Method::Put) {
        head = head.header("content-length", request.length);
    }
    let response = match request.length {
        0 => agent.run(head.body(SendBody::none())?),
        _ => agent.run(head.body(SendBody::from_reader(&mut payload))?),
    }?;
    let _wiped = WipedFrees::begin();
    let (parts, body) = response.into_parts();
    Ok(Response { status: parts.status.as_u16(), headers: headers(&parts.headers), body: read_body(body)? })
}

/// Returns true if the peer caused the error of an exchange. The service may have other addresses that work.
fn is_of_peer(error: &Error) -> bool {
    matches!(error.kind(), Kind::Network | Kind::Tls | Kind::Timeout | Kind::Protocol)
}

/// Fails if the proxy that forwards requests did not forward this one for lack of credentials.
fn check_proxy(transport: &TransportContext, response: Response) -> Result<Response> {
    match transport.forward_proxy().filter(|_| response.status == PROXY_AUTHENTICATION_REQUIRED) {
        Some(proxy) => {
            let values = response.headers.iter().filter(|(name, _)| name == PROXY_AUTHENTICATE);
            let schemes = schemes(values.map(|(_, value)| value.as_bytes()));
            Err(transport.refused(proxy, response.status, &schemes))
        }
        None => Ok(response),
    }
}

/// The rest of the payload of an exchange, as a reader for ureq. It has exactly the announced length, keeps to the bandwidth
/// limit, and is no longer read after an early response.
struct Payload<'a> {
    exchange: &'a SharedExchange,
    context: &'a RequestContext,
    reader: &'a mut dyn BufRead,
    /// The number of bytes left.
    left: u64,
}

impl Read for Payload<'_> {
    /// Sends at most `buf.len()` bytes and returns their number. Does not write to `buf`.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let max = buf.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if max == 0 {
            return Ok(0);
        }
        let length = if self.has_early_response()? { max } else { self.send_within_limit(max)? };
        self.left -= length as u64;
        Ok(length)
    }
}

impl Payload<'_> {
    /// Returns true if an early response was received. ureq still reads the rest of the payload, which is not sent.
    fn has_early_response(&self) -> io::Result<bool> {
        let mut exchange = lock(self.exchange);
        if exchange.has_early_response() {
            exchange.check_cancel().map_err(io::Error::other)?;
        }
        Ok(exchange.has_early_response())
    }

    /// Sends as many bytes as the bandwidth limit admits. Waits without holding the lock of the exchange.
    fn send_within_limit(&mut self, max: usize) -> io::Result<usize> {
        let Some(bandwidth) = &self.context.bandwidth else { return self.send(max) };
        let admitted = bandwidth.take(max, &self.context.cancel).map_err(io::Error::other)?;
        let length = self.send(admitted)?;
        bandwidth.refund(admitted.saturating_sub(length));
        Ok(length)
    }

    fn send(&mut self, max: usize) -> io::Result<usize> {
        let bytes = loop {
            match self.reader.fill_buf() {
                // ureq would retry without end.
                Ok([]) => return Err(io::Error::other(ended_early(self.left))),
                Ok(bytes) => break bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.get_ref().is_some_and(|inner| inner.is::<Error>()) => return Err(error),
                Err(error) => return Err(io::Error::other(read_failed(error))),
            }
        };
        let bytes = bytes.get(..max).unwrap_or(bytes);
        let length = bytes.len();
        lock(self.exchange).send_payload(bytes).map_err(io::Error::other)?;
        self.reader.consume(length);
        Ok(length)
    }
}

fn ended_early(left: u64) -> Error {
    Error::new(Kind::SourceShort, format!("the payload ended {left} bytes before its announced length"))
}

fn read_failed(error: io::Error) -> Error {
    Error::new(Kind::Io, format!("the payload could not be read: {error}")).caused_by(error)
}
