//! A line that carries so many bytes a second: when a reader has to wait so as not to be faster than it.

use std::time::Duration;

/// A wait shorter than this is left to add up: the system makes short ones longer than they were to be.
const WORTH_A_WAIT: Duration = Duration::from_millis(10);

/// How far behind its time a reader may be and still make up for it. A wait that took longer than it was to is made up
/// for; what a client leaves unused is lost, as it is on a line.
const MADE_UP: Duration = Duration::from_millis(250);

/// Holds one body to a rate.
#[derive(Debug)]
pub(crate) struct Pace {
    bytes_per_second: u64,
    /// When what has been read is due, counted from the beginning.
    due: Duration,
}

impl Pace {
    /// The rate is not zero.
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second, due: Duration::ZERO }
    }

    /// The most to read at once, so that a slow body comes in sips: what the line carries in a twentieth of a second.
    pub(crate) fn at_once(&self) -> u64 {
        (self.bytes_per_second / 20).max(1)
    }

    /// How long to wait, so many bytes having been read by now, which counts from the beginning. The wait after the last
    /// of them leaves nothing over.
    pub(crate) fn wait(&mut self, bytes: u64, now: Duration, is_last: bool) -> Duration {
        let nanoseconds = (u128::from(bytes) * 1_000_000_000).div_ceil(u128::from(self.bytes_per_second));
        let takes = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        self.due = self.due.max(now.saturating_sub(MADE_UP)).saturating_add(takes);
        let early = self.due.saturating_sub(now);
        if early >= WORTH_A_WAIT || is_last { early } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;

    /// Reads four seconds' worth in pieces, on a clock of its own: a read takes a microsecond, and a wait up to this much
    /// longer than it was to. The bytes a second that come of it.
    fn reached(bytes_per_second: u64, piece: u64, overslept: Duration) -> f64 {
        let bytes = bytes_per_second * 4;
        let (mut pace, mut now, mut read, mut waits) = (Pace::new(bytes_per_second), Duration::ZERO, 0, 0);
        while read < bytes {
            let piece = piece.min(pace.at_once()).min(bytes - read);
            read += piece;
            now += Duration::from_micros(1);
            let wait = pace.wait(piece, now, read == bytes);
            if !wait.is_zero() {
                waits += 1;
                now += wait + overslept * (waits % 4) / 3;
            }
            let soonest = read as f64 / bytes_per_second as f64;
            assert!((now + WORTH_A_WAIT).as_secs_f64() >= soonest, "{read} bytes at {now:?}");
        }
        bytes as f64 / now.as_secs_f64()
    }

    #[test]
    fn the_rate_is_kept_in_pieces_of_any_size_however_long_a_wait_becomes() {
        for rate in [KIB, 64 * KIB, MIB, 16 * MIB, 100 * MIB, 700 * MIB] {
            // The records of TLS, what a segment carries, and the whole of the buffer.
            for piece in [1400, 16 * KIB, 256 * KIB] {
                for overslept in [0, 1, 10, 60].map(Duration::from_millis) {
                    let share = reached(rate, piece, overslept) / rate as f64;
                    assert!((0.98..=1.0).contains(&share), "{share} of {rate}, {piece} at once, {overslept:?}");
                }
            }
        }
    }

    #[test]
    fn short_waits_add_up_until_the_last() {
        let mut pace = Pace::new(MIB);
        let (two_milliseconds, now) = (MIB / 500 + 1, Duration::ZERO);
        let waits = [(); 6].map(|()| pace.wait(two_milliseconds, now, false).as_millis());
        assert_eq!(waits, [0, 0, 0, 0, 10, 12]);
        assert_eq!(Pace::new(MIB).wait(two_milliseconds, now, true).as_millis(), 2);
    }

    #[test]
    fn a_slow_body_comes_in_sips() {
        assert_eq!([1, KIB, 20 * MIB].map(|rate| Pace::new(rate).at_once()), [1, 51, MIB]);
    }

    #[test]
    fn what_a_client_leaves_unused_is_lost() {
        let mut pace = Pace::new(MIB);
        let second = Duration::from_secs(1);
        assert_eq!(pace.wait(MIB, Duration::ZERO, false), second);
        // Nothing came for nine seconds.
        assert_eq!(pace.wait(MIB, 10 * second, false), second - MADE_UP);
        // Made up for once, and not again.
        assert_eq!(pace.wait(MIB, 11 * second - MADE_UP, false), second);
    }
}
