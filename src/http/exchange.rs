//! One exchange on a connection: sends the request and receives the response, with cancellation, deadlines and detection of
//! early responses.
//!
//! A success acknowledges a request only if its first byte arrived after the last byte of the request was sent. An error
//! response that arrives earlier stops the sending. A success that arrives earlier fails the exchange, and so do bytes that
//! arrive before the request.

mod failure;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use zeroize::Zeroize;

use super::channel::Channel;
use super::deadline::Deadlines;
use super::proxy::in_absolute_form;
use super::request_context::RequestContext;
use super::response::{Phase, ResponseReader};
use super::stopwatch::Stopwatch;
use super::transport_context::TransportContext;
use crate::active_time::ActiveInstant;
use crate::error::{Error, Kind, Result};
use crate::sync::Mutex;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, canceled};
use crate::sys::socket::{Interest, Ready, is_unreadable};
use crate::sys::wiping::WipedFrees;

/// An exchange that the payload reader above ureq and the adapter below ureq share. Both run on the thread inside the exchange.
pub(crate) type SharedExchange = Arc<Mutex<Exchange>>;

/// The maximum number of bytes received in one step.
const RECEIVE_CHUNK: usize = 8 << 10;

/// A connection and the exchange on it.
#[derive(Debug)]
pub(crate) struct Exchange {
    transport: Arc<TransportContext>,
    channel: Channel,
    /// Whether the last exchange left the connection reusable.
    is_persistent: bool,
    /// Whether a byte was received on the connection.
    has_received: bool,
    context: RequestContext,
    /// The time when the exchange first noticed the cancel.
    canceled_at: Option<ActiveInstant>,
    time: Stopwatch,
    deadlines: Deadlines,
    request: RequestProgress,
    reader: ResponseReader,
    /// The normalized response for ureq.
    response: Vec<u8>,
    /// The number of bytes of `response` that ureq has read.
    delivered: usize,
}

/// The progress of sending a request.
#[derive(Debug, Default)]
struct RequestProgress {
    /// The length of the payload.
    length: u64,
    /// The number of payload bytes that were sent.
    payload: u64,
    /// The number of payload bytes that `context.sent` counts.
    reported: u64,
    /// The number of payload bytes that were sent directly and that ureq will pass down next.
    bypassed: usize,
    /// The number of bytes that the socket had accepted before the request.
    start_offset: u64,
    /// The number of response bytes received when the last write of the request returned.
    received_at_end: Option<u64>,
    /// An error response was received, so the rest of the request is not sent.
    has_early_response: bool,
    /// The proxy forwards the request, whose request line was not sent yet.
    awaits_absolute_form: bool,
}

impl Exchange {
    /// Creates an exchange on a connected channel.
    pub(crate) fn new(transport: Arc<TransportContext>, channel: Channel, context: &RequestContext) -> Self {
        let deadlines = transport.deadlines(None, 0);
        Self {
            transport,
            channel,
            is_persistent: true,
            has_received: false,
            context: context.clone(),
            canceled_at: None,
            time: Stopwatch::new(),
            deadlines,
            request: RequestProgress::default(),
            reader: ResponseReader::default(),
            response: Vec::new(),
            delivered: 0,
        }
    }

    /// Begins the next exchange, with a payload of `length` bytes.
    pub(crate) fn begin(&mut self, context: &RequestContext, length: u64) {
        let (written, unacknowledged) = self.channel.written();
        let acknowledged = written.saturating_sub(unacknowledged);
        self.context = context.clone();
        self.canceled_at = None;
        self.time = Stopwatch::new();
        self.deadlines = self.transport.deadlines(context.response_timeout, acknowledged);
        let awaits_absolute_form = self.transport.forward_proxy().is_some();
        self.request =
            RequestProgress { length, start_offset: written, awaits_absolute_form, ..RequestProgress::default() };
        let _wiped = WipedFrees::begin();
        self.reader = ResponseReader::default();
        self.response = Vec::new();
        self.delivered = 0;
    }

