//! HTTP as the Glacier operations need it: one request at a time on a connection that is kept alive.
//!
//! The interface is here; `ureq` stands behind it in the files beside this one. Nothing here knows of Glacier.

mod buffers;
mod certificate;
mod channel;
mod connection;
mod deadline;
mod dial;
mod endpoint;
mod exchange;
mod happy_eyeballs;
mod payload;
mod pool;
mod resolve;
pub mod response;
mod stopwatch;
mod tls;
mod transport;
mod ureq_adapter;

use std::fmt;
use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use zeroize::Zeroize;

use crate::bandwidth::TokenBucket;
use crate::error::Result;
use crate::sync::cancel::Cancel;

pub use connection::UreqConnection;
pub use endpoint::Endpoint;
pub use pool::{ConnectionPool, PooledConnection};
pub use resolve::{LookupError, Resolver, SystemResolver};
pub use transport::{Settings, UreqTransport};

/// Makes connections to one endpoint.
pub trait Transport: Send + Sync + fmt::Debug {
    /// A connection that is not open yet. Opening and closing is its own business; it may be kept for long.
    fn connection(&self) -> Box<dyn Connection>;
}

/// One connection, used by one thread at a time.
pub trait Connection: Send + fmt::Debug {
    /// Opens the connection if it is not open, so that a request can be signed when it is about to be sent.
    ///
    /// # Errors
    /// `Network`, `Tls`, `Timeout`, `Canceled`.
    fn open(&mut self, context: &RequestContext) -> Result<()>;

    /// Sends a request and reads its whole answer, whatever its status: only a missing or broken answer is an error.
    /// Redirects are answers like any other.
    ///
    /// # Errors
    /// `Network`, `Tls`, `Timeout`, `Protocol`, `Canceled`; and what `payload` itself failed with.
    fn exchange(&mut self, request: &Request, payload: Payload<'_>, context: &RequestContext) -> Result<Response>;
}

/// The methods that Glacier uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
}

impl Method {
    /// As it stands in the request line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// A request without its payload. `Content-Length` comes from the payload, `Host` is among the headers.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query as they go on the wire, percent-encoded.
    pub target: String,
    /// Headers, names in lower case.
    pub headers: Vec<(&'static str, String)>,
}

/// The headers of a signed request hold its session token.
impl Drop for Request {
    fn drop(&mut self) {
        for (_, value) in &mut self.headers {
            value.zeroize();
        }
    }
}

/// What a request carries.
pub enum Payload<'a> {
    /// Nothing: GET and DELETE without a body, POST with length 0.
    Empty,
    /// Exactly `length` bytes from a reader, sent from its own buffer. An early end is the reader's to report, as an error and
    /// not as an empty buffer.
    Reader {
        /// The number of bytes.
        length: u64,
        /// Where they come from. A [`crate::error::Error`] inside its `io::Error` comes back out of `exchange` as it is.
        reader: &'a mut dyn BufRead,
    },
}

impl Payload<'_> {
    /// The number of bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Reader { length, .. } => *length,
        }
    }
}

impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Reader { length, .. } => write!(f, "Reader({length} bytes)"),
        }
    }
}

/// A whole answer.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers in the order they came, names in lower case. Bytes that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// The body, cut at [`BODY_MAX`].
    pub body: Vec<u8>,
}

/// The most of an answer's body that is kept. A page of 50 entries takes some 70 KiB at most.
pub const BODY_MAX: usize = 1 << 20;

impl Response {
    /// The value of the first header of that name; `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }
}

/// Who watches an exchange: what stops it, what counts its bytes and slows them down, and how long its answer may take.
#[derive(Clone, Debug, Default)]
pub struct RequestContext {
    /// Stops the exchange, also in the middle of a body.
    pub cancel: Arc<Cancel>,
    /// Once a request is being sent, how long a raised `cancel` still waits for its answer.
    pub grace: Duration,
    /// How long the first byte of the answer may take after the last byte of the request; `None`: the stall timeout.
    pub response_timeout: Option<Duration>,
    /// Counts the bytes of payload that went out on the wire.
    pub sent: Arc<AtomicU64>,
    /// Counts the failed attempts after which another one follows.
    pub retries: Arc<AtomicU64>,
    /// What bytes of payload are taken from before they go out; `None`: they go as fast as they can.
    pub bandwidth: Option<Arc<TokenBucket>>,
}
