//! The service's own operations, one a call.

use super::events::add;
use super::gate::Entry;
use super::state::{Action, Call, Event};
use super::worker::{Outgoing, PartBytes};
use super::{PartEntry, Upload, lock};
use crate::error::{Error, Kind, Result};
use crate::log::Level;
use crate::plan::{DEFAULT_PART_SIZE_MIN, Plan};
use crate::treehash::{Digest, part_hashes};

impl Upload {
    /// Makes the upload, with the part size that was set, or the one that suits the source, or without one 16 MiB.
    ///
    /// # Errors
    /// `State` if it has an ID already; `Invalid` and `Io` for a source that cannot be uploaded; what the service refuses;
    /// what the network does.
    pub fn initiate(&self) -> Result<()> {
        self.working(Entry::Alone, Call::Initiate, |_, watch| {
            let wanted = lock(&self.options).part_size;
            let part_size = match self.size_of_source()? {
                Some(size) => Plan::new(size, wanted)?.part_size(),
                None => wanted.unwrap_or(DEFAULT_PART_SIZE_MIN),
            };
            self.initiate_now(part_size, watch)
        })
    }

    /// Sends one part; many threads at once may. Returns when nobody reads `data` any more.
    ///
    /// # Errors
    /// `Invalid` for an index or a length that cannot be, `Busy` for an index that is being sent, `TreeHash` if `data` has
    /// not the tree hash `expected`; what the service refuses; what the network does.
    pub fn put_part(&self, index: u32, data: &[u8], expected: Option<[u8; 32]>) -> Result<()> {
        self.working(Entry::Shared, Call::PutPart, |_, watch| {
            let parts = self.known_parts(watch)?;
            let length = data.len() as u64;
            lock(parts).send(index, length)?;
            self.counters.start(self.client.service.clock.monotonic());
            let hashes = part_hashes(data);
            add(&self.counters.bytes_hashed, length);
            if let Some(expected) = expected.map(Digest).filter(|expected| *expected != hashes.tree) {
                lock(parts).withdrawn(index);
                let message =
                    format!("part {index} has the tree hash {}, not {expected}: nothing was sent", hashes.tree);
                return Err(Error::new(Kind::TreeHash, message));
            }
            self.happened(Event::Sending)?;
            let range = lock(parts).range(index, length);
            let mut part = Outgoing { index, range, hashes, bytes: PartBytes::Lent(data) };
            let start = self.client.service.clock.monotonic();
            self.send_part(&mut part, || start, watch)
        })
    }

    /// All parts that the service holds.
    ///
    /// # Errors
    /// What the service refuses; what the network does.
    pub fn list_parts(&self) -> Result<Vec<PartEntry>> {
        self.working(Entry::Alone, Call::ListParts, |_, watch| {
            let listed = self.client.service.list_parts(self.name()?, watch)?;
            self.adopt(&listed)?;
            let entry = |part: &crate::api::PartEntry| PartEntry {
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
        self.working(Entry::Alone, Call::Complete, |action, watch| match action {
            Action::Nothing => Ok(()),
            Action::RepeatComplete => self.repeat_complete(watch),
            Action::Proceed => {
                let initiated_here = self.parts.get().is_some() && self.location().is_some();
                let parts = self.known_parts(watch)?;
                let size = match self.size_of_source()? {
                    Some(size) => size,
                    None if initiated_here => lock(parts).end(),
                    None => {
                        return Err(Error::invalid(
                            "the size of the archive is not known: the upload existed before, and no source is set",
                        ));
                    }
                };
                let tree = lock(parts).archive_hash(size)?;
                self.complete_now(size, tree, watch)
            }
        })
    }

    /// Throws the upload away. What there is none of is thrown away already.
    ///
    /// # Errors
    /// `State` if it is completed, `OutcomeUnknown` if it may be; what the service refuses; what the network does.
    pub fn abort(&self) -> Result<()> {
        self.working(Entry::Alone, Call::Abort, |action, watch| match action {
            Action::Nothing => Ok(()),
            Action::Proceed | Action::RepeatComplete => {
                let complete_was_sent = lock(&self.completing).is_some();
                self.client.service.abort(self.name()?, watch).map_err(|error| {
                    if complete_was_sent && error.kind() == Kind::NotFound {
                        return self.outcome_unknown(error);
                    }
                    error
                })?;
                self.happened(Event::Aborted)?;
                self.say(Level::Info, format_args!("upload {} aborted", self.name()?.id));
                Ok(())
            }
        })
    }

    /// The size that the source says the archive has.
    fn size_of_source(&self) -> Result<Option<u64>> {
        let origin = lock(&self.options).source.clone();
        origin.map(|origin| origin.open().map(|source| source.size())).transpose()
    }
}
