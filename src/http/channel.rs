//! A byte channel over a nonblocking socket, with or without TLS. An operation that would block fails with `WouldBlock`, and
//! [`Channel::wants`] returns what to wait for.
//!
//! TLS runs over another channel. Through an `https` proxy there are two sessions: TLS to the endpoint over TLS to the proxy.

use std::io::{self, IoSlice, Read, Write};

use rustls::ClientConnection;

use crate::sys::socket::{Interest, Socket};

/// A socket, or a TLS session over another channel.
#[derive(Debug)]
pub(crate) enum Channel {
    Plain(PlainChannel),
    Tls(Box<TlsChannel>),
}

/// A socket without TLS.
#[derive(Debug)]
pub(crate) struct PlainChannel {
    socket: Socket,
    /// The number of bytes that the socket accepted.
    written: u64,
}

/// A TLS session over another channel.
#[derive(Debug)]
pub(crate) struct TlsChannel {
    session: ClientConnection,
    below: Channel,
}

impl Channel {
    /// Creates a channel without TLS over a connected socket.
    pub(crate) fn new(socket: Socket) -> Self {
        Self::Plain(PlainChannel { socket, written: 0 })
    }

    /// Starts a TLS session over this channel. The [handshake](Self::handshake) is still to do. `received`: bytes of the
    /// session that were already received.
    ///
    /// # Errors
    /// `InvalidData` if `received` is not TLS.
    pub(crate) fn start_tls(self, session: ClientConnection, received: &[u8]) -> io::Result<Self> {
        let mut channel = TlsChannel { session, below: self };
        let mut received = received;
        while !received.is_empty() {
            channel.session.read_tls(&mut received)?;
            channel.decrypt()?;
        }
        Ok(Self::Tls(Box::new(channel)))
    }

    /// Returns the socket, to wait on.
    pub(crate) fn socket(&self) -> &Socket {
        &self.plain().socket
    }

    /// Whether bytes are encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Returns the number of bytes that the socket accepted, and how many of them the peer has not acknowledged. With TLS
    /// they are encrypted.
    pub(crate) fn written(&self) -> (u64, u64) {
        let plain = self.plain();
        (plain.written, plain.socket.unacknowledged())
    }

    fn plain(&self) -> &PlainChannel {
        match self {
            Self::Plain(plain) => plain,
            Self::Tls(tls) => tls.below.plain(),
        }
    }

    /// Returns what the TLS handshake waits for.
    pub(crate) fn wants(&self) -> Interest {
        if self.is_pending() { Interest::Write } else { Interest::Read }
    }

    /// Continues the TLS handshake until it is complete.
    pub(crate) fn handshake(&mut self) -> io::Result<()> {
        loop {
            self.flush()?;
            let Self::Tls(tls) = self else { return Ok(()) };
            if !tls.session.is_handshaking() {
                return Ok(());
            }
            if tls.session.read_tls(&mut tls.below)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            tls.decrypt()?;
        }
    }

    /// Sends bytes with at most one system call. Returns the number of bytes accepted. With TLS, accepted bytes may still be
    /// [pending](Self::is_pending): the next call sends them first.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    /// Returns true if accepted bytes are not sent yet.
    pub(crate) fn is_pending(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.session.wants_write() || tls.below.is_pending(),
        }
    }

    /// Receives bytes. Returns 0 if the peer closed the connection properly.
    pub(crate) fn receive(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read(buf)
    }
}

impl Read for Channel {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let tls = match self {
            Self::Plain(plain) => return (&plain.socket).read(buf),
            Self::Tls(tls) => tls,
        };
        loop {
            match tls.session.reader().read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
            tls.session.read_tls(&mut tls.below)?;
            tls.decrypt()?;
        }
    }
}

impl Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(plain) => plain.count(|socket| (&*socket).write(bytes)),
            Self::Tls(tls) => tls.send(|session| session.writer().write(bytes)),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(plain) => plain.count(|socket| (&*socket).write_vectored(slices)),
            Self::Tls(tls) => tls.send(|session| session.writer().write_vectored(slices)),
        }
    }

    /// Sends pending bytes.
    fn flush(&mut self) -> io::Result<()> {
        let Self::Tls(tls) = self else { return Ok(()) };
        while tls.session.wants_write() {
            tls.session.write_tls(&mut tls.below)?;
        }
        tls.below.flush()
    }
}

impl PlainChannel {
    /// Writes to the socket, and counts the bytes that it accepts.
    fn count(&mut self, write: impl FnOnce(&Socket) -> io::Result<usize>) -> io::Result<usize> {
        write(&self.socket).inspect(|accepted| self.written += *accepted as u64)
    }
}

impl TlsChannel {
    /// Encrypts bytes unless earlier ones are pending, and sends what is pending.
    fn send(&mut self, encrypt: impl FnOnce(&mut ClientConnection) -> io::Result<usize>) -> io::Result<usize> {
        let is_pending = self.session.wants_write() || self.below.is_pending();
        let accepted = if is_pending { 0 } else { encrypt(&mut self.session)? };
        match self.send_pending() {
            Err(error) if accepted == 0 || !is_retried(&error) => Err(error),
            _ => Ok(accepted),
        }
    }

    /// Sends pending bytes with at most one system call.
    fn send_pending(&mut self) -> io::Result<usize> {
        if self.session.wants_write() {
            return self.session.write_tls(&mut self.below);
        }
        if self.below.is_pending() { self.below.write(&[]) } else { Ok(0) }
    }

    fn decrypt(&mut self) -> io::Result<()> {
        match self.session.process_new_packets() {
            Ok(_) => Ok(()),
            Err(error) => {
                // The alert tells the peer the reason. A failure to send it changes nothing here.
                let _ = self.session.write_tls(&mut self.below);
                let _ = self.below.flush();
                Err(io::Error::new(io::ErrorKind::InvalidData, error))
            }
        }
    }
}

fn is_retried(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
