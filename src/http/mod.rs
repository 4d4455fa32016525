//! An HTTP client for one endpoint: each connection is persistent and carries one request at a time.
//!
//! This file has the interface. The other files of this directory implement it with `ureq`. None of them depends on
//! Glacier.

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

/// Creates connections to one endpoint.
pub trait Transport: Send + Sync + fmt::Debug {
    /// Creates a connection that is not open yet. It opens and closes itself as needed, and can be kept for any time.
    fn connection(&self) -> Box<dyn Connection>;
}

/// A connection, used by one thread at a time.
pub trait Connection: Send + fmt::Debug {
    /// Opens the connection if it is not open. The caller signs the request afterwards, just before sending.
    ///
    /// # Errors
    /// `Network`, `Tls`, `Timeout`, `Canceled`.
    fn open(&mut self, context: &RequestContext) -> Result<()>;

    /// Sends a request and receives the complete response. A response of any status is a success, including a redirect.
    ///
    /// # Errors
    /// `Network`, `Tls`, `Timeout`, `Protocol`, `Canceled`, and errors of the payload reader.
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
    /// Returns the name in the request line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// A request without its payload. The headers include `Host`, but not `Content-Length`, which depends on the payload.
#[derive(Clone, Debug)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// Path and query as in the request line, percent-encoded.
    pub target: String,
    /// The headers. Names are in lower case.
    pub headers: Vec<(&'static str, String)>,
}

// The headers of a signed request contain the session token.
impl Drop for Request {
    fn drop(&mut self) {
        for (_, value) in &mut self.headers {
            value.zeroize();
        }
    }
}

/// The payload of a request.
pub enum Payload<'a> {
    /// No payload: GET and DELETE have no body, POST and PUT have length 0.
    Empty,
    /// Exactly `length` bytes of a reader, sent from the reader's own buffer. A reader that ends early must return an error,
    /// not an empty buffer.
    Reader {
        /// The number of bytes.
        length: u64,
        /// The source of the bytes. A [`crate::error::Error`] inside its `io::Error` is returned by `exchange` unchanged.
        reader: &'a mut dyn BufRead,
    },
}

impl Payload<'_> {
    /// Returns the number of bytes.
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

/// A complete response.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers in order. Names are in lower case. Bytes that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// The body, of at most [`BODY_MAX`] bytes.
    pub body: Vec<u8>,
}

/// The maximum size of a body, in bytes. A page of 50 entries takes at most about 70 KiB.
pub const BODY_MAX: usize = 1 << 20;

impl Response {
    /// Returns the value of the first header with that name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }
}

/// The context of a request: cancel token, timeouts, progress counters and bandwidth limit.
#[derive(Clone, Debug, Default)]
pub struct RequestContext {
    /// Cancels the exchange at any time, also within a body.
    pub cancel: Arc<Cancel>,
    /// The time that a canceled exchange still waits for the response.
    pub grace: Duration,
    /// The time limit from the last byte of the request to the first byte of the response. `None`: the stall timeout.
    pub response_timeout: Option<Duration>,
    /// Counts the bytes of payload that the peer acknowledged.
    pub sent: Arc<AtomicU64>,
    /// Counts the failed attempts that are retried.
    pub retries: Arc<AtomicU64>,
    /// Limits the bandwidth of the payload. `None`: no limit.
    pub bandwidth: Option<Arc<TokenBucket>>,
}
