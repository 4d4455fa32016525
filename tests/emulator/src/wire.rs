//! The byte stream of a connection, plain or TLS: reads through one fixed buffer, and each way to close it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::stop::Stop;

/// The size of the read buffer. No other buffer holds bytes of a body.
const BUFFER: usize = 256 * 1024;

/// The server side of a connection.
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
    /// Takes over an accepted connection. The first read performs the TLS handshake.
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

    /// The bytes that have been read but not taken.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Reads more bytes after the pending ones. Zero means the end of the connection, or a full buffer.
    pub(crate) fn read_more(&mut self) -> io::Result<usize> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let read = self.stream.read(&mut self.buffer[self.end..])?;
        self.end += read;
        Ok(read)
    }

    /// Takes between 1 and `most` bytes. Blocks if none are pending. An empty result means the end of the connection.
    pub(crate) fn take(&mut self, most: u64) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.read_more()?;
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let from = self.start;
        self.start += most.min(self.end - from);
        Ok(&self.buffer[from..self.start])
    }

    /// Sends all bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(tcp) => tcp.write_all(bytes),
            Stream::Tls(tls) => {
                tls.write_all(bytes)?;
                tls.flush()
            }
        }
    }

    /// Closes the connection in order. If bytes of a body are unread, the system sends a reset instead, as for any server
    /// that responds early and closes.
    pub(crate) fn close(mut self) {
        if let Stream::Tls(tls) = &mut self.stream {
            tls.conn.send_close_notify();
            // Writes only pending TLS data: flushing the stream could wait for a handshake that never finishes. A failed
            // write means that the client has closed the connection.
            while tls.conn.wants_write() && tls.conn.write_tls(&mut tls.sock).is_ok() {}
        }
        self.close_abruptly();
    }

    /// Closes the TCP connection without ending the TLS session.
    pub(crate) fn close_abruptly(self) {
        // This fails if the client has already closed the connection.
        let _ = self.tcp().shutdown(std::net::Shutdown::Write);
    }

    /// Closes the connection with a TCP reset.
    pub(crate) fn reset(self) -> io::Result<()> {
        socket2::SockRef::from(self.tcp()).set_linger(Some(Duration::ZERO))
    }

    /// Keeps the connection open without reading or sending, until the time is over, the emulator stops or the client
    /// closes the connection.
    pub(crate) fn hold(&self, stop: &Stop, at_most: Duration) {
        const LOOK: Duration = Duration::from_millis(50);
        let mut left = at_most;
        while !left.is_zero() && !stop.wait(left.min(LOOK)) && !self.client_has_gone() {
            left = left.saturating_sub(LOOK);
        }
    }

    /// If unread bytes are pending, this detects a reset but not an orderly close.
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
