//! `start` and `wait`: a run on a thread of its own, which also runs the callbacks.

use std::sync::Arc;
use std::time::Duration;

use crate::callback_loop::catch_panic;
use crate::error::{Error, Kind, Result};
use crate::reentrancy::CallbackScope;
use crate::sync::lock;
use crate::sync::oneshot::oneshot;
use crate::sys::thread::{ThreadKind, spawn};
use crate::upload::admission::Access;
use crate::upload::background::DoneFn;
use crate::upload::handle::Upload;
use crate::upload::options::Mode;
use crate::upload::run::Goal;

impl Upload {
    /// Starts a run in the background. `done` is called at its end, if and only if this returns `Ok`.
    ///
    /// # Errors
    /// `State`, `Busy`, `Forked`; `Memory` if the thread cannot be created.
    pub fn start(self: &Arc<Self>, done: Option<DoneFn>) -> Result<()> {
        self.check_callable()?;
        let (report_start, start) = oneshot();
        let (give_thread, own_thread) = oneshot();
        let upload = Arc::clone(self);
        let thread = spawn("glacier-run", ThreadKind::Callbacks, move || {
            let check_mode = |admission| upload.check_mode(&lock(&upload.options), Mode::Run).map(|()| admission);
            let admission = match upload.enter(Access::Exclusive).and_then(check_mode) {
                Ok(admission) => admission,
                Err(error) => {
                    drop(done);
                    report_start.send(Err(error));
                    return;
                }
            };
            upload.background.started();
            report_start.send(Ok(()));
            let outcome = catch_panic(|| upload.run_source(&admission, Goal::Archive));
            if let Some(done) = done {
                let _scope = CallbackScope::enter(&*upload);
                done.call(&outcome);
            }
            upload.background.finished(outcome, own_thread.receive(), || drop(admission));
        });
        let thread = thread.map_err(|error| self.with_upload(error))?;
        let internal = || Err(Error::new(Kind::Internal, "the upload thread exited without a result"));
        let started = start.receive().unwrap_or_else(internal);
        give_thread.send(thread);
        started
    }

    /// Waits for the result of the background run, at most for `time`. Any thread may call it, any number of times.
    ///
    /// # Errors
    /// `Pending` if the run is not finished by then; `State` if none was started; `Busy` inside a callback, `Forked`; those of
    /// the run.
    pub fn wait(&self, time: Duration) -> Result<()> {
        self.check_callable()?;
        self.background.wait(time)
    }
}
