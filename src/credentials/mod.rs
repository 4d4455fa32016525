//! The credentials of a client: where keys come from, and the current key that requests are signed with.

mod keys;
mod source;

pub use self::keys::{Keys, NumberedKey};
pub use self::source::{Credentials, CredentialsSource, Provider, from_environment, key};
