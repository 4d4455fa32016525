//! The clock: the system clock, or a virtual one in tests.
//!
//! Deadlines use active time, which excludes time in which the process was stopped: see `active_time.rs`.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::active_time::ActiveInstant;
use crate::error::Result;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel};

/// A clock that can also wait.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Returns the seconds since 1970-01-01 UTC, for signatures.
    fn unix_time(&self) -> i64;

    /// Returns a time that never moves back, for durations.
    fn monotonic(&self) -> Duration;

    /// Returns the active time, for deadlines: [`Clock::monotonic`] without the time in which the process was stopped.
    fn active(&self) -> Duration {
        self.monotonic()
    }

    /// Waits for `time`, or until `cancel` is raised.
    ///
    /// # Errors
    /// `Kind::Canceled`.
    fn wait(&self, time: Duration, cancel: &Cancel) -> Result<()>;
}

/// The system clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Creates a clock whose monotonic time starts at 0.
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

    fn active(&self) -> Duration {
        ActiveInstant::now().since_start()
    }

    fn wait(&self, time: Duration, cancel: &Cancel) -> Result<()> {
        let end = Instant::now() + time;
        loop {
            ActiveInstant::now();
            cancel.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(CANCEL_POLL_INTERVAL));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn active_time_moves_forward() {
        let (start, clock) = (ActiveInstant::now(), SystemClock::new());
        let before = clock.active();
        while ActiveInstant::now() == start {}
        assert!(clock.active() > before && start.elapsed() > Duration::ZERO);
    }
}
