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

    /// That many bytes of payload are about to be sent. How long they took to come, from the source or by the bandwidth
    /// limit, is no stall of the line.
    pub(crate) fn add_payload(&mut self, bytes: usize) {
        self.moved = Instant::now();
        self.payload += bytes as u64;
    }

    /// Fails once the exchange is canceled and its grace is over.
    pub(crate) fn check_cancel(&mut self) -> Result<()> {
        if !self.watch.cancel.is_raised() {
            return Ok(());
        }
        let since = *self.canceled.get_or_insert_with(Instant::now);
        if since.elapsed() < self.watch.grace { Ok(()) } else { Err(canceled()) }
    }

    /// Sends all of `bytes`, unless an answer comes first: then it puts the answer's beginning into `answer` and returns
    /// its length, and from then on sends nothing more. Otherwise it returns 0.
    pub(crate) fn send(&mut self, bytes: &[u8], answer: &mut [u8]) -> Result<usize> {
        if self.answered_early {
            return Ok(0);
        }
        let mut rest = bytes;
        let mut ready = Ready { read: true, write: true };
        loop {
            self.check_cancel()?;
            if ready.read {
                let length = self.early_answer(answer)?;
                if length > 0 {
                    return Ok(length);
                }
            }
            let step = if rest.is_empty() { self.channel.flush().map(|()| 0) } else { self.channel.push(rest) };
            match step {
                Ok(_) if rest.is_empty() => {
                    self.count();
                    return Ok(0);
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
                    return match self.early_answer(answer) {
                        Ok(length) if length > 0 => Ok(length),
                        _ => Err(self.lost("the connection was lost while the request was sent", error)),
                    };
                }
            }
        }
    }

    /// Receives into `buf`; 0 is the peer's end.
    pub(crate) fn receive(&mut self, buf: &mut [u8]) -> Result<usize> {
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

    /// Looks for an answer without waiting for it.
    fn early_answer(&mut self, answer: &mut [u8]) -> Result<usize> {
        match self.channel.pull(answer) {
            Ok(0) => Err(self.closed("while the request was sent")),
            Ok(length) => {
                let length = drop_interim(answer, length);
                self.answered_early |= length > 0;
                self.answering |= length > 0;
                Ok(length)
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(0),
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

/// Takes interim answers (1xx) off the beginning of what came, and returns the length of what remains: they do not say
/// what becomes of the request.
fn drop_interim(answer: &mut [u8], mut length: usize) -> usize {
    while let Some(came) = answer.get(..length)
        && came.starts_with(b"HTTP/1.1 1")
        && let Some(end) = came.windows(4).position(|four| four == b"\r\n\r\n")
    {
        answer.copy_within(end + 4..length, 0);
        length -= end + 4;
    }
    length
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
        let site = Site { settings, address: address.to_string(), tls: None, config: ureq::config::Config::default() };
        let channel = Channel::new(Socket::connect(address).unwrap(), None);
        let mut line = Line::new(Arc::new(site), channel, &Watch::default());
        line.moved = Instant::now().checked_sub(2 * MINUTE).unwrap();
        assert_eq!(line.wait(Interest::Write).unwrap_err().kind(), Kind::Timeout);
        line.add_payload(1);
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
            let mut answer = came.as_bytes().to_vec();
            let length = drop_interim(&mut answer, came.len());
            assert_eq!(std::str::from_utf8(&answer[..length]).unwrap(), left, "{came:?}");
        }
    }
}
