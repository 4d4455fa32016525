//! One connection at work: sends and receives whole pieces, and while it waits looks at the watch of the exchange, at
//! the stall clock, and for an answer that comes before the request is all sent.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Watch;
use super::channel::Channel;
use super::transport::Site;
use crate::cancel::{LOOK_EVERY, canceled};
use crate::error::{Error, Kind, Result};
use crate::sys::socket::{Interest, Ready};

/// The connection, shared by what reads the payload above ureq and what moves bytes below it. All of them run on the
/// thread that is inside the exchange.
pub(crate) type SharedLine = Arc<Mutex<Line>>;

/// Looks at a shared line. A panic elsewhere leaves nothing half done in it that matters: its connection is dropped.
pub(crate) fn look(line: &Mutex<Line>) -> MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How much of an answer is taken in one look while the request is still being sent; the rest stays for later.
const EARLY: usize = 4 << 10;

/// A connection and the exchange on it.
#[derive(Debug)]
pub(crate) struct Line {
    site: Arc<Site>,
    channel: Channel,
    watch: Watch,
    /// When `watch.cancel` was first seen raised.
    canceled: Option<Instant>,
    /// An answer came before the request was all sent: the rest of it stays unsent.
    answered_early: bool,
    /// What came of that answer, until it is received.
    early: Vec<u8>,
    /// Bytes of payload that were sent already, and that ureq is about to hand down.
    ahead: usize,
    /// The first byte of the answer came.
    answering: bool,
    /// When a byte last moved, and how many had arrived then.
    moved: Instant,
    arrived: u64,
    /// Payload handed down in this exchange, and how much of it `watch.sent` knows.
    payload: u64,
    counted: u64,
}

impl Line {
    /// A line over a channel that is ready.
    pub(crate) fn new(site: Arc<Site>, channel: Channel, watch: &Watch) -> Self {
        Self {
            site,
            channel,
            watch: watch.clone(),
            canceled: None,
            answered_early: false,
            early: Vec::new(),
            ahead: 0,
            answering: false,
            moved: Instant::now(),
            arrived: 0,
            payload: 0,
            counted: 0,
        }
    }

    /// The next exchange begins.
    pub(crate) fn begin(&mut self, watch: &Watch) {
        self.watch = watch.clone();
        self.canceled = None;
        self.ahead = 0;
        self.answering = false;
        self.moved = Instant::now();
        self.payload = 0;
        self.counted = 0;
    }

