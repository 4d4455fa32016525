//! A multipart upload at the service, as this process knows it: its facts, its stored parts, its journal.
//!
//! A session knows no callbacks and no threads of its own, and does not decide which calls may use it. Any thread may use it.

mod complete;
pub(crate) mod counters;
mod from_journal;
pub(crate) mod lost_responses;
mod operations;
pub(crate) mod part_map;
pub(crate) mod parts;
pub(crate) mod resume;
pub(crate) mod source_record;
pub mod state;

use std::ffi::{CStr, CString};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use once_cell::sync::OnceCell;

use self::counters::{Counters, Progress};
use self::lost_responses::LostResponses;
use self::parts::{Parts, StoredPart};
use self::source_record::{SourceMatch, SourceRecord, size_changed};
use self::state::{AtomicState, Event, State};
use super::journal::record::{Header, PartRecord, Record};
use super::journal::{self, Journal};
use crate::api::UploadName;
use crate::bandwidth::TokenBucket;
use crate::client::Client;
use crate::error::{Error, Kind, Result};
use crate::ffi_text::to_cstring;
use crate::log::Level;
use crate::plan::Plan;
use crate::source::file::Identity;
use crate::sync::{Mutex, lock};
use crate::treehash::Digest;

/// A multipart upload. Its ID, once known, never changes.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: Arc<Client>,
    pub(crate) counters: Counters,
    pub(crate) bandwidth: Arc<TokenBucket>,
    pub(crate) journal: Journal,
    pub(crate) lost_responses: LostResponses,
    vault: CString,
    facts: Facts,
    state: AtomicState,
    /// Empty until the part size is known. An upload that existed before this handle is listed once, for all threads.
    parts: OnceCell<Mutex<Parts>>,
    source_record: Mutex<SourceRecord>,
    /// The size of the archive, from the journal or from a stream that was sent to its end.
    archive_size: Mutex<Option<u64>>,
    /// Size and tree hash of the Complete that was sent.
    pending_complete: Mutex<Option<(u64, Digest)>>,
    /// Whether the stream that this handle read to its end is what the service holds.
    stream_outcome: Mutex<Option<Result<()>>>,
}

/// The facts of an upload. Each becomes known once and never changes.
#[derive(Debug, Default)]
struct Facts {
    id: OnceLock<CString>,
    location: OnceLock<CString>,
    archive_id: OnceLock<CString>,
    archive_location: OnceLock<CString>,
    tree_hash: OnceLock<CString>,
    part_size: AtomicU64,
}

impl Session {
    /// Creates a session in state [`State::New`]. Sends nothing.
    pub(crate) fn new(client: &Arc<Client>, vault: &str) -> Self {
        Self {
            client: Arc::clone(client),
            counters: Counters::default(),
            bandwidth: Arc::new(TokenBucket::child_of(&client.bandwidth)),
            journal: Journal::default(),
            lost_responses: LostResponses::default(),
            vault: to_cstring(vault),
            facts: Facts::default(),
            state: AtomicState::default(),
            parts: OnceCell::new(),
            source_record: Mutex::default(),
            archive_size: Mutex::default(),
            pending_complete: Mutex::default(),
            stream_outcome: Mutex::default(),
        }
    }

    /// Attaches the session to an upload that exists. Sends nothing.
    ///
    /// # Errors
    /// `State` if it is attached to another upload.
    pub(crate) fn attach(&self, id: &str) -> Result<()> {
        let attached = self.facts.id.get_or_init(|| to_cstring(id)).to_string_lossy();
        if attached == id {
            return Ok(());
        }
        Err(Error::new(
            Kind::State,
            format!("the handle is attached to upload {attached}: use another handle for another upload"),
        ))
    }

    pub(crate) fn state(&self) -> State {
        self.state.get()
    }

    /// Returns true if the handle was attached to an upload, and no call has begun.
    pub(crate) fn is_attached(&self) -> bool {
        self.state() == State::New && self.id().is_some()
    }

    /// Returns true if, as far as the handle knows, the service keeps an upload that can be resumed. A failed Abort may have
    /// deleted it: see [`LostResponses::may_be_deleted`].
    pub(crate) fn is_resumable(&self) -> bool {
        self.is_attached() || self.state().is_resumable()
    }

    pub(crate) fn vault(&self) -> &CStr {
        &self.vault
    }

    pub(crate) fn vault_name(&self) -> &str {
        self.vault.to_str().unwrap_or_default()
    }

    pub(crate) fn id(&self) -> Option<&CStr> {
        self.facts.id.get().map(CString::as_c_str)
    }

    pub(crate) fn location(&self) -> Option<&CStr> {
        self.facts.location.get().map(CString::as_c_str)
    }

