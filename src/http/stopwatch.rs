//! The time of an exchange: the active time, without the time spent in the source of the payload.

use std::time::Duration;

use crate::active_time::ActiveInstant;

/// Measures the time of one exchange.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    start: ActiveInstant,
    /// The time since the start at the last call.
    last: Duration,
    skipped: Duration,
}

impl Stopwatch {
    /// Starts a stopwatch.
    pub(crate) fn new() -> Self {
        Self { start: ActiveInstant::now(), last: Duration::ZERO, skipped: Duration::ZERO }
    }

    /// Returns the time since the start, without skipped time.
    pub(crate) fn now(&mut self) -> Duration {
        self.last = self.start.elapsed();
        self.last.saturating_sub(self.skipped)
    }

    /// Skips the time since the last call.
    pub(crate) fn skip(&mut self) {
        let now = self.start.elapsed();
        self.skipped += now.saturating_sub(self.last);
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    #[test]
    fn does_not_count_skipped_time() {
        const NAP: Duration = Duration::from_millis(30);
        let mut stopwatch = Stopwatch::new();
        sleep(NAP);
        stopwatch.skip();
        sleep(NAP);
        stopwatch.now();
        sleep(NAP);
        stopwatch.skip();
        // The difference is the two skipped naps, even if the sleeps took longer.
        assert!(stopwatch.start.elapsed() - stopwatch.now() >= 2 * NAP);
        assert!(stopwatch.now() >= NAP);
    }
}
