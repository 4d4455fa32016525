//! A limit on the rate of requests, by the service's clock.

use std::sync::Mutex;

use crate::clock::Instant;
use crate::stop::lock;

/// An optional token bucket. Its burst size is the number of requests of one second.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    bucket: Mutex<Option<TokenBucket>>,
}

/// A token bucket. It counts thousandths of a request, so that each millisecond adds a whole number.
#[derive(Debug)]
struct TokenBucket {
    per_second: u64,
    tokens: u64,
    at: Instant,
}

const TOKENS_PER_REQUEST: u64 = 1000;

impl RateLimit {
    /// Admits this many requests per second from now on. `None` removes the limit.
    pub(crate) fn set(&self, per_second: Option<u64>, now: Instant) {
        let full = |per_second: u64| TokenBucket {
            per_second,
            tokens: per_second.saturating_mul(TOKENS_PER_REQUEST),
            at: now,
        };
        *lock(&self.bucket) = per_second.map(full);
    }

    /// Whether a request is admitted now.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        lock(&self.bucket).as_mut().is_none_or(|bucket| bucket.admits(now))
    }
}

impl TokenBucket {
    fn admits(&mut self, now: Instant) -> bool {
        // A clock that is set back adds no tokens.
        let millis = u64::try_from(now.millis_since(self.at)).unwrap_or(0);
        let full = self.per_second.saturating_mul(TOKENS_PER_REQUEST);
        self.tokens = self.tokens.saturating_add(millis.saturating_mul(self.per_second)).min(full);
        self.at = now;
        let admits = self.tokens >= TOKENS_PER_REQUEST;
        if admits {
            self.tokens -= TOKENS_PER_REQUEST;
        }
        admits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_n_requests_per_second() {
        let now = Instant::parse_basic("20120320T170343Z").unwrap();
        let rate = RateLimit::default();
        let admitted = |seconds: i64| (0..1000).filter(|_| rate.admits(now.plus_seconds(seconds))).count();
        assert_eq!(admitted(0), 1000, "no limit");
        rate.set(Some(3), now);
        assert_eq!([0, 0, 1, 3, 3, 4].map(admitted), [3, 0, 3, 3, 0, 3], "the burst is one second");
        assert_eq!([-100, -99].map(admitted), [0, 3], "after it is set back, the clock counts from there");
        rate.set(Some(0), now);
        assert_eq!(admitted(9), 0);
        rate.set(None, now);
        assert_eq!(admitted(9), 1000);
    }

    #[test]
    fn accumulates_fractions_of_a_second() {
        let now = Instant::parse_basic("20120320T170343Z").unwrap();
        let rate = RateLimit::default();
        rate.set(Some(2), now);
        let admitted: Vec<_> = (0..12).map(|i| rate.admits(now.plus_millis(i * 250))).collect();
        let every_other = [true, true, true, false, true, false, true, false, true, false, true, false];
        assert_eq!(admitted, every_other);
    }
}
