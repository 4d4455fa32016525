//! One exchange on a connection: sends the request, receives the response, and meanwhile checks the cancel token and the
//! deadlines.
//!
//! A success acknowledges a request only if it came after the request. An error response that comes earlier ends the
//! sending. A success that comes earlier breaks the exchange, as do bytes that come before the request.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::RequestContext;
use super::channel::Channel;
use super::deadline::Deadlines;
use super::response::{ParseError, Phase, ResponseReader};
use super::stopwatch::Stopwatch;
use super::transport::TransportContext;
use crate::error::{Error, Kind, Result};
use crate::sync::Mutex;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, canceled};
use crate::sys::socket::{Interest, Ready};

/// The connection, shared by what reads the payload above ureq and what moves bytes below it. All of them run on the
/// thread that is inside the exchange.
pub(crate) type SharedExchange = Arc<Mutex<Exchange>>;

/// How many bytes of a response are received in one step.
const STEP: usize = 8 << 10;

/// A connection and the exchange on it.
#[derive(Debug)]
pub(crate) struct Exchange {
    transport: Arc<TransportContext>,
    channel: Channel,
    /// Whether the connection can carry another exchange, as far as the last one tells.
    is_persistent: bool,
    context: RequestContext,
    /// When `context.cancel` was first seen raised.
    canceled: Option<Instant>,
    time: Stopwatch,
    deadlines: Deadlines,
    request: Sending,
    reader: ResponseReader,
    /// The response as ureq gets it, and how much of it ureq has.
    response: Vec<u8>,
    handed_up: usize,
}

/// How much of the request is sent.
#[derive(Debug, Default)]
struct Sending {
    /// The length of the payload, and how much of it was handed down.
    length: u64,
    payload: u64,
    /// How much of the payload `context.sent` counts.
    reported: u64,
    /// Bytes of payload that were sent already, and that ureq is about to hand down.
    bypassed: usize,
    /// The number of bytes that the socket had taken before the request.
    begun_at: u64,
    /// The number of response bytes received when the last write of the request returned.
    sent_at: Option<u64>,
    /// An error response came: the rest of the request stays not_sent.
    is_stopped: bool,
}

impl Exchange {
    /// A line over a channel that is ready.
    pub(crate) fn new(transport: Arc<TransportContext>, channel: Channel, context: &RequestContext) -> Self {
        let deadlines = Deadlines::new(transport.settings.stall_timeout, None, 0);
        Self {
            transport,
            channel,
            is_persistent: true,
            context: context.clone(),
            canceled: None,
            time: Stopwatch::new(),
            deadlines,
            request: Sending::default(),
            reader: ResponseReader::default(),
            response: Vec::new(),
            handed_up: 0,
        }
    }

    /// The next exchange begins, with a payload of that length.
    pub(crate) fn begin(&mut self, context: &RequestContext, length: u64) {
        let (written, unacknowledged) = self.channel.written();
        let acknowledged = written.saturating_sub(unacknowledged);
        self.context = context.clone();
        self.canceled = None;
        self.time = Stopwatch::new();
        self.deadlines = Deadlines::new(self.transport.settings.stall_timeout, context.response_timeout, acknowledged);
        self.request = Sending { length, begun_at: written, ..Sending::default() };
        self.reader = ResponseReader::default();
        self.response.clear();
        self.handed_up = 0;
    }

