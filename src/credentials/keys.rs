//! The current key of a client, and its replacement by the program's credentials provider or by the chain.
//!
//! A worker that needs another key does not call the program's provider. It waits until a caller's thread inside a working
//! call has called it. One call serves all waiting workers. The chain runs on the worker itself, see `refresh.rs`.

use std::sync::Arc;

use super::refresh::{Failures, KeyServices};
use super::source::{Credentials, CredentialsSource};
use crate::callback_loop::catch_panic;
use crate::error::{Error, Result};
use crate::log::Level;
use crate::sanitize::Redactor;
use crate::sign::Key;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel, canceled};
use crate::sync::{Condvar, Mutex, lock, wait_at_most};

/// The remaining lifetime at which a key is replaced, in seconds. A key with less than twice this lifetime is replaced after
/// half of its lifetime. A request that was signed before still arrives in time.
const REPLACE_BEFORE: i64 = 5 * 60;

/// The keys of a client, of which one is current.
#[derive(Debug)]
pub struct Keys {
    source: CredentialsSource,
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
    pub(super) services: KeyServices,
}

/// A key and its number among the keys of the client.
#[derive(Clone, Debug)]
pub struct NumberedKey {
    /// The key.
    pub key: Arc<Key>,
    /// The number, from 1. Each key from the provider gets the next number.
    pub number: u64,
}

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
    pub(super) expires: Option<i64>,
    /// Whether a thread is calling the provider.
    pub(super) is_refreshing: bool,
    /// The number of threads that wait for the next call of the program's provider to complete.
    waiters: usize,
    /// The number of completed calls of the provider.
    pub(super) refreshes: u64,
    /// The error of the last call of the provider, if it failed.
    pub(super) failure: Option<Error>,
    /// The failed calls of the chain since the last success.
    pub(super) failures: Failures,
}

impl Keys {
    /// Creates the keys of a client. Does not call the provider.
    pub fn new(source: CredentialsSource) -> Self {
        Self::with_services(source, KeyServices::default())
    }

    /// As [`Keys::new`], with what the chain needs. All secrets are added to the redactor.
    pub fn with_services(source: CredentialsSource, services: KeyServices) -> Self {
        let current = match &source {
            CredentialsSource::Key(key) => {
                key.register(&services.redactor);
                let id = key.access_key_id();
                services.log.write(Level::Info, format_args!("the program supplies the keys: access key ID {id}"));
                Some(Arc::clone(key))
            }
            CredentialsSource::Callback(_) | CredentialsSource::Chain(_) => None,
        };
        let state = State { number: u64::from(current.is_some()), current, ..State::default() };
        Self { source, state: Mutex::new(state), changed: Condvar::new(), services }
    }

    /// Returns where the keys come from, for errors.
    pub fn source(&self) -> String {
        match &self.source {
            CredentialsSource::Key(_) => "the program".to_owned(),
            CredentialsSource::Callback(_) => "the credentials provider".to_owned(),
            CredentialsSource::Chain(chain) => chain.source(),
        }
    }

    /// Returns the redactor, which knows the secrets of all keys so far.
    pub fn redactor(&self) -> &Redactor {
        &self.services.redactor
    }

    /// Returns the key to sign with. Waits for the provider if a new key is needed. `now` returns the time of the service's
    /// clock.
    ///
    /// # Errors
    /// `Canceled`. The errors of the provider; `Panic` if it panics.
    pub fn acquire(&self, now: &dyn Fn() -> i64, cancel: &Arc<Cancel>) -> Result<NumberedKey> {
        match &self.source {
            CredentialsSource::Chain(chain) => self.acquire_from_chain(chain, now, cancel),
            CredentialsSource::Key(_) | CredentialsSource::Callback(_) => self.acquire_from_program(now(), cancel),
        }
    }

    /// Returns the key to sign with at `now`. Waits until a caller's thread has called the program's provider.
    fn acquire_from_program(&self, now: i64, cancel: &Cancel) -> Result<NumberedKey> {
        let mut state = lock(&self.state);
        let (number, refreshes) = (state.number, state.refreshes);
        // The number of refreshes when this thread was counted as a waiter.
        let mut counted_at = None;
        let outcome = loop {
            // Accept a key that arrived while waiting even if it is due. Rejecting it would loop.
            let is_fresh = state.number > number;
            if let Some(key) = state.current.clone().filter(|_| is_fresh || !state.is_due(now)) {
                break Ok(NumberedKey { key, number: state.number });
            }
            if let Some(failure) = state.failure.as_ref().filter(|_| state.refreshes > refreshes) {
                break Err(failure.clone());
            }
            if cancel.is_raised() {
                break Err(canceled());
            }
            if counted_at.replace(state.refreshes) != Some(state.refreshes) {
                state.waiters += 1;
            }
            state = wait_at_most(&self.changed, state, CANCEL_POLL_INTERVAL);
        };
        if counted_at == Some(state.refreshes) {
            state.waiters -= 1;
        }
        outcome
    }

    /// Marks a key as expired, as the service reported. Returns true if a provider can replace it or already has.
    pub fn expire(&self, number: u64) -> bool {
        let can_be_replaced = match &self.source {
            CredentialsSource::Key(_) => false,
            CredentialsSource::Callback(_) => true,
            CredentialsSource::Chain(chain) => chain.can_refresh(),
        };
        let mut state = lock(&self.state);
        if can_be_replaced && state.number == number {
            state.rejected = state.current.take().or(state.rejected.take());
            state.failures = Failures::default();
        }
        can_be_replaced
    }

    /// Returns true if a thread waits for a call of the program's provider and no thread is calling it.
    pub fn needs_refresh(&self) -> bool {
        lock(&self.state).needs_refresh()
    }

    /// Calls the program's provider if [`Keys::needs_refresh`]. `now` returns the time of the service's clock, and is called
    /// after the provider.
    pub fn refresh(&self, now: impl FnOnce() -> i64) {
        let CredentialsSource::Callback(provider) = &self.source else { return };
        {
            let mut state = lock(&self.state);
            if !state.needs_refresh() {
                return;
            }
            state.is_refreshing = true;
        }
        // A panic counts as a failure, so that the waiters return.
        let result = catch_panic(|| provider());
        if let Ok(credentials) = &result {
            credentials.key.register(&self.services.redactor);
        }
        let mut state = lock(&self.state);
        state.is_refreshing = false;
        state.waiters = 0;
        state.refreshes += 1;
        state.failure = result.as_ref().err().map(|error| Error::new(error.kind(), error.message()));
        if let Ok(credentials) = result {
            state.set_key(credentials, now());
        }
        drop(state);
        self.changed.notify_all();
    }
}

impl State {
    fn needs_refresh(&self) -> bool {
        self.waiters > 0 && !self.is_refreshing
    }

    pub(super) fn is_due(&self, now: i64) -> bool {
        self.replace_at.is_some_and(|replace_at| now >= replace_at)
    }

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

#[cfg(test)]
mod tests;
