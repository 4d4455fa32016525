//! A run: makes the upload or finds what is left of it, keeps the threads busy that prepare and send, and completes it.

use std::num::NonZero;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::journal::Entry;
use super::options::PartRange;
use super::pacer::Pacer;
use super::parts::{Held, Parts};
use super::prepare::Way;
use super::queue::Queue;
use super::resume::{self, Sameness, Todo};
use super::state::{Action, Event, State};
use super::stream::Stream;
use super::worker::Outgoing;
use super::{Upload, lock};
use crate::cancel::{Cancel, Reason};
use crate::error::{Error, Kind, Result};
use crate::http::Watch;
use crate::log::Level;
use crate::plan::Plan;
use crate::source::Source;
use crate::sync::{Condvar, Mutex};
use crate::sys::thread::{join_all, spawn_scoped};
use crate::working::guarded;

/// How far a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Until the service holds all parts.
    AllParts,
    /// Until there is an archive.
    Archive,
}

/// What the threads of one run share.
#[derive(Debug)]
pub(super) struct Transfer<'a> {
    pub(super) left: Mutex<Left<'a>>,
    pub(super) ready: Queue<Outgoing<'a>>,
    pacer: Pacer<'a>,
    pub(super) watch: Watch,
    /// When a part was acknowledged last.
    last_progress: Mutex<Duration>,
    /// The first error; it stops all threads.
    failure: Mutex<Option<Error>>,
    /// The threads at work.
    threads: Mutex<usize>,
    thread_done: Condvar,
}

