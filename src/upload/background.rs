//! The state of a background run.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};
use crate::sync::{Condvar, Mutex, lock, wait_at_most};

/// The longest single wait. Not every system can add an endless time to the current one.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// A callback that receives the result of a background run, once.
pub struct DoneFn(Box<Done>);

type Done = dyn FnOnce(&Result<()>) + Send;

impl DoneFn {
    /// Wraps a function. What it owns is dropped when it returns, or if the run cannot be started.
    pub fn new(done: impl FnOnce(&Result<()>) + Send + 'static) -> Self {
        Self(Box::new(done))
    }

    /// Calls the function. A panic in it is the caller's, and does not change the result of the run.
    pub(crate) fn call(self, outcome: &Result<()>) {
        let _ = catch_unwind(AssertUnwindSafe(|| (self.0)(outcome)));
    }
}

impl fmt::Debug for DoneFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DoneFn(..)")
    }
}

/// The background run of a handle.
#[derive(Debug, Default)]
pub(crate) struct Background {
    run: Mutex<Run>,
    finished: Condvar,
}

#[derive(Debug, Default)]
enum Run {
    #[default]
    NotStarted,
    Running,
    Finished {
        outcome: Result<()>,
        /// Taken by the first thread that waits.
        thread: Option<JoinHandle<()>>,
    },
}

impl Background {
    pub(crate) fn started(&self) {
        *lock(&self.run) = Run::Running;
    }

    /// Records the result. `before` runs first, so that a thread that learns the result can call the handle at once.
    pub(crate) fn finished(&self, outcome: Result<()>, thread: Option<JoinHandle<()>>, before: impl FnOnce()) {
        let mut run = lock(&self.run);
        before();
        *run = Run::Finished { outcome, thread };
        self.finished.notify_all();
    }

    pub(crate) fn is_running(&self) -> bool {
        matches!(*lock(&self.run), Run::Running)
    }

    /// Waits for the result, at most for `time`.
    ///
    /// # Errors
    /// `Pending` if the run is not finished by then; `State` if none was started; those of the run.
    pub(crate) fn wait(&self, time: Duration) -> Result<()> {
        let start = Instant::now();
        let mut run = lock(&self.run);
        loop {
            match &mut *run {
                Run::NotStarted => {
                    return Err(Error::new(Kind::State, "no run was started: there is nothing to wait for"));
                }
                Run::Finished { outcome, thread } => {
                    let (outcome, thread) = (outcome.clone(), thread.take());
                    drop(run);
                    if let Some(thread) = thread {
                        // A panic of the thread is in the outcome already.
                        let _ = thread.join();
                    }
                    return outcome;
                }
                Run::Running => {}
            }
            let left = time.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(Error::new(Kind::Pending, "the run is not finished yet"));
            }
            run = wait_at_most(&self.finished, run, left.min(WAIT_MAX));
        }
    }

    /// Waits until a run that was asked to stop has stopped.
    pub(crate) fn wait_until_stopped(&self) {
        let run = lock(&self.run);
        let run = self.finished.wait_while(run, |run| matches!(run, Run::Running));
        drop(run.unwrap_or_else(PoisonError::into_inner));
    }
}
