//! A run: makes the upload or finds what is left of it, keeps the threads busy that prepare and send, and completes it.

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::parts::{Held, Parts};
use super::prepare::Way;
use super::queue::Queue;
use super::resume::{self, Todo};
use super::state::{Action, Event, State};
use super::worker::Outgoing;
use super::{Upload, lock};
use crate::cancel::Reason;
use crate::error::{Error, Kind, Result};
use crate::http::Watch;
use crate::log::Level;
use crate::plan::Plan;
use crate::source::Source;
use crate::sys::thread::{join_all, spawn_scoped};
use crate::working::guarded;

/// What the threads of one run share.
#[derive(Debug)]
pub(super) struct Transfer<'a> {
    pub(super) source: &'a Source,
    pub(super) way: Way,
    /// The parts that nobody has taken yet, in the order of the file.
    pub(super) left: Mutex<std::vec::IntoIter<Todo>>,
    pub(super) ready: Queue<Outgoing<'a>>,
    pub(super) watch: Watch,
    /// When a part was acknowledged last.
    last_progress: Mutex<Duration>,
    /// The first error; it stops all threads.
    failure: Mutex<Option<Error>>,
}

impl Upload {
    /// From wherever the upload stands to its archive.
    pub(super) fn run_to_the_end(&self, action: Action, watch: &Watch) -> Result<()> {
        self.counters.start(self.client.service.clock.monotonic());
        if action == Action::RepeatComplete {
            match self.repeat_complete(watch) {
                // Refused: some part is not as it should be, so what follows looks at all of them.
                Err(_) if self.state() == State::Transferring => {}
                outcome => return outcome,
            }
        }
        let origin = lock(&self.options).source.clone();
        let origin = origin.ok_or_else(|| Error::new(Kind::Internal, "a run without a source"))?;
        let source = origin.open()?;
        let (plan, left) = self.what_to_send(&source, watch)?;
        self.send_all(&source, &plan, left, watch)?;
        source.check_unchanged()?;
        let tree = lock(self.known_parts(watch)?).archive_hash(plan.archive_size())?;
        self.complete_now(plan.archive_size(), tree, watch)
    }

    /// The plan of the archive, and what is left of it; the upload exists afterwards.
    fn what_to_send(&self, source: &Source, watch: &Watch) -> Result<(Plan, Vec<Todo>)> {
        let wanted = lock(&self.options).part_size;
        if self.state() == State::New {
            let plan = Plan::new(source.size(), wanted)?;
            self.count_on(&plan);
            self.initiate_now(plan.part_size(), watch)?;
            *lock(&self.identity) = Some(source.identity());
            return Ok((plan, resume::everything(&plan)));
        }
        let listed = self.client.service.list_parts(self.name()?, watch)?;
        self.adopt(&listed)?;
        let plan = Plan::new(source.size(), Some(listed.part_size))?;
        self.count_on(&plan);
        let parts = self.parts.get_or_init(|| Mutex::new(Parts::new(listed.part_size)));
        let mut identity = lock(&self.identity);
        // What this handle hashed before still counts if the source is the same.
        let same = *identity == Some(source.identity());
        let before = std::mem::replace(&mut *lock(parts), Parts::new(listed.part_size));
        let known = |index| before.held(index).filter(|_| same).map(|held| held.tree);
        let resume::Comparison { left, done } = resume::what_is_left(&plan, &listed.parts, known)?;
        *identity = Some(source.identity());
        for (index, tree) in done {
            let length = plan.range(index).map_or(0, |range| range.length());
            lock(parts).acknowledged(index, Held { length, tree });
        }
        self.say(
            Level::Info,
            format_args!(
                "upload {} resumed: {} of {} parts are left to look at",
                self.name()?.id,
                left.len(),
                plan.part_count()
            ),
        );
        Ok((plan, left))
    }

    fn count_on(&self, plan: &Plan) {
        self.counters.bytes_total.store(plan.archive_size(), Ordering::Relaxed);
        self.counters.parts_total.store(plan.part_count().into(), Ordering::Relaxed);
        self.counters.workers.store(self.client.workers.into(), Ordering::Relaxed);
    }

    /// Sends what is left, with one thread for each part in flight and as many as there are cores to read and hash.
    fn send_all(&self, source: &Source, plan: &Plan, left: Vec<Todo>, watch: &Watch) -> Result<()> {
        if left.is_empty() {
            return Ok(());
        }
        let senders = (self.client.workers as usize).min(left.len());
        let preparers = std::thread::available_parallelism().map_or(1, NonZero::get).min(senders);
        let transfer = Transfer {
            source,
            way: Way::choose(plan.part_size(), self.client.workers, self.client.memory.limit()),
            left: Mutex::new(left.into_iter()),
            ready: Queue::new(preparers, preparers),
            watch: watch.clone(),
            last_progress: Mutex::new(self.client.service.clock.monotonic()),
            failure: Mutex::default(),
        };
        self.happened(Event::Sending)?;
        std::thread::scope(|scope| {
            let mut threads = Vec::with_capacity(preparers + senders);
            for n in 0..preparers {
                let work = || {
                    transfer.stop_all_on_error(guarded(|| self.prepare_parts(&transfer)));
                    transfer.ready.writer_done();
                };
                match spawn_scoped(scope, "glacier-read", work) {
                    Ok(thread) => threads.push(thread),
                    Err(error) => {
                        // One that reads is enough; none is a failure.
                        transfer.ready.writer_done();
                        transfer.stop_all_on_error(if n == 0 { Err(error) } else { Ok(()) });
                    }
                }
            }
            for n in 0..senders {
                let work = || transfer.stop_all_on_error(guarded(|| self.send_parts(&transfer)));
                match spawn_scoped(scope, "glacier-send", work) {
                    Ok(thread) => threads.push(thread),
                    Err(error) => {
                        transfer.stop_all_on_error(if n == 0 { Err(error) } else { Ok(()) });
                        break;
                    }
                }
            }
            join_all(threads);
        });
        // What is in the queue after a failure goes back to the budget before the idle memory is freed.
        let Transfer { ready, failure, .. } = transfer;
        drop(ready);
        self.client.memory.trim();
        match failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn send_parts(&self, transfer: &Transfer<'_>) -> Result<()> {
        while let Some(mut part) = transfer.ready.pop(&transfer.watch.cancel)? {
            self.send_part(&mut part, || *lock(&transfer.last_progress), &transfer.watch)?;
            *lock(&transfer.last_progress) = self.client.service.clock.monotonic();
        }
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
}
