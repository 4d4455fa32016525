//! A stream that the caller writes. Between two calls, threads of the library send its parts.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::pipe::Pipe;
use crate::error::Result;
use crate::sync::{Mutex, lock};

/// The shortest time between two progress reports: calls of `write` are many and short.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);

/// A written stream and its result.
#[derive(Debug)]
pub(crate) struct WriteSession {
    pub(crate) pipe: Pipe,
    outcome: Mutex<Option<Result<()>>>,
    /// Taken by the first thread that waits for its end.
    thread: Mutex<Option<JoinHandle<()>>>,
    last_report: Mutex<Instant>,
}

impl WriteSession {
    pub(crate) fn new() -> Self {
        Self {
            pipe: Pipe::new(Arc::default()),
            outcome: Mutex::default(),
            thread: Mutex::default(),
            last_report: Mutex::new(Instant::now()),
        }
    }

    pub(crate) fn set_thread(&self, thread: JoinHandle<()>) {
        *lock(&self.thread) = Some(thread);
    }

    /// Returns the result, once the stream's thread has it.
    pub(crate) fn outcome(&self) -> Option<Result<()>> {
        lock(&self.outcome).clone()
    }

    pub(crate) fn finished(&self, outcome: Result<()>) {
        *lock(&self.outcome) = Some(outcome);
        self.pipe.wake().notify();
    }

    pub(crate) fn is_running(&self) -> bool {
        lock(&self.outcome).is_none()
    }

    /// Returns true if a progress report is due, and counts it as made.
    pub(crate) fn is_report_due(&self) -> bool {
        let mut last = lock(&self.last_report);
        let is_due = last.elapsed() >= REPORT_INTERVAL;
        if is_due {
            *last = Instant::now();
        }
        is_due
    }

    /// Waits until the stream's thread has exited, after its result is known. Otherwise the thread could outlive the call that
    /// returns the result, into a fork or the end of the process.
    pub(crate) fn join(&self) {
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            // A panic of the thread is in the outcome already.
            let _ = thread.join();
        }
    }
}
