//! Replacement of the key by the chain, on the worker thread that needs a key.
//!
//! One thread at a time runs the chain. The others use the current key while it is valid, and otherwise wait. If the call of
//! the thread that runs the chain is canceled, a waiter takes over. A failed replacement is logged and repeated by later
//! requests after a delay that grows: it fails a request only if there is no key that the service may still accept.

use std::sync::Arc;
use std::time::Duration;

use super::chain::Chain;
use super::fetch::{Route, Transports};
use super::keys::{Keys, NumberedKey, State};
use super::provider::{LoadContext, failure};
use super::source::Credentials;
use crate::callback_loop::catch_panic;
use crate::clock::{Clock, SystemClock};
use crate::dates;
use crate::error::{Error, Kind, Result};
use crate::http::{Endpoint, Transport};
use crate::log::{Level, Log};
use crate::sanitize::Redactor;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel, canceled};
use crate::sync::{lock, wait_at_most};

/// The first delay after a failed replacement, in seconds. It doubles with each failure.
const RETRY_DELAY: i64 = 1;
/// The longest delay, in seconds.
const RETRY_DELAY_MAX: i64 = 60;

/// What the chain needs to get keys.
#[derive(Clone, Debug)]
pub struct KeyServices {
    /// Creates the transports of providers.
    pub transports: Arc<dyn Transports>,
    /// The clock of the delays.
    pub clock: Arc<dyn Clock>,
    /// The log.
    pub log: Arc<Log>,
    /// Knows all secrets.
    pub redactor: Arc<Redactor>,
}

impl Default for KeyServices {
    fn default() -> Self {
        Self {
            transports: Arc::new(NoTransports),
            clock: Arc::new(SystemClock::new()),
            log: Arc::new(Log::off()),
            redactor: Arc::default(),
        }
    }
}

/// No network, for clients whose keys need none.
#[derive(Debug)]
struct NoTransports;

impl Transports for NoTransports {
    fn transport(&self, endpoint: &Endpoint, _: Route, _: Duration) -> Result<Arc<dyn Transport>> {
        Err(Error::new(
            Kind::Internal,
            format!("keys cannot be fetched from {endpoint}: the client has no transport for it"),
        ))
    }
}

/// The failed calls of the chain since the last success.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failures {
    count: u32,
    /// The time of the next call, in seconds since 1970-01-01 UTC.
    retry_at: i64,
}

impl Failures {
    fn add(&mut self, now: i64) {
        let delay = RETRY_DELAY.saturating_mul(1 << self.count.min(16)).min(RETRY_DELAY_MAX);
        *self = Self { count: self.count.saturating_add(1), retry_at: now.saturating_add(delay) };
    }

    /// Returns whether the chain may be called. A clock that was set back does not prevent it for longer than the longest
    /// delay.
    fn allow_call(self, now: i64) -> bool {
        !(1..=RETRY_DELAY_MAX).contains(&self.retry_at.saturating_sub(now))
    }
}

impl Keys {
    /// Returns the key to sign with, and runs the chain if it is due and no other thread does.
    pub(super) fn acquire_from_chain(
        &self,
        chain: &Chain,
        now: &dyn Fn() -> i64,
        cancel: &Arc<Cancel>,
    ) -> Result<NumberedKey> {
        let mut state = lock(&self.state);
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
                state = wait_at_most(&self.changed, state, CANCEL_POLL_INTERVAL);
                continue;
            }
            state.is_refreshing = true;
            let (is_refresh, rejected) = (state.number > 0, state.rejected.clone());
            drop(state);
            let result = catch_panic(|| self.load(chain, now, cancel, is_refresh));
            let result = result.and_then(|credentials| match rejected {
                Some(rejected) if rejected.is_same(&credentials.key) => Err(failure(format!(
                    "{} still supplies the keys that the service rejected as expired: renew them",
                    chain.source()
                ))),
                _ => Ok(credentials),
            });
            state = lock(&self.state);
            self.finish_refresh(&mut state, result, chain, now());
            self.changed.notify_all();
        }
    }

    fn load(
        &self,
        chain: &Chain,
        now: &dyn Fn() -> i64,
        cancel: &Arc<Cancel>,
        is_refresh: bool,
    ) -> Result<Credentials> {
        let KeyServices { transports, clock, log, redactor } = &self.services;
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

    fn finish_refresh(&self, state: &mut State, result: Result<Credentials>, chain: &Chain, now: i64) {
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
                        chain.source(),
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

impl State {
    /// Returns the current key if the caller may use it. `before` is the number of refreshes when it began to ask.
    fn usable_key(&self, now: i64, before: u64) -> Option<NumberedKey> {
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
}

#[cfg(test)]
pub(crate) mod tests;
