//! Delays the senders of a pipeline until the congestion window admits another part, and logs changes of the window.

use std::sync::atomic::Ordering;

use super::concurrency::{ConcurrencyLimit, Outcome, Sample, Ticket};
use crate::error::{Error, Result};
use crate::log::Level;
use crate::retry::is_throttling;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel};
use crate::sync::fifo::FifoLock;
use crate::sync::{Condvar, Mutex, lock, wait_at_most};
use crate::upload::session::Session;

/// The concurrency limit of one pipeline, shared by its senders.
#[derive(Debug)]
pub(crate) struct SendLimiter<'a> {
    session: &'a Session,
    /// Without FIFO order, new parts would overtake one that is sent again.
    queue: FifoLock,
    limit: Mutex<ConcurrencyLimit>,
    finished: Condvar,
}

impl<'a> SendLimiter<'a> {
    /// Creates the limiter of an upload with parts of `part_size` bytes.
    pub(crate) fn new(session: &'a Session, part_size: u64) -> Self {
        let limit = Mutex::new(ConcurrencyLimit::new(session.client.workers, part_size));
        Self { session, queue: FifoLock::default(), limit, finished: Condvar::new() }
    }

    /// Runs one attempt to send a part, once the window admits it.
    ///
    /// # Errors
    /// `Canceled`; those of the attempt.
    pub(crate) fn attempt<T>(&self, cancel: &Cancel, attempt: impl FnOnce() -> Result<T>) -> Result<T> {
        let ticket = self.begin(cancel)?;
        let result = attempt();
        self.end(ticket, result.as_ref().err());
        result
    }

    fn begin(&self, cancel: &Cancel) -> Result<Ticket> {
        let _place = self.queue.acquire(cancel)?;
        let mut limit = lock(&self.limit);
        loop {
            cancel.check()?;
            if let Some(ticket) = self.change(&mut limit, None, ConcurrencyLimit::begin) {
                return Ok(ticket);
            }
            limit = wait_at_most(&self.finished, limit, CANCEL_POLL_INTERVAL);
        }
    }

    fn end(&self, ticket: Ticket, error: Option<&Error>) {
        let outcome = match error {
            None => Outcome::Acknowledged,
            Some(error) if is_throttling(error) => Outcome::Throttled,
            Some(_) => Outcome::Failed,
        };
        self.change(&mut lock(&self.limit), error, |limit, now| limit.end(ticket, outcome, now));
        self.finished.notify_all();
    }

    /// Changes the limit, and logs if the window changed.
    fn change<T>(
        &self,
        limit: &mut ConcurrencyLimit,
        error: Option<&Error>,
        change: impl FnOnce(&mut ConcurrencyLimit, Sample) -> T,
    ) -> T {
        let Session { counters, client, bandwidth, .. } = self.session;
        // Before the clock: bytes that were sent under the old cap must not be measured under the new one.
        let cap = bandwidth.limit();
        let now = Sample { time: client.service.clock.monotonic(), sent: counters.bytes_sent.load(Ordering::Relaxed) };
        let before = limit.window();
        limit.set_bandwidth_cap(cap, now);
        let result = change(limit, now);
        let after = limit.window();
        if after != before {
            counters.workers.store(after.into(), Ordering::Relaxed);
            self.log_change(before, after, limit.limiting_throughput(), error);
        }
        result
    }

    fn log_change(&self, before: u32, after: u32, throughput: Option<u64>, error: Option<&Error>) {
        let (level, why) = match (throughput, error) {
            (Some(throughput), _) => (
                Level::Info,
                format!(": at {throughput} bytes per second, more parts would not finish within 4 minutes"),
            ),
            (None, Some(error)) if after < before => (Level::Warn, format!(" after throttling: {error}")),
            (None, _) => (Level::Info, String::new()),
        };
        self.session
            .log(level, format_args!("the maximum number of parts in flight changes from {before} to {after}{why}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::thread;

    use super::*;
    use crate::client::Client;
    use crate::config::Config;
    use crate::environment::Environment;
    use crate::error::Kind;
    use crate::limits::MIB;

    /// At this bandwidth, one part of 16 MiB is in flight at a time.
    const ONE_AT_A_TIME: u64 = 70_000;

    fn session() -> Session {
        let mut config = Config::new(Environment::isolated());
        config.set_region("us-east-1").unwrap();
        config.set_credentials("id", "secret", None).unwrap();
        Session::new(&Client::new(&config).unwrap(), "vault")
    }

    #[test]
    fn runs_each_attempt_within_the_limit() {
        let session = session();
        let (limiter, cancel, in_flight) = (SendLimiter::new(&session, 16 * MIB), Cancel::default(), AtomicU32::new(0));
        let attempt = |n: u32| {
            assert!(in_flight.fetch_add(1, Ordering::SeqCst) < 8);
            thread::yield_now();
            in_flight.fetch_sub(1, Ordering::SeqCst);
            match n % 16 {
                3 => Err(Error::new(Kind::Throttled, "x")),
                7 => Err(Error::new(Kind::Network, "x")),
                _ => Ok(()),
            }
        };
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for n in 0..500 {
                        assert_eq!(limiter.attempt(&cancel, || attempt(n)).is_ok(), !matches!(n % 16, 3 | 7));
                    }
                });
            }
        });
        assert_eq!(u64::from(lock(&limiter.limit).window()), session.counters.workers.load(Ordering::SeqCst));
    }

    #[test]
    fn limit_of_one_runs_one_attempt_at_a_time() {
        let session = session();
        session.bandwidth.set_limit(ONE_AT_A_TIME);
        let (limiter, cancel, in_flight) = (SendLimiter::new(&session, 16 * MIB), Cancel::default(), AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let alone = || {
                            assert_eq!(in_flight.fetch_add(1, Ordering::SeqCst), 0);
                            thread::yield_now();
                            assert_eq!(in_flight.fetch_sub(1, Ordering::SeqCst), 1);
                            Ok(())
                        };
                        limiter.attempt(&cancel, alone).unwrap();
                    }
                });
            }
        });
        assert_eq!(session.counters.workers.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn waiting_attempt_starts_when_bandwidth_cap_is_lifted_or_ends_on_cancel() {
        let session = session();
        let (limiter, never, cancel) = (SendLimiter::new(&session, 16 * MIB), Cancel::default(), Cancel::default());
        let wait_until_queued = || {
            while limiter.queue.len() == 0 {
                thread::yield_now();
            }
        };
        session.bandwidth.set_limit(ONE_AT_A_TIME);
        let in_flight = limiter.begin(&never).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| limiter.begin(&cancel));
            wait_until_queued();
            cancel.raise();
            assert_eq!(waiting.join().unwrap().unwrap_err().kind(), Kind::Canceled);

            let waiting = scope.spawn(|| limiter.begin(&never));
            wait_until_queued();
            session.bandwidth.set_limit(0);
            let second = waiting.join().unwrap().unwrap();
            limiter.end(second, None);
        });
        limiter.end(in_flight, None);
    }
}
