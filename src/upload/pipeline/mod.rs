//! The threads of one transfer: one reads parts, some hash them, some send them.
//!
//! A pipeline knows a [`Session`] and a [`PartSource`]. It knows neither the handle nor Complete.

pub(crate) mod concurrency;
pub(crate) mod hash;
pub(crate) mod limiter;
pub(crate) mod part;
pub(crate) mod queue;
pub(crate) mod send;
pub(crate) mod source;

use std::num::NonZero;
use std::sync::{Arc, PoisonError};
use std::thread::{Scope, ScopedJoinHandle, available_parallelism, scope};
use std::time::Duration;

use self::hash::{HashQueue, HashingPart, hash_step};
use self::limiter::SendLimiter;
use self::part::HashedPart;
use self::queue::Queue;
use self::send::send_part;
use self::source::{BufferStrategy, PartSource, SeekableParts};
use super::session::Session;
use super::session::counters::add;
use super::session::parts::StoredPart;
use super::session::resume::PendingPart;
use super::session::state::Event;
use crate::callback_loop::catch_panic;
use crate::error::{Error, Result};
use crate::http::RequestContext;
use crate::plan::Plan;
use crate::source::Source;
use crate::sync::cancel::{Cancel, Reason};
use crate::sync::{Condvar, Mutex, lock};
use crate::sys::thread::{join_all, spawn_scoped};
use crate::treehash::Kernels;

/// How long the record of an acknowledged part may stay in memory only.
const JOURNAL_DELAY: Duration = Duration::from_secs(1);

/// A function that receives each hashed part.
type Receiver<'f, 'a> = &'f (dyn Fn(HashedPart<'a>) -> Result<()> + Sync);

/// Sends parts of a source that can be read at any offset.
///
/// # Errors
/// The first error of any thread.
pub(crate) fn send_parts(
    session: &Session,
    source: &Source,
    plan: &Plan,
    parts: Vec<PendingPart>,
    context: &RequestContext,
) -> Result<()> {
    if parts.is_empty() {
        return Ok(());
    }
    let senders = (session.client.workers as usize).min(parts.len());
    send_all(session, &mut seekable(session, source, plan, parts), senders, context)
}

/// Sends all parts of a source, by `senders` threads.
///
/// # Errors
/// The first error of any thread.
pub(crate) fn send_all<'a>(
    session: &'a Session,
    source: &mut dyn PartSource<'a>,
    senders: usize,
    context: &RequestContext,
) -> Result<()> {
    session.apply(Event::Sending)?;
    let pipeline = Pipeline::new(session, senders, senders, context);
    let hashed = |bytes| add(&session.counters.bytes_hashed, bytes);
    pipeline.run(source, &hashed, &|part| pipeline.send_or_skip(part))
}

/// Reads and hashes parts of a source, and gives each to `receive`. Sends nothing.
///
/// # Errors
/// The first error of any thread, or of `receive`.
pub(crate) fn hash_parts<'a>(
    session: &'a Session,
    source: &'a Source,
    plan: &Plan,
    parts: Vec<PendingPart>,
    receive: Receiver<'_, 'a>,
    context: &RequestContext,
) -> Result<()> {
    let pipeline = Pipeline::new(session, session.client.workers as usize, 0, context);
    pipeline.run(&mut seekable(session, source, plan, parts), &|_| (), receive)
}

fn seekable<'a>(session: &'a Session, source: &'a Source, plan: &Plan, parts: Vec<PendingPart>) -> SeekableParts<'a> {
    let memory = &session.client.memory;
    let strategy = BufferStrategy::choose(plan.part_size(), session.client.workers, memory.limit());
    SeekableParts::new(source, memory, strategy, parts)
}

/// The state that the threads of one transfer share.
#[derive(Debug)]
struct Pipeline<'a> {
    session: &'a Session,
    context: RequestContext,
    hashers: usize,
    senders: usize,
    hashing: HashQueue<'a>,
    ready: Queue<HashedPart<'a>>,
    limiter: SendLimiter<'a>,
    /// The active time at which a part was last acknowledged.
    last_progress: Mutex<Duration>,
    /// The first error, which stops all threads.
    failure: Mutex<Option<Error>>,
    running: Mutex<usize>,
    thread_done: Condvar,
}

impl<'a> Pipeline<'a> {
    /// Creates a pipeline with at most `hashers` hashing threads, and `senders` sending threads.
    fn new(session: &'a Session, hashers: usize, senders: usize, context: &RequestContext) -> Self {
        // One core is left to the sending threads.
        let cores = available_parallelism().map_or(1, NonZero::get);
        let hashers = (cores - 1).min(hashers).max(1);
        Self {
            session,
            // A failure in one thread stops the others, but no other call.
            context: RequestContext {
                cancel: Arc::new(Cancel::child_of(Arc::clone(&context.cancel))),
                ..context.clone()
            },
            hashers,
            senders,
            hashing: HashQueue::new(Kernels::best().batch_policy(), hashers),
            ready: Queue::new(senders, hashers),
            limiter: SendLimiter::new(session, session.part_size()),
            last_progress: Mutex::new(session.client.service.clock.active()),
            failure: Mutex::default(),
            running: Mutex::new(0),
            thread_done: Condvar::new(),
        }
    }

