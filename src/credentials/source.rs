//! The sources of keys: a key or a callback set by the program, or the provider chain.

use std::fmt;
use std::sync::Arc;

use super::chain::Chain;
use super::key::Credentials;
use crate::error::Result;
use crate::sign::Key;

/// The program's credentials provider. It is called on a caller's thread, see [`Keys`](super::Keys).
pub type CredentialsCallback = Box<dyn Fn() -> Result<Credentials> + Send + Sync>;

/// The source of the keys of a client.
#[derive(Clone)]
pub enum CredentialsSource {
    /// One permanent key.
    Key(Arc<Key>),
    /// The program's credentials provider.
    Callback(Arc<CredentialsCallback>),
    /// The built-in provider that the environment and the profiles select.
    Chain(Arc<Chain>),
}

impl fmt::Debug for CredentialsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.debug_tuple("Key").field(key).finish(),
            Self::Callback(_) => f.write_str("Callback(..)"),
            Self::Chain(chain) => chain.fmt(f),
        }
    }
}
