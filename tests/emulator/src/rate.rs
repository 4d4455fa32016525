//! A limit on the rate of requests, by the service's clock.

use std::sync::Mutex;

use crate::clock::Instant;
use crate::stop::lock;

/// The limit, if there is one. Requests that come at once may be as many as come in a second.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    bucket: Mutex<Option<Bucket>>,
}

/// What is left to spend, in thousandths of a request, so that each millisecond adds a whole number of them.
#[derive(Debug)]
struct Bucket {
    per_second: u64,
    left: u64,
    at: Instant,
}

const REQUEST: u64 = 1000;

impl Rate {
    /// Admits so many requests a second from now on; all, if there is no number.
    pub(crate) fn set(&self, per_second: Option<u64>, now: Instant) {
        let full = |per_second: u64| Bucket { per_second, left: per_second.saturating_mul(REQUEST), at: now };
        *lock(&self.bucket) = per_second.map(full);
    }

    /// Whether a request may pass now.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        lock(&self.bucket).as_mut().is_none_or(|bucket| bucket.admits(now))
    }
}

impl Bucket {
    fn admits(&mut self, now: Instant) -> bool {
        // A clock that is set back adds nothing.
        let millis = u64::try_from(now.millis_since(self.at)).unwrap_or(0);
        let full = self.per_second.saturating_mul(REQUEST);
        self.left = self.left.saturating_add(millis.saturating_mul(self.per_second)).min(full);
        self.at = now;
        let admits = self.left >= REQUEST;
        if admits {
            self.left -= REQUEST;
        }
        admits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_second_and_no_more() {
        let now = Instant::parse_basic("20120320T170343Z").unwrap();
        let rate = Rate::default();
        let admitted = |seconds: i64| (0..1000).filter(|_| rate.admits(now.plus_seconds(seconds))).count();
        assert_eq!(admitted(0), 1000, "no limit");
        rate.set(Some(3), now);
        assert_eq!([0, 0, 1, 3, 3, 4].map(admitted), [3, 0, 3, 3, 0, 3], "a second's worth is all that is saved");
        assert_eq!([-100, -99].map(admitted), [0, 3], "set back, the clock counts on from there");
        rate.set(Some(0), now);
        assert_eq!(admitted(9), 0);
        rate.set(None, now);
        assert_eq!(admitted(9), 1000);
    }

    #[test]
    fn fractions_of_a_second_add_up() {
        let now = Instant::parse_basic("20120320T170343Z").unwrap();
        let rate = Rate::default();
        rate.set(Some(2), now);
        let admitted: Vec<_> = (0..12).map(|i| rate.admits(now.plus_millis(i * 250))).collect();
        let every_other = [true, true, true, false, true, false, true, false, true, false, true, false];
        assert_eq!(admitted, every_other);
    }
}