    /// Runs all threads to their end. `hashed` gets the number of hashed bytes, `receive` each hashed part.
    fn run(
        &self,
        source: &mut dyn PartSource<'a>,
        hashed: &(dyn Fn(u64) + Sync),
        receive: Receiver<'_, 'a>,
    ) -> Result<()> {
        scope(|scope| {
            let start_hasher =
                |_| self.start(scope, "glacier-hash", || self.hash(hashed, receive), || self.ready.writer_done());
            let start_sender = |_| self.start(scope, "glacier-send", || self.send(), || ());
            let groups = [
                vec![self.start(scope, "glacier-read", || self.read(source), || self.hashing.close())],
                (0..self.hashers).map(start_hasher).collect(),
                (0..self.senders).map(start_sender).collect(),
            ];
            let threads = groups.into_iter().flat_map(|group| self.require_one(group)).collect();
            while self.is_running_after(JOURNAL_DELAY) {
                self.session.sync_journal();
            }
            join_all(threads);
        });
        self.session.sync_journal();
        // After a failure, parts are left in the queues. Their buffers go back to the pool before its idle memory is freed.
        self.hashing.clear();
        self.ready.clear();
        self.session.client.memory.trim();
        lock(&self.failure).take().map_or(Ok(()), Err)
    }

    /// Reads one part after the other, and queues each to be hashed.
    fn read(&self, source: &mut dyn PartSource<'a>) -> Result<()> {
        let cancel = &self.context.cancel;
        loop {
            cancel.check()?;
            let Some((part, bytes)) = source.next(cancel)? else { return Ok(()) };
            self.hashing.push(HashingPart::new(part, bytes), cancel)?;
        }
    }

    /// Hashes parts until the queue is closed and empty. Several threads do this at once.
    fn hash(&self, hashed: &dyn Fn(u64), receive: Receiver<'_, 'a>) -> Result<()> {
        loop {
            let mut step = self.hashing.take(&self.context.cancel)?;
            if step.is_empty() {
                return Ok(());
            }
            hash_step(Kernels::best(), &mut step, &self.context.cancel, hashed)?;
            self.hashing.give_back(step).into_iter().try_for_each(receive)?;
        }
    }

    /// Queues a hashed part to be sent, unless the service holds it.
    fn send_or_skip(&self, part: HashedPart<'a>) -> Result<()> {
        let HashedPart { pending, hashes, .. } = &part;
        pending.check_unchanged(hashes.tree)?;
        if pending.listed != Some(hashes.tree) {
            return self.ready.push(part, &self.context.cancel);
        }
        let stored = StoredPart { length: pending.range.length(), tree: hashes.tree };
        self.session.record_part(pending.index, stored, pending.trusted);
        self.session.found_stored(pending.index, stored);
        Ok(())
    }

    /// Sends hashed parts until the queue is closed and empty.
    fn send(&self) -> Result<()> {
        while let Some(mut part) = self.ready.pop(&self.context.cancel)? {
            send_part(self.session, &mut part, Some(&self.limiter), || *lock(&self.last_progress), &self.context)?;
            *lock(&self.last_progress) = self.session.client.service.clock.active();
        }
        Ok(())
    }

    /// Starts a thread whose error stops all others. `done` runs at its end, or if it cannot be started.
    fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        name: &str,
        work: impl FnOnce() -> Result<()> + Send + 'scope,
        done: impl Fn() + Send + Copy + 'scope,
    ) -> Result<ScopedJoinHandle<'scope, ()>> {
        *lock(&self.running) += 1;
        let count = ThreadCount(self);
        let thread = spawn_scoped(scope, name, move || {
            let _count = count;
            self.stop_on_error(catch_panic(work));
            done();
        });
        thread.inspect_err(|_| done())
    }

    /// Returns the threads of a group that could be started. One is enough; none is a failure.
    fn require_one<T>(&self, group: Vec<Result<T>>) -> Vec<T> {
        let (started, failed): (Vec<_>, Vec<_>) = group.into_iter().partition(Result::is_ok);
        if started.is_empty() {
            failed.into_iter().for_each(|failed| self.stop_on_error(failed.map(drop)));
        }
        started.into_iter().flatten().collect()
    }

    /// Keeps the first error, and stops all threads.
    fn stop_on_error(&self, outcome: Result<()>) {
        let Err(error) = outcome else { return };
        lock(&self.failure).get_or_insert(error);
        self.context.cancel.raise_for(Reason::Failed);
    }

    /// Waits until all threads are done, at most for `time`. Returns true if a thread is still running.
    fn is_running_after(&self, time: Duration) -> bool {
        let running = lock(&self.running);
        let waited = self.thread_done.wait_timeout_while(running, time, |running| *running > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0 > 0
    }
}

/// Counts a thread as running until it is dropped.
struct ThreadCount<'p, 'a>(&'p Pipeline<'a>);

impl Drop for ThreadCount<'_, '_> {
    fn drop(&mut self) {
        *lock(&self.0.running) -= 1;
        self.0.thread_done.notify_all();
    }
}
