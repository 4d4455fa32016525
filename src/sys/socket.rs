//! A non-blocking TCP socket. Connecting, sending and receiving return at once; [`Socket::wait`] waits until the socket is
//! ready. The descriptor is closed on exec, and a lost peer raises no SIGPIPE.
#![allow(unsafe_code)] // std and socket2 have neither poll nor ioctl.

use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use libc::c_int;
use socket2::{Domain, Protocol, TcpKeepalive, Type};

use super::descriptor::above_standard_streams;

/// The idle time before the kernel sends a TCP keepalive probe. Some responses take many minutes. Only the probes detect
/// a peer that disappears meanwhile, and they keep NAT mappings open.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// The flag of `send` that suppresses SIGPIPE. On Apple systems it is a socket option, which socket2 sets.
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: c_int = 0;
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: c_int = libc::MSG_NOSIGNAL;

/// Returns whether a write failed because the memory to be sent cannot be read.
pub(crate) fn is_unreadable(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EFAULT)
}

/// A non-blocking TCP socket. Reads and writes fail with `WouldBlock` instead of waiting.
#[derive(Debug)]
pub(crate) struct Socket(socket2::Socket);

/// The event to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Data to read, or the end of the stream.
    Read,
    /// Space in the send buffer.
    Write,
    /// Either.
    Both,
}

/// The result of a wait. An error or hangup sets both flags: the next read or write returns the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Socket {
    /// Starts to connect. When the socket is ready to write, [`Socket::connect_result`] returns the result.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        let socket = above_standard_streams(socket)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
        match socket.connect(&address.into()) {
            Err(error) if !in_progress(&error) => Err(error),
            _ => Ok(Self(socket)),
        }
    }

    /// Fails if the process or the system cannot open two more sockets.
    pub(crate) fn check_resources() -> io::Result<()> {
        let socket = || socket2::Socket::new(Domain::IPV4, Type::DGRAM, None);
        let (_one, _two) = (socket()?, socket()?);
        Ok(())
    }

    /// Returns the result of connecting.
    pub(crate) fn connect_result(&self) -> io::Result<()> {
        self.0.take_error()?.map_or(Ok(()), Err)
    }

    /// Waits until the socket is ready, for at most `limit`. A signal ends the wait.
    pub(crate) fn wait(&self, interest: Interest, limit: Duration) -> io::Result<Ready> {
        let events = match interest {
            Interest::Read => libc::POLLIN,
            Interest::Write => libc::POLLOUT,
            Interest::Both => libc::POLLIN | libc::POLLOUT,
        };
        let mut entries = [libc::pollfd { fd: self.0.as_raw_fd(), events, revents: 0 }];
        poll(&mut entries, limit)?;
        let [entry] = entries;
        let failed = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;
        Ok(Ready {
            read: entry.revents & (libc::POLLIN | failed) != 0,
            write: entry.revents & (libc::POLLOUT | failed) != 0,
        })
    }

    /// Returns the number of sent bytes that the peer has not acknowledged. The kernel buffers megabytes. Returns 0 if the
    /// system does not report the number.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn unacknowledged(&self) -> u64 {
        let mut bytes: c_int = 0;
        // SAFETY: this request stores one int through the pointer, which is valid for it.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
        if result == 0 { u64::try_from(bytes).unwrap_or(0) } else { 0 }
    }

    /// Returns 0: this system does not report the number of unacknowledged bytes.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn unacknowledged(&self) -> u64 {
        0
    }
}

/// Waits until one of the sockets has connected or failed, for at most `limit`. A signal ends the wait. Returns for each
/// socket, in order, whether its [`Socket::connect_result`] is available.
pub(crate) fn wait_connected<'a>(sockets: impl Iterator<Item = &'a Socket>, limit: Duration) -> io::Result<Vec<bool>> {
    let entry = |socket: &Socket| libc::pollfd { fd: socket.0.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    let mut entries: Vec<_> = sockets.map(entry).collect();
    poll(&mut entries, limit)?;
    Ok(entries.iter().map(|entry| entry.revents != 0).collect())
}

/// Polls the descriptors of `entries`, which the caller keeps open. After a signal, no descriptor is ready.
fn poll(entries: &mut [libc::pollfd], limit: Duration) -> io::Result<()> {
    // At least 1 ms: a timeout of 0 would make the last wait before a deadline a busy loop.
    let millis = c_int::try_from(limit.as_millis().max(1)).unwrap_or(c_int::MAX);
    let count = libc::nfds_t::try_from(entries.len()).map_err(io::Error::other)?;
    // SAFETY: `entries` is valid for `count` pollfds and exclusively borrowed.
    let result = unsafe { libc::poll(entries.as_mut_ptr(), count, millis) };
    if result >= 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        _ => Err(error),
    }
}

impl Read for &Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buf)
    }
}

impl Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send_with_flags(bytes, NO_SIGNAL)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.send_vectored_with_flags(slices, NO_SIGNAL)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn in_progress(error: &io::Error) -> bool {
    // An interrupted connect continues in the background.
    error.raw_os_error() == Some(libc::EINPROGRESS)
        || matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
