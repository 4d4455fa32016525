//! The credentials of a client: where keys come from, and the current key that requests are signed with.
//!
//! [`Keys`] has the current key and replaces it in time. The program supplies keys itself, or the [`Chain`] selects one of the
//! built-in providers. Each provider is one file: its `configure` reads the settings and finds their errors when the client
//! is created; its `load` gets keys when the first request needs them.

mod assume_role;
mod aws_cli;
mod chain;
mod container;
mod documents;
mod environment_keys;
mod fetch;
mod files;
#[cfg(feature = "test-fuzzing")]
pub mod fuzzing;
mod instance_metadata;
mod key;
mod key_services;
mod key_state;
mod keys;
mod limits;
mod process;
mod profile_keys;
mod profile_steps;
mod provider;
mod refresh;
mod retries;
mod settings;
mod source;
mod sso;
mod sts;
mod sts_document;
mod transports;
mod web_identity;

pub use self::chain::{Chain, PROCESS_TIME_LIMIT};
pub use self::key::{Credentials, key};
pub use self::key_services::KeyServices;
pub use self::key_state::NumberedKey;
pub use self::keys::Keys;
#[cfg(all(test, feature = "test-models"))]
pub(crate) use self::refresh::tests::keys_from as keys_from_function;
pub use self::source::{CredentialsCallback, CredentialsSource};
pub use self::transports::{Route, Transports};
