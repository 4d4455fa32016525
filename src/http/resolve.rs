//! Name lookup as connections need it: the addresses of one host, and errors that retries can tell apart.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::sys::resolve::{self, LookupFailure};
use crate::sys::socket::Socket;

/// Looks host names up.
pub trait Resolver: Send + Sync + fmt::Debug {
    /// The addresses of a host, in the order of preference. Never empty.
    ///
    /// # Errors
    /// See [`LookupError`].
    fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, LookupError>;
}

/// Why a name has no addresses.
#[derive(Debug)]
pub enum LookupError {
    /// The name does not exist, or exists without an address.
    NotFound(String),
    /// The lookup failed for another reason, such as a name server that does not respond.
    Failed(String),
    /// The lookup failed because the process or the system is out of descriptors or memory.
    NoResources(io::Error),
}

/// The system's resolver. IP addresses are taken literally.
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
            Err(failure) => Err(with_resources_checked(failure)),
        }
    }
}

/// Without descriptors the resolver can read neither its files nor ask a name server, and reports that the name does not
/// exist, or that the failure is temporary. So whether descriptors are left is asked separately.
fn with_resources_checked(failure: LookupFailure) -> LookupError {
    match (Socket::check_resources(), failure) {
        (Err(error), _) => LookupError::NoResources(error),
        (Ok(()), LookupFailure::NotFound(text)) => LookupError::NotFound(text),
        (Ok(()), LookupFailure::Failed(text)) => LookupError::Failed(text),
        (Ok(()), LookupFailure::System(error)) if crate::error::is_exhausted(&error) => LookupError::NoResources(error),
        (Ok(()), LookupFailure::System(error)) => LookupError::Failed(error.to_string()),
    }
}
