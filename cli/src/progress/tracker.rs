//! The sources of one command and the handles that upload them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use glacier_mp::sync::lock;
use glacier_mp::upload::{Progress, Upload};

use super::rate::Rate;
use super::snapshot::{Phase, Snapshot, Status};
use crate::terms::message_of;

/// The progress of all sources. Any thread may use it.
#[derive(Debug)]
pub(crate) struct Tracker {
    start: Instant,
    files: Mutex<Vec<File>>,
    rate: Mutex<Rate>,
    limit: AtomicU64,
}

#[derive(Debug)]
struct File {
    name: String,
    /// In bytes; `None` if it is unknown.
    size: Option<u64>,
    phase: Phase,
    upload: Option<Arc<Upload>>,
    rate: Rate,
}

impl Tracker {
    /// Creates a tracker of sources with these names and sizes.
    pub(crate) fn new(sources: impl Iterator<Item = (String, Option<u64>)>) -> Self {
        let file = |(name, size)| File { name, size, phase: Phase::Waiting, upload: None, rate: Rate::default() };
        Self {
            start: Instant::now(),
            files: Mutex::new(sources.map(file).collect()),
            rate: Mutex::default(),
            limit: AtomicU64::new(0),
        }
    }

    /// Sets the phase of a source.
    pub(crate) fn set_phase(&self, index: usize, phase: Phase) {
        self.files()[index].phase = phase;
    }

    /// Sets the handle that uploads a source.
    pub(crate) fn set_upload(&self, index: usize, upload: &Arc<Upload>) {
        self.files()[index].upload = Some(Arc::clone(upload));
    }

    /// Sets the bandwidth limit that is shown, in bytes per second; 0: no limit.
    pub(crate) fn set_limit(&self, bytes_per_second: u64) {
        self.limit.store(bytes_per_second, Ordering::Relaxed);
    }

    /// Returns the state at this moment, and adds it to the rates.
    pub(crate) fn status(&self) -> Status {
        let now = self.start.elapsed();
        let mut files = self.files();
        let snapshots: Vec<_> = files
            .iter_mut()
            .map(|file| {
                let mut snapshot = file.snapshot();
                file.rate.add(now, snapshot.sent);
                snapshot.rate = file.rate.per_second();
                snapshot
            })
            .collect();
        drop(files);
        let mut rate = lock(&self.rate);
        rate.add(now, snapshots.iter().map(|file| file.sent).sum());
        Status { files: snapshots, rate: rate.per_second(), limit: self.limit.load(Ordering::Relaxed) }
    }

    fn files(&self) -> MutexGuard<'_, Vec<File>> {
        lock(&self.files)
    }
}

impl File {
    fn snapshot(&self) -> Snapshot {
        let known = |count: u64| (count != u64::MAX).then_some(count);
        let upload = self.upload.as_ref();
        let progress = upload.and_then(|upload| upload.progress().ok());
        let Progress { bytes_sent, parts_done, parts_in_flight, retries, .. } = progress.unwrap_or_default();
        let total = progress.and_then(|progress| known(progress.bytes_total)).or(self.size);
        Snapshot {
            name: self.name.clone(),
            phase: self.phase,
            total,
            done: match (self.phase, total) {
                (Phase::Done, Some(total)) => total,
                _ => {
                    progress.map_or(0, |progress| bytes_done(&progress, upload.map_or(0, |upload| upload.part_size())))
                }
            },
            sent: bytes_sent,
            parts_total: progress.and_then(|progress| known(progress.parts_total)),
            parts_done,
            parts_in_flight,
            retries,
            last_retry: upload.and_then(|upload| upload.last_retry()).map(|error| message_of(&error)),
            rate: None,
        }
    }
}

/// Returns the bytes of stored parts, and an estimate of what was sent of the parts in flight.
fn bytes_done(progress: &Progress, part_size: u64) -> u64 {
    let Progress { bytes_total, bytes_done, bytes_resumed, bytes_sent, parts_in_flight, .. } = *progress;
    let in_flight = bytes_sent.saturating_sub(bytes_done).min(parts_in_flight.saturating_mul(part_size));
    (bytes_done + bytes_resumed + in_flight).min(bytes_total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_parts_in_flight_up_to_their_size() {
        let progress = |bytes_sent, parts_in_flight| Progress {
            bytes_total: 100,
            bytes_done: 20,
            bytes_resumed: 10,
            bytes_sent,
            parts_in_flight,
            ..Progress::default()
        };
        assert_eq!(bytes_done(&progress(20, 0), 10), 30);
        assert_eq!(bytes_done(&progress(25, 1), 10), 35);
        assert_eq!(bytes_done(&progress(60, 1), 10), 40, "repeats do not count");
        assert_eq!(bytes_done(&progress(500, 32), 10), 100);
    }
}
