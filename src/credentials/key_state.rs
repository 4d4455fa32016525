//! The current key of a client: when it is replaced, and who may use it meanwhile. Pure.

use std::sync::Arc;

use super::key::Credentials;
use crate::error::Error;
use crate::sign::Key;

/// The remaining lifetime at which a key is replaced, in seconds. A key with less than twice this lifetime is replaced after
/// half of its lifetime. A request that was signed before still arrives in time.
const REPLACE_BEFORE: i64 = 5 * 60;

/// The first delay after a failed replacement, in seconds. It doubles with each failure.
const RETRY_DELAY: i64 = 1;
/// The longest delay, in seconds.
const RETRY_DELAY_MAX: i64 = 60;

/// A key and its number among the keys of the client.
#[derive(Clone, Debug)]
pub struct NumberedKey {
    /// The key.
    pub key: Arc<Key>,
    /// The number, from 1. Each key from the provider gets the next number.
    pub number: u64,
}

/// The current key, and the calls of its provider.
#[derive(Debug, Default)]
pub(super) struct State {
    /// `None` before the first key, and after the service reported that it has expired.
    pub(super) current: Option<Arc<Key>>,
    /// The last key that the service reported as expired.
    pub(super) rejected: Option<Arc<Key>>,
    /// The number of the last key.
    pub(super) number: u64,
    /// The time to replace the current key, in seconds since 1970-01-01 UTC.
    replace_at: Option<i64>,
    /// The expiry of the current key.
    expires: Option<i64>,
    /// Whether a thread is calling the provider.
    pub(super) is_refreshing: bool,
    /// The number of threads that wait for the next call of the program's provider to complete.
    pub(super) waiters: usize,
    /// The number of completed calls of the provider.
    pub(super) refreshes: u64,
    /// The error of the last call of the provider, if it failed.
    pub(super) failure: Option<Error>,
    /// The failed calls of the chain since the last success.
    pub(super) failures: Failures,
}

/// The failed calls of the chain since the last success.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failures {
    count: u32,
    /// The time of the next call, in seconds since 1970-01-01 UTC.
    retry_at: i64,
}

impl Failures {
    pub(super) fn add(&mut self, now: i64) {
        let delay = RETRY_DELAY.saturating_mul(1 << self.count.min(16)).min(RETRY_DELAY_MAX);
        *self = Self { count: self.count.saturating_add(1), retry_at: now.saturating_add(delay) };
    }

    /// Returns whether the chain may be called. A clock that was set back does not prevent it for longer than the longest
    /// delay.
    fn allow_call(self, now: i64) -> bool {
        !(1..=RETRY_DELAY_MAX).contains(&self.retry_at.saturating_sub(now))
    }
}

impl State {
    /// Creates the state of a client whose program supplied this key, if any.
    pub(super) fn new(current: Option<Arc<Key>>) -> Self {
        Self { number: u64::from(current.is_some()), current, ..Self::default() }
    }

    /// Returns true if a thread waits for a call of the program's provider and no thread is calling it.
    pub(super) fn needs_refresh(&self) -> bool {
        self.waiters > 0 && !self.is_refreshing
    }

    /// Returns true if the current key must be replaced.
    pub(super) fn is_due(&self, now: i64) -> bool {
        self.replace_at.is_some_and(|replace_at| now >= replace_at)
    }

    /// Returns the current key if the caller may use it. `before` is the number of refreshes when it began to ask.
    pub(super) fn usable_key(&self, now: i64, before: u64) -> Option<NumberedKey> {
        let key = self.current.clone()?;
        let has_expired = self.expires.is_some_and(|expires| now >= expires);
        let is_usable = match self.is_due(now) {
            false => true,
            // Another thread replaces it.
            true if self.is_refreshing => !has_expired,
            // A replacement was tried meanwhile, or must wait. Only the service decides whether the key has expired.
            true => self.refreshes > before || !self.failures.allow_call(now),
        };
        is_usable.then_some(NumberedKey { key, number: self.number })
    }

    /// Makes a new key the current one.
    pub(super) fn set_key(&mut self, credentials: Credentials, now: i64) {
        self.expires = credentials.expires;
        self.replace_at = credentials.expires.and_then(|expires| replacement_time(expires, now));
        self.current = Some(Arc::new(credentials.key));
        self.number += 1;
    }
}

/// Returns the time to replace a key. Returns `None` if the key has already expired: the clock may be wrong, so only the service
/// decides.
fn replacement_time(expires: i64, now: i64) -> Option<i64> {
    let lifetime = expires.saturating_sub(now);
    (lifetime > 0).then(|| expires - (lifetime / 2).min(REPLACE_BEFORE))
}
