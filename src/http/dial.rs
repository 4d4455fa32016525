//! How a connection comes about: look the name up, connect to one of its addresses, shake hands.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::channel::Channel;
use super::transport::Site;
use crate::cancel::{Cancel, LOOK_EVERY};
use crate::error::{Error, Kind, Result};
use crate::sys::socket::{Interest, Socket};

/// Makes a connection, within the connect timeout and until `cancel` is raised. The lookup of the name is the system's
/// and bounded by nothing else: to interrupt it would take a thread that nobody waits for.
pub(crate) fn dial(site: &Site, cancel: &Cancel) -> Result<Channel> {
    let addresses = look_up(site)?;
    let attempt = Attempt { site, cancel, start: Instant::now() };
    let mut failure = None;
    for (tried, address) in addresses.iter().enumerate() {
        match attempt.connect(*address, addresses.len() - tried) {
            Ok(socket) => return attempt.secure(socket),
            Err(error) if error.kind() == Kind::Canceled => return Err(error),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| Error::new(Kind::Network, format!("{}: the name has no address", site.address))))
}

fn look_up(site: &Site) -> Result<Vec<SocketAddr>> {
    let endpoint = &site.settings.endpoint;
    match (endpoint.host(), endpoint.port()).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => {
            Err(Error::new(Kind::Network, format!("{}: the name cannot be looked up: {error}", site.address))
                .caused_by(error))
        }
    }
}

struct Attempt<'a> {
    site: &'a Site,
    cancel: &'a Cancel,
    start: Instant,
}

impl Attempt<'_> {
    /// Connects to one address. It gets its share of the time that is left, so that one that never answers leaves some
    /// to those behind it.
    fn connect(&self, address: SocketAddr, candidates: usize) -> Result<Socket> {
        let share = self.left() / u32::try_from(candidates).unwrap_or(u32::MAX);
        let start = Instant::now();
        let failed = |error| self.failed("no connection", error);
        let socket = Socket::connect(address).map_err(failed)?;
        while !self.wait(&socket, Interest::Write, share.saturating_sub(start.elapsed()))? {}
        socket.connected().map_err(failed)?;
        Ok(socket)
    }

    fn secure(&self, socket: Socket) -> Result<Channel> {
        let refused = |error: &dyn std::fmt::Display| {
            Error::new(Kind::Tls, format!("{}: TLS failed: {error}", self.site.address))
        };
        let tls = match &self.site.tls {
            Some(tls) => Some(tls.client().map_err(|error| refused(&error).caused_by(error))?),
            None => None,
        };
        let mut channel = Channel::new(socket, tls);
        loop {
            match channel.handshake() {
                Ok(()) => return Ok(channel),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(channel.socket(), channel.wants(), self.left())?;
                }
                // What rustls itself finds; all else is the connection's.
                Err(error) if error.kind() == io::ErrorKind::InvalidData && !is_interruption(&error) => {
                    return Err(refused(&error).caused_by(error));
                }
                Err(error) => return Err(self.failed("the connection was lost during the TLS handshake", error)),
            }
        }
    }

    /// Waits a little; true if the socket is ready.
    fn wait(&self, socket: &Socket, interest: Interest, left: Duration) -> Result<bool> {
        self.cancel.check()?;
        if left.is_zero() {
            return Err(Error::new(
                Kind::Timeout,
                format!("{}: no connection within {:?}", self.site.address, self.site.settings.connect_timeout),
            ));
        }
        match socket.wait(interest, left.min(LOOK_EVERY)) {
            Ok(ready) => Ok(ready.read || ready.write),
            Err(error) => Err(self.failed("no connection", error)),
        }
    }

    fn left(&self) -> Duration {
        self.site.settings.connect_timeout.saturating_sub(self.start.elapsed())
    }

    fn failed(&self, what: &str, error: io::Error) -> Error {
        Error::new(Kind::Network, format!("{}: {what}: {error}", self.site.address)).caused_by(error)
    }
}

/// Whether a handshake failed by bytes that were damaged on the way, or by a peer in trouble: both may pass. Certificates
/// that are refused, and peers that speak no TLS or none of ours, stay as they are.
fn is_interruption(error: &io::Error) -> bool {
    use rustls::AlertDescription as Alert;
    let of_tls = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(
        of_tls,
        Some(
            rustls::Error::DecryptError
                | rustls::Error::AlertReceived(
                    Alert::BadRecordMac
                        | Alert::DecodeError
                        | Alert::DecryptError
                        | Alert::InternalError
                        | Alert::UserCanceled
                )
        )
    )
}
