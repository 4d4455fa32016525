//! The journal of a session: opened by the first working call, appended to as events happen, released with the archive.
//!
//! [`file`] locks, appends and syncs; [`record`] is the format.

pub(crate) mod file;
pub(crate) mod record;
pub(crate) mod summary;

use std::path::Path;
use std::sync::Arc;

use self::file::JournalFile;
use self::record::{Header, Record, Replay};
use super::options::Settings;
use super::session::state::Operation;
use crate::error::Result;
use crate::source::SourceSpec;
use crate::sync::{Mutex, lock};

/// The journal of a session, shared by its threads.
#[derive(Debug, Default)]
pub(crate) struct Journal(Mutex<JournalState>);

#[derive(Debug, Default)]
enum JournalState {
    /// No journal is set, or no working call has opened it yet.
    #[default]
    Closed,
    /// This handle has locked it.
    Open {
        file: Arc<JournalFile>,
        /// Whether it has the header of an upload.
        begun: bool,
    },
    /// It has the end of the upload, or the handle was freed: it is no longer locked.
    Released,
}

impl Journal {
    /// Opens the journal that is set, once, and returns what it records. An operation that sends something creates the file if
    /// there is none. `None`: no journal is set, it was opened before, it does not exist, or it records no upload.
    ///
    /// # Errors
    /// As [`JournalFile::open`].
    pub(crate) fn open(&self, settings: &Settings, operation: Operation) -> Result<Option<(Arc<JournalFile>, Replay)>> {
        let Some(path) = &settings.journal else { return Ok(None) };
        let mut state = lock(&self.0);
        if !matches!(*state, JournalState::Closed) {
            return Ok(None);
        }
        let Some((file, replay)) = open_file(path, settings.source.as_ref(), operation)? else { return Ok(None) };
        let file = Arc::new(file);
        if replay.header.is_none() {
            *state = JournalState::Open { file, begun: false };
            return Ok(None);
        }
        Ok(Some((file, replay)))
    }

    /// Uses a file that records an upload. `has_ended`: it records the end too, so nothing is appended.
    pub(crate) fn resume(&self, file: Arc<JournalFile>, has_ended: bool) {
        *lock(&self.0) = if has_ended { JournalState::Released } else { JournalState::Open { file, begun: true } };
    }

    /// Writes the header into a new journal. It is on disk when this returns. Does nothing if there is a header or no journal.
    ///
    /// # Errors
    /// As [`JournalFile::begin`]; those of `header`.
    pub(crate) fn begin(&self, header: impl FnOnce() -> Result<Header>) -> Result<()> {
        let mut state = lock(&self.0);
        let JournalState::Open { file, begun: begun @ false } = &mut *state else { return Ok(()) };
        file.begin(&header()?)?;
        *begun = true;
        Ok(())
    }

    /// Appends a record. It is on disk after the next sync.
    ///
    /// # Errors
    /// As [`JournalFile::append`].
    pub(crate) fn append(&self, record: &Record) -> Result<()> {
        self.file().map_or(Ok(()), |file| file.append(record))
    }

    /// Appends a record. It is on disk when this returns.
    ///
    /// # Errors
    /// As [`JournalFile::append`].
    pub(crate) fn append_durably(&self, record: &Record) -> Result<()> {
        self.file().map_or(Ok(()), |file| file.append_durably(record))
    }

    /// Brings all records to the disk.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file().map_or(Ok(()), |file| file.sync())
    }

    /// Returns true if this handle has the journal locked.
    pub(crate) fn is_open(&self) -> bool {
        matches!(*lock(&self.0), JournalState::Open { .. })
    }

    /// Unlocks the journal, so that another process or handle can use it. Threads that are about to end may still hold the
    /// file; what they append is dropped, as if the process had been killed.
    pub(crate) fn release(&self) {
        if let JournalState::Open { file, .. } = std::mem::replace(&mut *lock(&self.0), JournalState::Released) {
            file.release();
        }
    }

    /// The file, if it has a header.
    fn file(&self) -> Option<Arc<JournalFile>> {
        match &*lock(&self.0) {
            JournalState::Open { file, begun: true } => Some(Arc::clone(file)),
            _ => None,
        }
    }
}

fn open_file(path: &Path, source: Option<&SourceSpec>, operation: Operation) -> Result<Option<(JournalFile, Replay)>> {
    let reads_source = matches!(operation, Operation::Run | Operation::Transfer | Operation::Initiate);
    let mut create = reads_source || matches!(operation, Operation::Write | Operation::PutPart);
    let mut metadata = None;
    if let Some(SourceSpec::File(source)) = source {
        metadata = std::fs::metadata(source).ok();
        if metadata.is_none() && source == path {
            return Err(file::is_source(path));
        }
        // Without its source the call fails. It must not create the source by creating the journal.
        create &= metadata.is_some() || !reads_source;
    }
    JournalFile::open(path, create, metadata.as_ref())
}

/// What a failed append of parts costs.
pub(crate) const LOSS_OF_PARTS: &str = "resuming will re-read more of the source";

/// Returns what it costs if a record is missing in the journal.
pub(crate) fn loss_of(record: &Record) -> &'static str {
    match record {
        Record::Source(_) | Record::Part(_) => LOSS_OF_PARTS,
        Record::Completing { .. } => {
            "if this process ends before the response to Complete, the next one cannot learn the outcome"
        }
        Record::Rejected => "resuming will send Complete again before anything else",
        Record::Completed { .. } => {
            "a later run with this journal possibly cannot report the archive ID: keep the archive ID"
        }
        Record::Aborted => "a later run with this journal will fail with not-found",
    }
}
