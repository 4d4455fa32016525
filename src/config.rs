//! The settings of a client. Explicit settings override the environment.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::api::endpoint;
use crate::credentials::{self, CredentialsSource, Provider};
use crate::error::{Error, Kind, Result};
use crate::http::{CaFile, Endpoint, Network, NetworkSettings, SystemStore, TrustStore};
use crate::limits::{MIB, WORKERS_MAX, check_account_id, quoted};
use crate::log::{Level, Log, Sink};
use crate::retry::Policy;
use crate::sanitize::Redactor;
use crate::sign::Key;

/// The minimum memory limit, in bytes: one window for reading and sending.
pub const MEMORY_LIMIT_MIN: u64 = MIB;

/// The settings. Each has a default.
#[derive(Clone)]
pub struct Config {
    region: Setting,
    endpoint: Setting,
    account_id: String,
    ca_file: Option<PathBuf>,
    system_store: SystemStore,
    user_agent: String,
    /// The key or provider that the caller set last.
    credentials: Option<CredentialsSource>,
    // An invalid key in the environment is an error only if the caller sets no key.
    environment_key: std::result::Result<Option<Key>, (Kind, String)>,
    workers: u32,
    memory_limit: u64,
    bandwidth_limit: u64,
    policy: Policy,
    connect_timeout: Duration,
    stall_timeout: Duration,
    log: Arc<Log>,
    /// Knows the secrets of all clients created from these settings.
    redactor: Arc<Redactor>,
}

/// A value and its environment variable, which errors name.
#[derive(Clone, Debug)]
struct Setting {
    value: Option<String>,
    /// The name of the variable. Empty if the caller set the value.
    variable: &'static str,
}

/// The complete settings, checked together.
#[derive(Debug)]
pub struct ResolvedConfig {
    /// The region in signatures.
    pub region: String,
    /// The endpoint of the service.
    pub endpoint: Endpoint,
    /// 12 digits, or `-`.
    pub account_id: String,
    /// The source of the keys that requests are signed with.
    pub credentials: CredentialsSource,
    /// The trusted certificates.
    pub trust: TrustStore,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// The maximum number of parts in flight per upload.
    pub workers: u32,
    /// The maximum size of all part buffers of the client, in bytes.
    pub memory_limit: u64,
    /// The bandwidth limit of the client, in bytes per second; 0: no limit.
    pub bandwidth_limit: u64,
    /// The retry policy.
    pub policy: Policy,
    /// The time limit for opening a connection.
    pub connect_timeout: Duration,
    /// The maximum time without progress on a connection.
    pub stall_timeout: Duration,
    /// The log.
    pub log: Arc<Log>,
    /// Removes secrets from messages.
    pub redactor: Arc<Redactor>,
}

impl Config {
    /// Creates settings from the defaults and the environment of the process, which is read only by this call.
    pub fn from_environment() -> Self {
        // A value that is not UTF-8 is rejected when it is used, with the name of its variable. A UTF-8 value is not copied: it
        // may be a secret, which is wiped after use.
        let text = |value: OsString| value.into_string().unwrap_or_else(|value| value.to_string_lossy().into_owned());
        let variable = |name: &str| std::env::var_os(name).map(text);
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let system_store = SystemStore::locate(path("SSL_CERT_FILE").as_deref(), path("SSL_CERT_DIR").as_deref());
        Self { system_store, ..Self::from_variables(|name| variable(name).filter(|value| !value.is_empty())) }
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: [&'static str; 2]| {
            let set = names.into_iter().find_map(|name| variable(name).map(|value| (name, value)));
            set.map_or(Setting { value: None, variable: "" }, |(variable, value)| Setting {
                value: Some(value),
                variable,
            })
        };
        let environment_key = credentials::from_environment(&variable);
        let redactor = Arc::new(Redactor::default());
        if let Ok(Some(key)) = &environment_key {
            key.register(&redactor);
        }
        Self {
            region: first(["AWS_REGION", "AWS_DEFAULT_REGION"]),
            endpoint: first(["AWS_ENDPOINT_URL_GLACIER", "AWS_ENDPOINT_URL"]),
            account_id: "-".to_owned(),
            ca_file: None,
            system_store: SystemStore::default(),
            user_agent: format!("libglacier_mp/{}", env!("CARGO_PKG_VERSION")),
            credentials: None,
            environment_key: environment_key.map_err(|error| (error.kind(), error.message().to_owned())),
            workers: 8,
            memory_limit: 256 * MIB,
            bandwidth_limit: 0,
            policy: Policy::default(),
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(60),
            log: Arc::new(Log::off()),
            redactor,
        }
    }

