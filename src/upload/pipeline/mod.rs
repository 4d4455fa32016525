//! A run: makes the upload or finds what is left of it, keeps the threads busy that prepare and send, and completes it.

pub(crate) mod concurrency;
pub(crate) mod hash;
pub(crate) mod limiter;
pub(crate) mod queue;
pub(crate) mod read;
pub(crate) mod send;

use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

use crate::callback_loop::catch_panic;
use crate::error::{Error, Kind, Result};
use crate::http::RequestContext;
use crate::log::Level;
use crate::plan::Plan;
use crate::source::Source;
use crate::sync::cancel::{Cancel, Reason};
use crate::sync::{Condvar, Mutex};
use crate::sys::thread::{join_all, spawn_scoped};
use crate::treehash::Kernels;
use crate::upload::options::PartRange;
use crate::upload::parts::{Parts, StoredPart};
use crate::upload::pipeline::hash::{HashQueue, Hashed};
use crate::upload::pipeline::limiter::SendLimiter;
use crate::upload::pipeline::queue::Queue;
use crate::upload::pipeline::read::{BufferStrategy, Left};
use crate::upload::pipeline::send::ReadyPart;
use crate::upload::progress::add;
use crate::upload::resume::{self, PendingPart};
use crate::upload::state::{Action, Event, State};
use crate::upload::{Upload, lock};

/// How far a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Until the service holds all parts.
    AllParts,
    /// Until there is an archive.
    Archive,
}

/// What the threads of one run share.
#[derive(Debug)]
pub(crate) struct Pipeline<'a> {
    pub(crate) hashing: HashQueue<'a>,
    pub(crate) ready: Queue<ReadyPart<'a>>,
    pacer: SendLimiter<'a>,
    pub(crate) context: RequestContext,
    /// When a part was acknowledged last.
    last_progress: Mutex<Duration>,
    /// The first error; it stops all threads.
    failure: Mutex<Option<Error>>,
    /// The threads at work.
    threads: Mutex<usize>,
    thread_done: Condvar,
}

/// How long a part may be acknowledged before the journal has it on the disk.
const JOURNAL_DELAY: Duration = Duration::from_secs(1);

impl Upload {
    /// From wherever the upload stands to its archive, or to its last part.
    pub(crate) fn run_to_the_end(&self, action: Action, ending: Goal, context: &RequestContext) -> Result<()> {
        self.counters.start(self.client.service.clock.monotonic());
        let is_archive = match action {
            Action::Nothing => true,
            Action::RepeatComplete => self.retry_lost_complete(context)?,
            Action::Proceed => false,
        };
        if is_archive {
            return self.check_archive(context);
        }
        let source = self.open_source()?;
        let source = source.ok_or_else(|| Error::new(Kind::Internal, "a run without a source"))?;
        self.check_size(source.size())?;
        let (plan, range, left) = self.what_to_send(&source, context)?;
        self.send_parts_of(&source, &plan, left, context)?;
        match ending {
            Goal::AllParts => self.check_parts(&source, &plan, range, context),
            Goal::Archive => self.complete_with_repair(&source, &plan, context),
        }
    }

    /// The plan of the archive, the parts that this handle is to send, and what is left of these; the upload exists
    /// afterwards.
    fn what_to_send(&self, source: &Source, context: &RequestContext) -> Result<(Plan, Range<u32>, Vec<PendingPart>)> {
        let wanted = lock(&self.options).part_size;
        if self.state() == State::New {
            let plan = Plan::new(source.size(), wanted)?;
            self.refuse_range()?;
            self.count_on(&plan);
            self.count_workers();
            self.initiate_now(plan.part_size(), Some(plan.archive_size()), source.identity(), context)?;
            self.compare_source(source.identity())?;
            return Ok((plan, 0..plan.part_count(), resume::all_parts(&plan)));
        }
        let listed = self.list(context)?;
        let plan = Plan::new(source.size(), Some(self.part_size()))?;
        let range = self.planned_range(&plan)?;
        self.count_on(&plan);
        self.count_workers();
        self.begin_journal(Some(plan.archive_size()), source.identity())?;
        self.compare_source(source.identity())?;
        let comparison = resume::diff(&plan, &listed, &lock(&self.known))?;
        *lock(self.parts_so_far()) = Parts::new(self.part_size());
        for (index, held) in comparison.done.iter().filter(|(index, _)| range.contains(index)) {
            self.is_held(*index, *held, context)?;
        }
        let mut left = comparison.left;
        left.retain(|todo| range.contains(&todo.index));
        self.say(
            Level::Info,
            format_args!(
                "upload {} resumed: {} of {} parts are left to look at",
                self.name()?.id,
                left.len(),
                range.len()
            ),
        );
        Ok((plan, range, left))
    }

