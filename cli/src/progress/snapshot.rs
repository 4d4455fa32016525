//! The state of the uploads at one moment.

use std::time::Duration;

/// The phase of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not begun.
    Waiting,
    /// In progress.
    Running,
    /// The archive exists.
    Done,
    /// Failed or stopped.
    Failed,
}

/// The state of one source. All sizes are in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) name: String,
    pub(crate) phase: Phase,
    /// `None` if it is unknown.
    pub(crate) total: Option<u64>,
    /// In parts that the service holds, and sent so far in the parts in flight.
    pub(crate) done: u64,
    /// Sent by this process, repeats included.
    pub(crate) sent: u64,
    pub(crate) parts_total: Option<u64>,
    pub(crate) parts_done: u64,
    pub(crate) parts_in_flight: u64,
    pub(crate) retries: u64,
    /// Why the last attempt that was retried failed.
    pub(crate) last_retry: Option<String>,
    /// Bytes per second over the last 10 seconds.
    pub(crate) rate: Option<u64>,
}

/// The state of all sources.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) files: Vec<Snapshot>,
    /// Bytes per second over the last 10 seconds.
    pub(crate) rate: Option<u64>,
    /// Bytes per second; 0: no limit.
    pub(crate) limit: u64,
}

impl Snapshot {
    /// Returns the progress in percent; `None` if the size is unknown. 100 means that the archive exists.
    pub(crate) fn percent(&self) -> Option<u64> {
        match self.phase {
            Phase::Done => Some(100),
            _ => self.total.map(|total| percent(self.done, total)),
        }
    }

    /// Returns the estimated time to the end.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        time_left(self.total?, self.done, self.rate)
    }
}

impl Status {
    /// Returns the sum of all sources, as if they were one. A source of unknown size makes the total unknown.
    pub(crate) fn sum(&self) -> Snapshot {
        let sum = |field: fn(&Snapshot) -> u64| self.files.iter().map(field).fold(0, u64::saturating_add);
        let ended = |phase| self.files.iter().filter(|file| file.phase == phase).count();
        // What failed is no longer to be done.
        let totals = self.files.iter().filter(|file| file.phase != Phase::Failed).map(|file| file.total);
        let done = self.files.iter().filter(|file| file.phase != Phase::Failed).map(|file| file.done);
        Snapshot {
            name: format!("all {}/{}", ended(Phase::Done), self.files.len()),
            phase: Phase::Running,
            total: totals.sum(),
            done: done.fold(0, u64::saturating_add),
            sent: sum(|file| file.sent),
            parts_total: None,
            parts_done: sum(|file| file.parts_done),
            parts_in_flight: sum(|file| file.parts_in_flight),
            retries: sum(|file| file.retries),
            last_retry: None,
            rate: self.rate,
        }
    }
}

fn percent(done: u64, total: u64) -> u64 {
    let percent = u128::from(done) * 100 / u128::from(total.max(1));
    // 100 is shown only when the archive exists.
    u64::try_from(percent.min(99)).unwrap_or(99)
}

fn time_left(total: u64, done: u64, rate: Option<u64>) -> Option<Duration> {
    let rate = rate.filter(|rate| *rate > 0)?;
    Some(Duration::from_secs(total.saturating_sub(done).div_ceil(rate)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn snapshot() -> Snapshot {
        Snapshot {
            name: "backup.tar".to_owned(),
            phase: Phase::Running,
            total: Some(10 << 30),
            done: 9 << 29,
            sent: 9 << 29,
            parts_total: Some(640),
            parts_done: 288,
            parts_in_flight: 8,
            retries: 0,
            last_retry: None,
            rate: Some(52 << 20),
        }
    }

    #[test]
    fn hundred_percent_means_that_the_archive_exists() {
        let running = Snapshot { done: 10 << 30, ..snapshot() };
        assert_eq!(running.percent(), Some(99));
        assert_eq!(Snapshot { phase: Phase::Done, ..running }.percent(), Some(100));
        assert_eq!(Snapshot { total: None, ..snapshot() }.percent(), None);
    }

    #[test]
    fn time_left_follows_from_the_rate() {
        assert_eq!(snapshot().time_left(), Some(Duration::from_secs(109)));
        assert_eq!(Snapshot { rate: None, ..snapshot() }.time_left(), None);
        assert_eq!(Snapshot { rate: Some(0), ..snapshot() }.time_left(), None);
    }

    #[test]
    fn sum_leaves_out_failed_files() {
        let failed = Snapshot { phase: Phase::Failed, ..snapshot() };
        let done = Snapshot { phase: Phase::Done, done: 10 << 30, ..snapshot() };
        let status = Status { files: vec![snapshot(), failed, done], rate: None, limit: 0 };
        let sum = status.sum();
        assert_eq!((sum.name.as_str(), sum.total, sum.done), ("all 1/3", Some(20 << 30), 29 << 29));
    }
}
