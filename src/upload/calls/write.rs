//! `write` and `finish`: the upload of a stream that the caller writes.

use std::cell::Cell;
use std::sync::Arc;

use crate::callback_loop::{CallbackPump, WakeEvent, catch_panic, pump_until};
use crate::error::{Error, Kind, Result};
use crate::sync::lock;
use crate::sys::thread::{ThreadKind, spawn};
use crate::upload::admission::{Access, Admission};
use crate::upload::complete::complete;
use crate::upload::handle::Upload;
use crate::upload::options::Mode;
use crate::upload::run::{Goal, run_stream};
use crate::upload::session::state::Operation;
use crate::upload::stream::write::WriteSession;

impl Upload {
    /// Writes the next bytes of the archive. Returns when all are taken, which waits for memory while parts are in flight.
    ///
    /// # Errors
    /// All. After an error the stream is broken: each further call returns the same error.
    pub fn write(self: &Arc<Self>, data: &[u8]) -> Result<()> {
        let admission = self.enter_stream()?;
        if data.is_empty() {
            return Ok(());
        }
        let stream = self.stream(&admission)?;
        if stream.pipe.has_ended() {
            return Err(Error::new(Kind::State, "the stream is finished: nothing can be written after its end"));
        }
        let rest = Cell::new(data);
        let taken = || {
            if let Some(outcome) = stream.outcome() {
                return Some(outcome);
            }
            // A canceled stream takes no more bytes. Its result is awaited below.
            if !self.cancel.is_raised() {
                rest.set(&rest.get()[stream.pipe.push(rest.get())..]);
            }
            rest.get().is_empty().then_some(Ok(()))
        };
        let mut pump = WritePump { upload: self, stream: &stream };
        let mut outcome = pump_until(stream.pipe.wake(), &mut pump, taken);
        if self.cancel.is_raised() {
            outcome = pump_until(stream.pipe.wake(), &mut pump, || stream.outcome());
        }
        if outcome.is_err() {
            stream.join();
        }
        outcome.map_err(|error| self.finalize_error(error, &admission))
    }

    /// Ends the stream, and waits until the archive exists.
    ///
    /// # Errors
    /// As [`Upload::write`]; `Invalid` if nothing was written.
    pub fn finish(self: &Arc<Self>) -> Result<()> {
        let admission = self.enter_stream()?;
        let Some(stream) = self.write_session() else {
            lock(&self.options).check_mode(Mode::Write)?;
            return Err(Error::invalid("nothing was written: an archive has at least 1 byte"));
        };
        let has_failed = matches!(stream.outcome(), Some(Err(_)));
        let outcome = if has_failed && stream.pipe.has_ended() && self.session.has_all_of_stream() {
            // All parts are stored: only Complete failed.
            self.run_call(&admission, Operation::Complete, &WakeEvent::default(), || self.deliver(), complete)
        } else {
            stream.pipe.end();
            pump_until(stream.pipe.wake(), &mut || self.deliver(), || stream.outcome())
                .map_err(|error| self.finalize_error(error, &admission))
        };
        stream.join();
        outcome
    }

    /// Waits until a stream that was asked to stop has stopped.
    pub(super) fn wait_until_stream_stopped(&self) {
        if let Some(stream) = self.write_session() {
            pump_until(stream.pipe.wake(), &mut || self.deliver(), || (!stream.is_running()).then_some(()));
            stream.join();
        }
    }

    /// Admits a call of the stream, in a state that allows writing.
    fn enter_stream(&self) -> Result<Admission<'_>> {
        self.check_callable()?;
        let admission = self.lock.enter(Access::Exclusive, &self.cancel)?;
        self.state().action_for(Operation::Write).map(|_| admission)
    }

    fn write_session(&self) -> Option<Arc<WriteSession>> {
        lock(&self.write_session).clone()
    }

    /// Returns the stream that is being written. The first call begins it.
    fn stream(self: &Arc<Self>, admission: &Admission<'_>) -> Result<Arc<WriteSession>> {
        if let Some(stream) = self.write_session() {
            return Ok(stream);
        }
        lock(&self.options).check_mode(Mode::Write)?;
        self.cancel.check().map_err(|canceled| {
            // A cancel from before stops this call, not the stream that it would begin. The journal says whether the upload
            // can be resumed; its own error, if any, is that of the next call.
            let _ = self.start_call(Operation::Write);
            self.finalize_error(canceled, admission)
        })?;
        let stream = Arc::new(WriteSession::new());
        *lock(&self.write_session) = Some(Arc::clone(&stream));
        let (upload, writing) = (Arc::clone(self), Arc::clone(&stream));
        let thread = spawn("glacier-push", ThreadKind::Worker, move || {
            let send = || {
                upload
                    .work(Operation::Write, |call, action| run_stream(call, action, &writing.pipe, None, Goal::Archive))
            };
            let outcome = catch_panic(send).map_err(|error| upload.as_callback_error(error));
            if outcome.as_ref().is_err_and(|error| error.kind() == Kind::Canceled) {
                upload.lock.was_canceled_between(&upload.cancel);
            }
            writing.finished(outcome);
        });
        let thread = thread.map_err(|error| {
            *lock(&self.write_session) = None;
            self.finalize_error(error, admission)
        })?;
        stream.set_thread(thread);
        Ok(stream)
    }
}

/// Runs the callbacks while `write` waits, but not in each of its calls.
struct WritePump<'a> {
    upload: &'a Upload,
    stream: &'a WriteSession,
}

impl CallbackPump for WritePump<'_> {
    fn deliver(&mut self) {
        if self.stream.is_report_due() {
            self.upload.deliver();
        }
    }
}
