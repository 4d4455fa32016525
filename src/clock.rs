//! Time, as an argument: the real clock, and in tests one that is moved by hand.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::cancel::{Cancel, LOOK_EVERY};
use crate::error::Result;

/// What the library asks about time, and how it waits.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Seconds since 1970-01-01 UTC, for signatures.
    fn unix_time(&self) -> i64;

    /// A time that only moves forward, for durations.
    fn monotonic(&self) -> Duration;

    /// Waits, but no longer than until `cancel` is raised.
    ///
    /// # Errors
    /// `Kind::Canceled`.
    fn wait(&self, time: Duration, cancel: &Cancel) -> Result<()>;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn unix_time(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |secs| -secs),
        }
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn wait(&self, time: Duration, cancel: &Cancel) -> Result<()> {
        let end = Instant::now() + time;
        loop {
            cancel.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(LOOK_EVERY));
        }
    }
}
