//! The settings as the program sets them, each checked alone.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::trust::TrustSettings;
use crate::credentials::{self, CredentialsCallback, CredentialsSource};
use crate::endpoint::check_region;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::http::{Endpoint, ProxyRules};
use crate::limits::{MIB, WORKERS_MAX, check_account_id, quoted};
use crate::log::{Level, Log, Sink};
use crate::retry::Policy;
use crate::sanitize::Redactor;

/// The environment variables whose values are redacted in messages.
const SECRET_VARIABLES: [&str; 4] =
    ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN"];

/// The minimum memory limit, in bytes: one window for reading and sending.
pub const MEMORY_LIMIT_MIN: u64 = MIB;

/// The settings. Each has a default.
#[derive(Clone)]
pub struct Config {
    pub(super) environment: Arc<Environment>,
    /// The profile that the caller set.
    pub(super) profile_name: Option<String>,
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) account_id: String,
    pub(super) trust: TrustSettings,
    pub(super) user_agent: String,
    /// The key or provider that the caller set last.
    pub(super) credentials: Option<CredentialsSource>,
    pub(super) workers: u32,
    pub(super) memory_limit: u64,
    pub(super) bandwidth_limit: u64,
    pub(super) policy: Policy,
    pub(super) connect_timeout: Duration,
    pub(super) stall_timeout: Duration,
    pub(super) proxies: ProxyRules,
    pub(super) log: Arc<Log>,
    /// Knows the secrets of all clients created from these settings.
    pub(super) redactor: Arc<Redactor>,
}

impl Config {
    /// Creates settings from the defaults and the environment of the process, which is read only by this call.
    pub fn from_environment() -> Self {
        Self::new(Environment::capture())
    }

    /// Creates settings from the defaults and another environment.
    pub fn new(environment: Environment) -> Self {
        let redactor = Arc::new(Redactor::default());
        for variable in SECRET_VARIABLES {
            if let Some(secret) = environment.get(variable) {
                redactor.add(secret);
            }
        }
        let proxies = ProxyRules::from_environment(&environment);
        proxies.register(&redactor);
        Self {
            trust: TrustSettings::new(&environment),
            environment: Arc::new(environment),
            profile_name: None,
            region: None,
            endpoint: None,
            account_id: "-".to_owned(),
            user_agent: format!("libglacier_mp/{}", env!("CARGO_PKG_VERSION")),
            credentials: None,
            workers: 8,
            memory_limit: 256 * MIB,
            bandwidth_limit: 0,
            policy: Policy::default(),
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(60),
            proxies,
            log: Arc::new(Log::off()),
            redactor,
        }
    }

    /// Removes the secrets that the settings have or had from an error of a setter.
    #[must_use]
    pub fn redacted(&self, error: Error) -> Error {
        error.redacted(&self.redactor)
    }

    /// Selects a profile of the shared AWS files instead of the one of the environment. Its keys then override those of the
    /// environment.
    ///
    /// # Errors
    /// `Invalid` names the value and the rule. The same applies to all setters.
    pub fn set_profile(&mut self, name: &str) -> Result<()> {
        if name.is_empty() {
            return Err(Error::invalid("the name of the profile is empty: it must have at least one character"));
        }
        self.profile_name = Some(name.to_owned());
        Ok(())
    }

    /// Sets the region, such as `us-east-1`.
    #[allow(clippy::missing_errors_doc)]
    pub fn set_region(&mut self, region: &str) -> Result<()> {
        check_region(region)?;
        self.region = Some(region.to_owned());
        Ok(())
    }

    /// Sets the endpoint, `https://host[:port]` or `http://host[:port]`, instead of the endpoint of the region.
    #[allow(clippy::missing_errors_doc)]
    pub fn set_endpoint(&mut self, url: &str) -> Result<()> {
        Endpoint::parse(url)?;
        self.endpoint = Some(url.to_owned());
        Ok(())
    }

    /// Sets the account ID: 12 digits, or `-` for the account of the credentials.
    #[allow(clippy::missing_errors_doc)]
    pub fn set_account_id(&mut self, id: &str) -> Result<()> {
        check_account_id(id)?;
        id.clone_into(&mut self.account_id);
        Ok(())
    }

    /// Sets a file of PEM certificates to trust instead of those of the system. The client reads it.
    #[allow(clippy::missing_errors_doc)]
    pub fn set_ca_file(&mut self, path: &Path) -> Result<()> {
        self.trust.set_ca_file(path)
    }

    /// Sets the proxy for all endpoints instead of those of the environment, see [`ProxyRules::set`].
    #[allow(clippy::missing_errors_doc)]
    pub fn set_proxy(&mut self, url: Option<&str>) -> Result<()> {
        self.proxies.set(url)?;
        self.proxies.register(&self.redactor);
        Ok(())
    }

