//! Bytes in both directions over a socket, encrypted or not. Nothing here waits: what cannot be done at once fails with
//! `WouldBlock`, and [`Channel::wants`] says what to wait for.

use std::io::{self, IoSlice, Read, Write};

use rustls::ClientConnection;

use crate::sys::socket::{Interest, Socket};

/// A socket with or without TLS on it.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: Socket,
    tls: Option<Box<ClientConnection>>,
    /// Bytes that the socket took, encrypted ones where there is TLS.
    written: u64,
}

impl Channel {
    /// A channel over a connected socket. With TLS it still wants its handshake.
    pub(crate) fn new(socket: Socket, tls: Option<ClientConnection>) -> Self {
        Self { socket, tls: tls.map(Box::new), written: 0 }
    }

    /// The socket below, to wait on.
    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Whether bytes are encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Bytes that the socket took, and how many of them the peer has not acknowledged.
    pub(crate) fn written(&self) -> (u64, u64) {
        (self.written, self.socket.unacknowledged())
    }

    /// What TLS waits for in its handshake.
    pub(crate) fn wants(&self) -> Interest {
        if self.tls.as_ref().is_some_and(|tls| tls.wants_write()) { Interest::Write } else { Interest::Read }
    }

    /// Carries the handshake on, to its end.
    pub(crate) fn handshake(&mut self) -> io::Result<()> {
        loop {
            self.flush()?;
            let Some(tls) = self.tls.as_mut().filter(|tls| tls.is_handshaking()) else { return Ok(()) };
            if tls.read_tls(&mut &self.socket)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.decrypt()?;
        }
    }

    /// Sends bytes with at most one system call, and returns how many of them were taken. With TLS, some of what was taken
    /// may still be [pending](Self::is_pending): the next step sends that first.
    pub(crate) fn step(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return Counted(&self.socket, &mut self.written).write(bytes) };
        let taken = if tls.wants_write() { 0 } else { tls.writer().write(bytes)? };
        match tls.write_tls(&mut Counted(&self.socket, &mut self.written)) {
            Err(error) if taken == 0 || !is_retried(&error) => Err(error),
            _ => Ok(taken),
        }
    }

    /// Whether some of what was taken was not sent.
    pub(crate) fn is_pending(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Sends what is pending.
    fn flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut Counted(&self.socket, &mut self.written))?;
            }
        }
        Ok(())
    }

    /// Receives bytes; 0 is the peer's proper end.
    pub(crate) fn pull(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(tls) = &mut self.tls else { return (&self.socket).read(buf) };
            match tls.reader().read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
            tls.read_tls(&mut &self.socket)?;
            self.decrypt()?;
        }
    }

    fn decrypt(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        match tls.process_new_packets() {
            Ok(_) => Ok(()),
            Err(error) => {
                // The alert tells the peer why; whether it gets through changes nothing here.
                let _ = tls.write_tls(&mut &self.socket);
                Err(io::Error::new(io::ErrorKind::InvalidData, error))
            }
        }
    }
}

fn is_retried(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Counts what the socket takes.
struct Counted<'a>(&'a Socket, &'a mut u64);

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).inspect(|taken| *self.1 += *taken as u64)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(slices).inspect(|taken| *self.1 += *taken as u64)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
