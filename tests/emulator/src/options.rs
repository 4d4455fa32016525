//! How an emulator is set up.

use std::fmt;
use std::path::PathBuf;

use crate::faults::Fault;
use crate::random::RandomFaults;

/// The settings of an emulator. The defaults are those of the guide's examples.
#[derive(Clone)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// HTTPS, with a certificate authority made at the start, rather than HTTP.
    pub tls: bool,
    /// What becomes of the bytes.
    pub storage: Storage,
    /// The region that requests must be signed for.
    pub region: String,
    /// The account, 12 digits.
    pub account: String,
    /// The access key ID that requests must be signed with.
    pub access_key: String,
    /// The secret access key.
    pub secret_key: String,
    /// The session token that requests must carry, if any.
    pub session_token: Option<String>,
    /// For how many seconds of the service's clock that token is valid; for good, if there is none.
    pub session_token_seconds: Option<i64>,
    /// Seconds that the service's clock is ahead of the real one, or behind.
    pub clock_offset: i64,
    /// The requests admitted in a second of the service's clock, and at once; any number, if there is none.
    pub requests_per_second: Option<u64>,
    /// What goes wrong from the start.
    pub faults: Vec<Fault>,
    /// What goes wrong at random.
    pub random_faults: Option<RandomFaults>,
    /// The vaults there are from the start.
    pub vaults: Vec<String>,
    /// The most entries on a page of a list, whatever `limit` says; above 50 is 50.
    pub page_max: usize,
}

/// What becomes of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Kept in a directory that lives as long as the emulator.
    Temporary,
    /// Kept in this directory; an emulator started there again knows the uploads and archives.
    Disk(PathBuf),
    /// Hashed and dropped.
    Hashes,
    /// Counted and dropped. Nothing is hashed: a payload's hashes are believed.
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
            faults: Vec::new(),
            random_faults: None,
            vaults: vec!["examplevault".to_owned()],
            page_max: crate::choices::PAGE_MAX,
        }
    }
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
            .field("faults", &self.faults)
            .field("random_faults", &self.random_faults)
            .field("vaults", &self.vaults)
            .field("page_max", &self.page_max)
            .finish_non_exhaustive()
    }
}