    /// Whether bytes are encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        self.channel.is_tls()
    }

    /// Whether the last exchange left the connection open.
    pub(crate) fn is_persistent(&self) -> bool {
        self.is_persistent
    }

    /// Whether the next request may go out on the connection: the last exchange left it open, and since then the peer
    /// neither ended it nor sent anything.
    pub(crate) fn is_reusable(&mut self) -> bool {
        let quiet = matches!(self.channel.pull(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        quiet && self.is_persistent
    }

    /// Whether the rest of the request need not be sent any more.
    pub(crate) fn is_answered_early(&self) -> bool {
        self.request.is_stopped
    }

    /// Fails once the exchange is canceled and its grace is over.
    pub(crate) fn check_cancel(&mut self) -> Result<()> {
        if !self.context.cancel.is_raised() {
            return Ok(());
        }
        let since = *self.canceled.get_or_insert_with(Instant::now);
        if since.elapsed() < self.context.grace { Ok(()) } else { Err(canceled()) }
    }

    /// Sends what ureq hands down, unless an error response came: from then on nothing more is sent.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match std::mem::take(&mut self.request.bypassed) {
            0 if bytes.is_empty() => Ok(()),
            0 => self.send_all(bytes, self.request.length == 0).map_err(|error| {
                let is_not_sent = self.channel.written().0 == self.request.begun_at;
                if is_not_sent { error.not_sent() } else { error }
            }),
            bypassed if bypassed == bytes.len() => Ok(()),
            bypassed => {
                let text = format!("{bypassed} bytes of payload were sent, and {} came behind them", bytes.len());
                Err(Error::new(Kind::Internal, text))
            }
        }
    }

    /// Sends payload from where it lies. It need not be copied for ureq, which hands down as many bytes next, of any content.
    pub(crate) fn send_payload(&mut self, bytes: &[u8]) -> Result<()> {
        self.request.bypassed += bytes.len();
        self.request.payload += bytes.len() as u64;
        // The source or the bandwidth limit had these bytes until now: that is no stall of the connection.
        self.time.skip();
        self.send_all(bytes, self.request.payload == self.request.length)
    }

    /// Sends bytes. `is_last`: they are the end of the request.
    fn send_all(&mut self, bytes: &[u8], is_last: bool) -> Result<()> {
        if self.request.is_stopped {
            return Ok(());
        }
        let mut rest = bytes;
        let mut ready = Ready { read: true, write: true };
        while !rest.is_empty() || self.channel.is_pending() {
            self.check_cancel()?;
            // Any write may be the last one of the request. What is there before it came before the request was sent.
            if ready.read || is_last {
                self.receive_early()?;
                if self.request.is_stopped {
                    return Ok(());
                }
            }
            match self.channel.step(rest) {
                Ok(taken) => {
                    rest = rest.get(taken..).unwrap_or_default();
                    ready.read = false;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready = self.wait(Interest::Both)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The peer has closed. What it sent before that can still be received.
                Err(error) => {
                    let _ = self.receive_early();
                    self.check_order()?;
                    return if self.request.is_stopped {
                        Ok(())
                    } else {
                        Err(self.lost("the connection was lost while the request was sent", error))
                    };
                }
            }
        }
        if is_last {
            self.request.sent_at = Some(self.reader.received());
        }
        self.count();
        Ok(())
    }

    /// Receives what has come while the request is being sent; waits for nothing. An error response stops the sending.
    fn receive_early(&mut self) -> Result<()> {
        while !self.request.is_stopped {
            match self.receive_some() {
                Ok(0) => return Err(self.closed("while the request was sent")),
                Ok(_) => self.request.is_stopped = self.reader.status().is_some(),
                Err(Failure::WouldBlock) => return Ok(()),
                Err(Failure::Lost(error)) => {
                    return Err(self.lost("the connection was lost while the request was sent", error));
                }
                Err(Failure::Broken(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Receives into `buf` what ureq takes for the response.
    pub(crate) fn receive(&mut self, buf: &mut [u8]) -> Result<usize> {
        if self.response.is_empty() {
            self.receive_response()?;
            self.is_persistent = self.reader.is_persistent() && self.request.sent_at.is_some();
            self.response = self.reader.normalized().map_err(|error| self.unreadable(error))?;
        }
        let left = self.response.get(self.handed_up..).unwrap_or_default();
        let length = left.len().min(buf.len());
        for (to, from) in buf.iter_mut().zip(left) {
            *to = *from;
        }
        self.handed_up += length;
        Ok(length)
    }

    /// Receives the response, or the part of it that counts.
    fn receive_response(&mut self) -> Result<()> {
        let outcome = self.receive_whole();
        self.check_order()?;
        // Nothing that happens to an optional body takes the response back.
        if outcome.is_err() && self.reader.is_body_optional() && self.reader.end(false) { Ok(()) } else { outcome }
    }

    fn receive_whole(&mut self) -> Result<()> {
        const LOST: &str = "the connection was lost before the end of the response";
        while self.reader.phase() != Phase::Complete {
            self.check_cancel()?;
            match self.receive_some() {
                Ok(0) if self.reader.end(true) => {}
                Ok(0) => return Err(self.closed("before the end of the response")),
                Ok(_) => {}
                Err(Failure::WouldBlock) => {
                    self.wait(Interest::Read)?;
                }
                Err(Failure::Lost(error)) => return Err(self.lost(LOST, error)),
                Err(Failure::Broken(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Receives bytes of the response, and returns how many; 0 is the peer's proper end.
    fn receive_some(&mut self) -> std::result::Result<usize, Failure> {
        let mut came = [0; STEP];
        let length = loop {
            match self.channel.pull(&mut came) {
                Ok(length) => break length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(Failure::WouldBlock),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Failure::Lost(error)),
            }
        };
        self.reader
            .push(came.get(..length).unwrap_or_default())
            .map_err(|error| Failure::Broken(self.unreadable(error)))?;
        self.deadlines.receive(self.time.now(), self.reader.interim(), self.reader.phase());
        self.count();
        self.check_order().map_err(Failure::Broken)?;
        Ok(length)
    }

    /// Fails if bytes came before the request, or a success before the end of the request.
    fn check_order(&self) -> Result<()> {
        if self.reader.received() > 0 && self.channel.written().0 == self.request.begun_at {
            return Err(self.broken("the peer sent bytes before the request"));
        }
        let is_early = self.request.sent_at.is_none_or(|sent_at| self.reader.start() < sent_at);
        match self.reader.status() {
            Some(status @ 200..300) if is_early => {
                let text = format!("the response {status} came before the request was sent completely");
                Err(self.broken(&text).with_response(status, None, None))
            }
            _ => Ok(()),
        }
    }

    /// Waits until the socket is ready, or fails because of a deadline or a cancel.
    fn wait(&mut self, interest: Interest) -> Result<Ready> {
        loop {
            self.check_cancel()?;
            self.count();
            let optional = self.reader.status().filter(|_| self.reader.is_body_optional());
            let left = self.deadlines.left(self.time.now(), interest != Interest::Read, optional);
            let left =
                left.map_err(|overdue| Error::new(Kind::Timeout, format!("{}: {overdue}", self.transport.address)))?;
            match self.channel.socket().wait(interest, left.min(CANCEL_POLL_INTERVAL)) {
                Ok(Ready { read: false, write: false }) => {}
                Ok(ready) => return Ok(ready),
                Err(error) => return Err(self.lost("the connection was lost", error)),
            }
        }
    }

    /// Records what the peer has acknowledged since the last look.
    fn count(&mut self) {
        let (written, unacknowledged) = self.channel.written();
        self.deadlines.acknowledge(self.time.now(), written, unacknowledged);
        let payload = self.request.payload.saturating_sub(unacknowledged);
        if let Some(new @ 1..) = payload.checked_sub(self.request.reported) {
            self.context.sent.fetch_add(new, Ordering::Relaxed);
            self.request.reported = payload;
        }
    }

    fn unreadable(&self, error: ParseError) -> Error {
        match error {
            ParseError::Malformed(text) => Error::new(Kind::Protocol, format!("{}: {text}", self.transport.address)),
            ParseError::Memory(error) => {
                Error::new(Kind::Memory, "out of memory while the response was received").caused_by(error)
            }
        }
    }

    fn broken(&self, what: &str) -> Error {
        Error::new(Kind::Network, format!("{}: {what}: the connection is closed", self.transport.address))
    }

    fn closed(&self, when: &str) -> Error {
        Error::new(Kind::Network, format!("{}: the peer closed the connection {when}", self.transport.address))
    }

    fn lost(&self, what: &str, error: io::Error) -> Error {
        Error::new(Kind::Network, format!("{}: {what}: {error}", self.transport.address)).caused_by(error)
    }
}

/// Why nothing was received.
enum Failure {
    /// Nothing has come.
    WouldBlock,
    /// The connection was lost.
    Lost(io::Error),
    /// What came is not what may come.
    Broken(Error),
}
