//! Time, as an argument: the real clock, and in tests a virtual one.
//!
//! Deadlines are measured in active time ([`ActiveInstant`]): time in which the process was stopped does not count.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::error::Result;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel};

/// The longest time between two ticks that counts as active. Threads that wait tick at least every [`CANCEL_POLL_INTERVAL`], so a
/// longer gap means that the process was stopped: by SIGSTOP, a debugger, or a suspended machine.
const TICK_GAP_MAX: Duration = Duration::from_secs(5);

/// The clock and the waits of the library.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Seconds since 1970-01-01 UTC, for signatures.
    fn unix_time(&self) -> i64;

    /// A time that only moves forward, for durations.
    fn monotonic(&self) -> Duration;

    /// The active time, for deadlines: like [`Clock::monotonic`], without the time in which the process was stopped.
    fn active(&self) -> Duration {
        self.monotonic()
    }

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

/// A point in the active time of the process, used like [`Instant`] where a deadline must not expire while the process is
/// stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActiveInstant(Duration);

impl ActiveInstant {
    /// The current active time. Each call is a tick: a thread that waits calls it at least every [`CANCEL_POLL_INTERVAL`].
    pub fn now() -> Self {
        static START: OnceLock<Instant> = OnceLock::new();
        static TICKS: Mutex<ActiveTime> = Mutex::new(ActiveTime::new());
        // A mutex, not two atomics: a reader between an update of `last_tick` and of `left_out` would see a jump.
        let mut ticks = TICKS.lock().unwrap_or_else(PoisonError::into_inner);
        Self(ticks.tick(START.get_or_init(Instant::now).elapsed()))
    }

    /// The active time since this point.
    pub fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

/// Active time out of ticks: the time from one tick to the next counts unless it is longer than [`TICK_GAP_MAX`].
#[derive(Debug, Default)]
struct ActiveTime {
    last_tick: Duration,
    left_out: Duration,
}

impl ActiveTime {
    const fn new() -> Self {
        Self { last_tick: Duration::ZERO, left_out: Duration::ZERO }
    }

    /// Takes a tick at `now`, a monotonic time, and returns the active time.
    fn tick(&mut self, now: Duration) -> Duration {
        // A thread that was stopped between reading the clock and this call brings an old time.
        let now = now.max(self.last_tick);
        let gap = now.saturating_sub(self.last_tick);
        if gap > TICK_GAP_MAX {
            self.left_out += gap;
        }
        self.last_tick = now;
        now.saturating_sub(self.left_out)
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
    fn leaves_out_time_without_ticks() {
        let mut time = ActiveTime::new();
        assert_eq!(time.tick(seconds(3)), seconds(3));
        assert_eq!(time.tick(seconds(3 + 3600)), seconds(3), "stopped for an hour");
        assert_eq!(time.tick(seconds(3 + 3601)), seconds(4));
        assert_eq!(time.tick(seconds(3 + 3601 + 6)), seconds(4), "and again");
    }

    #[test]
    fn counts_a_stop_once_and_never_moves_back() {
        let mut time = ActiveTime::new();
        time.tick(seconds(1));
        let before = time.tick(seconds(2));
        assert_eq!(time.tick(seconds(1000)), before);
        assert_eq!(time.tick(seconds(2)), before, "read before the stop, delivered after it");
        assert_eq!(time.tick(seconds(1001)), before + seconds(1));
    }

    #[test]
    fn the_process_clock_moves_forward() {
        let (start, clock) = (ActiveInstant::now(), SystemClock::new());
        let before = clock.active();
        while ActiveInstant::now() == start {}
        assert!(clock.active() > before && start.elapsed() > Duration::ZERO);
    }
}
