//! The callbacks of a working call, which run on the caller's own thread.

use crate::callback_loop::CallbackPump;
use crate::error::{Error, Kind};
use crate::reentrancy::CallbackScope;
use crate::source::CallbackReader;
use crate::sync::cancel::Reason;
use crate::sync::lock;
use crate::upload::handle::Upload;
use crate::upload::progress::Flow;
use crate::upload::stream::pipe::{Pipe, ReadStep};

impl Upload {
    /// Runs the log callback on the caller's own thread.
    pub(super) fn deliver_log(&self) {
        let _scope = CallbackScope::enter(self);
        self.session.client.deliver_log();
    }

    /// Runs the callbacks that are due on the caller's own thread: log, credentials, then progress. Of several threads in
    /// calls, one runs each callback.
    pub(super) fn deliver(&self) {
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
    pub(super) fn as_callback_error(&self, error: Error) -> Error {
        if error.kind() == Kind::Canceled && self.cancel.is_raised_for(Reason::Callback) {
            return Error::new(Kind::Callback, *lock(&self.stopped_by));
        }
        error
    }
}

/// Runs the callbacks of a call whose source is a callback, that one included.
pub(super) struct ReadPump<'a> {
    pub(super) upload: &'a Upload,
    pub(super) pipe: &'a Pipe,
    pub(super) reader: &'a CallbackReader,
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
