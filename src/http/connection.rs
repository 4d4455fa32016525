//! A connection that uses ureq. It is opened when needed, carries one exchange after another, and is reopened after it closed.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ureq::http::{self, HeaderValue, Request as HttpRequest};
use ureq::{Agent, Body, SendBody};
use zeroize::Zeroizing;

use super::dial::dial;
use super::exchange::{Exchange, SharedExchange};
use super::interface::Connection;
use super::message::{Method, Payload, Request, Response};
use super::payload::ThrottledBody;
use super::proxy::{PROXY_AUTHENTICATE, schemes};
use super::request_context::RequestContext;
use super::transport_context::TransportContext;
use super::ureq_adapter::{NoDns, SingleConnection, UreqAdapter};
use crate::error::{Error, Kind, Result};
use crate::sync::{Mutex, lock};

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
        // Closes the old connection before another one is opened.
        self.open = None;
        let (address, channel) = dial(&self.transport, &context.cancel)?;
        let shared = Arc::new(Mutex::new(Exchange::new(self.transport.clone(), channel, context)));
        let open = Open::new(&self.transport, &shared, address)?;
        Ok((self.open.insert(open), shared))
    }
}

impl Connection for UreqConnection {
    fn open(&mut self, context: &RequestContext) -> Result<()> {
        self.ready_exchange(context).map(|_| ())
    }

    fn exchange(&mut self, request: &Request, payload: Payload<'_>, context: &RequestContext) -> Result<Response> {
        let transport = self.transport.clone();
        let (open, shared) = self.ready_exchange(context).map_err(Error::not_sent)?;
        lock(&shared).begin(context, payload.length());
        let result = exchange(&transport, &open.agent, &shared, request, payload, context)
            .map_err(|error| unwrap_error(&transport, error));
        open.last_use = Instant::now();
        match &result {
            Ok(_) => open.has_responded = true,
            Err(error) => {
                if !open.has_responded && is_of_peer(error) {
                    lock(&transport.addresses).failed(open.address);
                }
                self.open = None;
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
    exchange: &SharedExchange,
    request: &Request,
    payload: Payload<'_>,
    context: &RequestContext,
) -> std::result::Result<Response, ureq::Error> {
    let mut head =
        HttpRequest::builder().method(request.method.as_str()).uri(format!("{}{}", transport.endpoint, request.target));
    for (name, value) in &request.headers {
        head = head.header(*name, header_value(value)?);
    }
    let response = match payload {
        Payload::Reader { length, reader } => {
            let mut reader = ThrottledBody::new(exchange.clone(), context, reader, length);
            agent.run(head.header("content-length", length).body(SendBody::from_reader(&mut reader))?)
        }
        Payload::Empty => {
            // Without a length, ureq sends an empty POST in chunks.
            if matches!(request.method, Method::Post | Method::Put) {
                head = head.header("content-length", 0);
            }
            agent.run(head.body(SendBody::none())?)
        }
    }?;
    let (parts, body) = response.into_parts();
    Ok(Response { status: parts.status.as_u16(), headers: headers(&parts.headers), body: read_body(body)? })
}

/// Returns true if the peer caused the error of an exchange. The service may have other addresses that work.
fn is_of_peer(error: &Error) -> bool {
    matches!(error.kind(), Kind::Network | Kind::Timeout | Kind::Protocol)
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

/// Creates a header value whose bytes are wiped when its last copy is dropped: one of the headers is the session token.
fn header_value(text: &str) -> std::result::Result<HeaderValue, ureq::Error> {
    let bytes = Bytes::from_owner(Zeroizing::new(text.as_bytes().to_vec()));
    Ok(HeaderValue::from_maybe_shared(bytes).map_err(http::Error::from)?)
}

fn headers(map: &http::HeaderMap) -> Vec<(String, String)> {
    map.iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

/// Reads a body to its end. The response reader has limited its size.
fn read_body(body: Body) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    body.into_reader().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Converts an error of ureq. An error of this library inside of it is returned unchanged.
fn unwrap_error(transport: &TransportContext, error: ureq::Error) -> Error {
    match error {
        ureq::Error::Io(error) => match error.downcast::<Error>() {
            Ok(ours) => ours,
            Err(error) if error.kind() == io::ErrorKind::OutOfMemory => {
                transport.error(Kind::Memory, "out of memory for the body of the response").caused_by(error)
            }
            Err(error) => transport.error(Kind::Network, format_args!("the exchange failed: {error}")).caused_by(error),
        },
        ureq::Error::ConnectionFailed => transport.error(Kind::Network, "the peer closed the connection"),
        ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..) | ureq::Error::BodyStalled => {
            transport.error(Kind::Protocol, format_args!("the response is not HTTP: {error}")).caused_by(error)
        }
        error => transport.error(Kind::Internal, format_args!("the request cannot be sent: {error}")).caused_by(error),
    }
}
