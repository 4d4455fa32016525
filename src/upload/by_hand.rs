//! The service's own operations, one a call.

use super::admission::Access;
use super::journal;
use super::pipeline::send::{PartBytes, ReadyPart, hash_in_memory};
use super::progress::add;
use super::state::{Action, Event, Operation};
use super::{PartEntry, Upload, lock};
use crate::error::{Error, Kind, Result};
use crate::http::RequestContext;
use crate::log::Level;
use crate::plan::{DEFAULT_PART_SIZE_MIN, Plan};
use crate::source::Source;
use crate::sync::cancel::Reason;
use crate::treehash::Digest;

impl Upload {
    /// Makes the upload, with the part size that was set, or the one that suits the source, or without one 16 MiB.
    ///
    /// # Errors
    /// `State` if it has an ID already; `Invalid` and `Io` for a source that cannot be uploaded; what the service refuses;
    /// what the network does.
    pub fn initiate(&self) -> Result<()> {
        self.working(Access::Exclusive, Operation::Initiate, |_, context| {
            let wanted = lock(&self.options).part_size;
            let source = self.open_source()?;
            let size = self.size_wanted(source.as_ref())?;
            let part_size = match size {
                Some(size) => Plan::new(size, wanted)?.part_size(),
                None => wanted.unwrap_or(DEFAULT_PART_SIZE_MIN),
            };
            let identity = source.as_ref().and_then(Source::identity);
            self.initiate_now(part_size, size, identity, context)?;
            match source {
                Some(source) => self.compare_source(source.identity()).map(drop),
                None => Ok(()),
            }
        })
    }

    /// Sends one part; many threads at once may. Returns when nobody reads `data` any more.
    ///
    /// # Errors
    /// `Invalid` for an index or a length that cannot be, `Busy` for an index that is being sent, `TreeHash` if `data` has
    /// not the tree hash `expected`; what the service refuses; what the network does.
    pub fn put_part(&self, index: u32, data: &[u8], expected: Option<[u8; 32]>) -> Result<()> {
        self.working(Access::Shared, Operation::PutPart, |_, context| {
            let parts = self.known_parts(context)?;
            self.begin_journal(None, None)?;
            let length = data.len() as u64;
            lock(parts).send(index, length)?;
            self.counters.start(self.client.service.clock.monotonic());
            let hashed = |bytes| {
                add(&self.counters.bytes_hashed, bytes);
                context.cancel.check()
            };
            let hashes = hash_in_memory(data, hashed).inspect_err(|_| lock(parts).withdrawn(index))?;
            if let Some(expected) = expected.map(Digest).filter(|expected| *expected != hashes.tree) {
                lock(parts).withdrawn(index);
                let message =
                    format!("part {index} has the tree hash {}, not {expected}: nothing was sent", hashes.tree);
                return Err(Error::new(Kind::TreeHash, message));
            }
            self.happened(Event::Sending)?;
            let range = lock(parts).range(index, length);
            let mut part = ReadyPart { index, range, hashes, bytes: PartBytes::Lent(data), trusted: false };
            let start = self.client.service.clock.active();
            self.send_part(&mut part, None, || start, context)?;
            self.sync_journal();
            Ok(())
        })
    }

    /// All parts that the service holds.
    ///
    /// # Errors
    /// What the service refuses; what the network does.
    pub fn list_parts(&self) -> Result<Vec<PartEntry>> {
        self.working(Access::Exclusive, Operation::ListParts, |_, context| {
            let listed = self.list_as_told(context)?;
            let entry = |part: &crate::api::ListedPart| PartEntry {
                offset: part.range.first,
                length: part.range.length(),
                tree_hash: part.tree_hash,
            };
            Ok(listed.parts.iter().map(entry).collect())
        })
    }

    /// Makes the archive of the parts, after a check that they cover it.
    ///
    /// # Errors
    /// `Incomplete` names the part that is missing; `Invalid` if the size of the archive cannot be known; what the service
    /// refuses; what the network does; `OutcomeUnknown`.
    pub fn complete(&self) -> Result<()> {
        self.working(Access::Exclusive, Operation::Complete, |action, context| self.complete_as(action, context))
    }

