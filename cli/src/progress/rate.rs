//! The average rate over the last 10 seconds.

use std::collections::VecDeque;
use std::time::Duration;

const WINDOW: Duration = Duration::from_secs(10);
/// The shortest time over which a rate is computed.
const SPAN_MIN: Duration = Duration::from_millis(500);

/// A series of byte counts. It keeps those of the last 10 seconds.
#[derive(Debug, Default)]
pub(crate) struct Rate(VecDeque<(Duration, u64)>);

impl Rate {
    /// Adds a byte count at a time.
    pub(crate) fn add(&mut self, now: Duration, bytes: u64) {
        self.0.push_back((now, bytes));
        // The last count before the window is its start.
        while self.0.get(1).is_some_and(|(time, _)| now.saturating_sub(*time) >= WINDOW) {
            self.0.pop_front();
        }
    }

    /// Returns the rate in bytes per second; `None` until enough time has passed.
    pub(crate) fn per_second(&self) -> Option<u64> {
        let ((start, first), (end, last)) = (self.0.front()?, self.0.back()?);
        let span = end.saturating_sub(*start);
        if span < SPAN_MIN {
            return None;
        }
        let bytes = u128::from(last.saturating_sub(*first)) * 1_000_000;
        u64::try_from(bytes / span.as_micros().max(1)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(counts: impl IntoIterator<Item = (u64, u64)>) -> Option<u64> {
        let mut rate = Rate::default();
        counts.into_iter().for_each(|(ms, bytes)| rate.add(Duration::from_millis(ms), bytes));
        rate.per_second()
    }

    #[test]
    fn rate_is_the_average_of_the_last_10_seconds() {
        assert_eq!(after([]), None);
        assert_eq!(after([(0, 5)]), None);
        assert_eq!(after([(0, 0), (100, 50)]), None);
        assert_eq!(after([(0, 0), (1000, 50)]), Some(50));
        // A fast start more than 10 seconds ago no longer counts.
        assert_eq!(after((0..=30).map(|second| (second * 1000, 1000 + second))), Some(1));
        assert_eq!(after([(0, 0), (1000, 1000), (20_000, 1000), (31_000, 1000)]), Some(0));
    }
}
