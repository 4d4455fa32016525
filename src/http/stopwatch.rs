//! The time of an exchange: active time, without the waits for the source of the payload.

use std::time::Duration;

use crate::clock::ActiveInstant;

/// Measures the time of one exchange.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    start: ActiveInstant,
    /// The time since the start at the last look.
    last: Duration,
    skipped: Duration,
}

impl Stopwatch {
    /// A stopwatch that starts at 0.
    pub(crate) fn new() -> Self {
        Self { start: ActiveInstant::now(), last: Duration::ZERO, skipped: Duration::ZERO }
    }

    /// The time since the start.
    pub(crate) fn now(&mut self) -> Duration {
        self.last = self.start.elapsed();
        self.last.saturating_sub(self.skipped)
    }

    /// Leaves out the time since the last look.
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
    fn leaves_out_skipped_time() {
        const NAP: Duration = Duration::from_millis(30);
        let mut stopwatch = Stopwatch::new();
        sleep(NAP);
        stopwatch.skip();
        sleep(NAP);
        stopwatch.now();
        sleep(NAP);
        stopwatch.skip();
        // The difference is the two naps that were skipped, however long the sleeps took.
        assert!(stopwatch.start.elapsed() - stopwatch.now() >= 2 * NAP);
        assert!(stopwatch.now() >= NAP);
    }
}