    /// Whether the connection is encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        self.channel.is_tls()
    }

    /// Whether the last exchange left the connection open.
    pub(crate) fn is_persistent(&self) -> bool {
        self.is_persistent
    }

    /// Returns true if the connection can carry another request: the last exchange left it open, and since then the peer
    /// neither closed it nor sent anything.
    pub(crate) fn is_reusable(&mut self) -> bool {
        let is_idle = matches!(self.channel.receive(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        is_idle && self.is_persistent
    }

    /// Whether a byte of the request was sent.
    pub(crate) fn is_begun(&self) -> bool {
        self.channel.written().0 != self.request.start_offset
    }

    /// Whether ureq has received a byte of the response.
    pub(crate) fn has_delivered(&self) -> bool {
        self.delivered > 0
    }

    /// Whether an error response arrived before the request was sent completely.
    pub(crate) fn has_early_response(&self) -> bool {
        self.request.has_early_response
    }

    /// Fails if the exchange was canceled and its grace period has ended.
    pub(crate) fn check_cancel(&mut self) -> Result<()> {
        if !self.context.cancel.is_raised() {
            return Ok(());
        }
        let since = *self.canceled_at.get_or_insert_with(ActiveInstant::now);
        if since.elapsed() < self.context.grace { Ok(()) } else { Err(canceled()) }
    }

    /// Sends bytes from ureq. Sends nothing after an early response.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match std::mem::take(&mut self.request.bypassed) {
            0 if bytes.is_empty() => Ok(()),
            0 => self.send_head(bytes),
            bypassed if bypassed == bytes.len() => Ok(()),
            bypassed => {
                let text = format!("{bypassed} bytes of payload were sent, but ureq supplied {} bytes", bytes.len());
                Err(Error::new(Kind::Internal, text))
            }
        }
    }

    /// Sends a part of the head of the request. A proxy that forwards the request receives its target as an absolute URL.
    fn send_head(&mut self, bytes: &[u8]) -> Result<()> {
        let is_last = self.request.length == 0;
        let transport = Arc::clone(&self.transport);
        let proxy = transport.forward_proxy().filter(|_| std::mem::take(&mut self.request.awaits_absolute_form));
        let Some(proxy) = proxy else { return self.send_all(bytes, is_last) };
        let head = in_absolute_form(bytes, &transport.endpoint, proxy)
            .ok_or_else(|| Error::new(Kind::Internal, "ureq supplied an incomplete request line"))?;
        self.send_all(&head, is_last)
    }

    /// Sends payload from the source's own buffer. ureq then passes down the same number of bytes, whose content is ignored.
    pub(crate) fn send_payload(&mut self, bytes: &[u8]) -> Result<()> {
        self.request.bypassed += bytes.len();
        self.request.payload += bytes.len() as u64;
        // The time until now belongs to the source or the bandwidth limit, not to the connection.
        self.time.skip();
        self.send_all(bytes, self.request.payload == self.request.length)
    }

    /// Sends bytes. `is_last`: they end the request.
    fn send_all(&mut self, bytes: &[u8], is_last: bool) -> Result<()> {
        if self.request.has_early_response {
            return Ok(());
        }
        let mut rest = bytes;
        let mut ready = Ready { read: true, write: true };
        while !rest.is_empty() || self.channel.is_pending() {
            self.check_cancel()?;
            // Any write may be the last one of the request. Bytes received before it arrived before the end of the request.
            if ready.read || is_last {
                self.receive_early()?;
                if self.request.has_early_response {
                    return Ok(());
                }
            }
            match self.channel.send(rest) {
                Ok(accepted) => {
                    rest = rest.get(accepted..).unwrap_or_default();
                    ready.read = false;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready = self.wait(Interest::Both)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_unreadable(&error) => return Err(memory_unreadable(error)),
                // The peer has closed the connection. A response or an alert that it sent before can still be received.
                Err(error) => {
                    let received = self.receive_early();
                    self.check_order()?;
                    return match received {
                        _ if self.request.has_early_response => Ok(()),
                        Err(rejected) if rejected.kind() == Kind::Tls => Err(rejected),
                        _ => Err(self.lost("the connection was lost while the request was sent", error)),
                    };
                }
            }
        }
        if is_last {
            self.request.received_at_end = Some(self.reader.received());
        }
        self.record_progress();
        Ok(())
    }

    /// Receives, without waiting, bytes that arrive while the request is being sent. An error response stops the sending.
    fn receive_early(&mut self) -> Result<()> {
        while !self.request.has_early_response {
            match self.receive_some() {
                Ok(0) => return Err(self.closed("while the request was sent")),
                Ok(_) => self.request.has_early_response = self.reader.status().is_some(),
                Err(ReceiveError::WouldBlock) => return Ok(()),
                Err(ReceiveError::Lost(error)) => {
                    return Err(self.lost("the connection was lost while the request was sent", error));
                }
                Err(ReceiveError::Invalid(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Copies bytes of the normalized response to `buf`, for ureq. Receives the response first.
    pub(crate) fn receive(&mut self, buf: &mut [u8]) -> Result<usize> {
        let _wiped = WipedFrees::begin();
        if self.response.is_empty() {
            self.receive_response()?;
            self.is_persistent = self.reader.is_persistent() && self.request.received_at_end.is_some();
            self.response = self.reader.normalized().map_err(|error| self.parse_failed(error))?;
        }
        let left = self.response.get(self.delivered..).unwrap_or_default();
        let length = left.len().min(buf.len());
        for (to, from) in buf.iter_mut().zip(left) {
            *to = *from;
        }
        self.delivered += length;
        Ok(length)
    }

    /// Receives the response. It succeeds if the body is optional and only the body is missing.
    fn receive_response(&mut self) -> Result<()> {
        let outcome = self.receive_to_end();
        self.check_order()?;
        // An error within an optional body does not invalidate the response.
        if outcome.is_err() && self.reader.is_body_optional() && self.reader.end(false) { Ok(()) } else { outcome }
    }

    fn receive_to_end(&mut self) -> Result<()> {
        const LOST: &str = "the connection was lost before the end of the response";
        while self.reader.phase() != Phase::Complete {
            self.check_cancel()?;
            match self.receive_some() {
                Ok(0) if self.reader.end(true) => {}
                Ok(0) => return Err(self.closed("before the end of the response")),
                // A peer that sends without a pause never makes the exchange wait.
                Ok(_) if self.reader.phase() != Phase::Complete => _ = self.time_left(Interest::Read)?,
                Ok(_) => {}
                Err(ReceiveError::WouldBlock) => {
                    self.wait(Interest::Read)?;
                }
                Err(ReceiveError::Lost(error)) => return Err(self.lost(LOST, error)),
                Err(ReceiveError::Invalid(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Receives bytes of the response. Returns their number, or 0 if the peer closed the connection properly.
    fn receive_some(&mut self) -> std::result::Result<usize, ReceiveError> {
        // A response can contain secrets: keys in those of STS, and texts of the request in error messages.
        let _wiped = WipedFrees::begin();
        let mut buffer = [0; RECEIVE_CHUNK];
        let length = loop {
            match self.channel.receive(&mut buffer) {
                Ok(length) => break length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(ReceiveError::WouldBlock),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReceiveError::Lost(error)),
            }
        };
        self.has_received |= length > 0;
        let received = buffer.get_mut(..length).unwrap_or_default();
        let pushed = self.reader.push(received);
        received.zeroize();
        pushed.map_err(|error| ReceiveError::Invalid(self.parse_failed(error)))?;
        self.deadlines.receive(self.time.now(), self.reader.interim(), self.reader.phase());
        self.record_progress();
        self.check_order().map_err(ReceiveError::Invalid)?;
        Ok(length)
    }

    /// Fails if bytes arrived before the request, or a success before the end of the request.
    fn check_order(&self) -> Result<()> {
        if self.reader.received() > 0 && !self.is_begun() {
            return Err(self.out_of_order("the peer sent bytes before the request"));
        }
        let is_early = self.request.received_at_end.is_none_or(|received_at_end| self.reader.start() < received_at_end);
        match self.reader.status() {
            Some(status @ 200..300) if is_early => {
                let text = format!("the response {status} arrived before the request was sent completely");
                Err(self.out_of_order(&text).with_response(status, None, None))
            }
            _ => Ok(()),
        }
    }

    /// Waits until the socket is ready.
    ///
    /// # Errors
    /// `Timeout`, `Canceled`, `Network`.
    fn wait(&mut self, interest: Interest) -> Result<Ready> {
        loop {
            self.check_cancel()?;
            self.record_progress();
            let left = self.time_left(interest)?;
            match self.channel.socket().wait(interest, left.min(CANCEL_POLL_INTERVAL)) {
                Ok(Ready { read: false, write: false }) => {}
                Ok(ready) => return Ok(ready),
                Err(error) => return Err(self.lost("the connection was lost", error)),
            }
        }
    }

    /// Returns the time left until the next deadline.
    fn time_left(&mut self, interest: Interest) -> Result<Duration> {
        let optional = self.reader.status().filter(|_| self.reader.is_body_optional());
        let left = self.deadlines.time_left(self.time.now(), interest != Interest::Read, optional);
        left.map_err(|exceeded| self.transport.error(Kind::Timeout, exceeded))
    }

    /// Records the bytes that the peer has acknowledged since the last call.
    fn record_progress(&mut self) {
        let (written, unacknowledged) = self.channel.written();
        self.deadlines.acknowledge(self.time.now(), written, unacknowledged);
        let payload = self.request.payload.saturating_sub(unacknowledged);
        if let Some(new @ 1..) = payload.checked_sub(self.request.reported) {
            self.context.sent.fetch_add(new, Ordering::Relaxed);
            self.request.reported = payload;
        }
    }
}

/// Returns the error of memory that a program lent, and that is gone. No retry can succeed.
fn memory_unreadable(error: io::Error) -> Error {
    let text = "the memory of the part can no longer be read: it was unmapped, or its file was truncated";
    Error::new(Kind::SourceChanged, format!("{text} ({error})")).caused_by(error)
}

/// The reason why nothing was received.
enum ReceiveError {
    /// No bytes have arrived.
    WouldBlock,
    /// The connection was lost.
    Lost(io::Error),
    /// The bytes received are not a response to this request.
    Invalid(Error),
}