    /// Sets the text before the library's name in the `User-Agent` header.
    #[allow(clippy::missing_errors_doc)]
    pub fn set_user_agent(&mut self, text: &str) -> Result<()> {
        if text.is_empty() || text.len() > 256 || !text.bytes().all(|b| (0x20..=0x7e).contains(&b)) {
            return Err(Error::invalid(format!(
                "user agent {} is not allowed: it must be 1 to 256 printable ASCII characters",
                quoted(text)
            )));
        }
        self.user_agent = format!("{text} libglacier_mp/{}", env!("CARGO_PKG_VERSION"));
        Ok(())
    }

    /// Sets the maximum number of parts in flight per upload, 1 to 32.
    #[allow(clippy::missing_errors_doc)]
    pub fn set_concurrency(&mut self, workers: u32) -> Result<()> {
        if !(1..=WORKERS_MAX).contains(&workers) {
            return Err(Error::invalid(format!("concurrency {workers} is not allowed: it must be 1 to {WORKERS_MAX}")));
        }
        self.workers = workers;
        Ok(())
    }

    /// Sets the maximum number of attempts for one request, including outages; 0: only the time counts.
    #[allow(clippy::missing_errors_doc)]
    pub fn set_max_attempts(&mut self, attempts: u32) -> Result<()> {
        self.policy.max_attempts = Some(attempts);
        Ok(())
    }

    /// Sets the maximum size of the part buffers of all uploads of a client, in bytes.
    #[allow(clippy::missing_errors_doc)]
    pub fn set_memory_limit(&mut self, bytes: u64) -> Result<()> {
        if bytes < MEMORY_LIMIT_MIN {
            return Err(Error::invalid(format!(
                "memory limit {bytes} is not allowed: it must be at least {MEMORY_LIMIT_MIN} (1 MiB)"
            )));
        }
        self.memory_limit = bytes;
        Ok(())
    }

    /// Sets the bandwidth limit of all uploads of a client, in bytes per second; 0: no limit.
    #[allow(clippy::missing_errors_doc)]
    pub fn set_bandwidth_limit(&mut self, bytes_per_second: u64) -> Result<()> {
        self.bandwidth_limit = bytes_per_second;
        Ok(())
    }

    /// Sets the time limit for opening a connection.
    #[allow(clippy::missing_errors_doc)]
    pub fn set_connect_timeout_ms(&mut self, ms: u64) -> Result<()> {
        self.connect_timeout = duration("connect timeout", ms)?;
        Ok(())
    }

    /// Sets the maximum time without progress on a connection.
    #[allow(clippy::missing_errors_doc)]
    pub fn set_stall_timeout_ms(&mut self, ms: u64) -> Result<()> {
        self.stall_timeout = duration("stall timeout", ms)?;
        Ok(())
    }

    /// Sets the maximum time without any acknowledged part.
    #[allow(clippy::missing_errors_doc)]
    pub fn set_give_up_after_ms(&mut self, ms: u64) -> Result<()> {
        self.policy.give_up_after = duration("give-up time", ms)?;
        Ok(())
    }

    /// Sets the key, with a session token if it is temporary.
    #[allow(clippy::missing_errors_doc)]
    pub fn set_credentials(&mut self, id: &str, secret: &str, token: Option<&str>) -> Result<()> {
        let key = credentials::key(id, secret, token)?;
        key.register(&self.redactor);
        self.credentials = Some(CredentialsSource::Key(Arc::new(key)));
        Ok(())
    }

    /// Sets the credentials provider. `None`: environment and profiles are used again.
    #[allow(clippy::missing_errors_doc)]
    pub fn set_credentials_provider(&mut self, provider: Option<CredentialsCallback>) -> Result<()> {
        self.credentials = provider.map(|provider| CredentialsSource::Callback(Arc::new(provider)));
        Ok(())
    }

    /// Sets the log level and the receiver of log messages.
    #[allow(clippy::missing_errors_doc)]
    pub fn set_log(&mut self, level: Level, sink: Option<Sink>) -> Result<()> {
        self.log = Arc::new(Log::redacting(level, sink, Arc::clone(&self.redactor)));
        Ok(())
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("profile_name", &self.profile_name)
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

fn duration(name: &str, ms: u64) -> Result<Duration> {
    if ms == 0 {
        return Err(Error::invalid(format!("{name} 0 is not allowed: it must be at least 1 millisecond")));
    }
    Ok(Duration::from_millis(ms))
}

#[cfg(test)]
mod tests;
