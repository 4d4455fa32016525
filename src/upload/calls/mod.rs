//! The working calls of a handle. Each is admitted, decided by the state machine, and runs on a thread of the library while the
//! caller's own thread runs the callbacks. `run` and `transfer` upload a source.

pub(crate) mod background;
pub(crate) mod by_hand;
mod callbacks;
mod final_error;
mod write;

use std::sync::Arc;
use std::time::Duration;

use self::callbacks::ReadPump;
use self::final_error::add_journal_hint;
use super::admission::{Access, Admission};
use super::call::Call;
use super::handle::Upload;
use super::options::{Mode, Options, Settings};
use super::run::{Goal, finish_stream, run, run_stream};
use super::session::state::{Action, Event, Operation, State};
use super::stream::pipe::Pipe;
use crate::callback_loop::{CallbackPump, WakeEvent, run_on_worker};
use crate::error::{Error, Kind, Result};
use crate::http::RequestContext;
use crate::source::SourceSpec;
use crate::sync::lock;

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
    fn run_source(&self, admission: &Admission<'_>, goal: Goal) -> Result<()> {
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

    /// Admits a working call, unless a stream is being written.
    fn enter(&self, access: Access) -> Result<Admission<'_>> {
        let admission = self.lock.enter(access, &self.cancel)?;
        if self.is_being_written() {
            return Err(Error::new(Kind::Busy, "a stream is being written: finish it, or abort"));
        }
        Ok(admission)
    }

    /// Admits and runs a working call.
    fn call<T: Send>(
        &self,
        access: Access,
        operation: Operation,
        job: impl FnOnce(&Call<'_>, Action) -> Result<T> + Send,
    ) -> Result<T> {
        self.check_callable()?;
        let admission = self.enter(access)?;
        self.run_call(&admission, operation, &WakeEvent::default(), || self.deliver(), job)
    }

    /// Runs a working call that is admitted.
    fn run_call<T: Send>(
        &self,
        admission: &Admission<'_>,
        operation: Operation,
        wake: &WakeEvent,
        pump: impl CallbackPump,
        job: impl FnOnce(&Call<'_>, Action) -> Result<T> + Send,
    ) -> Result<T> {
        run_on_worker(wake, || self.work(operation, job), pump).map_err(|error| self.finalize_error(error, admission))
    }

    /// Starts a working call and does its job, on the current thread.
    fn work<T>(&self, operation: Operation, job: impl FnOnce(&Call<'_>, Action) -> Result<T>) -> Result<T> {
        let (action, settings) = self.start_call(operation)?;
        self.cancel.check()?;
        let is_stream =
            matches!(settings.source, Some(SourceSpec::Callback(..))) || lock(&self.write_session).is_some();
        let call = Call { session: &self.session, settings: &settings, is_stream, context: &self.context() };
        job(&call, action)
    }

    /// Returns what the operation has to do, with the settings. Opens the journal and fixes settings and mode.
    fn start_call(&self, operation: Operation) -> Result<(Action, Settings)> {
        let mode = match operation {
            Operation::Run => Some(Mode::Run),
            Operation::Transfer => Some(Mode::Transfer),
            Operation::Write => Some(Mode::Write),
            Operation::PutPart => Some(Mode::ByHand),
            _ => None,
        };
        // Locked until the journal is open: of several threads that put parts, one opens it.
        let mut options = lock(&self.options);
        if let Some(mode) = mode {
            self.check_mode(&options, mode)?;
        }
        let session = &self.session;
        session.load_journal(&options.settings, operation)?;
        let state = session.state();
        let is_attached = session.is_attached();
        let state = if is_attached { state.after(Event::Known)? } else { state };
        let action = state.action_for(operation).map_err(|error| add_journal_hint(error, state, &options.settings))?;
        // A call that has nothing to do, as on a completed upload, is allowed in every mode.
        if action == Action::Nothing {
            session.check_archive_hash()?;
        } else {
            if let Some(mode) = mode {
                options.fix_mode(mode);
            }
            if is_attached {
                session.apply(Event::Known)?;
            }
            options.start();
        }
        Ok((action, options.settings.clone()))
    }

    /// Fails if parts cannot be sent in a mode. A completed upload sends no parts, so it can be run in every mode.
    fn check_mode(&self, options: &Options, mode: Mode) -> Result<()> {
        match (mode, self.state()) {
            (Mode::Run | Mode::Transfer, State::Completed) => Ok(()),
            _ => options.check_mode(mode),
        }
    }

    fn context(&self) -> RequestContext {
        let counters = &self.session.counters;
        RequestContext {
            cancel: Arc::clone(&self.cancel),
            grace: Duration::ZERO,
            response_timeout: None,
            sent: Arc::clone(&counters.bytes_sent),
            retries: Arc::clone(&counters.retries),
            last_retry: Arc::clone(&counters.last_retry),
            bandwidth: Some(Arc::clone(&self.session.bandwidth)),
        }
    }

    /// Returns true while a stream is being written.
    fn is_being_written(&self) -> bool {
        lock(&self.write_session).as_ref().is_some_and(|stream| stream.is_running())
    }
}
