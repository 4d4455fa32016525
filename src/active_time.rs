//! Active time: the time in which the process runs. Deadlines use it, so that they do not expire while the process is stopped.
//!
//! No system call reports how long the process was stopped. Threads that wait therefore tick, and a long time without a tick
//! of any thread is excluded.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use once_cell::race::OnceBox;

/// The longest time between two ticks that counts completely, in milliseconds. Waiting threads tick every 50 ms and the caller's
/// thread every 100 ms, also on a busy machine within this time, so a longer gap means that the process was stopped: by SIGSTOP,
/// by a debugger, or with the suspended machine.
const GAP_MAX_MS: u64 = 5000;
/// The minimum that counts of a longer gap, in milliseconds. Time limits also end on a machine where all ticks are late.
const GAP_COUNTED_MS: u64 = 50;
/// The unit of excluded time, in milliseconds.
const EXCLUDED_UNIT_MS: u64 = 250;

/// A point in the active time of the process. Used like [`Instant`] for deadlines that must not expire while the process is
/// stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ActiveInstant(Duration);

impl ActiveInstant {
    /// Returns the current active time. Each call is a tick. A waiting thread must call this at least once per
    /// `CANCEL_POLL_INTERVAL`, 50 ms.
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

    /// Returns the active time from the first tick of the process to this point.
    pub(crate) fn since_start(self) -> Duration {
        self.0
    }
}

/// The computation of active time from ticks. The time between two ticks counts unless it exceeds [`GAP_MAX_MS`]. Of a longer
/// gap, at least [`GAP_COUNTED_MS`] and less than one [`EXCLUDED_UNIT_MS`] more counts.
#[derive(Clone, Copy, Debug, Default)]
struct ActiveTime {
    last_tick_ms: u64,
    excluded_units: u64,
}

/// The number of bits of [`ActiveTime::excluded_units`] in a packed time. They hold 194 days. The other bits hold 8 years.
const EXCLUDED_BITS: u32 = 26;
const EXCLUDED_MAX: u64 = (1 << EXCLUDED_BITS) - 1;

impl ActiveTime {
    fn unpack(packed: u64) -> Self {
        Self { last_tick_ms: packed >> EXCLUDED_BITS, excluded_units: packed & EXCLUDED_MAX }
    }

    /// Returns both numbers in one, so that threads can replace them atomically. A thread that reads one old and one new number
    /// would compute a wrong time.
    fn pack(self) -> u64 {
        self.last_tick_ms << EXCLUDED_BITS | self.excluded_units
    }

    /// Processes a tick at the monotonic time `now` and returns the active time.
    fn tick(&mut self, now: Duration) -> Duration {
        // A thread that was stopped between reading the clock and this call passes an old time.
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX).max(self.last_tick_ms);
        let gap = now - self.last_tick_ms;
        if gap > GAP_MAX_MS {
            let excluded = (gap - GAP_COUNTED_MS) / EXCLUDED_UNIT_MS;
            self.excluded_units = (self.excluded_units + excluded).min(EXCLUDED_MAX);
        }
        self.last_tick_ms = now.min(u64::MAX >> EXCLUDED_BITS);
        Duration::from_millis(now.saturating_sub(self.excluded_units * EXCLUDED_UNIT_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Returns a time with a tick at 1 s.
    fn ticking() -> (ActiveTime, Duration) {
        let mut time = ActiveTime::default();
        let active = (0..=10).map(|tick| time.tick(ms(tick * 100))).last().unwrap();
        (time, active)
    }

    #[test]
    fn counts_time_between_ticks() {
        let mut time = ActiveTime::default();
        for tick in 0..100 {
            assert_eq!(time.tick(ms(tick * 50)), ms(tick * 50));
        }
        assert_eq!(time.tick(ms(4950 + 5000)), ms(4950 + 5000), "a busy machine ticks late");
    }

    #[test]
    fn counts_less_than_half_a_second_of_a_stop() {
        for stop in (5001..15_000).chain([3_600_000, 86_400_000]) {
            let (mut time, before) = ticking();
            let counted = time.tick(ms(1000 + stop)) - before;
            assert!((ms(50)..ms(300)).contains(&counted), "{counted:?} of a stop of {stop} ms");
            assert_eq!(time.tick(ms(1000 + stop + 100)) - before, counted + ms(100), "the time goes on after it");
        }
    }

    #[test]
    fn late_ticks_advance() {
        for gap in [5001, 5050, 5250, 5300, 50_000] {
            let (mut time, before) = ticking();
            for tick in 1..=100 {
                time.tick(ms(1000 + tick * gap));
            }
            assert!(time.tick(ms(1000 + 100 * gap)) - before >= 100 * ms(50), "{gap} ms");
        }
    }

    #[test]
    fn excludes_each_stop_once_and_never_moves_back() {
        let (mut time, _) = ticking();
        let after = time.tick(ms(60_000));
        assert_eq!(time.tick(ms(2000)), after, "clock read before the stop, tick after it");
        assert_eq!(time.tick(ms(60_100)), after + ms(100));
    }

    #[test]
    fn pack_keeps_both_numbers() {
        for (last_tick_ms, excluded_units) in [(0, 0), (1, 0), (0, 1), ((1 << 38) - 1, (1 << 26) - 1), (7 << 30, 3)] {
            let unpacked = ActiveTime::unpack(ActiveTime { last_tick_ms, excluded_units }.pack());
            assert_eq!((unpacked.last_tick_ms, unpacked.excluded_units), (last_tick_ms, excluded_units));
        }
    }
}