    /// Sets the region, such as `us-east-1`.
    ///
    /// # Errors
    /// `Invalid` names the value and the rule. The same applies to all setters.
    pub fn set_region(&mut self, region: &str) -> Result<()> {
        endpoint::check_region(region)?;
        self.region = Setting::explicit(region);
        Ok(())
    }

    /// Sets the endpoint, `https://host[:port]` or `http://host[:port]`, instead of the endpoint of the region.
    #[allow(clippy::missing_errors_doc)]
    pub fn set_endpoint(&mut self, url: &str) -> Result<()> {
        Endpoint::parse(url)?;
        self.endpoint = Setting::explicit(url);
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
        if path.as_os_str().is_empty() {
            return Err(Error::invalid("the path of the CA file is empty"));
        }
        self.ca_file = Some(path.to_owned());
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

    /// Sets the credentials provider. `None`: the key in the environment is used again.
    #[allow(clippy::missing_errors_doc)]
    pub fn set_credentials_provider(&mut self, provider: Option<Provider>) -> Result<()> {
        self.credentials = provider.map(|provider| CredentialsSource::Provider(Arc::new(provider)));
        Ok(())
    }

    /// Sets the log level and the receiver of log messages.
    #[allow(clippy::missing_errors_doc)]
    pub fn set_log(&mut self, level: Level, sink: Option<Sink>) -> Result<()> {
        self.log = Arc::new(Log::redacting(level, sink, Arc::clone(&self.redactor)));
        Ok(())
    }

    /// Checks all settings together, and reads the CA file.
    ///
    /// # Errors
    /// `Invalid` for an invalid or missing setting, `Credentials` without a key, `Io` for the CA file.
    pub fn resolve(&self) -> Result<ResolvedConfig> {
        self.try_resolve().map_err(|error| error.redacted(&self.redactor))
    }

    fn try_resolve(&self) -> Result<ResolvedConfig> {
        let region = self.region.value.clone().ok_or_else(|| {
            Error::invalid("no region is set: set one, or the environment variable AWS_REGION or AWS_DEFAULT_REGION")
        })?;
        endpoint::check_region(&region).map_err(|error| self.region.name_variable(error))?;
        let endpoint = match &self.endpoint.value {
            Some(url) => Endpoint::parse(url).map_err(|error| self.endpoint.name_variable(error))?,
            None => Endpoint::parse(&endpoint::of_region(&region).map_err(|error| self.region.name_variable(error))?)?,
        };
        Ok(ResolvedConfig {
            region,
            endpoint,
            account_id: self.account_id.clone(),
            credentials: self.credentials_source()?,
            trust: self.trust()?,
            user_agent: self.user_agent.clone(),
            workers: self.workers,
            memory_limit: self.memory_limit,
            bandwidth_limit: self.bandwidth_limit,
            policy: self.policy,
            connect_timeout: self.connect_timeout,
            stall_timeout: self.stall_timeout,
            log: Arc::clone(&self.log),
            redactor: Arc::clone(&self.redactor),
        })
    }

    /// Reads the CA file. Without one, the trust store of the system is read when it is needed.
    fn trust(&self) -> Result<TrustStore> {
        let log = Arc::clone(&self.log);
        match &self.ca_file {
            Some(path) => TrustStore::of_ca_file(CaFile::new(path, "glacier_config_set_ca_file"), log),
            None => Ok(TrustStore::of_system(self.system_store.clone(), log)),
        }
    }

    fn credentials_source(&self) -> Result<CredentialsSource> {
        if let Some(source) = &self.credentials {
            return Ok(source.clone());
        }
        match &self.environment_key {
            Ok(Some(key)) => Ok(CredentialsSource::Key(Arc::new(key.clone()))),
            Ok(None) => Err(Error::new(
                Kind::Credentials,
                "no credentials are set: set a key or a credentials provider, or the environment variables AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY",
            )),
            Err((kind, message)) => Err(Error::new(*kind, message.clone())),
        }
    }
}

impl ResolvedConfig {
    /// Creates the network that all transports of a client share.
    ///
    /// # Errors
    /// `Invalid` for a user agent that is not printable.
    pub fn network(&self) -> Result<Network> {
        Network::new(NetworkSettings {
            user_agent: self.user_agent.clone(),
            trust: self.trust.clone(),
            connect_timeout: self.connect_timeout,
            stall_timeout: self.stall_timeout,
        })
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("region", &self.region).field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Setting {
    fn explicit(value: &str) -> Self {
        Self { value: Some(value.to_owned()), variable: "" }
    }

    /// Adds the name of the environment variable to an error, if the value comes from one.
    fn name_variable(&self, error: Error) -> Error {
        if self.variable.is_empty() {
            error
        } else {
            error.with_hint(format_args!("the value is from the environment variable {}", self.variable))
        }
    }
}

fn duration(name: &str, ms: u64) -> Result<Duration> {
    if ms == 0 {
        return Err(Error::invalid(format!("{name} 0 is not allowed: it must be at least 1 millisecond")));
    }
    Ok(Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &'static [(&str, &str)]) -> Config {
        Config::from_variables(|name| {
            pairs.iter().find(|(have, _)| *have == name).map(|(_, value)| (*value).to_owned())
        })
    }

    const KEY: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "secret")];

