//! The counters of one upload, from which a progress report is made.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::error::Error;
use crate::sync::{Mutex, lock};

/// The progress of an upload. All sizes are in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The archive's size; `u64::MAX` until it is known.
    pub bytes_total: u64,
    /// In parts that the service acknowledged to this handle.
    pub bytes_done: u64,
    /// In parts that the service held before.
    pub bytes_resumed: u64,
    /// Hashed so far.
    pub bytes_hashed: u64,
    /// Sent on the wire, repeats included.
    pub bytes_sent: u64,
    /// Parts of the archive; `u64::MAX` until it is known.
    pub parts_total: u64,
    /// Parts that the service holds, those it held before included.
    pub parts_done: u64,
    /// Parts that are being sent.
    pub parts_in_flight: u64,
    /// Failed attempts after which another one follows, of all requests.
    pub retries: u64,
    /// The most parts that may be in flight at this moment.
    pub workers: u64,
    /// Milliseconds since the first working call began.
    pub elapsed_ms: u64,
}

/// The counters of [`Progress`], changed by all threads.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) bytes_total: AtomicU64,
    pub(crate) bytes_done: AtomicU64,
    pub(crate) bytes_resumed: AtomicU64,
    pub(crate) bytes_hashed: AtomicU64,
    pub(crate) bytes_sent: Arc<AtomicU64>,
    pub(crate) parts_total: AtomicU64,
    pub(crate) parts_done: AtomicU64,
    pub(crate) parts_in_flight: AtomicU64,
    pub(crate) retries: Arc<AtomicU64>,
    /// The error of the attempt that was retried last.
    pub(crate) last_retry: Arc<Mutex<Option<Error>>>,
    pub(crate) workers: AtomicU64,
    /// The number of parts that ever were in flight.
    flights: AtomicU64,
    started: OnceLock<Duration>,
    /// The parts that are counted. A part that is sent or found again does not count twice.
    counted: Mutex<BTreeSet<u32>>,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            bytes_total: AtomicU64::new(u64::MAX),
            bytes_done: AtomicU64::default(),
            bytes_resumed: AtomicU64::default(),
            bytes_hashed: AtomicU64::default(),
            bytes_sent: Arc::default(),
            parts_total: AtomicU64::new(u64::MAX),
            parts_done: AtomicU64::default(),
            parts_in_flight: AtomicU64::default(),
            retries: Arc::default(),
            last_retry: Arc::default(),
            workers: AtomicU64::default(),
            flights: AtomicU64::default(),
            started: OnceLock::new(),
            counted: Mutex::default(),
        }
    }
}

impl Counters {
    pub(crate) fn start(&self, now: Duration) {
        let _ = self.started.set(now);
    }

    /// Counts a part that the service holds. `sent`: this handle sent it.
    pub(crate) fn part_done(&self, index: u32, bytes: u64, sent: bool) {
        if lock(&self.counted).insert(index) {
            add(&self.parts_done, 1);
            add(if sent { &self.bytes_done } else { &self.bytes_resumed }, bytes);
        }
    }

    pub(crate) fn snapshot(&self, now: Duration) -> Progress {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let elapsed = self.started.get().map_or(Duration::ZERO, |start| now.saturating_sub(*start));
        Progress {
            bytes_total: of(&self.bytes_total),
            bytes_done: of(&self.bytes_done),
            bytes_resumed: of(&self.bytes_resumed),
            bytes_hashed: of(&self.bytes_hashed),
            bytes_sent: of(&self.bytes_sent),
            parts_total: of(&self.parts_total),
            parts_done: of(&self.parts_done),
            parts_in_flight: of(&self.parts_in_flight),
            retries: of(&self.retries),
            workers: of(&self.workers),
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

/// Counts a part as in flight until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlight<'a> {
    counters: &'a Counters,
    number: u64,
    began_alone: bool,
}

impl<'a> InFlight<'a> {
    pub(crate) fn new(counters: &'a Counters) -> Self {
        let number = counters.flights.fetch_add(1, Ordering::AcqRel) + 1;
        let began_alone = counters.parts_in_flight.fetch_add(1, Ordering::AcqRel) == 0;
        Self { counters, number, began_alone }
    }

    /// Returns true if no other part was in flight at any time since this was created.
    pub(crate) fn was_alone(&self) -> bool {
        self.began_alone && self.counters.flights.load(Ordering::Acquire) == self.number
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.counters.parts_in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}