    /// Whether bytes are encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        self.channel.is_tls()
    }

    /// Whether the next request may go out on it: the last one was sent whole, and the peer neither ended the
    /// connection nor said anything unasked.
    pub(crate) fn is_reusable(&mut self) -> bool {
        let quiet = matches!(self.channel.pull(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        quiet && !self.answered_early
    }

    /// Whether the rest of the request need not be sent any more.
    pub(crate) fn is_answered_early(&self) -> bool {
        self.answered_early
    }

    /// Fails once the exchange is canceled and its grace is over.
    pub(crate) fn check_cancel(&mut self) -> Result<()> {
        if !self.watch.cancel.is_raised() {
            return Ok(());
        }
        let since = *self.canceled.get_or_insert_with(Instant::now);
        if since.elapsed() < self.watch.grace { Ok(()) } else { Err(canceled()) }
    }

    /// Sends what ureq hands down, unless an answer came: from then on nothing more is sent.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match std::mem::take(&mut self.ahead) {
            0 => self.send_all(bytes),
            ahead if ahead == bytes.len() => Ok(()),
            ahead => {
                let text = format!("{ahead} bytes of payload were sent, and {} came behind them", bytes.len());
                Err(Error::new(Kind::Internal, text))
            }
        }
    }

    /// Sends payload from where it lies. It need not be copied for ureq, which hands down as many bytes next, of any content.
    pub(crate) fn send_payload(&mut self, bytes: &[u8]) -> Result<()> {
        self.ahead += bytes.len();
        self.payload += bytes.len() as u64;
        // How long they took to come, from the source or by the bandwidth limit, is no stall of the line.
        self.moved = Instant::now();
        self.send_all(bytes)
    }

    fn send_all(&mut self, bytes: &[u8]) -> Result<()> {
        if self.answered_early {
            return Ok(());
        }
        let mut rest = bytes;
        let mut ready = Ready { read: true, write: true };
        loop {
            self.check_cancel()?;
            if ready.read && self.is_answered()? {
                return Ok(());
            }
            let step = if rest.is_empty() { self.channel.flush().map(|()| 0) } else { self.channel.push(rest) };
            match step {
                Ok(_) if rest.is_empty() => {
                    self.count();
                    return Ok(());
                }
                Ok(taken) => {
                    rest = rest.get(taken..).unwrap_or_default();
                    self.moved = Instant::now();
                    ready.read = false;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready = self.wait(Interest::Both)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The peer has closed. What it said before that still lies in the socket.
                Err(error) => {
                    return match self.is_answered() {
                        Ok(true) => Ok(()),
                        _ => Err(self.lost("the connection was lost while the request was sent", error)),
                    };
                }
            }
        }
    }

    /// Receives into `buf`; 0 is the peer's end.
    pub(crate) fn receive(&mut self, buf: &mut [u8]) -> Result<usize> {
        if !self.early.is_empty() {
            let length = self.early.len().min(buf.len());
            for (byte, came) in buf.iter_mut().zip(self.early.drain(..length)) {
                *byte = came;
            }
            return Ok(length);
        }
        loop {
            self.check_cancel()?;
            match self.channel.pull(buf) {
                Ok(length) => {
                    self.moved = Instant::now();
                    self.answering |= length > 0;
                    self.count();
                    return Ok(length);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(Interest::Read)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.lost("the connection was lost before the end of the answer", error)),
            }
        }
    }

    /// Whether an answer has come already; waits for none.
    fn is_answered(&mut self) -> Result<bool> {
        let mut came = [0; EARLY];
        match self.channel.pull(&mut came) {
            Ok(0) => Err(self.closed("while the request was sent")),
            Ok(length) => {
                let answer = without_interim(came.get(..length).unwrap_or_default());
                self.early.extend_from_slice(answer);
                self.answered_early |= !answer.is_empty();
                self.answering |= self.answered_early;
                Ok(self.answered_early)
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(false),
            Err(error) => Err(self.lost("the connection was lost while the request was sent", error)),
        }
    }

    /// Waits until the socket is ready, or fails because nothing moved for too long, or because of a cancel.
    fn wait(&mut self, interest: Interest) -> Result<Ready> {
        loop {
            self.check_cancel()?;
            self.count();
            let limit = self.limit(interest);
            let left = limit.saturating_sub(self.moved.elapsed());
            if left.is_zero() {
                return Err(self.stalled(interest, limit));
            }
            match self.channel.socket().wait(interest, left.min(LOOK_EVERY)) {
                Ok(Ready { read: false, write: false }) => {}
                Ok(ready) => return Ok(ready),
                Err(error) => return Err(self.lost("the connection was lost", error)),
            }
        }
    }

    /// How long nothing may move.
    fn limit(&self, interest: Interest) -> Duration {
        let waits_for_answer = interest == Interest::Read && !self.answering;
        let answer_timeout = self.watch.answer_timeout.filter(|_| waits_for_answer);
        answer_timeout.unwrap_or(self.site.settings.stall_timeout)
    }

    /// Notes what has arrived since the last look. The clock starts anew with it, so that a slow line that drains the
    /// kernel's buffer is no stall, and the wait for the answer begins when the request is there.
    fn count(&mut self) {
        let (written, unacknowledged) = self.channel.written();
        let arrived = written.saturating_sub(unacknowledged);
        if arrived > self.arrived {
            self.moved = Instant::now();
            self.arrived = arrived;
        }
        let payload = self.payload.saturating_sub(unacknowledged);
        if let Some(new @ 1..) = payload.checked_sub(self.counted) {
            self.watch.sent.fetch_add(new, Ordering::Relaxed);
            self.counted = payload;
        }
    }

    fn stalled(&self, interest: Interest, limit: Duration) -> Error {
        let what = match (interest, self.answering) {
            (Interest::Read, false) => "no answer came",
            (Interest::Read, true) => "nothing more of the answer came",
            (Interest::Write | Interest::Both, _) => "nothing of the request could be sent",
        };
        Error::new(Kind::Timeout, format!("{}: {what} for {limit:?}", self.site.address))
    }

    fn closed(&self, when: &str) -> Error {
        Error::new(Kind::Network, format!("{}: the peer closed the connection {when}", self.site.address))
    }

    fn lost(&self, what: &str, error: io::Error) -> Error {
        Error::new(Kind::Network, format!("{}: {what}: {error}", self.site.address)).caused_by(error)
    }
}

/// What came, without the interim answers (1xx) that it begins with: they do not say what becomes of the request.
fn without_interim(mut came: &[u8]) -> &[u8] {
    while came.starts_with(b"HTTP/1.1 1")
        && let Some(end) = came.windows(4).position(|four| four == b"\r\n\r\n")
    {
        came = came.get(end + 4..).unwrap_or_default();
    }
    came
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::http::{Endpoint, Settings};
    use crate::sys::socket::Socket;

    #[test]
    fn the_time_until_there_is_payload_is_no_stall() {
        const MINUTE: Duration = Duration::from_secs(60);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let settings = Settings {
            endpoint: Endpoint::parse(&format!("http://{address}")).unwrap(),
            user_agent: String::new(),
            ca_pem: None,
            connect_timeout: MINUTE,
            stall_timeout: MINUTE,
        };
        let site = Site::new(settings, Arc::new(crate::http::SystemResolver)).unwrap();
        let channel = Channel::new(Socket::connect(address).unwrap(), None);
        let mut line = Line::new(Arc::new(site), channel, &Watch::default());
        line.moved = Instant::now().checked_sub(2 * MINUTE).unwrap();
        assert_eq!(line.wait(Interest::Write).unwrap_err().kind(), Kind::Timeout);
        line.send_payload(b"1").unwrap();
        assert!(line.wait(Interest::Write).unwrap().write);
    }

    #[test]
    fn interim_answers_are_no_answers() {
        for (came, left) in [
            ("HTTP/1.1 100 Continue\r\n\r\n", ""),
            ("HTTP/1.1 102 Processing\r\nA: b\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n", ""),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 Forbidden\r\n", "HTTP/1.1 403 Forbidden\r\n"),
            ("HTTP/1.1 403 Forbidden\r\n\r\n", "HTTP/1.1 403 Forbidden\r\n\r\n"),
            ("HTTP/1.1 1", "HTTP/1.1 1"),
        ] {
            let answer = without_interim(came.as_bytes());
            assert_eq!(std::str::from_utf8(answer).unwrap(), left, "{came:?}");
        }
    }
}
