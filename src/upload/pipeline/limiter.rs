//! Holds the senders of a run back until the pace lets another part go, and tells when the pace changes.

use std::sync::atomic::Ordering;

use crate::error::{Error, Result};
use crate::log::Level;
use crate::retry::is_throttling;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel};
use crate::sync::fifo::FifoLock;
use crate::sync::{Condvar, Mutex, lock, wait_at_most};
use crate::upload::Upload;
use crate::upload::pipeline::concurrency::{ConcurrencyLimit, Outcome, Sample, Ticket};

/// The pace of a run, for all its senders.
#[derive(Debug)]
pub(crate) struct SendLimiter<'a> {
    upload: &'a Upload,
    /// Without a turn, new parts would overtake one that is to be sent again.
    queue: FifoLock,
    pace: Mutex<ConcurrencyLimit>,
    landed: Condvar,
}

impl<'a> SendLimiter<'a> {
    /// For an upload with parts of that size.
    pub(crate) fn new(upload: &'a Upload, part_size: u64) -> Self {
        let pace = Mutex::new(ConcurrencyLimit::new(upload.client.workers, part_size));
        Self { upload, queue: FifoLock::default(), pace, landed: Condvar::new() }
    }

    /// Makes an attempt to send a part, once another part may be in flight.
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
        let mut pace = lock(&self.pace);
        loop {
            cancel.check()?;
            if let Some(ticket) = self.change(&mut pace, None, ConcurrencyLimit::begin) {
                return Ok(ticket);
            }
            pace = wait_at_most(&self.landed, pace, CANCEL_POLL_INTERVAL);
        }
    }

    fn end(&self, ticket: Ticket, error: Option<&Error>) {
        let outcome = match error {
            None => Outcome::Acknowledged,
            Some(error) if is_throttling(error) => Outcome::PushedBack,
            Some(_) => Outcome::Failed,
        };
        self.change(&mut lock(&self.pace), error, |pace, now| pace.end(ticket, outcome, now));
        self.landed.notify_all();
    }

    /// Changes the pace, and tells if fewer or more parts may be in flight by that.
    fn change<T>(
        &self,
        pace: &mut ConcurrencyLimit,
        error: Option<&Error>,
        change: impl FnOnce(&mut ConcurrencyLimit, Sample) -> T,
    ) -> T {
        let Upload { counters, client, bandwidth, .. } = self.upload;
        // Before the time: what was sent under the old limit must not be measured as if under the new one.
        let allowed = bandwidth.limit();
        let now = Sample { time: client.service.clock.monotonic(), sent: counters.bytes_sent.load(Ordering::Relaxed) };
        let before = pace.limit();
        pace.allow(allowed, now);
        let result = change(pace, now);
        let after = pace.limit();
        if after != before {
            counters.workers.store(after.into(), Ordering::Relaxed);
            self.tell(before, after, pace.bounding_speed(), error);
        }
        result
    }

    fn tell(&self, before: u32, after: u32, speed: Option<u64>, error: Option<&Error>) {
        let (level, why) = match (speed, error) {
            (Some(speed), _) => {
                (Level::Info, format!(": at {speed} bytes a second the line finishes no more within 4 minutes"))
            }
            (None, Some(error)) if after < before => (Level::Warn, format!(": pushed back by {error}")),
            (None, _) => (Level::Info, String::new()),
        };
        self.upload.say(level, format_args!("parts in flight: at most {after} from now on, not {before}{why}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;
    use std::thread;

    use super::*;
    use crate::client::Client;
    use crate::config::Config;
    use crate::error::Kind;
    use crate::limits::MIB;

    /// What this speed allows is one part of 16 MiB in flight.
    const ONE_AT_A_TIME: u64 = 70_000;

    fn upload() -> Arc<Upload> {
        let mut config = Config::from_environment();
        config.set_region("us-east-1").unwrap();
        config.set_credentials("id", "secret", None).unwrap();
        Upload::new(&Client::new(&config).unwrap(), "vault").unwrap()
    }

    #[test]
    fn every_attempt_comes_to_its_turn_and_none_goes_above_the_limit() {
        let upload = upload();
        let (pacer, cancel, flying) = (SendLimiter::new(&upload, 16 * MIB), Cancel::default(), AtomicU32::new(0));
        let attempt = |n: u32| {
            assert!(flying.fetch_add(1, Ordering::SeqCst) < 8);
            thread::yield_now();
            flying.fetch_sub(1, Ordering::SeqCst);
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
                        assert_eq!(pacer.attempt(&cancel, || attempt(n)).is_ok(), !matches!(n % 16, 3 | 7));
                    }
                });
            }
        });
        assert_eq!(u64::from(lock(&pacer.pace).limit()), upload.progress().unwrap().workers);
    }

    #[test]
    fn one_at_a_time_is_one_at_a_time() {
        let upload = upload();
        upload.set_bandwidth_limit(ONE_AT_A_TIME).unwrap();
        let (pacer, cancel, flying) = (SendLimiter::new(&upload, 16 * MIB), Cancel::default(), AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let alone = || {
                            assert_eq!(flying.fetch_add(1, Ordering::SeqCst), 0);
                            thread::yield_now();
                            assert_eq!(flying.fetch_sub(1, Ordering::SeqCst), 1);
                            Ok(())
                        };
                        pacer.attempt(&cancel, alone).unwrap();
                    }
                });
            }
        });
        assert_eq!(upload.progress().unwrap().workers, 1);
    }

    #[test]
    fn who_waits_goes_when_the_bandwidth_limit_is_lifted_or_is_canceled() {
        let upload = upload();
        let (pacer, never, cancel) = (SendLimiter::new(&upload, 16 * MIB), Cancel::default(), Cancel::default());
        let wait_in_line = || {
            while pacer.queue.len() == 0 {
                thread::yield_now();
            }
        };
        upload.set_bandwidth_limit(ONE_AT_A_TIME).unwrap();
        let in_flight = pacer.begin(&never).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| pacer.begin(&cancel));
            wait_in_line();
            cancel.raise();
            assert_eq!(waiting.join().unwrap().unwrap_err().kind(), Kind::Canceled);

            let waiting = scope.spawn(|| pacer.begin(&never));
            wait_in_line();
            upload.set_bandwidth_limit(0).unwrap();
            let second = waiting.join().unwrap().unwrap();
            pacer.end(second, None);
        });
        pacer.end(in_flight, None);
    }
}
