//! The settings of an emulator.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::operations::is_vault_name;
use crate::random_faults::RandomFaults;
use crate::scripted_faults::Fault;
use crate::unspecified::PAGE_MAX;

/// The settings of an emulator. The defaults are the values in the examples of the developer guide.
#[derive(Clone)]
pub struct Options {
    /// The port on 127.0.0.1. 0 selects a free port.
    pub port: u16,
    /// Whether the emulator serves HTTPS, with a CA created at the start.
    pub tls: bool,
    /// How bytes are stored.
    pub storage: Storage,
    /// The region of the signatures.
    pub region: String,
    /// The account ID: 12 digits.
    pub account: String,
    /// The access key ID of the signatures.
    pub access_key: String,
    /// The secret access key.
    pub secret_key: String,
    /// The session token that requests must carry, if any.
    pub session_token: Option<String>,
    /// The lifetime of that token in seconds of the service's clock. `None` means no limit.
    pub session_token_seconds: Option<i64>,
    /// The offset of the service's clock from the real time, in seconds. Negative values are in the past.
    pub clock_offset: i64,
    /// The requests admitted per second of the service's clock, which is also the burst size. `None` means no limit.
    pub requests_per_second: Option<u64>,
    /// The delay of each response. `None`, the default, is [`from_environment`](crate::response_delay::from_environment).
    pub response_delay: Option<Duration>,
    /// The scripted faults at the start.
    pub faults: Vec<Fault>,
    /// The random faults at the start.
    pub random_faults: Option<RandomFaults>,
    /// The vaults at the start.
    pub vaults: Vec<String>,
    /// The maximum number of entries on a page of a list, at most 50. It also limits the parameter `limit`.
    pub page_max: usize,
}

/// How the bytes of parts and archives are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In a directory that is removed when the emulator stops.
    Temporary,
    /// In this directory. An emulator that is started with it again loads its uploads and archives.
    Disk(PathBuf),
    /// Hashed and discarded.
    Hashes,
    /// Counted and discarded without hashing. The hashes in the headers are trusted.
    Count,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            tls: false,
            storage: Storage::Temporary,
            region: "us-east-1".to_owned(),
            account: "111122223333".to_owned(),
            access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: None,
            session_token_seconds: None,
            clock_offset: 0,
            requests_per_second: None,
            response_delay: None,
            faults: Vec::new(),
            random_faults: None,
            vaults: vec!["examplevault".to_owned()],
            page_max: PAGE_MAX,
        }
    }
}

impl Options {
    /// Checks the values: the service has them, and clients accept them.
    ///
    /// # Errors
    /// The value and its rule. The secret key and the session token are named without their values.
    pub fn check(&self) -> Result<(), String> {
        if let Some(name) = self.vaults.iter().find(|name| !is_vault_name(name)) {
            let name = visible(name);
            return Err(format!("{name} is no vault name: it has 1 to 255 of the characters A-Z a-z 0-9 _ - ."));
        }
        if self.account.len() != 12 || !self.account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("{} is no account ID: it has 12 digits", visible(&self.account)));
        }
        if !is_region(&self.region) {
            return Err(format!(
                "{} is no region: it has 1 to 63 letters, digits and inner hyphens, not only digits, such as us-east-1",
                visible(&self.region)
            ));
        }
        // These characters end the access key in a signature.
        if !is_key_part(&self.access_key) || self.access_key.contains(['/', ',']) {
            return Err(format!(
                "{} is no access key: it has printable ASCII characters without spaces, / and ,",
                visible(&self.access_key)
            ));
        }
        check_secret("secret key", &self.secret_key)?;
        self.session_token.as_deref().map_or(Ok(()), check_session_token)?;
        if self.storage == Storage::Disk(PathBuf::new()) {
            return Err("\"\" is no directory for the data: name a directory, such as . for the current one".to_owned());
        }
        if !(1..=PAGE_MAX).contains(&self.page_max) {
            return Err(format!(
                "{} entries on a page are outside the limits of the service: 1 to {PAGE_MAX}",
                self.page_max
            ));
        }
        Ok(())
    }
}

/// Checks a session token.
pub(crate) fn check_session_token(token: &str) -> Result<(), String> {
    check_secret("session token", token)
}

/// The error has no value, so that no secret appears in logs.
fn check_secret(name: &str, value: &str) -> Result<(), String> {
    if is_key_part(value) {
        return Ok(());
    }
    let wrong = if value.is_empty() { "is empty" } else { "has a character that is not allowed" };
    Err(format!("the {name} {wrong}: it must have only printable ASCII characters without spaces"))
}

/// Whether clients accept a part of a key, which they send in a header or sign with.
fn is_key_part(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether clients accept a region, which can be part of a host name.
fn is_region(region: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let has_outer_hyphen = region.starts_with('-') || region.ends_with('-');
    let is_number = region.bytes().all(|byte| byte.is_ascii_digit());
    (1..=63).contains(&region.len()) && region.bytes().all(is_allowed) && !has_outer_hyphen && !is_number
}

/// Returns a value for a message, in which an empty value must be visible.
pub(crate) fn visible(value: &str) -> &str {
    if value.is_empty() { "\"\"" } else { value }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("port", &self.port)
            .field("tls", &self.tls)
            .field("storage", &self.storage)
            .field("region", &self.region)
            .field("account", &self.account)
            .field("access_key", &self.access_key)
            .field("session_token_seconds", &self.session_token_seconds)
            .field("clock_offset", &self.clock_offset)
            .field("requests_per_second", &self.requests_per_second)
            .field("response_delay", &self.response_delay)
            .field("faults", &self.faults)
            .field("random_faults", &self.random_faults)
            .field("vaults", &self.vaults)
            .field("page_max", &self.page_max)
            .finish_non_exhaustive()
    }
}
