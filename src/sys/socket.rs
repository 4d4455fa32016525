//! A TCP socket that never blocks: connecting, sending and receiving return at once, and [`Socket::wait`] says how long
//! to wait for more. Its descriptor is closed on exec, and a lost peer raises no SIGPIPE.
#![allow(unsafe_code)] // poll and ioctl have no safe face in std or socket2.

use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use libc::c_int;
use socket2::{Domain, Protocol, TcpKeepalive, Type};

/// How long a connection may be silent before the kernel asks the peer whether it is still there. Some answers take
/// many minutes, and nothing else would notice a peer that vanished meanwhile, or keep the way through a NAT open.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// What the peer of a plain `send` must not do to the process. Apple has it as a socket option, which socket2 sets.
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: c_int = 0;
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: c_int = libc::MSG_NOSIGNAL;

/// The socket. Reading and writing it fails with `WouldBlock` instead of waiting.
#[derive(Debug)]
pub(crate) struct Socket(socket2::Socket);

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Something to read, or the peer's end.
    Read,
    /// Room to write.
    Write,
    /// Either.
    Both,
}

/// What a wait found. An error or a hangup counts as both: whoever reads or writes next finds out which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Socket {
    /// Starts to connect. Once the socket is ready to write, [`Socket::connect_result`] tells how it went.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
        match socket.connect(&address.into()) {
            Err(error) if !in_progress(&error) => Err(error),
            _ => Ok(Self(socket)),
        }
    }

    /// Fails if the process or the system has no descriptor for two more sockets.
    pub(crate) fn check_resources() -> io::Result<()> {
        let socket = || socket2::Socket::new(Domain::IPV4, Type::DGRAM, None);
        let (_one, _two) = (socket()?, socket()?);
        Ok(())
    }

    /// How connecting went.
    pub(crate) fn connect_result(&self) -> io::Result<()> {
        self.0.take_error()?.map_or(Ok(()), Err)
    }

    /// Waits until the socket is ready, or the limit has passed, or a signal came.
    pub(crate) fn wait(&self, interest: Interest, limit: Duration) -> io::Result<Ready> {
        let events = match interest {
            Interest::Read => libc::POLLIN,
            Interest::Write => libc::POLLOUT,
            Interest::Both => libc::POLLIN | libc::POLLOUT,
        };
        let mut entries = [libc::pollfd { fd: self.0.as_raw_fd(), events, revents: 0 }];
        poll(&mut entries, limit)?;
        let [entry] = entries;
        let trouble = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;
        Ok(Ready {
            read: entry.revents & (libc::POLLIN | trouble) != 0,
            write: entry.revents & (libc::POLLOUT | trouble) != 0,
        })
    }

    /// How many of the bytes sent the peer has not acknowledged: the kernel takes megabytes ahead of the wire.
    /// Where the system does not tell, none.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn unacknowledged(&self) -> u64 {
        let mut bytes: c_int = 0;
        // SAFETY: this request stores one int behind the pointer, which is valid for it.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
        if result == 0 { u64::try_from(bytes).unwrap_or(0) } else { 0 }
    }

    /// How many of the bytes sent the peer has not acknowledged: this system does not tell.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn unacknowledged(&self) -> u64 {
        0
    }
}

/// Waits until one of the sockets is connected or has failed, or the limit has passed, or a signal came. Returns for each
/// socket, in their order, whether [`Socket::connect_result`] can tell how connecting went.
pub(crate) fn wait_connected<'a>(sockets: impl Iterator<Item = &'a Socket>, limit: Duration) -> io::Result<Vec<bool>> {
    let entry = |socket: &Socket| libc::pollfd { fd: socket.0.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    let mut entries: Vec<_> = sockets.map(entry).collect();
    poll(&mut entries, limit)?;
    Ok(entries.iter().map(|entry| entry.revents != 0).collect())
}

/// Polls the descriptors of `entries`, which the caller keeps open. A signal ends the wait with nothing ready.
fn poll(entries: &mut [libc::pollfd], limit: Duration) -> io::Result<()> {
    // At least a millisecond: zero would make the last wait before a deadline a busy one.
    let millis = c_int::try_from(limit.as_millis().max(1)).unwrap_or(c_int::MAX);
    let count = libc::nfds_t::try_from(entries.len()).map_err(io::Error::other)?;
    // SAFETY: `entries` is valid for `count` pollfds and borrowed exclusively.
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
    // An interrupted connect goes on in the background like one in progress.
    error.raw_os_error() == Some(libc::EINPROGRESS)
        || matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
