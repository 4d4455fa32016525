//! The interface of a provider: one way to get keys, such as a profile or the metadata service of an instance.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::key::Credentials;
use super::transports::Transports;
use crate::clock::Clock;
use crate::environment::Environment;
use crate::error::{Error, Kind, Result};
use crate::log::Log;
use crate::sanitize::Redactor;
use crate::sync::cancel::Cancel;

/// One way to get keys. It is configured completely: [`Provider::load`] only executes it.
pub(super) trait Provider: Send + Sync {
    /// Returns where the keys come from, for the log and for errors, such as `profile "work" in /home/u/.aws/credentials`.
    fn source(&self) -> String;

    /// Returns keys. Runs on a worker thread of the library, and may send requests and start processes.
    ///
    /// # Errors
    /// `Canceled`; `Credentials`; `Io` for a file; `Network`, `Timeout`, `Service` and `Throttled` if a later call may
    /// succeed.
    fn load(&self, context: &LoadContext<'_>) -> Result<Loaded>;

    /// Returns whether a profile selects this provider. Other tools may rewrite its file.
    fn is_of_profile(&self) -> bool {
        false
    }

    /// Returns whether another load returns the same keys.
    fn is_constant(&self) -> bool {
        false
    }
}

/// The result of a provider.
#[derive(Debug)]
pub(super) enum Loaded {
    /// Keys.
    Keys(Credentials),
    /// No keys: the environment does not offer them. The text says why, and which setting fixes it.
    Nothing(String),
}

/// The result of the configuration of a provider.
pub(super) enum Configured {
    /// The settings select this provider.
    Yes(Box<dyn Provider>),
    /// The settings do not select this provider. The text says which setting is missing.
    No(String),
    /// The settings have only the second half of a key. The error counts if no other provider is configured.
    Partial(Error),
}

impl Configured {
    pub(super) fn provider(provider: impl Provider + 'static) -> Self {
        Self::Yes(Box::new(provider))
    }
}

/// What a provider needs to get keys.
pub(super) struct LoadContext<'a> {
    pub(super) environment: &'a Environment,
    pub(super) transports: &'a dyn Transports,
    pub(super) clock: &'a dyn Clock,
    /// Returns the time of the service's clock, in seconds since 1970-01-01 UTC.
    pub(super) now: &'a dyn Fn() -> i64,
    pub(super) cancel: &'a Arc<Cancel>,
    pub(super) redactor: &'a Redactor,
    pub(super) log: &'a Log,
    /// The time limit of a process.
    pub(super) process_time_limit: Duration,
    /// Whether earlier keys came from this provider. A network failure is then transient.
    pub(super) is_refresh: bool,
}

impl fmt::Debug for LoadContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadContext").finish_non_exhaustive()
    }
}

/// Creates the error of a provider that is configured and failed.
pub(super) fn failure(message: impl Into<String>) -> Error {
    Error::new(Kind::Credentials, message)
}
