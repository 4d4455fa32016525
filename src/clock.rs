//! The clock: the system clock, or a virtual one in tests.
//!
//! Deadlines use active time (`ActiveInstant`), which excludes time in which the process was stopped.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use once_cell::race::OnceBox;

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
        // No lock: a forked child could inherit it in its locked state, and nothing would ever unlock it.
        static START: OnceBox<Instant> = OnceBox::new();
        static TICKS: AtomicU64 = AtomicU64::new(0);
        let now = START.get_or_init(|| Box::new(Instant::now())).elapsed();
        let mut active = Duration::ZERO;
        // The closure always returns a value, so the update cannot fail.
        let _ = TICKS.fetch_update(Ordering::AcqRel, Ordering::Acquire, |packed| {
            let mut time = ActiveTime::unpack(packed);
            active = time.tick(now);
            Some(time.pack())
        });
        Self(active)
    }

    /// Returns the active time since this point.
    pub(crate) fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

/// The computation of active time from ticks, in milliseconds. The time between two ticks counts unless it exceeds
/// [`TICK_GAP_MAX`]. Of a longer gap, the whole seconds are excluded.
#[derive(Clone, Copy, Debug, Default)]
struct ActiveTime {
    last_tick_ms: u64,
    excluded_seconds: u64,
}

/// The number of bits of [`ActiveTime::excluded_seconds`] in a packed time. They hold 194 days. The other bits hold 34 years.
const EXCLUDED_BITS: u32 = 24;
const EXCLUDED_MAX: u64 = (1 << EXCLUDED_BITS) - 1;

impl ActiveTime {
    fn unpack(packed: u64) -> Self {
        Self { last_tick_ms: packed >> EXCLUDED_BITS, excluded_seconds: packed & EXCLUDED_MAX }
    }

    /// Returns both numbers in one, so that threads can replace them atomically. A thread that reads one old and one new number
    /// would compute a wrong time.
    fn pack(self) -> u64 {
        self.last_tick_ms << EXCLUDED_BITS | self.excluded_seconds
    }

    /// Processes a tick at the monotonic time `now` and returns the active time.
    fn tick(&mut self, now: Duration) -> Duration {
        // A thread that was stopped between reading the clock and this call passes an old time.
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX).max(self.last_tick_ms);
        let gap = Duration::from_millis(now - self.last_tick_ms);
        if gap > TICK_GAP_MAX {
            self.excluded_seconds = (self.excluded_seconds + gap.as_secs()).min(EXCLUDED_MAX);
        }
        self.last_tick_ms = now.min(u64::MAX >> EXCLUDED_BITS);
        Duration::from_millis(now).saturating_sub(Duration::from_secs(self.excluded_seconds))
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
        let mut time = ActiveTime::default();
        for second in 0..100 {
            assert_eq!(time.tick(seconds(second)), seconds(second));
        }
        assert_eq!(time.tick(seconds(104)), seconds(104), "a busy machine ticks late");
    }

    #[test]
    fn excludes_time_without_ticks() {
        let mut time = ActiveTime::default();
        assert_eq!(time.tick(seconds(3)), seconds(3));
        assert_eq!(time.tick(seconds(3 + 3600)), seconds(3), "stopped for an hour");
        assert_eq!(time.tick(seconds(3 + 3601)), seconds(4));
        assert_eq!(time.tick(seconds(3 + 3601 + 6)), seconds(4), "stopped again");
    }

    #[test]
    fn excludes_each_stop_once_and_never_moves_back() {
        let mut time = ActiveTime::default();
        time.tick(seconds(1));
        let before = time.tick(seconds(2));
        assert_eq!(time.tick(seconds(1000)), before);
        assert_eq!(time.tick(seconds(2)), before, "clock read before the stop, tick after it");
        assert_eq!(time.tick(seconds(1001)), before + seconds(1));
    }

    #[test]
    fn excludes_the_whole_seconds_of_a_gap() {
        let mut time = ActiveTime::default();
        time.tick(Duration::from_millis(1_000));
        assert_eq!(time.tick(Duration::from_millis(7_999)), Duration::from_millis(1_999));
        assert_eq!(time.tick(Duration::from_millis(8_000)), Duration::from_millis(2_000));
    }

    #[test]
    fn pack_keeps_both_numbers() {
        for (last_tick_ms, excluded_seconds) in [(0, 0), (1, 0), (0, 1), ((1 << 40) - 1, (1 << 24) - 1), (7 << 30, 3)] {
            let unpacked = ActiveTime::unpack(ActiveTime { last_tick_ms, excluded_seconds }.pack());
            assert_eq!((unpacked.last_tick_ms, unpacked.excluded_seconds), (last_tick_ms, excluded_seconds));
        }
    }

    #[test]
    fn process_clock_moves_forward() {
        let (start, clock) = (ActiveInstant::now(), SystemClock::new());
        let before = clock.active();
        while ActiveInstant::now() == start {}
        assert!(clock.active() > before && start.elapsed() > Duration::ZERO);
    }
}
