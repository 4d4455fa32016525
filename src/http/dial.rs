//! Opens a connection: looks up the host name, connects to the addresses in the order of [`super::happy_eyeballs`], and takes
//! the steps of [`super::opening`] on the first connection that is accepted. With a proxy, its host and its addresses are used:
//! the proxy looks up the name of the endpoint.
//!
//! - If a step is interrupted, the other addresses are tried.
//! - If a step is rejected, for example because of the certificate, the error is permanent: all addresses belong to one
//!   service.
//! - A step that does not end uses up the rest of the connect timeout.
//!
//! After a failed step, the next connection tries that address last. The same holds for an address whose connection fails
//! before it carries a response: see [`super::connection`]. After a timeout, it holds for all addresses that were tried.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::channel::Channel;
use super::happy_eyeballs::Schedule;
use super::opening::Opening;
use super::resolve::LookupError;
use super::transport_context::TransportContext;
use crate::error::{ConnectFailure, Error, Kind, Result, is_exhausted};
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel};
use crate::sync::lock;
use crate::sys::socket::{Socket, wait_connected};

/// Opens a connection within the connect timeout, or until `cancel` is raised. Neither bounds the name lookup of the system:
/// interrupting it would require a thread that is then abandoned. Also returns the address of the peer.
pub(crate) fn dial(context: &TransportContext, cancel: &Cancel) -> Result<(SocketAddr, Channel)> {
    let found = look_up(context)?;
    let order = lock(&context.addresses).order(&found);
    let opening = Opening::new(context, cancel);
    let mut attempts = ConnectAttempts {
        opening: &opening,
        schedule: Schedule::new(order),
        tried: vec![],
        in_flight: vec![],
        failed: vec![],
    };
    let result = open(&mut attempts);
    let mut addresses = lock(&context.addresses);
    match &result {
        Ok((address, _)) => addresses.opened(*address),
        Err(error) if error.kind() == Kind::Timeout => addresses.timed_out(&attempts.tried),
        Err(_) => {}
    }
    result
}

