//! A byte channel over a nonblocking socket, with or without TLS. An operation that would block fails with `WouldBlock`, and
//! [`Channel::wants`] returns what to wait for.

use std::io::{self, IoSlice, Read, Write};

use rustls::ClientConnection;

use crate::sys::socket::{Interest, Socket};

/// A socket with or without TLS.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: Socket,
    tls: Option<Box<ClientConnection>>,
    /// The number of bytes that the socket accepted. With TLS they are encrypted.
    written: u64,
}

impl Channel {
    /// Creates a channel over a connected socket. With TLS, the handshake is still to do.
    pub(crate) fn new(socket: Socket, tls: Option<ClientConnection>) -> Self {
        Self { socket, tls: tls.map(Box::new), written: 0 }
    }

    /// Returns the socket, to wait on.
    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Whether bytes are encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Returns the number of bytes that the socket accepted, and how many of them the peer has not acknowledged.
    pub(crate) fn written(&self) -> (u64, u64) {
        (self.written, self.socket.unacknowledged())
    }

    /// Returns what the TLS handshake waits for.
    pub(crate) fn wants(&self) -> Interest {
        if self.tls.as_ref().is_some_and(|tls| tls.wants_write()) { Interest::Write } else { Interest::Read }
    }

    /// Continues the TLS handshake until it is complete.
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

    /// Sends bytes with at most one system call. Returns the number of bytes accepted. With TLS, accepted bytes may still be
    /// [pending](Self::is_pending): the next call sends them first.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return CountingWriter(&self.socket, &mut self.written).write(bytes) };
        let accepted = if tls.wants_write() { 0 } else { tls.writer().write(bytes)? };
        match tls.write_tls(&mut CountingWriter(&self.socket, &mut self.written)) {
            Err(error) if accepted == 0 || !is_retried(&error) => Err(error),
            _ => Ok(accepted),
        }
    }

    /// Returns true if accepted bytes are not sent yet.
    pub(crate) fn is_pending(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Sends pending bytes.
    fn flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut CountingWriter(&self.socket, &mut self.written))?;
            }
        }
        Ok(())
    }

    /// Receives bytes. Returns 0 if the peer closed the connection properly.
    pub(crate) fn receive(&mut self, buf: &mut [u8]) -> io::Result<usize> {
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
                // The alert tells the peer the reason. A failure to send it changes nothing here.
                let _ = tls.write_tls(&mut &self.socket);
                Err(io::Error::new(io::ErrorKind::InvalidData, error))
            }
        }
    }
}

fn is_retried(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Counts the bytes that a socket accepts.
struct CountingWriter<'a>(&'a Socket, &'a mut u64);

impl Write for CountingWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).inspect(|accepted| *self.1 += *accepted as u64)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(slices).inspect(|accepted| *self.1 += *accepted as u64)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
