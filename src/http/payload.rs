//! The payload of a request, as a reader for ureq. It has exactly the announced length, keeps to the bandwidth limit, and is
//! no longer read after an early response.
//!
//! ureq would copy the payload to a buffer of its own and send it from there. To save the copy, `read` sends the payload
//! itself and leaves ureq's buffer unchanged.

use std::io::{self, BufRead, Read};

use super::exchange::SharedExchange;
use super::request_context::RequestContext;
use crate::error::{Error, Kind};
use crate::sync::lock;

/// The rest of a payload.
pub(crate) struct ThrottledBody<'a> {
    exchange: SharedExchange,
    context: &'a RequestContext,
    reader: &'a mut dyn BufRead,
    /// The number of bytes left.
    left: u64,
}

impl<'a> ThrottledBody<'a> {
    /// Creates the reader of a payload that `exchange` sends.
    pub(crate) fn new(
        exchange: SharedExchange,
        context: &'a RequestContext,
        reader: &'a mut dyn BufRead,
        length: u64,
    ) -> Self {
        Self { exchange, context, reader, left: length }
    }
}

impl Read for ThrottledBody<'_> {
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

impl ThrottledBody<'_> {
    /// Returns true if an early response was received. ureq still reads the rest of the payload, which is not sent.
    fn has_early_response(&self) -> io::Result<bool> {
        let mut exchange = lock(&self.exchange);
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
        lock(&self.exchange).send_payload(bytes).map_err(io::Error::other)?;
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
