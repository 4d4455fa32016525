//! Computes the waits of a reader with a limited rate.

use std::time::Duration;

/// Shorter waits accumulate, because the system oversleeps short ones.
const MIN_WAIT: Duration = Duration::from_millis(10);

/// The longest delay that a reader may make up for. It covers waits that took too long. Unused bandwidth of the client is
/// not carried over.
const MAX_CATCH_UP: Duration = Duration::from_millis(250);

/// A limit on the rate at which one body is read.
#[derive(Debug)]
pub(crate) struct ReadRate {
    bytes_per_second: u64,
    /// The time at which the bytes read so far are due, from the start of the body.
    due: Duration,
}

impl ReadRate {
    /// `bytes_per_second` must not be zero.
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second, due: Duration::ZERO }
    }

    /// The maximum number of bytes per read: those of 50 ms, so that a slow body arrives in small pieces.
    pub(crate) fn max_read(&self) -> u64 {
        (self.bytes_per_second / 20).max(1)
    }

    /// Returns how long to wait after reading `bytes` at time `now`, from the start of the body. After the last bytes the whole
    /// remaining wait is due.
    pub(crate) fn wait(&mut self, bytes: u64, now: Duration, is_last: bool) -> Duration {
        let nanoseconds = (u128::from(bytes) * 1_000_000_000).div_ceil(u128::from(self.bytes_per_second));
        let takes = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        self.due = self.due.max(now.saturating_sub(MAX_CATCH_UP)).saturating_add(takes);
        let early = self.due.saturating_sub(now);
        if early >= MIN_WAIT || is_last { early } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;

    /// Simulates a body of four seconds, read in pieces. A read takes 1 µs, and a wait up to `overslept` longer than
    /// requested. Returns the resulting bytes per second.
    fn reached(bytes_per_second: u64, piece: u64, overslept: Duration) -> f64 {
        let bytes = bytes_per_second * 4;
        let (mut rate, mut now, mut read, mut waits) = (ReadRate::new(bytes_per_second), Duration::ZERO, 0, 0);
        while read < bytes {
            let piece = piece.min(rate.max_read()).min(bytes - read);
            read += piece;
            now += Duration::from_micros(1);
            let wait = rate.wait(piece, now, read == bytes);
            if !wait.is_zero() {
                waits += 1;
                now += wait + overslept * (waits % 4) / 3;
            }
            let soonest = read as f64 / bytes_per_second as f64;
            assert!((now + MIN_WAIT).as_secs_f64() >= soonest, "{read} bytes at {now:?}");
        }
        bytes as f64 / now.as_secs_f64()
    }

    #[test]
    fn keeps_rate_for_any_piece_size_despite_oversleep() {
        for rate in [KIB, 64 * KIB, MIB, 16 * MIB, 100 * MIB, 700 * MIB] {
            // The sizes of a TCP segment, a TLS record and the whole buffer.
            for piece in [1400, 16 * KIB, 256 * KIB] {
                for overslept in [0, 1, 10, 60].map(Duration::from_millis) {
                    let share = reached(rate, piece, overslept) / rate as f64;
                    assert!((0.98..=1.0).contains(&share), "{share} of {rate}, {piece} at once, {overslept:?}");
                }
            }
        }
    }

    #[test]
    fn short_waits_accumulate_until_the_last_piece() {
        let mut rate = ReadRate::new(MIB);
        let (two_milliseconds, now) = (MIB / 500 + 1, Duration::ZERO);
        let waits = [(); 6].map(|()| rate.wait(two_milliseconds, now, false).as_millis());
        assert_eq!(waits, [0, 0, 0, 0, 10, 12]);
        assert_eq!(ReadRate::new(MIB).wait(two_milliseconds, now, true).as_millis(), 2);
    }

    #[test]
    fn limits_the_size_of_a_read() {
        assert_eq!([1, KIB, 20 * MIB].map(|rate| ReadRate::new(rate).max_read()), [1, 51, MIB]);
    }

    #[test]
    fn unused_bandwidth_is_not_carried_over() {
        let mut rate = ReadRate::new(MIB);
        let second = Duration::from_secs(1);
        assert_eq!(rate.wait(MIB, Duration::ZERO, false), second);
        // Nothing arrived for nine seconds.
        assert_eq!(rate.wait(MIB, 10 * second, false), second - MAX_CATCH_UP);
        // The delay is made up for only once.
        assert_eq!(rate.wait(MIB, 11 * second - MAX_CATCH_UP, false), second);
    }
}
