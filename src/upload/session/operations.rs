//! The operations of the service on this upload: initiate, list parts, abort. Complete is in `complete`.

use std::collections::BTreeMap;

use super::Session;
use super::parts::{Parts, StoredPart, by_index};
use super::state::Event;
use crate::api::{ListedPart, UploadParts};
use crate::error::{Error, Kind, Result};
use crate::ffi_text::to_cstring;
use crate::http::RequestContext;
use crate::log::Level;
use crate::plan::ByteRange;
use crate::source::file::Identity;
use crate::sync::{Mutex, lock};
use crate::sys::emergency_memory;
use crate::upload::journal::record::Record;

/// The memory that one listed part takes in maps, in bytes. There are three maps, and each node has 11 parts. The
/// allocations are infallible. A thread for which the C library has no memory pool takes a page for each node.
const MEMORY_PER_PART: usize = 1536;

impl Session {
    /// Initiates the upload, and writes the header of the journal before any part is sent.
    pub(crate) fn initiate(
        &self,
        description: &str,
        part_size: u64,
        archive_size: Option<u64>,
        source: Option<Identity>,
        context: &RequestContext,
    ) -> Result<()> {
        let initiated = self.client.service.initiate(self.vault_name(), description, part_size, context);
        let initiated = initiated.inspect_err(|error| self.lost_responses.initiate_failed(error))?;
        let _ = self.facts.id.set(to_cstring(initiated.id.as_str()));
        let _ = self.facts.location.set(to_cstring(initiated.location));
        self.facts.set_part_size(part_size);
        self.apply(Event::Known)?;
        let _ = self.parts.set(Mutex::new(Parts::new(part_size)));
        self.log(Level::Info, format_args!("upload {} initiated with parts of {part_size} bytes", initiated.id));
        self.begin_journal(description, archive_size, source)
    }

    /// Aborts the upload.
    pub(crate) fn abort(&self, context: &RequestContext) -> Result<()> {
        let aborted = self.client.service.abort(self.name()?, context);
        match aborted.inspect_err(|error| self.lost_responses.abort_failed(error)) {
            // An earlier Abort of this handle probably deleted the upload, and its response was lost.
            Err(error) if self.is_missing_after_abort(&error) => self.log(
                Level::Warn,
                format_args!(
                    "upload {}: the response to an Abort was lost, and the service no longer knows the upload: it was aborted, or \
                     another program completed it; look for its archive in an inventory of the vault before you upload it again",
                    self.name()?.id
                ),
            ),
            outcome => {
                outcome.map_err(|error| self.not_found_after_complete(error))?;
                self.log(Level::Info, format_args!("upload {} aborted", self.name()?.id));
            }
        }
        self.apply(Event::Aborted)?;
        self.record_durably(&Record::Aborted);
        self.journal.release();
        Ok(())
    }

    fn is_missing_after_abort(&self, error: &Error) -> bool {
        error.kind() == Kind::NotFound && self.lost_responses.abort_response_is_lost() && !self.complete_was_sent()
    }

    /// Returns true if Complete was sent and not rejected: the archive may exist.
    fn complete_was_sent(&self) -> bool {
        lock(&self.pending_complete).is_some()
    }

    /// Replaces the error of an upload that was not found if Complete was sent.
    fn not_found_after_complete(&self, error: Error) -> Error {
        let is_missing = error.kind() == Kind::NotFound;
        if is_missing && self.complete_was_sent() { self.outcome_unknown(error) } else { error }
    }

    /// Lists the parts that the service holds, and takes over the part size. `part_size`: the one that the caller set.
    pub(crate) fn list_parts(&self, part_size: Option<u64>, context: &RequestContext) -> Result<UploadParts> {
        let listed = self.client.service.list_parts(self.name()?, context);
        let listed = listed.map_err(|error| self.not_found_after_complete(error))?;
        self.lost_responses.upload_seen();
        if let Some(set) = part_size.filter(|set| *set != listed.part_size) {
            return Err(Error::invalid(format!(
                "part size {set} was set, but the upload was initiated with parts of {} bytes",
                listed.part_size
            )));
        }
        let known = self.part_size();
        if known != 0 && known != listed.part_size {
            return Err(Error::new(
                Kind::Protocol,
                format!(
                    "the service lists parts of {} bytes, but the upload has parts of {known} bytes",
                    listed.part_size
                ),
            ));
        }
        self.facts.set_part_size(listed.part_size);
        Ok(listed)
    }

    /// Lists the parts that the service holds, by index. See [`Session::list_parts`].
    pub(crate) fn stored_parts(
        &self,
        part_size: Option<u64>,
        context: &RequestContext,
    ) -> Result<BTreeMap<u32, ListedPart>> {
        let listed = self.list_parts(part_size, context)?;
        emergency_memory::ensure_beside(listed.parts.len() * MEMORY_PER_PART)?;
        by_index(listed.part_size, &listed.parts)
    }

    /// Returns the parts. The first call lists them if the upload existed before this handle.
    pub(crate) fn load_parts(&self, part_size: Option<u64>, context: &RequestContext) -> Result<&Mutex<Parts>> {
        self.parts.get_or_try_init(|| {
            let listed = self.stored_parts(part_size, context)?;
            let mut parts = Parts::new(self.part_size());
            parts.adopt(&listed);
            Ok(Mutex::new(parts))
        })
    }

    /// Takes the parts that the service lists as the stored ones. A part that this handle sent must be what it sent.
    pub(crate) fn adopt_listed(&self, part_size: Option<u64>, context: &RequestContext) -> Result<()> {
        let listed = self.stored_parts(part_size, context)?;
        let record = lock(&self.source_record);
        // Bytes of another length can have the same tree hash.
        let is_as_sent = |index, sent: StoredPart, part: &ListedPart| {
            let first = u64::from(index) * self.part_size();
            sent.tree == part.tree_hash && part.covers(ByteRange { first, last: first + sent.length.max(1) - 1 })
        };
        let replaced = listed
            .iter()
            .find(|(index, part)| record.part(**index).is_some_and(|sent| !is_as_sent(**index, sent, part)));
        if let Some((index, part)) = replaced {
            return Err(Error::new(
                Kind::TreeHash,
                format!(
                    "the service holds part {index} with the tree hash {}, which is not what was sent: put it again",
                    part.tree_hash
                ),
            ));
        }
        drop(record);
        lock(self.parts()).adopt(&listed);
        Ok(())
    }
}
