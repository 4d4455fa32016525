//! A minimum time between two actions.

use std::time::{Duration, Instant};

/// Decides whether an action is due: at most once in an interval.
#[derive(Debug)]
pub(crate) struct Every {
    interval: Duration,
    /// `None`: the action is due.
    last: Option<Instant>,
}

impl Every {
    /// The action is due at once.
    pub(crate) fn from_now(interval: Duration) -> Self {
        Self { interval, last: None }
    }

    /// The action is due for the first time one interval after `start`.
    pub(crate) fn after(start: Instant, interval: Duration) -> Self {
        Self { interval, last: Some(start) }
    }

    /// Returns whether the action is due. If it is, the next one is due an interval later.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.last.is_none_or(|last| now.saturating_duration_since(last) >= self.interval);
        if is_due {
            self.last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn action_is_due_once_in_an_interval() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let due = |mut every: Every| [0, 9_999, 10_000, 19_999, 20_001, 20_002].map(|ms| every.is_due(at(ms)));
        let interval = Duration::from_secs(10);
        assert_eq!(due(Every::after(start, interval)), [false, false, true, false, true, false]);
        assert_eq!(due(Every::from_now(interval)), [true, false, true, false, true, false]);
    }
}
