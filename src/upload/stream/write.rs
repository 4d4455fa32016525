//! Written bytes: `write` and `finish`. Between two calls the parts go on their way on threads of the library.

use std::cell::Cell;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::callback_loop::{CallbackPump, WakeEvent, catch_panic, pump_until};
use crate::error::{Error, Kind, Result};
use crate::sync::Mutex;
use crate::sys::thread::{WORKER_STACK_SIZE, spawn};
use crate::upload::admission::{Access, Admission};
use crate::upload::options::Mode;
use crate::upload::pipeline::Goal;
use crate::upload::state::Operation;
use crate::upload::stream::pipe::Pipe;
use crate::upload::{Upload, lock};

/// A stream that is being pushed, and what became of it.
#[derive(Debug)]
pub(crate) struct WriteSession {
    pipe: Arc<Pipe>,
    outcome: Mutex<Option<Result<()>>>,
    /// Taken by whoever waits for the end of the thread.
    thread: Mutex<Option<JoinHandle<()>>>,
    /// When the caller was told how far it is: calls of `write` are many and short.
    delivered: Mutex<Instant>,
}

/// Calls closer to each other than this tell nothing.
const DELIVER_EVERY: Duration = Duration::from_millis(100);

impl Upload {
    /// Pushes the next bytes of the archive. Returns when they are taken, which waits for memory while parts are on their
    /// way.
    ///
    /// # Errors
    /// What an upload can fail with. After an error the stream is broken: each further call gives the same error.
    pub fn write(self: &Arc<Self>, data: &[u8]) -> Result<()> {
        let entered = self.enter_stream()?;
        if data.is_empty() {
            return Ok(());
        }
        let pushed = self.pushed(&entered)?;
        if pushed.pipe.has_ended() {
            return Err(Error::new(Kind::State, "the stream is finished: nothing can be written behind its end"));
        }
        let rest = Cell::new(data);
        let taken = || {
            if let Some(outcome) = lock(&pushed.outcome).clone() {
                return Some(outcome);
            }
            // What was asked to stop ends by itself; its outcome is waited for.
            if !self.cancel.is_raised() {
                rest.set(&rest.get()[pushed.pipe.push(rest.get())..]);
            }
            rest.get().is_empty().then_some(Ok(()))
        };
        let mut attendant = Writing { upload: self, pushed: &pushed };
        let mut outcome = pump_until(pushed.pipe.bell(), &mut attendant, taken);
        if self.cancel.is_raised() {
            outcome = pump_until(pushed.pipe.bell(), &mut attendant, || lock(&pushed.outcome).clone());
        }
        if outcome.is_err() {
            pushed.join();
        }
        outcome.map_err(|error| self.finalize_error(error, &entered))
    }

    /// Says that the last byte was written, and waits until there is an archive.
    ///
    /// # Errors
    /// As [`Upload::write`]; `Invalid` if nothing was written.
    pub fn finish(self: &Arc<Self>) -> Result<()> {
        let entered = self.enter_stream()?;
        let Some(pushed) = lock(&self.pushed).clone() else {
            lock(&self.options).may_use(Mode::Write)?;
            return Err(Error::invalid("nothing was written: an archive has at least 1 byte"));
        };
        let failed_before = matches!(*lock(&pushed.outcome), Some(Err(_)));
        let outcome = if failed_before && pushed.pipe.has_ended() && self.has_all_of_stream() {
            // All parts are there: what failed is only Complete.
            self.work(
                &entered,
                Operation::Complete,
                &WakeEvent::default(),
                |action, context| self.complete_as(action, context),
                || self.deliver(),
            )
        } else {
            pushed.pipe.end();
            pump_until(pushed.pipe.bell(), &mut || self.deliver(), || lock(&pushed.outcome).clone())
                .map_err(|error| self.finalize_error(error, &entered))
        };
        pushed.join();
        outcome
    }

    /// Lets a call of the stream in, if the upload is not at an end that no stream can have.
    fn enter_stream(&self) -> Result<Admission<'_>> {
        self.admit()?;
        let entered = self.lock.enter(Access::Exclusive, &self.cancel)?;
        self.state().answer(Operation::Write).map(|_| entered)
    }

    /// Whether a stream is being pushed.
    pub(crate) fn is_being_written(&self) -> bool {
        lock(&self.pushed).as_ref().is_some_and(|pushed| lock(&pushed.outcome).is_none())
    }

    /// Waits until a stream that was asked to stop has stopped.
    pub(crate) fn await_end_of_stream(&self) {
        let pushed = lock(&self.pushed).clone();
        if let Some(pushed) = pushed {
            pump_until(pushed.pipe.bell(), &mut || self.deliver(), || lock(&pushed.outcome).is_some().then_some(()));
            pushed.join();
        }
    }

    /// The stream that is being pushed; the first call begins one.
    fn pushed(self: &Arc<Self>, entered: &Admission<'_>) -> Result<Arc<WriteSession>> {
        if let Some(pushed) = lock(&self.pushed).clone() {
            return Ok(pushed);
        }
        lock(&self.options).may_use(Mode::Write)?;
        // A cancel from before stops this call, not the stream that it would begin.
        self.cancel.check().map_err(|error| self.finalize_error(error, entered))?;
        let pushed = Arc::new(WriteSession {
            pipe: Arc::new(Pipe::new(Arc::default())),
            outcome: Mutex::default(),
            thread: Mutex::default(),
            delivered: Mutex::new(Instant::now()),
        });
        let (upload, stream) = (Arc::clone(self), Arc::clone(&pushed));
        let thread = spawn("glacier-push", WORKER_STACK_SIZE, move || {
            let outcome =
                catch_panic(|| upload.send_pushed(&stream.pipe)).map_err(|error| upload.as_callback_error(error));
            if outcome.as_ref().is_err_and(|error| error.kind() == Kind::Canceled) {
                upload.lock.was_canceled_between(&upload.cancel);
            }
            *lock(&stream.outcome) = Some(outcome);
            stream.pipe.bell().notify();
        })?;
        *lock(&pushed.thread) = Some(thread);
        *lock(&self.pushed) = Some(Arc::clone(&pushed));
        Ok(pushed)
    }

    /// What the stream's own thread does, from the first byte to the archive.
    fn send_pushed(&self, pipe: &Arc<Pipe>) -> Result<()> {
        let context = self.context();
        let action = self.begin(Operation::Write)?;
        self.stream_to_the_end(action, pipe, None, Goal::Archive, &context)
    }
}

impl WriteSession {
    /// Waits until the stream's thread is gone, once its outcome is there: its last moments must not outlive the call that
    /// learns it, into a fork or the end of the process.
    fn join(&self) {
        if let Some(thread) = lock(&self.thread).take() {
            // It passes no panic on: the outcome has it.
            let _ = thread.join();
        }
    }
}

/// Tells how far it is, but not with each call.
struct Writing<'a> {
    upload: &'a Upload,
    pushed: &'a WriteSession,
}

impl CallbackPump for Writing<'_> {
    fn deliver(&mut self) {
        let mut delivered = lock(&self.pushed.delivered);
        if delivered.elapsed() >= DELIVER_EVERY {
            *delivered = Instant::now();
            drop(delivered);
            self.upload.deliver();
        }
    }
}
