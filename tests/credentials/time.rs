//! A clock that the tests move, and dates.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use glacier_mp::clock::{Clock, SystemClock};
use glacier_mp::error::Result;
use glacier_mp::sync::cancel::Cancel;

/// A clock that follows the real time, moved by some seconds. A wait returns at once.
#[derive(Debug, Default)]
pub(crate) struct MovedClock {
    real: SystemClock,
    moved: AtomicI64,
}

impl MovedClock {
    /// Moves the clock to this many seconds after the real time.
    pub(crate) fn move_to(&self, seconds: i64) {
        self.moved.store(seconds, Ordering::SeqCst);
    }
}

impl Clock for MovedClock {
    fn unix_time(&self) -> i64 {
        self.real.unix_time() + self.moved.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        self.real.monotonic()
    }

    fn wait(&self, _: Duration, cancel: &Cancel) -> Result<()> {
        cancel.check()
    }
}

/// A clock whose active time stands still, as while the process is stopped.
#[derive(Debug, Default)]
pub(crate) struct StoppedClock {
    real: SystemClock,
}

impl Clock for StoppedClock {
    fn unix_time(&self) -> i64 {
        self.real.unix_time()
    }

    fn monotonic(&self) -> Duration {
        self.real.monotonic()
    }

    fn active(&self) -> Duration {
        Duration::ZERO
    }

    fn wait(&self, _: Duration, cancel: &Cancel) -> Result<()> {
        cancel.check()
    }
}

/// Returns a time, in seconds since 1970-01-01 UTC, as an ISO 8601 date.
pub(crate) fn iso8601(time: i64) -> String {
    let date = glacier_mp::dates::amz_date(time);
    let part = |range: std::ops::Range<usize>| date[range].to_owned();
    format!("{}-{}-{}T{}:{}:{}Z", part(0..4), part(4..6), part(6..8), part(9..11), part(11..13), part(13..15))
}