    /// The parts that this handle is to send.
    fn planned_range(&self, plan: &Plan) -> Result<Range<u32>> {
        let Some(PartRange { first, count }) = lock(&self.options).part_range else { return Ok(0..plan.part_count()) };
        let end = if count == u32::MAX { Some(plan.part_count()) } else { first.checked_add(count) };
        match end {
            Some(end) if first < end && end <= plan.part_count() => Ok(first..end),
            _ => Err(Error::invalid(format!(
                "the part range of {count} parts from part {first} on does not lie in the archive: it has {} parts, with the \
                 indexes 0 to {}",
                plan.part_count(),
                plan.part_count() - 1
            ))),
        }
    }

    /// A part of an upload needs the upload: an ID that others know too.
    fn refuse_range(&self) -> Result<()> {
        if lock(&self.options).part_range.is_none() {
            return Ok(());
        }
        Err(Error::new(Kind::State, "a part range is set: it needs the ID of an upload that exists, or its journal"))
    }

    pub(crate) fn count_on(&self, plan: &Plan) {
        self.counters.bytes_total.store(plan.archive_size(), Ordering::Relaxed);
        self.counters.parts_total.store(plan.part_count().into(), Ordering::Relaxed);
    }

    pub(crate) fn count_workers(&self) {
        self.counters.workers.store(self.client.workers.into(), Ordering::Relaxed);
    }

    /// Sends parts of a source that can be read at any place.
    pub(crate) fn send_parts_of(
        &self,
        source: &Source,
        plan: &Plan,
        left: Vec<PendingPart>,
        context: &RequestContext,
    ) -> Result<()> {
        if left.is_empty() {
            return Ok(());
        }
        let senders = (self.client.workers as usize).min(left.len());
        let way = BufferStrategy::choose(plan.part_size(), self.client.workers, self.client.memory.limit());
        self.send_all(Left::Parts(source, way, left.into_iter()), senders, context)
    }