    pub(crate) fn archive_id(&self) -> Option<&CStr> {
        self.facts.archive_id.get().map(CString::as_c_str)
    }

    pub(crate) fn archive_location(&self) -> Option<&CStr> {
        self.facts.archive_location.get().map(CString::as_c_str)
    }

    pub(crate) fn tree_hash(&self) -> Option<&CStr> {
        self.facts.tree_hash.get().map(CString::as_c_str)
    }

    /// Returns the part size in bytes; 0 until it is known.
    pub(crate) fn part_size(&self) -> u64 {
        self.facts.part_size.load(Ordering::Acquire)
    }

    /// Returns the vault and the ID of the upload.
    pub(crate) fn name(&self) -> Result<UploadName<'_>> {
        let id = self.id().and_then(|id| id.to_str().ok());
        let id = id.ok_or_else(|| Error::new(Kind::Internal, "the upload ID is missing"))?;
        Ok(UploadName { vault: self.vault_name(), id })
    }

    /// Returns true if this handle initiated the upload, so that no other handle has sent parts of it.
    pub(crate) fn is_initiated_here(&self) -> bool {
        self.location().is_some()
    }

    /// Changes the state by an event.
    pub(crate) fn apply(&self, event: Event) -> Result<()> {
        self.state.change(|state| state.after(event))
    }

    pub(crate) fn log(&self, level: Level, line: fmt::Arguments<'_>) {
        self.client.log.write(level, line);
    }

    /// Returns the parts, as far as this handle knows them.
    pub(crate) fn parts(&self) -> &Mutex<Parts> {
        self.parts.get_or_init(|| Mutex::new(Parts::new(self.part_size())))
    }

    /// Forgets all parts, before they are taken from the service's list.
    pub(crate) fn reset_parts(&self) {
        *lock(self.parts()) = Parts::new(self.part_size());
    }

    /// Records that the service acknowledged a part that this handle sent.
    pub(crate) fn acknowledged(&self, index: u32, part: StoredPart, trusted: bool) {
        self.lost_responses.upload_seen();
        lock(self.parts()).acknowledged(index, part);
        self.record_part(index, part, trusted);
        self.counters.part_done(index, part.length, true);
    }

    /// Records that the service holds a part that an earlier call or process sent.
    pub(crate) fn found_stored(&self, index: u32, part: StoredPart) {
        lock(self.parts()).acknowledged(index, part);
        self.counters.part_done(index, part.length, false);
    }

    /// Records a part that the service holds and whose hash the source's bytes have.
    pub(crate) fn record_part(&self, index: u32, part: StoredPart, trusted: bool) {
        let mut record = lock(&self.source_record);
        record.insert(index, part, trusted);
        // A later process can check the identity of a file, but not memory.
        let trusted = trusted && record.has_identity();
        drop(record);
        self.record(&Record::Part(PartRecord { index, part, trusted }));
    }

    /// Compares the identity of the source with the recorded one, and records it.
    ///
    /// # Errors
    /// `SourceChanged` if the size differs.
    pub(crate) fn compare_source(&self, now: Option<Identity>) -> Result<SourceMatch> {
        let found = lock(&self.source_record).compare(now)?;
        if let (SourceMatch::MaybeChanged, Some(now)) = (found, now) {
            self.log(
                Level::Warn,
                format_args!("the source may have changed since it was read: it is read again and compared"),
            );
            self.record(&Record::Source(now));
        }
        Ok(found)
    }

    /// Runs `read` on the record of the source.
    pub(crate) fn with_source_record<T>(&self, read: impl FnOnce(&mut SourceRecord) -> T) -> T {
        read(&mut lock(&self.source_record))
    }

    /// Returns true if every part of an archive of `size` bytes is recorded as stored.
    pub(crate) fn has_record_of_all(&self, size: u64) -> bool {
        let count = u32::try_from(size.div_ceil(self.part_size().max(1))).unwrap_or(u32::MAX);
        lock(&self.source_record).covers(count)
    }

    /// Returns the size of the archive, from the journal or from a stream that was sent to its end.
    pub(crate) fn recorded_size(&self) -> Option<u64> {
        *lock(&self.archive_size)
    }

    /// Returns the size of the archive that was sent with Complete, or else the recorded one.
    pub(crate) fn archive_size(&self) -> Option<u64> {
        let completed = lock(&self.pending_complete).map(|(size, _)| size);
        completed.or(self.recorded_size())
    }

    /// Returns the tree hash of the completed archive.
    pub(crate) fn archive_tree(&self) -> Result<Digest> {
        let tree = self.tree_hash().and_then(|hash| hash.to_str().ok()?.parse().ok());
        tree.ok_or_else(|| Error::new(Kind::Internal, "a completed upload without a tree hash"))
    }

    /// Fails if a source of `size` bytes has another size than the archive. `archive_size`: the one that the caller set.
    pub(crate) fn check_size(&self, size: u64, archive_size: Option<u64>) -> Result<()> {
        if let Some(set) = archive_size.filter(|set| *set != size) {
            return Err(Error::invalid(format!("archive size {set} was set, but the source has {size} bytes")));
        }
        match self.recorded_size() {
            Some(before) if before != size => Err(size_changed(size, before)),
            _ => Ok(()),
        }
    }

    /// Records how the comparison of this handle's stream with the upload or the archive ended.
    pub(crate) fn stream_ended(&self, size: Option<u64>, outcome: Result<()>) -> Result<()> {
        if size.is_some() {
            *lock(&self.archive_size) = size;
        }
        lock(&self.stream_outcome).insert(outcome).clone()
    }

    /// Returns true if the service holds this handle's stream to its end: only Complete is missing.
    pub(crate) fn has_all_of_stream(&self) -> bool {
        matches!(*lock(&self.stream_outcome), Some(Ok(())))
    }

    /// Fails unless this handle read its stream to the end, and the service holds the same bytes.
    pub(crate) fn check_stream(&self) -> Result<()> {
        lock(&self.stream_outcome).clone().unwrap_or_else(|| {
            Err(Error::new(
                Kind::State,
                "this handle did not read its stream to the end, so the stream cannot be compared with the upload; resume with a new \
                 handle that reads the stream from byte 0",
            ))
        })
    }

    /// Sets the totals of the progress.
    pub(crate) fn set_totals(&self, plan: &Plan) {
        self.counters.bytes_total.store(plan.archive_size(), Ordering::Relaxed);
        self.counters.parts_total.store(plan.part_count().into(), Ordering::Relaxed);
    }

    /// Counts the parts of an archive that exists, so that the progress reaches its totals.
    pub(crate) fn count_archive(&self) {
        let plan = self.archive_size().and_then(|size| Plan::new(size, Some(self.part_size())).ok());
        let Some(plan) = plan else { return };
        self.set_totals(&plan);
        for (index, range) in (0..plan.part_count()).filter_map(|index| Some((index, plan.range(index)?))) {
            self.counters.part_done(index, range.length(), false);
        }
    }

    /// Returns the progress.
    pub(crate) fn progress(&self) -> Progress {
        self.counters.snapshot(self.client.service.clock.monotonic())
    }

    /// Starts the clock of the progress.
    pub(crate) fn start_progress(&self) {
        self.counters.start(self.client.service.clock.monotonic());
    }

    /// Writes the header of a new journal. It is on disk when this returns.
    pub(crate) fn begin_journal(
        &self,
        description: &str,
        archive_size: Option<u64>,
        source: Option<Identity>,
    ) -> Result<()> {
        let client = &self.client;
        self.journal.begin(|| {
            Ok(Header {
                endpoint: client.endpoint.clone(),
                region: client.service.signer.region().to_owned(),
                account_id: client.service.account_id.clone(),
                vault: self.vault_name().to_owned(),
                upload_id: self.name()?.id.to_owned(),
                part_size: self.part_size(),
                archive_size,
                description: description.to_owned(),
                source,
            })
        })
    }

    /// Appends a record to the journal. A failure does not stop the upload, because the service lists what it holds.
    pub(crate) fn record(&self, record: &Record) {
        self.warn_of_loss(self.journal.append(record), journal::loss_of(record));
    }

    /// Appends a record to the journal. It is on disk when this returns.
    pub(crate) fn record_durably(&self, record: &Record) {
        self.warn_of_loss(self.journal.append_durably(record), journal::loss_of(record));
    }

    /// Brings all records of the journal to the disk.
    pub(crate) fn sync_journal(&self) {
        self.warn_of_loss(self.journal.sync(), journal::LOSS_OF_PARTS);
    }

    fn warn_of_loss(&self, written: Result<()>, loss: &str) {
        if let Err(error) = written {
            self.log(Level::Warn, format_args!("journal write failed ({error}): {loss}"));
        }
    }
}

impl Facts {
    fn set_part_size(&self, bytes: u64) {
        self.part_size.store(bytes, Ordering::Release);
    }

    fn set_archive(&self, id: String, location: String, tree: Digest) {
        let _ = self.tree_hash.set(to_cstring(tree.to_hex()));
        let _ = self.archive_location.set(to_cstring(location));
        let _ = self.archive_id.set(to_cstring(id));
    }
}
