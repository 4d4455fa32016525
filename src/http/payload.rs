//! The payload as ureq asks for it: exactly as long as announced, no faster than the bandwidth limit lets it go, and not
//! read at all once an answer is there.
//!
//! ureq would have it copied into a buffer of its own, to be sent from there. It is sent from where it lies instead, while
//! ureq asks for it, and ureq gets no more than its length.

use std::io::{self, BufRead, Read};

use super::RequestContext;
use super::exchange::SharedExchange;
use crate::error::{Error, Kind};
use crate::sync::lock;

/// What is left of a payload: exactly `left` bytes.
pub(crate) struct ThrottledBody<'a> {
    exchange: SharedExchange,
    context: &'a RequestContext,
    reader: &'a mut dyn BufRead,
    left: u64,
}

impl<'a> ThrottledBody<'a> {
    /// Of a payload of that length, sent by `exchange`.
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
    /// Sends as much as there is room for in `buf`, which stays as it is.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = buf.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let length = if self.is_answered()? { most } else { self.send_within_limit(most)? };
        self.left -= length as u64;
        Ok(length)
    }
}

impl ThrottledBody<'_> {
    /// Whether an answer is there. ureq still wants the rest then, which goes nowhere.
    fn is_answered(&self) -> io::Result<bool> {
        let mut exchange = lock(&self.exchange);
        if exchange.is_answered_early() {
            exchange.check_cancel().map_err(io::Error::other)?;
        }
        Ok(exchange.is_answered_early())
    }

    /// Sends as much as may go now. Waits for that with no lock held: other connections, and a cancel, go on.
    fn send_within_limit(&mut self, most: usize) -> io::Result<usize> {
        let Some(bandwidth) = &self.context.bandwidth else { return self.send(most) };
        let may = bandwidth.take(most, &self.context.cancel).map_err(io::Error::other)?;
        let length = self.send(may)?;
        bandwidth.refund(may.saturating_sub(length));
        Ok(length)
    }

    fn send(&mut self, most: usize) -> io::Result<usize> {
        let bytes = loop {
            match self.reader.fill_buf() {
                // ureq would ask again for ever.
                Ok([]) => return Err(io::Error::other(short(self.left))),
                Ok(bytes) => break bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.get_ref().is_some_and(|inner| inner.is::<Error>()) => return Err(error),
                Err(error) => return Err(io::Error::other(unreadable(error))),
            }
        };
        let bytes = bytes.get(..most).unwrap_or(bytes);
        let length = bytes.len();
        lock(&self.exchange).send_payload(bytes).map_err(io::Error::other)?;
        self.reader.consume(length);
        Ok(length)
    }
}

fn short(left: u64) -> Error {
    Error::new(Kind::SourceShort, format!("the payload ended {left} bytes before its announced length"))
}

fn unreadable(error: io::Error) -> Error {
    Error::new(Kind::Io, format!("the payload could not be read: {error}")).caused_by(error)
}