    /// Complete, as the state machine answered.
    pub(crate) fn complete_as(&self, action: Action, context: &RequestContext) -> Result<()> {
        let is_streamed = self.is_being_streamed(lock(&self.options).source.as_ref());
        match action {
            Action::Nothing => return self.check_archive(context),
            Action::RepeatComplete => {
                self.repeat_complete(context)?;
                return self.check_archive(context);
            }
            Action::Proceed if is_streamed && !self.has_all_of_stream() => {
                return Err(Error::invalid("the size of the archive is not known: its stream did not come to its end"));
            }
            Action::Proceed => {}
        }
        let source = self.open_source()?;
        let size = match self.size_wanted(source.as_ref())? {
            Some(size) => size,
            None if self.initiated_here() => lock(self.known_parts(context)?).end(),
            None => {
                return Err(Error::invalid(
                    "the size of the archive is not known: the upload existed before, and neither a source nor the archive's \
                     size is set",
                ));
            }
        };
        if !(self.initiated_here() && self.remembers_all_of(size)) {
            self.adopt_listed(context)?;
        }
        if let Some(source) = source {
            let plan = Plan::new(size, Some(self.part_size()))?;
            self.compare_source(source.identity())?;
            self.check_parts(&source, &plan, 0..plan.part_count(), context)?;
        }
        self.complete_once(size, context)
    }

    /// Throws the upload away. What there is none of is thrown away already.
    ///
    /// # Errors
    /// `State` if it is completed, `OutcomeUnknown` if it may be; what the service refuses; what the network does.
    pub fn abort(&self) -> Result<()> {
        self.admit()?;
        if self.is_running_in_background() || self.is_being_written() {
            self.cancel.raise_for(Reason::Aborting);
            self.await_end_of_run();
            self.await_end_of_stream();
            self.cancel.clear(Reason::Aborting);
        }
        self.working(Access::Exclusive, Operation::Abort, |action, context| match action {
            Action::Nothing => Ok(()),
            Action::Proceed | Action::RepeatComplete => {
                let complete_was_sent = lock(&self.completing).is_some();
                self.client.service.abort(self.name()?, context).map_err(|error| {
                    if complete_was_sent && error.kind() == Kind::NotFound {
                        return self.outcome_unknown(error);
                    }
                    error
                })?;
                self.happened(Event::Aborted)?;
                self.note_durably(&journal::Record::Aborted);
                self.release_journal();
                self.say(Level::Info, format_args!("upload {} aborted", self.name()?.id));
                Ok(())
            }
        })
    }

    pub(crate) fn open_source(&self) -> Result<Option<Source>> {
        let origin = lock(&self.options).source.clone();
        Ok(origin.map(|origin| self.open(&origin)).transpose()?.flatten())
    }

    /// The size of the archive: of the source, or set, or recorded in the journal, or of the stream that was sent.
    fn size_wanted(&self, source: Option<&Source>) -> Result<Option<u64>> {
        if let Some(source) = source {
            self.check_size(source.size())?;
            return Ok(Some(source.size()));
        }
        let set = lock(&self.options).archive_size;
        Ok(set.or(*lock(&self.size_known)))
    }

    /// Whether this handle made the upload, and so no other had it before.
    fn initiated_here(&self) -> bool {
        self.location().is_some()
    }

    /// Whether every part of an archive of that size is known to have been held by the service.
    pub(crate) fn remembers_all_of(&self, size: u64) -> bool {
        let count = u32::try_from(size.div_ceil(self.part_size().max(1))).unwrap_or(u32::MAX);
        lock(&self.known).covers(count)
    }

    /// Takes the parts that the service lists for those that there are. One that this handle sent must be what it sent.
    fn adopt_listed(&self, context: &RequestContext) -> Result<()> {
        let listed = self.list(context)?;
        let known = lock(&self.known);
        let replaced =
            listed.iter().find(|(index, part)| known.part(**index).is_some_and(|held| held.tree != part.tree));
        if let Some((index, part)) = replaced {
            return Err(Error::new(
                Kind::TreeHash,
                format!(
                    "the service holds part {index} with the tree hash {}, which is not what was sent: put it again",
                    part.tree
                ),
            ));
        }
        drop(known);
        lock(self.parts_so_far()).adopt(&listed);
        Ok(())
    }
}
