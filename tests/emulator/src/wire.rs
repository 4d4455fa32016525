//! A connection's bytes: plain or TLS, read through one fixed buffer, and closed in the ways that a fault may ask for.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::stop::Stop;

/// The bytes read at once. Bodies pass through here and are held nowhere else.
const BUFFER: usize = 256 * 1024;

/// The server's end of a connection.
pub(crate) struct Wire {
    stream: Stream,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    /// Takes over an accepted connection. The handshake is part of the first read.
    pub(crate) fn new(tcp: TcpStream, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        let stream = match tls {
            None => Stream::Plain(tcp),
            Some(config) => {
                let session = ServerConnection::new(config).map_err(io::Error::other)?;
                Stream::Tls(Box::new(StreamOwned::new(session, tcp)))
            }
        };
        Ok(Self { stream, buffer: vec![0; BUFFER].into_boxed_slice(), start: 0, end: 0 })
    }

    /// What has been read and not yet taken.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Reads more behind what is pending. Zero is the end of the connection, or a full buffer.
    pub(crate) fn read_more(&mut self) -> io::Result<usize> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let read = self.stream.read(&mut self.buffer[self.end..])?;
        self.end += read;
        Ok(read)
    }

    /// Takes at least one and at most `most` bytes, waiting for them if there are none. None at all is the end.
    pub(crate) fn take(&mut self, most: u64) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.read_more()?;
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let from = self.start;
        self.start += most.min(self.end - from);
        Ok(&self.buffer[from..self.start])
    }

    /// Sends all of it.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(tcp) => tcp.write_all(bytes),
            Stream::Tls(tls) => {
                tls.write_all(bytes)?;
                tls.flush()
            }
        }
    }

    /// Closes in an orderly way. Where bytes of a body are still unread the system makes a reset of it, as it does for
    /// any server that answers early and closes.
    pub(crate) fn close(mut self) {
        if let Stream::Tls(tls) = &mut self.stream {
            tls.conn.send_close_notify();
            // Only what is to be said: flushing the stream would wait for a handshake that may never come. A client
            // that has gone has no use for it.
            while tls.conn.wants_write() && tls.conn.write_tls(&mut tls.sock).is_ok() {}
        }
        self.close_abruptly();
    }

    /// Closes the TCP connection without ending the TLS session.
    pub(crate) fn close_abruptly(self) {
        // The client may have closed it already.
        let _ = self.tcp().shutdown(std::net::Shutdown::Write);
    }

    /// Closes with a TCP reset.
    pub(crate) fn reset(self) -> io::Result<()> {
        socket2::SockRef::from(self.tcp()).set_linger(Some(Duration::ZERO))
    }

    /// Keeps the connection open and does nothing for so long, or until the emulator stops or the client is seen to
    /// have gone.
    pub(crate) fn hold(&self, stop: &Stop, at_most: Duration) {
        const LOOK: Duration = Duration::from_millis(50);
        let mut left = at_most;
        while !left.is_zero() && !stop.wait(left.min(LOOK)) && !self.client_has_gone() {
            left = left.saturating_sub(LOOK);
        }
    }

    /// Behind unread bytes the end of the connection cannot be seen, but a reset can.
    fn client_has_gone(&self) -> bool {
        let tcp = self.tcp();
        let peeked = tcp.set_nonblocking(true).and_then(|()| tcp.peek(&mut [0]));
        let blocking = tcp.set_nonblocking(false);
        let gone = match peeked {
            Ok(0) => true,
            Ok(_) => matches!(tcp.take_error(), Ok(Some(_))),
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        };
        gone || blocking.is_err()
    }

    fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => &tls.sock,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}
