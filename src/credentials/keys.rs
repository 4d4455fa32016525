//! The current key of a client, and its replacement by the program's credentials provider or by the chain.
//!
//! A worker that needs another key does not call the program's provider. It waits until a caller's thread inside a working
//! call has called it. One call serves all waiting workers. The chain runs on the worker itself, see `refresh.rs`.

use std::sync::Arc;

use super::key_services::KeyServices;
use super::key_state::{Failures, NumberedKey, State};
use super::refresh::ChainKeys;
use super::source::CredentialsSource;
use crate::callback_loop::catch_panic;
use crate::error::{Error, Result};
use crate::log::Level;
use crate::sanitize::Redactor;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel, canceled};
use crate::sync::{Condvar, Mutex, lock, wait_at_most};

/// The keys of a client, of which one is current.
#[derive(Debug)]
pub struct Keys {
    source: CredentialsSource,
    state: Mutex<State>,
    changed: Condvar,
    services: KeyServices,
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
        Self { source, state: Mutex::new(State::new(current)), changed: Condvar::new(), services }
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
            CredentialsSource::Chain(chain) => {
                let Self { state, changed, services, .. } = self;
                ChainKeys { chain, state, changed, services }.acquire(now, cancel)
            }
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

#[cfg(test)]
mod tests;