    #[test]
    fn explicit_settings_override_the_environment() {
        const ALL: &[(&str, &str)] = &[
            KEY[0],
            KEY[1],
            ("AWS_REGION", "eu-west-1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL_GLACIER", "http://127.0.0.1:1"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:2"),
        ];
        let mut config = with(ALL);
        let resolved = config.resolve().unwrap();
        assert_eq!(
            (resolved.region.as_str(), resolved.endpoint.authority_for_host_header().as_str()),
            ("eu-west-1", "127.0.0.1:1")
        );
        config.set_region("us-west-2").unwrap();
        config.set_endpoint("https://glacier.example").unwrap();
        let resolved = config.resolve().unwrap();
        assert_eq!(
            (resolved.region.as_str(), resolved.endpoint.authority_for_host_header().as_str()),
            ("us-west-2", "glacier.example")
        );
    }

    #[test]
    fn reports_invalid_variables_only_if_they_are_used() {
        const BAD: &[(&str, &str)] = &[KEY[0], ("AWS_REGION", "EU WEST"), ("AWS_ENDPOINT_URL", "ftp://x")];
        let mut config = with(BAD);
        let error = config.resolve().unwrap_err();
        assert!(error.message().contains("AWS_REGION"), "{error}");
        config.set_region("eu-west-1").unwrap();
        let error = config.resolve().unwrap_err();
        assert!(error.message().contains("AWS_ENDPOINT_URL"), "{error}");
        config.set_endpoint("http://127.0.0.1:1").unwrap();
        assert_eq!(config.resolve().unwrap_err().kind(), Kind::Credentials);
        config.set_credentials("AK", "secret", None).unwrap();
        config.resolve().unwrap();
    }

    #[test]
    fn names_the_missing_setting() {
        assert!(with(&[]).resolve().unwrap_err().message().contains("AWS_REGION"));
        let error = with(&[("AWS_REGION", "us-east-1")]).resolve().unwrap_err();
        assert!(error.message().contains("AWS_ACCESS_KEY_ID"));
    }

    #[test]
    fn debug_output_contains_no_secret() {
        const SECRET: &[(&str, &str)] = &[KEY[0], ("AWS_SECRET_ACCESS_KEY", "hush-hush"), ("AWS_REGION", "us-east-1")];
        let config = with(SECRET);
        assert!(!format!("{config:?} {:?}", config.resolve().unwrap()).contains("hush"));
    }
}
