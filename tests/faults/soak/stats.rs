//! Counts of uploads, sessions, requests, retries and faults.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;

use glacier_emulator::{Action, RequestRecord};

/// The counts of one upload or of many.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) uploads: u64,
    pub(crate) bytes: u64,
    pub(crate) sessions: u64,
    pub(crate) stopped: u64,
    pub(crate) requests: u64,
    /// Retries of parts.
    pub(crate) retries: u64,
    /// The faults by name.
    pub(crate) faults: BTreeMap<String, u64>,
    /// The failed sessions by error kind.
    pub(crate) failures: BTreeMap<String, u64>,
}

impl Stats {
    pub(crate) fn count(&mut self, requests: &[RequestRecord]) {
        self.requests += requests.len() as u64;
        for fault in requests.iter().flat_map(|request| &request.faults) {
            *self.faults.entry(name(fault)).or_default() += 1;
        }
    }
}

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.uploads += other.uploads;
        self.bytes += other.bytes;
        self.sessions += other.sessions;
        self.stopped += other.stopped;
        self.requests += other.requests;
        self.retries += other.retries;
        other.faults.into_iter().for_each(|(name, count)| *self.faults.entry(name).or_default() += count);
        other.failures.into_iter().for_each(|(name, count)| *self.failures.entry(name).or_default() += count);
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { uploads, bytes, sessions, stopped, requests, retries, faults, failures } = self;
        writeln!(f, "{uploads} uploads of {bytes} bytes, {sessions} sessions, {stopped} of them stopped")?;
        writeln!(f, "{requests} requests, {retries} retries of parts, {} faults:", faults.values().sum::<u64>())?;
        faults.iter().try_for_each(|(name, count)| writeln!(f, "{count:>9} {name}"))?;
        writeln!(f, "sessions that ended in")?;
        failures.iter().try_for_each(|(name, count)| writeln!(f, "{count:>9} {name}"))
    }
}

fn name(action: &Action) -> String {
    let action = serde_json::to_value(action).unwrap();
    let word = |key: &str| action.get(key).map(|value| format!(" {}", value.to_string().trim_matches('"')));
    let kind = word("kind").unwrap_or_default();
    let which = word("status").or_else(|| word("because")).or_else(|| word("then")).unwrap_or_default();
    format!("{kind}{which}").trim().to_owned()
}