/// Connects to one address after another until all steps succeed on a connection.
fn open(attempts: &mut ConnectAttempts<'_>) -> Result<(SocketAddr, Channel)> {
    loop {
        let (address, socket) = attempts.connect()?;
        match attempts.opening.secure(socket) {
            Ok(channel) => return Ok((address, channel)),
            Err(error) if is_interrupted(&error) => {
                lock(&attempts.opening.context.addresses).failed(address);
                attempts.mark_last(address);
                if error.kind() == Kind::Timeout || !attempts.has_others() {
                    return Err(error);
                }
                attempts.fail(address, io::Error::other(error));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Returns true if another address may open the connection: a handshake was interrupted, or the proxy did not respond. A
/// proxy that responds would do so at its other addresses.
fn is_interrupted(error: &Error) -> bool {
    let is_step = matches!(error.connect_failure(), Some(ConnectFailure::TlsHandshake | ConnectFailure::Proxy));
    is_step && error.kind() != Kind::Protocol && error.http_status().is_none()
}

fn look_up(context: &TransportContext) -> Result<Vec<SocketAddr>> {
    let server = context.server();
    context.network.resolver().look_up(server.host(), server.port()).map_err(|error| match error {
        LookupError::NotFound(text) => {
            let what = format!("the host name does not exist: {text}; {}", unknown_name_hint(context));
            context.server_error(Kind::Network, &what).not_connected(ConnectFailure::NameNotFound)
        }
        LookupError::Failed(text) => context
            .server_error(Kind::Network, &format!("the name lookup failed: {text}"))
            .not_connected(ConnectFailure::NameLookup),
        LookupError::NoResources(error) => no_resources(context, "the name lookup", error),
    })
}

/// Returns a hint for a host name that does not exist. An unknown region results in such a name.
fn unknown_name_hint(context: &TransportContext) -> String {
    if let Some(route) = &context.proxy {
        return format!("check the proxy URL ({})", route.proxy.setting());
    }
    let host = context.endpoint.host();
    let region = host.strip_prefix("glacier.").and_then(|rest| rest.split_once('.')).map(|(region, _)| region);
    match region {
        Some(region) => format!("check the region {region:?} and whether Glacier is available there"),
        None => "check the endpoint".to_owned(),
    }
}

fn no_resources(context: &TransportContext, what: &str, error: io::Error) -> Error {
    let text =
        format!("out of file descriptors or memory for {what}: {error}; raise the limit on open files (ulimit -n)");
    context.server_error(Kind::Memory, &text).caused_by(error).not_connected(ConnectFailure::NoResources)
}

/// The attempts to open one connection.
struct ConnectAttempts<'a> {
    opening: &'a Opening<'a>,
    schedule: Schedule,
    /// The addresses that were tried, each once, in the order in which they are tried again after a timeout.
    tried: Vec<SocketAddr>,
    in_flight: Vec<Attempt>,
    /// The failed attempts with their errors.
    failed: Vec<(SocketAddr, io::Error)>,
}

/// A TCP connection in progress.
struct Attempt {
    address: SocketAddr,
    socket: Socket,
}

impl ConnectAttempts<'_> {
    /// Returns the first connection that is accepted. Drops the other attempts in flight; the next call repeats them.
    fn connect(&mut self) -> Result<(SocketAddr, Socket)> {
        loop {
            self.opening.cancel.check()?;
            if self.opening.time_left().is_zero() {
                return Err(self.timed_out());
            }
            while let Some(address) = self.schedule.start(self.opening.elapsed()) {
                self.start_attempt(address)?;
            }
            if self.in_flight.is_empty() && self.schedule.wait(Duration::ZERO).is_none() {
                return Err(self.all_failed());
            }
            if let Some(Attempt { address, socket }) = self.wait()? {
                for attempt in self.in_flight.drain(..) {
                    self.schedule.requeue(attempt.address);
                }
                return Ok((address, socket));
            }
        }
    }

    /// Whether addresses are left to try.
    fn has_others(&self) -> bool {
        self.schedule.wait(Duration::ZERO).is_some()
    }

    /// Moves an address to the end of those that were tried.
    fn mark_last(&mut self, address: SocketAddr) {
        self.tried.retain(|tried| *tried != address);
        self.tried.push(address);
    }

    fn start_attempt(&mut self, address: SocketAddr) -> Result<()> {
        if !self.tried.contains(&address) {
            self.tried.push(address);
        }
        match Socket::connect(address) {
            Ok(socket) => self.in_flight.push(Attempt { address, socket }),
            Err(error) if is_exhausted(&error) && self.in_flight.is_empty() => {
                return Err(no_resources(self.opening.context, "a socket", error));
            }
            Err(error) if is_exhausted(&error) => self.schedule.defer(address),
            Err(error) => self.fail(address, error),
        }
        Ok(())
    }

    fn fail(&mut self, address: SocketAddr, error: io::Error) {
        self.failed.push((address, error));
        self.schedule.attempt_failed();
    }

    /// Waits for the attempts in flight, at most for one poll interval. Returns an accepted one.
    fn wait(&mut self) -> Result<Option<Attempt>> {
        let next_start = self.schedule.wait(self.opening.elapsed()).unwrap_or(Duration::MAX);
        let limit = self.opening.time_left().min(next_start).min(CANCEL_POLL_INTERVAL);
        let ready = wait_connected(self.in_flight.iter().map(|attempt| &attempt.socket), limit).map_err(|error| {
            self.error(Kind::Network, &format!("no connection: {error}"))
                .caused_by(error)
                .not_connected(ConnectFailure::Tcp)
        })?;
        let mut accepted = None;
        let attempts = std::mem::take(&mut self.in_flight);
        for (attempt, ready) in attempts.into_iter().zip(ready) {
            // Of several accepted attempts, the one that started first is used.
            if !ready || accepted.is_some() {
                self.in_flight.push(attempt);
                continue;
            }
            match attempt.socket.connect_result() {
                Ok(()) => accepted = Some(attempt),
                Err(error) => self.fail(attempt.address, error),
            }
        }
        Ok(accepted)
    }

    fn timed_out(&self) -> Error {
        let pending = self.in_flight.len();
        let mut text = format!("no connection within {:?}", self.opening.context.connect_timeout());
        if pending > 0 {
            let addresses = self.in_flight.iter().map(|attempt| attempt.address);
            text = format!("{text}: no response from {}", joined(addresses));
        }
        if !self.failed.is_empty() {
            text = format!("{text}; {}", self.failures());
        }
        self.error(Kind::Timeout, &text).not_connected(ConnectFailure::Tcp)
    }

    fn all_failed(&mut self) -> Error {
        let text = match self.failed.as_slice() {
            [] => "no connection: the host name has no address".to_owned(),
            [(address, error)] if address.to_string() == self.opening.context.server().address() => {
                format!("no connection: {error}")
            }
            _ => format!("no connection: {}", self.failures()),
        };
        let error = self.error(Kind::Network, &text).not_connected(ConnectFailure::Tcp);
        match self.failed.pop() {
            Some((_, cause)) => error.caused_by(cause),
            None => error,
        }
    }

    fn failures(&self) -> String {
        joined(self.failed.iter().map(|(address, error)| format!("{address}: {error}")))
    }

    fn error(&self, kind: Kind, what: &str) -> Error {
        self.opening.context.server_error(kind, what)
    }
}

/// Joins items for a message, and shortens a long list.
fn joined(items: impl ExactSizeIterator<Item = impl fmt::Display>) -> String {
    const SHOWN: usize = 4;
    let count = items.len();
    let mut shown: Vec<String> = items.take(SHOWN).map(|item| item.to_string()).collect();
    if count > SHOWN {
        shown.push(format!("and {} more", count - SHOWN));
    }
    shown.join(", ")
}
