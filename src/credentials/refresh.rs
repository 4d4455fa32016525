//! Replacement of the key by the chain, on the worker thread that needs a key.
//!
//! One thread at a time runs the chain. The others use the current key while it is valid, and otherwise wait. If the call of
//! the thread that runs the chain is canceled, a waiter takes over. A failed replacement is logged and repeated by later
//! requests after a delay that grows: it fails a request only if there is no key that the service may still accept.

use std::sync::Arc;

use super::chain::Chain;
use super::key::Credentials;
use super::key_services::KeyServices;
use super::key_state::{Failures, NumberedKey, State};
use super::provider::{LoadContext, failure};
use crate::callback_loop::catch_panic;
use crate::dates;
use crate::error::{Kind, Result};
use crate::log::Level;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel, canceled};
use crate::sync::{Condvar, Mutex, lock, wait_at_most};

/// The keys of a client that come from a chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChainKeys<'a> {
    pub(super) chain: &'a Chain,
    pub(super) state: &'a Mutex<State>,
    /// Wakes the threads that wait for the end of a call of the chain.
    pub(super) changed: &'a Condvar,
    pub(super) services: &'a KeyServices,
}

impl ChainKeys<'_> {
    /// Returns the key to sign with, and runs the chain if it is due and no other thread does.
    pub(super) fn acquire(&self, now: &dyn Fn() -> i64, cancel: &Arc<Cancel>) -> Result<NumberedKey> {
        let mut state = lock(self.state);
        let before = state.refreshes;
        loop {
            let time = now();
            if let Some(key) = state.usable_key(time, before) {
                return Ok(key);
            }
            if let Some(failure) = state.failure.as_ref().filter(|_| state.refreshes > before) {
                return Err(failure.clone());
            }
            if cancel.is_raised() {
                return Err(canceled());
            }
            if state.is_refreshing {
                state = wait_at_most(self.changed, state, CANCEL_POLL_INTERVAL);
                continue;
            }
            state.is_refreshing = true;
            let (is_refresh, rejected) = (state.number > 0, state.rejected.clone());
            drop(state);
            let result = catch_panic(|| self.load(now, cancel, is_refresh));
            let result = result.and_then(|credentials| match rejected {
                Some(rejected) if rejected.is_same(&credentials.key) => Err(failure(format!(
                    "{} still supplies the keys that the service rejected as expired: renew them",
                    self.chain.source()
                ))),
                _ => Ok(credentials),
            });
            state = lock(self.state);
            self.finish(&mut state, result, now());
            self.changed.notify_all();
        }
    }

    fn load(&self, now: &dyn Fn() -> i64, cancel: &Arc<Cancel>, is_refresh: bool) -> Result<Credentials> {
        let Self { chain, services: KeyServices { transports, clock, log, redactor }, .. } = self;
        chain.load(&LoadContext {
            environment: chain.environment(),
            transports: &**transports,
            clock: &**clock,
            now,
            cancel,
            redactor,
            log,
            process_time_limit: chain.process_time_limit(),
            is_refresh,
        })
    }

    fn finish(&self, state: &mut State, result: Result<Credentials>, now: i64) {
        let log = &self.services.log;
        state.is_refreshing = false;
        let error = match result {
            Ok(credentials) => {
                let expiry =
                    credentials.expires.map_or("no expiry".to_owned(), |at| format!("expiry {}", dates::amz_date(at)));
                log.write(
                    Level::Info,
                    format_args!(
                        "{} supplies the keys: access key ID {}, {expiry}",
                        self.chain.source(),
                        credentials.key.access_key_id()
                    ),
                );
                state.refreshes += 1;
                state.failure = None;
                state.failures = Failures::default();
                state.set_key(credentials, now);
                return;
            }
            Err(error) => error.redacted(&self.services.redactor),
        };
        // The other waiters are not canceled: one of them takes over.
        if error.kind() == Kind::Canceled {
            return;
        }
        state.refreshes += 1;
        state.failures.add(now);
        if state.current.is_some() {
            log.write(
                Level::Warn,
                format_args!("the keys cannot be replaced, and the present ones stay in use: {error}"),
            );
        }
        state.failure = Some(error);
    }
}

#[cfg(test)]
pub(crate) mod tests;
