//! The body of an HTTP request, read and hashed in pieces.

use std::io;
use std::time::Instant;

use crate::hash::{Digest, Hasher};
use crate::head::Head;
use crate::read_rate::ReadRate;
use crate::stop::Stop;
use crate::wire::Wire;

/// The body of a request. It is read from the connection on demand and never held as a whole.
pub(crate) struct Body<'a> {
    wire: &'a mut Wire,
    stop: &'a Stop,
    remaining: u64,
    read: u64,
    must_send_continue: bool,
    rate: Option<(ReadRate, Instant)>,
    hooks: Vec<Hook<'a>>,
    hasher: Option<Hasher>,
    hashes: Option<(Digest, Digest)>,
}

type HookFn<'a> = Box<dyn FnOnce(&mut Wire) -> io::Result<()> + 'a>;

/// A function that runs after a number of bytes of the body.
struct Hook<'a> {
    after_bytes: u64,
    /// Whether it runs only until the response is sent.
    precedes_response: bool,
    run: HookFn<'a>,
}

impl<'a> Body<'a> {
    /// The body that follows `head` on `wire`.
    pub(crate) fn new(wire: &'a mut Wire, stop: &'a Stop, head: &Head, length: u64) -> Self {
        Self {
            wire,
            stop,
            remaining: length,
            read: 0,
            must_send_continue: length > 0 && head.expects_continue(),
            rate: None,
            hooks: Vec::new(),
            hasher: None,
            hashes: None,
        }
    }

    /// Hashes all bytes that are read from now on.
    pub(crate) fn hash(&mut self) {
        self.hasher = Some(Hasher::default());
    }

    /// Returns the linear hash and the tree hash after the last byte. `None` for an empty body, or without
    /// [`Self::hash`].
    pub(crate) fn hashes(&self) -> Option<(Digest, Digest)> {
        self.hashes
    }

    /// The number of bytes not yet read.
    pub(crate) fn remaining(&self) -> u64 {
        self.remaining
    }

    /// The number of bytes read.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.read
    }

    /// Whether the client still waits for `100 Continue`.
    pub(crate) fn is_awaiting_continue(&self) -> bool {
        self.must_send_continue
    }

    /// Limits the read rate from now on.
    pub(crate) fn slow_down(&mut self, bytes_per_second: u64) {
        self.rate = Some((ReadRate::new(bytes_per_second.max(1)), Instant::now()));
    }

    /// Runs `hook` after this many bytes. `None`, or a number above the length, means after the last byte.
    /// `precedes_response`: it does not run after [`Self::response_sent`].
    pub(crate) fn add_hook(
        &mut self,
        after_bytes: Option<u64>,
        precedes_response: bool,
        hook: impl FnOnce(&mut Wire) -> io::Result<()> + 'a,
    ) {
        let after_bytes = after_bytes.unwrap_or(u64::MAX).min(self.read + self.remaining);
        self.hooks.push(Hook { after_bytes, precedes_response, run: Box::new(hook) });
        self.hooks.sort_by_key(|hook| hook.after_bytes);
    }

    /// Removes the hooks that precede the response.
    pub(crate) fn response_sent(&mut self) {
        self.hooks.retain(|hook| !hook.precedes_response);
    }

    /// The connection, on which the response is sent.
    pub(crate) fn wire(&mut self) -> &mut Wire {
        self.wire
    }

    /// Reads the next piece. Returns `None` at the end of the body.
    pub(crate) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.next_up_to(u64::MAX)
    }

    /// Reads and discards this many bytes, or the rest of the body if it is shorter.
    pub(crate) fn skip(&mut self, mut bytes: u64) -> io::Result<()> {
        while let Some(piece) = self.next_up_to(bytes)? {
            bytes -= piece.len() as u64;
        }
        Ok(())
    }

    fn next_up_to(&mut self, limit: u64) -> io::Result<Option<&[u8]>> {
        while self.hooks.first().is_some_and(|hook| hook.after_bytes <= self.read) {
            (self.hooks.remove(0).run)(self.wire)?;
        }
        let to_next_hook = self.hooks.first().map_or(u64::MAX, |hook| hook.after_bytes - self.read);
        let mut limit = limit.min(self.remaining).min(to_next_hook);
        if limit == 0 {
            return Ok(None);
        }
        if std::mem::take(&mut self.must_send_continue) {
            self.wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        if let Some((rate, _)) = &self.rate {
            limit = limit.min(rate.max_read());
        }
        let piece = self.wire.take(limit)?;
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.remaining -= piece.len() as u64;
        self.read += piece.len() as u64;
        if let Some((rate, began)) = &mut self.rate {
            self.stop.wait(rate.wait(piece.len() as u64, began.elapsed(), self.remaining == 0));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(piece);
        }
        if self.remaining == 0 {
            self.hashes = self.hasher.take().map(Hasher::finish);
        }
        Ok(Some(piece))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn runs_hooks_between_the_bytes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(&[7; 30]).unwrap();
        let mut wire = Wire::new(listener.accept().unwrap().0, None).unwrap();
        let (stop, seen) = (Stop::default(), RefCell::new(Vec::new()));
        let head = Head::parse(b"PUT / HTTP/1.1\r\n\r\n").unwrap().unwrap().0;
        let mut body = Body::new(&mut wire, &stop, &head, 30);
        for (after_bytes, name) in [(None, "end"), (Some(99), "beyond"), (Some(20), "20"), (Some(0), "0")] {
            let seen = &seen;
            body.add_hook(after_bytes, false, move |_| {
                seen.borrow_mut().push(name);
                Ok(())
            });
        }
        body.skip(20).unwrap();
        assert_eq!(*seen.borrow(), ["0", "20"]);
        body.add_hook(Some(25), false, |_| {
            seen.borrow_mut().push("25");
            Ok(())
        });
        assert_eq!(body.next().unwrap(), Some(&[7; 5][..]));
        assert_eq!(*seen.borrow(), ["0", "20"]);
        assert_eq!(body.next().unwrap(), Some(&[7; 5][..]));
        assert_eq!(body.next().unwrap(), None);
        assert_eq!(*seen.borrow(), ["0", "20", "25", "end", "beyond"]);
    }
}
