//! The clock: the system clock, or a virtual one in tests.
//!
//! Deadlines use active time (`ActiveInstant`), which excludes time in which the process was stopped.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::error::Result;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel};

/// The longest time between two ticks that counts as active. Waiting threads tick at least once per
/// [`CANCEL_POLL_INTERVAL`], so a longer gap means that the process was stopped: by SIGSTOP, by a debugger, or with the
/// suspended machine.
const TICK_GAP_MAX: Duration = Duration::from_secs(5);

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
        ActiveInstant::now().0
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

/// A point in the active time of the process. Used like [`Instant`] for deadlines that must not expire while the process is
/// stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ActiveInstant(Duration);

impl ActiveInstant {
    /// Returns the current active time. Each call is a tick. A waiting thread must call this at least once per
    /// [`CANCEL_POLL_INTERVAL`].
    pub(crate) fn now() -> Self {
        static START: OnceLock<Instant> = OnceLock::new();
        static TICKS: Mutex<ActiveTime> = Mutex::new(ActiveTime::new());
        // A mutex instead of two atomics: a reader between the updates of `last_tick` and `excluded` would see a jump.
        let mut ticks = TICKS.lock().unwrap_or_else(PoisonError::into_inner);
        Self(ticks.tick(START.get_or_init(Instant::now).elapsed()))
    }

    /// Returns the active time since this point.
    pub(crate) fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

/// The computation of active time from ticks. The time between two ticks counts unless it exceeds [`TICK_GAP_MAX`].
#[derive(Debug, Default)]
struct ActiveTime {
    last_tick: Duration,
    excluded: Duration,
}

impl ActiveTime {
    const fn new() -> Self {
        Self { last_tick: Duration::ZERO, excluded: Duration::ZERO }
    }

    /// Processes a tick at the monotonic time `now` and returns the active time.
    fn tick(&mut self, now: Duration) -> Duration {
        // A thread that was stopped between reading the clock and this call passes an old time.
        let now = now.max(self.last_tick);
        let gap = now.saturating_sub(self.last_tick);
        if gap > TICK_GAP_MAX {
            self.excluded += gap;
        }
        self.last_tick = now;
        now.saturating_sub(self.excluded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn counts_time_between_ticks() {
        let mut time = ActiveTime::new();
        for second in 0..100 {
            assert_eq!(time.tick(seconds(second)), seconds(second));
        }
        assert_eq!(time.tick(seconds(104)), seconds(104), "a busy machine ticks late");
    }

    #[test]
    fn excludes_time_without_ticks() {
        let mut time = ActiveTime::new();
        assert_eq!(time.tick(seconds(3)), seconds(3));
        assert_eq!(time.tick(seconds(3 + 3600)), seconds(3), "stopped for an hour");
        assert_eq!(time.tick(seconds(3 + 3601)), seconds(4));
        assert_eq!(time.tick(seconds(3 + 3601 + 6)), seconds(4), "stopped again");
    }

    #[test]
    fn excludes_each_stop_once_and_never_moves_back() {
        let mut time = ActiveTime::new();
        time.tick(seconds(1));
        let before = time.tick(seconds(2));
        assert_eq!(time.tick(seconds(1000)), before);
        assert_eq!(time.tick(seconds(2)), before, "clock read before the stop, tick after it");
        assert_eq!(time.tick(seconds(1001)), before + seconds(1));
    }

    #[test]
    fn process_clock_moves_forward() {
        let (start, clock) = (ActiveInstant::now(), SystemClock::new());
        let before = clock.active();
        while ActiveInstant::now() == start {}
        assert!(clock.active() > before && start.elapsed() > Duration::ZERO);
    }
}
