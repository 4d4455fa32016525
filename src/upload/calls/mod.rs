//! A working call: admitted to the handle, decided by the state machine, run on threads of the library while the caller's own
//! thread runs the callbacks.

pub(crate) mod background;
pub(crate) mod by_hand;
mod run;
mod write;

use std::sync::Arc;
use std::time::Duration;

use super::admission::{Access, Admission};
use super::call::Call;
use super::handle::Upload;
use super::options::{Mode, Options, Settings};
use super::progress::Flow;
use super::session::state::{Action, Event, Operation, State};
use crate::callback_loop::{CallbackPump, WakeEvent, run_on_worker};
use crate::error::{Error, Kind, Result};
use crate::http::RequestContext;
use crate::log::Level;
use crate::reentrancy::CallbackScope;
use crate::source::SourceSpec;
use crate::sync::cancel::Reason;
use crate::sync::lock;

impl Upload {
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
        let is_attached = state == State::New && session.id().is_some();
        let state = if is_attached { state.after(Event::Known)? } else { state };
        let action = state.action_for(operation).map_err(|error| name_journal(error, state, &options.settings))?;
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

    /// Runs the log callback on the caller's own thread.
    fn deliver_log(&self) {
        let _scope = CallbackScope::enter(self);
        self.session.client.deliver_log();
    }

    /// Runs the callbacks that are due on the caller's own thread: log, credentials, then progress. Of several threads in
    /// calls, one runs each callback.
    fn deliver(&self) {
        self.deliver_log();
        self.session.client.request_credentials(&self.cancel);
        let _scope = CallbackScope::enter(self);
        // A callback that asked to stop is not called again by the same call.
        if self.cancel.is_raised_for(Reason::Callback) {
            return;
        }
        // Taken out, so that no lock is held while the caller's code runs.
        let Some(mut report) = self.progress_callback.replace(None) else { return };
        if report(&self.session.progress()) == Flow::Stop {
            self.stop_for("the progress callback did not return GLACIER_CONTINUE");
        }
        self.progress_callback.replace(Some(report));
    }

    /// Stops the call because a callback asked for it. `why` is the text of the error.
    fn stop_for(&self, why: &'static str) {
        *lock(&self.stopped_by) = why;
        self.cancel.raise_for(Reason::Callback);
    }

    /// Turns a cancel that a callback asked for into the error of the callback.
    fn as_callback_error(&self, error: Error) -> Error {
        if error.kind() == Kind::Canceled && self.cancel.is_raised_for(Reason::Callback) {
            return Error::new(Kind::Callback, *lock(&self.stopped_by));
        }
        error
    }

    /// Gives an error its final form: without secrets, with whether the upload can be resumed, and with its ID and journal.
    fn finalize_error(&self, error: Error, admission: &Admission<'_>) -> Error {
        let session = &self.session;
        let error = self.as_callback_error(error).redacted(session.client.service.keys.redactor());
        if matches!(error.kind(), Kind::Canceled | Kind::OutcomeUnknown) {
            admission.was_canceled();
        }
        let is_misuse = matches!(error.kind(), Kind::Invalid | Kind::State | Kind::Busy);
        let is_gone = error.kind() == Kind::NotFound;
        let is_resumable = session.state().is_resumable() && !is_gone;
        let error = error.resumable(is_resumable);
        // With an unknown outcome, either the upload or the archive exists.
        let is_named = !is_misuse && error.kind() != Kind::OutcomeUnknown;
        let error = match session.id().filter(|_| is_named) {
            Some(id) if is_resumable => error.with_hint(format_args!(
                "the upload is kept and can be resumed: upload ID {} in vault {}",
                id.to_string_lossy(),
                session.vault_name()
            )),
            Some(id) if is_gone => error.with_hint(format_args!(
                "the service does not know upload ID {} in vault {}: it was completed or aborted, expired 24 hours after its \
                 last part, or never existed; look for its archive in an inventory of the vault before you upload it again",
                id.to_string_lossy(),
                session.vault_name()
            )),
            _ => error,
        };
        let error = match session.archive_id() {
            Some(archive) if matches!(error.kind(), Kind::Canceled | Kind::Callback) => error.with_hint(format_args!(
                "the upload is completed as archive {}; its comparison with the source was stopped: repeat the call to compare",
                archive.to_string_lossy()
            )),
            _ => error,
        };
        let error = match lock(&self.options).settings.journal.as_deref().filter(|_| is_named && session.id().is_some())
        {
            Some(path) if is_gone => {
                error.with_journal_hint(format_args!("to upload again, remove its journal {}", path.display()))
            }
            Some(path) => error.with_hint(format_args!("its journal is {}", path.display())),
            None => error,
        };
        session.log(Level::Error, format_args!("{error}"));
        self.deliver_log();
        error
    }
}

/// Adds to the error of an upload that ended without a known archive what to do with its journal.
fn name_journal(error: Error, state: State, settings: &Settings) -> Error {
    match (&settings.journal, state) {
        (Some(path), State::Aborted) => {
            error.with_journal_hint(format_args!("to upload the archive again, remove the journal {}", path.display()))
        }
        (Some(path), State::Unknown) => error.with_journal_hint(format_args!(
            "if there is no archive, remove the journal {} and upload again",
            path.display()
        )),
        _ => error,
    }
}