/// The parts that nobody has taken yet, in the order of the source.
#[derive(Debug)]
pub(super) enum Left<'a> {
    /// Of a source that can be read at any place.
    Parts(&'a Source, Way, std::vec::IntoIter<Todo>),
    /// Of one that comes once.
    Stream(&'a mut Stream),
}

/// How long a part may be acknowledged before the journal has it on the disk.
const JOURNAL_DELAY: Duration = Duration::from_secs(1);

impl Upload {
    /// From wherever the upload stands to its archive, or to its last part.
    pub(super) fn run_to_the_end(&self, action: Action, ending: Ending, watch: &Watch) -> Result<()> {
        self.counters.start(self.client.service.clock.monotonic());
        if action == Action::RepeatComplete && self.completes_by_repeating(watch)? {
            return Ok(());
        }
        let origin = lock(&self.options).source.clone();
        let source = origin.map(|origin| origin.open()).transpose()?.flatten();
        let source = source.ok_or_else(|| Error::new(Kind::Internal, "a run without a source"))?;
        self.check_size(source.size())?;
        let (plan, left) = self.what_to_send(&source, watch)?;
        self.send_parts_of(&source, &plan, left, watch)?;
        source.check_unchanged()?;
        match ending {
            Ending::AllParts => Ok(()),
            Ending::Archive => self.complete_healing(&source, &plan, watch),
        }
    }

    /// The plan of the archive, and what is left of it; the upload exists afterwards.
    fn what_to_send(&self, source: &Source, watch: &Watch) -> Result<(Plan, Vec<Todo>)> {
        let wanted = lock(&self.options).part_size;
        if self.state() == State::New {
            let plan = Plan::new(source.size(), wanted)?;
            self.refuse_range()?;
            self.count_on(&plan);
            self.count_workers();
            self.initiate_now(plan.part_size(), Some(plan.archive_size()), source.lasting_identity(), watch)?;
            lock(&self.known).compare(source.identity())?;
            return Ok((plan, resume::everything(&plan)));
        }
        let listed = self.list(watch)?;
        let plan = Plan::new(source.size(), Some(self.part_size()))?;
        let range = self.planned_range(&plan)?;
        self.count_on(&plan);
        self.count_workers();
        let mut known = lock(&self.known);
        let sameness = known.compare(source.identity())?;
        let comparison = resume::what_is_left(&plan, &listed, &known)?;
        drop(known);
        self.begin_journal(Some(plan.archive_size()), source.lasting_identity())?;
        if sameness == Sameness::Touched
            && let Some(identity) = source.lasting_identity()
        {
            self.say(
                Level::Warn,
                format_args!("the source was touched since it was read: it is read again and compared"),
            );
            self.note(&Entry::Source(identity));
        }
        *lock(self.parts_so_far()) = Parts::new(self.part_size());
        for (index, held) in comparison.done.iter().filter(|(index, _)| range.contains(index)) {
            self.is_held(*index, *held, watch)?;
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
        Ok((plan, left))
    }

    /// The parts that this handle is to send.
    fn planned_range(&self, plan: &Plan) -> Result<std::ops::Range<u32>> {
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

    pub(super) fn count_on(&self, plan: &Plan) {
        self.counters.bytes_total.store(plan.archive_size(), Ordering::Relaxed);
        self.counters.parts_total.store(plan.part_count().into(), Ordering::Relaxed);
    }

    pub(super) fn count_workers(&self) {
        self.counters.workers.store(self.client.workers.into(), Ordering::Relaxed);
    }

    /// Sends parts of a source that can be read at any place.
    pub(super) fn send_parts_of(&self, source: &Source, plan: &Plan, left: Vec<Todo>, watch: &Watch) -> Result<()> {
        if left.is_empty() {
            return Ok(());
        }
        let senders = (self.client.workers as usize).min(left.len());
        let way = Way::choose(plan.part_size(), self.client.workers, self.client.memory.limit());
        self.send_all(Left::Parts(source, way, left.into_iter()), senders, watch)
    }

    /// Sends what is left, with one thread for each part in flight and as many as there are cores to read and hash.
    pub(super) fn send_all<'a>(&'a self, left: Left<'a>, senders: usize, watch: &Watch) -> Result<()> {
        let preparers = std::thread::available_parallelism().map_or(1, NonZero::get).min(senders);
        let transfer = Transfer {
            left: Mutex::new(left),
            ready: Queue::new(preparers, preparers),
            pacer: Pacer::new(self, self.part_size()),
            // What fails in one thread stops the others, and no other call.
            watch: Watch { cancel: Arc::new(Cancel::below(Arc::clone(&watch.cancel))), ..watch.clone() },
            last_progress: Mutex::new(self.client.service.clock.monotonic()),
            failure: Mutex::default(),
            threads: Mutex::new(0),
            thread_done: Condvar::new(),
        };
        self.happened(Event::Sending)?;
        std::thread::scope(|scope| {
            let mut threads = Vec::with_capacity(preparers + senders);
            for n in 0..preparers {
                let work = || {
                    let _at_work = AtWork(&transfer);
                    transfer.stop_all_on_error(guarded(|| self.prepare_parts(&transfer)));
                    transfer.ready.writer_done();
                };
                *lock(&transfer.threads) += 1;
                match spawn_scoped(scope, "glacier-read", work) {
                    Ok(thread) => threads.push(thread),
                    Err(error) => {
                        // One that reads is enough; none is a failure.
                        drop(AtWork(&transfer));
                        transfer.ready.writer_done();
                        transfer.stop_all_on_error(if n == 0 { Err(error) } else { Ok(()) });
                    }
                }
            }
            for n in 0..senders {
                let work = || {
                    let _at_work = AtWork(&transfer);
                    transfer.stop_all_on_error(guarded(|| self.send_parts(&transfer)));
                };
                *lock(&transfer.threads) += 1;
                match spawn_scoped(scope, "glacier-send", work) {
                    Ok(thread) => threads.push(thread),
                    Err(error) => {
                        drop(AtWork(&transfer));
                        transfer.stop_all_on_error(if n == 0 { Err(error) } else { Ok(()) });
                        break;
                    }
                }
            }
            while transfer.is_at_work(JOURNAL_DELAY) {
                self.sync_journal();
            }
            join_all(threads);
        });
        self.sync_journal();
        // What is in the queue after a failure goes back to the budget before the idle memory is freed.
        let Transfer { ready, failure, .. } = transfer;
        drop(ready);
        self.client.memory.trim();
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn send_parts(&self, transfer: &Transfer<'_>) -> Result<()> {
        while let Some(mut part) = transfer.ready.pop(&transfer.watch.cancel)? {
            self.send_part(&mut part, Some(&transfer.pacer), || *lock(&transfer.last_progress), &transfer.watch)?;
            *lock(&transfer.last_progress) = self.client.service.clock.monotonic();
        }
        Ok(())
    }

    /// The service holds a part, and did before.
    pub(super) fn is_held(&self, index: u32, held: Held, watch: &Watch) -> Result<()> {
        lock(self.known_parts(watch)?).acknowledged(index, held);
        self.counters.part_done(index, held.length, false);
        Ok(())
    }
}

impl Transfer<'_> {
    /// Keeps the first error, and has all other threads stop for it.
    fn stop_all_on_error(&self, outcome: Result<()>) {
        let Err(error) = outcome else { return };
        lock(&self.failure).get_or_insert(error);
        self.watch.cancel.raise_for(Reason::Failed);
    }

    /// Waits until all threads are done, but no longer than that; tells whether any is still at work.
    fn is_at_work(&self, most: Duration) -> bool {
        let threads = lock(&self.threads);
        let waited = self.thread_done.wait_timeout_while(threads, most, |threads| *threads > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0 > 0
    }
}

/// Counts a thread as at work until this is dropped.
struct AtWork<'a, 'b>(&'a Transfer<'b>);

impl Drop for AtWork<'_, '_> {
    fn drop(&mut self) {
        *lock(&self.0.threads) -= 1;
        self.0.thread_done.notify_all();
    }
}