    /// Sends what is left, with one thread for each part in flight.
    pub(crate) fn send_all<'a>(&'a self, left: Left<'a>, senders: usize, context: &RequestContext) -> Result<()> {
        self.happened(Event::Sending)?;
        let counted = |bytes| add(&self.counters.bytes_hashed, bytes);
        let hash =
            |transfer: &Pipeline<'a>| self.hash_parts(transfer, counted, |part| self.send_or_skip(part, transfer));
        self.pass_through(left, senders, senders, &hash, context)
    }

    /// Reads and hashes parts of a source, hands each to `then`, and sends none.
    pub(crate) fn hash_parts_of(
        &self,
        source: &Source,
        plan: &Plan,
        parts: Vec<PendingPart>,
        then: &(dyn Fn(Hashed<'_>) -> Result<()> + Sync),
        context: &RequestContext,
    ) -> Result<()> {
        let way = BufferStrategy::choose(plan.part_size(), self.client.workers, self.client.memory.limit());
        let hash = |transfer: &Pipeline<'_>| self.hash_parts(transfer, |_| (), then);
        let left = Left::Parts(source, way, parts.into_iter());
        self.pass_through(left, self.client.workers as usize, 0, &hash, context)
    }

    /// Has parts read by one thread, hashed by as many as there are cores to spare, but at most `hashers`, and sent.
    fn pass_through<'a>(
        &'a self,
        left: Left<'a>,
        hashers: usize,
        senders: usize,
        hash: &(dyn Fn(&Pipeline<'a>) -> Result<()> + Sync),
        context: &RequestContext,
    ) -> Result<()> {
        // One core is left to those that send.
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let hashers = (cores - 1).min(hashers).max(1);
        let transfer = Pipeline {
            hashing: HashQueue::new(Kernels::best().batch_policy(), hashers),
            ready: Queue::new(senders, hashers),
            pacer: SendLimiter::new(self, self.part_size()),
            // What fails in one thread stops the others, and no other call.
            context: RequestContext {
                cancel: Arc::new(Cancel::child_of(Arc::clone(&context.cancel))),
                ..context.clone()
            },
            last_progress: Mutex::new(self.client.service.clock.active()),
            failure: Mutex::default(),
            threads: Mutex::new(0),
            thread_done: Condvar::new(),
        };
        let Pipeline { hashing, ready, .. } = &transfer;
        std::thread::scope(|scope| {
            let read = || self.read_parts(left, &transfer);
            let send = || self.send_parts(&transfer);
            let start_hasher = |_| transfer.start(scope, "glacier-hash", || hash(&transfer), || ready.writer_done());
            let start_sender = |_| transfer.start(scope, "glacier-send", send, || ());
            let crews = [
                vec![transfer.start(scope, "glacier-read", read, || hashing.end())],
                (0..hashers).map(start_hasher).collect(),
                (0..senders).map(start_sender).collect(),
            ];
            let threads = crews.into_iter().flat_map(|crew| transfer.some_of(crew)).collect();
            while transfer.is_at_work(JOURNAL_DELAY) {
                self.sync_journal();
            }
            join_all(threads);
        });
        self.sync_journal();
        // What waits after a failure goes back to the budget before the idle memory is freed.
        let Pipeline { hashing, ready, failure, .. } = transfer;
        drop((hashing, ready));
        self.client.memory.trim();
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn send_parts(&self, transfer: &Pipeline<'_>) -> Result<()> {
        while let Some(mut part) = transfer.ready.pop(&transfer.context.cancel)? {
            self.send_part(&mut part, Some(&transfer.pacer), || *lock(&transfer.last_progress), &transfer.context)?;
            *lock(&transfer.last_progress) = self.client.service.clock.active();
        }
        Ok(())
    }

    /// The service holds a part, and did before.
    pub(crate) fn is_held(&self, index: u32, held: StoredPart, context: &RequestContext) -> Result<()> {
        lock(self.known_parts(context)?).acknowledged(index, held);
        self.counters.part_done(index, held.length, false);
        Ok(())
    }
}

impl Pipeline<'_> {
    /// Starts a thread, whose error stops all. Afterwards, or if there is no thread to be had, it is `done`.
    fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        name: &str,
        work: impl FnOnce() -> Result<()> + Send + 'scope,
        done: impl Fn() + Send + Copy + 'scope,
    ) -> Result<ScopedJoinHandle<'scope, ()>> {
        *lock(&self.threads) += 1;
        let at_work = ThreadCount(self);
        let thread = spawn_scoped(scope, name, move || {
            let _at_work = at_work;
            self.stop_all_on_error(catch_panic(work));
            done();
        });
        thread.inspect_err(|_| done())
    }

    /// The threads of one kind that could be started. One is enough; none is a failure.
    fn some_of<T>(&self, crew: Vec<Result<T>>) -> Vec<T> {
        let (started, failed): (Vec<_>, Vec<_>) = crew.into_iter().partition(Result::is_ok);
        if started.is_empty() {
            failed.into_iter().for_each(|failed| self.stop_all_on_error(failed.map(drop)));
        }
        started.into_iter().flatten().collect()
    }

    /// Keeps the first error, and has all other threads stop for it.
    fn stop_all_on_error(&self, outcome: Result<()>) {
        let Err(error) = outcome else { return };
        lock(&self.failure).get_or_insert(error);
        self.context.cancel.raise_for(Reason::Failed);
    }

    /// Waits until all threads are done, but no longer than that; tells whether any is still at work.
    fn is_at_work(&self, most: Duration) -> bool {
        let threads = lock(&self.threads);
        let waited = self.thread_done.wait_timeout_while(threads, most, |threads| *threads > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0 > 0
    }
}

/// Counts a thread as at work until this is dropped.
struct ThreadCount<'a, 'b>(&'a Pipeline<'b>);

impl Drop for ThreadCount<'_, '_> {
    fn drop(&mut self) {
        *lock(&self.0.threads) -= 1;
        self.0.thread_done.notify_all();
    }
}
