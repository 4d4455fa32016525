//! `start` and `wait`: a run on a thread of its own, which delivers its callbacks there.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Upload;
use super::admission::Access;
use super::options::Mode;
use super::state::Operation;
use crate::callback_loop::catch_panic;
use crate::error::{Error, Kind, Result};
use crate::reentrancy::CallbackScope;
use crate::sync::{Condvar, Mutex, lock, wait_at_most};
use crate::sys::thread::{CALLBACK_STACK_SIZE, spawn};

/// The longest single wait: "for ever" is a number that not every system can add to the time.
const AT_MOST: Duration = Duration::from_secs(3600);

/// Told how the run ended, once.
pub struct DoneFn(Box<Done>);

type Done = dyn FnOnce(&Result<()>) + Send;

impl DoneFn {
    /// Of that function. What it owns goes when it returns, or when the run cannot be started.
    pub fn new(done: impl FnOnce(&Result<()>) + Send + 'static) -> Self {
        Self(Box::new(done))
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
    over: Condvar,
}

#[derive(Debug, Default)]
enum Run {
    #[default]
    Never,
    Going,
    Over {
        outcome: Result<()>,
        /// Taken by whoever waits for the end of the thread.
        thread: Option<JoinHandle<()>>,
    },
}

impl Upload {
    /// Starts a run, and returns. `done` is called when it is over, if and only if this returns `Ok`.
    ///
    /// # Errors
    /// `State`, `Busy`, `Forked`; `Memory` if there is no thread to be had.
    pub fn start(self: &Arc<Self>, done: Option<DoneFn>) -> Result<()> {
        self.admit()?;
        let (tell, told) = sync_channel(1);
        let (give, given) = sync_channel(1);
        let upload = Arc::clone(self);
        let thread = spawn("glacier-run", CALLBACK_STACK_SIZE, move || {
            let may_run = |entered| upload.may_use(Mode::Run).map(|()| entered);
            let entered = match upload.enter(Access::Exclusive).and_then(may_run) {
                Ok(entered) => entered,
                Err(error) => {
                    drop(done);
                    let _ = tell.send(Err(error));
                    return;
                }
            };
            *lock(&upload.background.run) = Run::Going;
            let _ = tell.send(Ok(()));
            let outcome = catch_panic(|| upload.run_inside(&entered, Operation::Run));
            if let Some(DoneFn(done)) = done {
                let _inside = CallbackScope::enter(&*upload);
                // A panic in it is the caller's; the run is over all the same.
                let _ = catch_unwind(AssertUnwindSafe(|| done(&outcome)));
            }
            let mut run = lock(&upload.background.run);
            // Whoever learns of the end may call again at once.
            drop(entered);
            *run = Run::Over { outcome, thread: given.recv().ok() };
            upload.background.over.notify_all();
        })?;
        let started = told.recv().unwrap_or_else(|_| Err(Error::new(Kind::Internal, "a run went without a word")));
        let _ = give.send(thread);
        started
    }

    /// Waits until the run that was started is over, and gives its outcome: any number of times, on any thread.
    ///
    /// # Errors
    /// `Pending` if it is not over by then; `State` if none was started; `Busy` inside a callback, `Forked`; and what the
    /// run failed with.
    pub fn wait(&self, time: Duration) -> Result<()> {
        self.admit()?;
        let since = Instant::now();
        let mut run = lock(&self.background.run);
        loop {
            match &mut *run {
                Run::Never => return Err(Error::new(Kind::State, "no run was started: there is nothing to wait for")),
                Run::Over { outcome, thread } => {
                    let (outcome, thread) = (outcome.clone(), thread.take());
                    drop(run);
                    if let Some(thread) = thread {
                        // It passes no panic on: the outcome has it.
                        let _ = thread.join();
                    }
                    return outcome;
                }
                Run::Going => {}
            }
            let left = time.saturating_sub(since.elapsed());
            if left.is_zero() {
                return Err(Error::new(Kind::Pending, "the run is not over yet"));
            }
            run = wait_at_most(&self.background.over, run, left.min(AT_MOST));
        }
    }

    /// Waits until a run that was asked to stop has stopped.
    pub(crate) fn await_end_of_run(&self) {
        let run = lock(&self.background.run);
        let over = self.background.over.wait_while(run, |run| matches!(run, Run::Going));
        drop(over.unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether a started run is going on.
    pub(crate) fn is_running_in_background(&self) -> bool {
        matches!(*lock(&self.background.run), Run::Going)
    }
}
