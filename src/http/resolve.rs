//! Name lookup: the addresses of a host, and errors that the retry policy distinguishes.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::sys::resolve::{self, LookupFailure};
use crate::sys::socket::Socket;

/// Looks up host names.
pub trait Resolver: Send + Sync + fmt::Debug {
    /// Returns the addresses of a host in the order of preference. Never empty.
    ///
    /// # Errors
    /// See [`LookupError`].
    fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, LookupError>;
}

/// The reason why a lookup returned no addresses.
#[derive(Debug)]
pub enum LookupError {
    /// The name does not exist, or exists without an address.
    NotFound(String),
    /// The lookup failed for another reason, such as a name server that does not respond.
    Failed(String),
    /// The lookup failed because the process or the system is out of descriptors or memory.
    NoResources(io::Error),
}

/// The resolver of the system. IP addresses need no lookup.
#[derive(Debug)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, LookupError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        match resolve::look_up(host, port) {
            Ok(addresses) if addresses.is_empty() => Err(LookupError::NotFound("it has no address".to_owned())),
            Ok(addresses) => Ok(addresses),
            Err(failure) => Err(check_resources(failure)),
        }
    }
}

/// Converts a failure, and checks separately whether descriptors are available. Without descriptors, the resolver can neither
/// read its files nor query a name server, and reports a name that does not exist or a temporary failure.
fn check_resources(failure: LookupFailure) -> LookupError {
    match (Socket::check_resources(), failure) {
        (Err(error), _) => LookupError::NoResources(error),
        (Ok(()), LookupFailure::NotFound(text)) => LookupError::NotFound(text),
        (Ok(()), LookupFailure::Failed(text)) => LookupError::Failed(text),
        (Ok(()), LookupFailure::System(error)) if crate::error::is_exhausted(&error) => LookupError::NoResources(error),
        (Ok(()), LookupFailure::System(error)) => LookupError::Failed(error.to_string()),
    }
}
