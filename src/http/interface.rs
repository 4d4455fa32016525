//! The interface of a transport. Its implementation uses ureq; tests have others.

use std::fmt;
use std::io::BufRead;

use super::message::{Request, Response};
use super::request_context::RequestContext;
use crate::error::Result;

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
    /// `payload`: at least `request.length` bytes, sent from the reader's own buffer. An [`Error`](crate::error::Error) inside its `io::Error` is returned
    /// unchanged.
    ///
    /// # Errors
    /// `Network`, `Tls`, `Timeout`, `Protocol`, `Canceled`, and errors of `payload`; `SourceShort` if it ends early.
    fn exchange(&mut self, request: &Request, payload: &mut dyn BufRead, context: &RequestContext) -> Result<Response>;
}
