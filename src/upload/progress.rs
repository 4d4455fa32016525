//! How far an upload is, and how the caller is told.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::{Upload, lock};
use crate::reentrancy::CallbackScope;
use crate::sync::Mutex;
use crate::sync::cancel::Reason;

/// Whether a callback wants the work to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Stop, as by a cancel.
    Stop,
}

/// Is told how far an upload is. What it owns goes when it is replaced, or with the upload.
pub type ProgressFn = Box<dyn FnMut(&Progress) -> Flow + Send>;

/// Who is told, if anybody.
#[derive(Default)]
pub(crate) struct ProgressCallback(Mutex<Option<ProgressFn>>);

impl ProgressCallback {
    /// Puts another in place of the one there is, which is given back: its end is the caller's code, and wants no lock held.
    pub(crate) fn replace(&self, report: Option<ProgressFn>) -> Option<ProgressFn> {
        std::mem::replace(&mut *lock(&self.0), report)
    }
}

impl fmt::Debug for ProgressCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProgressCallback(..)")
    }
}

/// How far an upload is. All sizes are in bytes.
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

/// The numbers behind [`Progress`], written by all threads.
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
    pub(crate) workers: AtomicU64,
    /// How often a part began to be in flight.
    flights: AtomicU64,
    started: OnceLock<Duration>,
    /// The parts that are counted already: one that is sent again, or found held again, does not count twice.
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

    /// Counts a part that the service holds: sent by this handle, or held before.
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

/// Counts a part as in flight until this is dropped.
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

    /// Whether no other part has been in flight at any time since this one is.
    pub(crate) fn was_alone(&self) -> bool {
        self.began_alone && self.counters.flights.load(Ordering::Acquire) == self.number
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.counters.parts_in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Upload {
    /// Delivers the log lines that wait, on the caller's own thread.
    pub(crate) fn deliver_log(&self) {
        let _inside = CallbackScope::enter(self);
        self.client.deliver_log();
    }

    /// Delivers what waits, on the caller's own thread: log lines, the wish for credentials, then how far the upload is. With
    /// several threads inside, one of them delivers.
    pub(crate) fn deliver(&self) {
        self.deliver_log();
        self.client.request_credentials(&self.cancel);
        let _inside = CallbackScope::enter(self);
        // Who has asked to stop is not asked again by the same call.
        if self.cancel.is_raised_for(Reason::Callback) {
            return;
        }
        // Taken out rather than locked: no lock is held while the caller's code runs.
        let Some(mut report) = self.listener.replace(None) else { return };
        if report(&self.counters.snapshot(self.client.service.clock.monotonic())) == Flow::Stop {
            self.stop_for("the progress callback did not return GLACIER_CONTINUE");
        }
        self.listener.replace(Some(report));
    }

    /// A callback wants the call to stop; `why` is the error's text.
    pub(crate) fn stop_for(&self, why: &'static str) {
        *lock(&self.stopped_by) = why;
        self.cancel.raise_for(Reason::Callback);
    }
}
