//! The multipart operations of the service, one per call: initiate, put part, list parts, complete, abort.

use crate::api::ListedPart;
use crate::error::{Error, Kind, Result};
use crate::plan::{self, DEFAULT_PART_SIZE_MIN};
use crate::source::Source;
use crate::sync::cancel::Reason;
use crate::sync::lock;
use crate::treehash::Digest;
use crate::upload::admission::Access;
use crate::upload::call::Call;
use crate::upload::complete::complete;
use crate::upload::handle::Upload;
use crate::upload::pipeline::part::{HashedPart, PartBytes, hash_in_memory};
use crate::upload::pipeline::send::send_part;
use crate::upload::session::counters::add;
use crate::upload::session::resume::PendingPart;
use crate::upload::session::state::{Action, Event, Operation};

/// A part that the service holds, as [`Upload::list_parts`] returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartEntry {
    /// The offset in the archive, in bytes.
    pub offset: u64,
    /// The length in bytes.
    pub length: u64,
    /// The tree hash.
    pub tree_hash: Digest,
}

impl Upload {
    /// Initiates the upload. The part size is the one that was set, or the one that suits the source, or 16 MiB without a
    /// source.
    ///
    /// # Errors
    /// `State` if the upload has an ID; `Invalid` and `Io` for a source that cannot be uploaded; rejections of the service and
    /// network errors.
    pub fn initiate(&self) -> Result<()> {
        self.call(Access::Exclusive, Operation::Initiate, |call, _| {
            let Call { session, settings, context, .. } = *call;
            let source = call.open_source()?;
            let size = call.archive_size(source.as_ref())?;
            let expected = settings.expected_size;
            let part_size = plan::part_size(settings.part_size, size, expected, DEFAULT_PART_SIZE_MIN)?;
            let identity = source.as_ref().and_then(Source::identity);
            session.initiate(&settings.description, part_size, size, identity, context)?;
            match source {
                Some(source) => session.compare_source(source.identity()).map(drop),
                None => Ok(()),
            }
        })
    }

    /// Sends one part. Several threads can send parts at once. Returns when `data` is no longer read.
    ///
    /// # Errors
    /// `Invalid` for an index or a length that the upload cannot have; `Busy` for an index in flight; `TreeHash` if `data` does
    /// not have the tree hash `expected`; rejections of the service and network errors.
    pub fn put_part(&self, index: u32, data: &[u8], expected: Option<[u8; 32]>) -> Result<()> {
        self.call(Access::Shared, Operation::PutPart, |call, _| {
            let Call { session, settings, context, .. } = *call;
            let parts = session.load_parts(settings.part_size, context)?;
            session.begin_journal(&settings.description, None, None)?;
            let length = data.len() as u64;
            lock(parts).begin(index, length)?;
            session.start_progress();
            let hashed = |bytes| {
                add(&session.counters.bytes_hashed, bytes);
                context.cancel.check()
            };
            let hashes = hash_in_memory(data, hashed).inspect_err(|_| lock(parts).withdrawn(index))?;
            if let Some(expected) = expected.map(Digest).filter(|expected| *expected != hashes.tree) {
                lock(parts).withdrawn(index);
                let message =
                    format!("part {index} has the tree hash {}, not {expected}: nothing was sent", hashes.tree);
                return Err(Error::new(Kind::TreeHash, message));
            }
            session.apply(Event::Sending)?;
            let pending = PendingPart::new(index, lock(parts).range(index, length));
            let mut part = HashedPart { pending, bytes: PartBytes::Lent(data), hashes };
            let start = session.client.service.clock.active();
            send_part(session, &mut part, None, || start, context)?;
            session.sync_journal();
            Ok(())
        })
    }

    /// Lists all parts that the service holds.
    ///
    /// # Errors
    /// Rejections of the service and network errors.
    pub fn list_parts(&self) -> Result<Vec<PartEntry>> {
        self.call(Access::Exclusive, Operation::ListParts, |call, _| {
            let listed = call.session.stored_parts(call.settings.part_size, call.context)?;
            let part_size = call.session.part_size();
            let entry = |part: &ListedPart| PartEntry {
                offset: part.range.first,
                length: part.length(part_size),
                tree_hash: part.tree_hash,
            };
            Ok(listed.values().map(entry).collect())
        })
    }

    /// Completes the upload, after a check that the parts cover the archive.
    ///
    /// # Errors
    /// `Incomplete` names the part that is missing; `Invalid` if the size of the archive is not known, or is not the size
    /// that was set; `OutcomeUnknown`; rejections of the service and network errors.
    pub fn complete(&self) -> Result<()> {
        self.call(Access::Exclusive, Operation::Complete, complete)
    }

    /// Aborts the upload. Does nothing if there is no upload.
    ///
    /// # Errors
    /// `State` if the upload is completed, `OutcomeUnknown` if it may be; rejections of the service and network errors.
    pub fn abort(&self) -> Result<()> {
        self.check_callable()?;
        if self.background.is_running() || self.is_being_written() {
            self.cancel.raise_for(Reason::Aborting);
            self.background.wait_until_stopped();
            self.wait_until_stream_stopped();
            self.cancel.clear(Reason::Aborting);
        }
        self.call(Access::Exclusive, Operation::Abort, |call, action| match action {
            Action::Nothing => Ok(()),
            Action::Proceed | Action::RepeatComplete => call.session.abort(call.context),
        })
    }
}
