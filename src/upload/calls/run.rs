//! `run` and `transfer`: the upload of a source.

use std::sync::Arc;

use crate::callback_loop::{CallbackPump, WakeEvent};
use crate::error::Result;
use crate::reentrancy::CallbackScope;
use crate::source::{CallbackReader, SourceSpec};
use crate::sync::lock;
use crate::upload::admission::{Access, Admission};
use crate::upload::call::Call;
use crate::upload::handle::Upload;
use crate::upload::run::{Goal, finish_stream, run, run_stream};
use crate::upload::session::state::{Action, Operation};
use crate::upload::stream::pipe::{Pipe, ReadStep};

impl Upload {
    /// Initiates the upload or resumes it, sends the missing parts, and completes it.
    ///
    /// # Errors
    /// All; [`Error::is_resumable`](crate::error::Error::is_resumable) says whether the upload can be resumed.
    pub fn run(&self) -> Result<()> {
        self.check_callable()?;
        let admission = self.enter(Access::Exclusive)?;
        self.run_source(&admission, Goal::Archive)
    }

    /// Does the same as [`Upload::run`], without completing.
    ///
    /// # Errors
    /// As [`Upload::run`].
    pub fn transfer(&self) -> Result<()> {
        self.check_callable()?;
        let admission = self.enter(Access::Exclusive)?;
        self.run_source(&admission, Goal::Parts)
    }

    /// Uploads the source to a goal, in a call that is admitted.
    pub(super) fn run_source(&self, admission: &Admission<'_>, goal: Goal) -> Result<()> {
        let operation = match goal {
            Goal::Parts => Operation::Transfer,
            Goal::Archive => Operation::Run,
        };
        let source = lock(&self.options).settings.source.clone();
        let wake = Arc::new(WakeEvent::default());
        let Some(SourceSpec::Callback(reader, size)) = source else {
            let job = |call: &Call<'_>, action| run(call, action, goal);
            return self.run_call(admission, operation, &wake, || self.deliver(), job);
        };
        let pipe = Pipe::new(Arc::clone(&wake));
        let was_read = reader.was_read();
        let job = |call: &Call<'_>, action: Action| match was_read {
            true => finish_stream(call, action, goal),
            false => run_stream(call, action, &pipe, size, goal),
        };
        let pump = ReadPump { upload: self, pipe: &pipe, reader: &reader };
        self.run_call(admission, operation, &wake, pump, job)
    }
}

/// Runs the callbacks of a call whose source is a callback, that one included.
struct ReadPump<'a> {
    upload: &'a Upload,
    pipe: &'a Pipe,
    reader: &'a CallbackReader,
}

impl CallbackPump for ReadPump<'_> {
    fn deliver(&mut self) {
        self.upload.deliver();
    }

    fn on_wake(&mut self) {
        if self.upload.cancel.is_raised() {
            return;
        }
        let _scope = CallbackScope::enter(self.upload);
        match self.pipe.read(|room| self.reader.read(room)) {
            ReadStep::Idle | ReadStep::Read => {}
            ReadStep::Stop => self.upload.stop_for("the read callback did not return GLACIER_CONTINUE"),
            ReadStep::Overrun => self.upload.stop_for("the read callback returned more bytes than it was asked for"),
        }
    }
}
