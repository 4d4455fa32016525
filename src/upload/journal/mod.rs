//! The journal as the handle uses it: taken up by the first working call, written as things happen, let go with the archive.

pub(crate) mod file;
pub(crate) mod record;

use std::sync::Arc;

pub(crate) use self::file::Journal;
use self::file::is_source;
pub(crate) use self::record::{Header, Outcome, PartRecord, Record, Replay};
use crate::error::{Error, Kind, Result};
use crate::ffi_text::to_cstring;
use crate::log::Level;
use crate::source::SourceSpec;
use crate::source::file::Identity;
use crate::upload::options::Options;
use crate::upload::resume::SourceRecord;
use crate::upload::state::{Operation, State};
use crate::upload::{Upload, lock};

/// The journal of a handle.
#[derive(Debug, Default)]
pub(crate) enum JournalState {
    /// None is set, or no call has worked yet.
    #[default]
    Closed,
    /// It is ours, and locked.
    Open {
        journal: Arc<Journal>,
        /// Whether it says what upload it is of.
        begun: bool,
    },
    /// It says how the upload ended, or the handle was freed: it is not locked any more.
    Over,
}

impl Upload {
    /// Opens the journal that was set, once, and continues from what it records. A call that sends something makes one where
    /// there is none.
    pub(crate) fn load_journal(&self, call: Operation) -> Result<()> {
        let options = lock(&self.options);
        let Some(path) = &options.journal else { return Ok(()) };
        let mut notes = lock(&self.notes);
        if !matches!(*notes, JournalState::Closed) {
            return Ok(());
        }
        let reads_source = matches!(call, Operation::Run | Operation::Transfer | Operation::Initiate);
        let mut create = reads_source || matches!(call, Operation::Write | Operation::PutPart);
        let mut about = None;
        if let Some(SourceSpec::File(source)) = &options.source {
            about = std::fs::metadata(source).ok();
            if about.is_none() && source == path {
                return Err(is_source(path));
            }
            // Without a source the call is going to fail, and must not make the source by making the journal.
            create &= about.is_some() || !reads_source;
        }
        let Some((journal, past)) = Journal::open(path, create, about.as_ref())? else { return Ok(()) };
        let journal = Arc::new(journal);
        let Replay { head, source, parts, trusted, completing, end, .. } = past;
        let Some(head) = head else {
            *notes = JournalState::Open { journal, begun: false };
            return Ok(());
        };
        self.check_head(&journal, &head, &options)?;
        let state = match (&end, &completing, parts.is_empty()) {
            (Some(Outcome::Completed { .. }), ..) => State::Completed,
            (Some(Outcome::Aborted), ..) => State::Aborted,
            (None, Some(_), _) => State::Completing,
            (None, None, false) => State::Transferring,
            (None, None, true) => State::Initiated,
        };
        let _ = self.facts.id.set(to_cstring(head.upload_id));
        self.facts.set_part_size(head.part_size);
        *lock(&self.size_known) = head.archive_size;
        *lock(&self.known) = SourceRecord::from_journal(source, parts, trusted);
        *lock(&self.completing) = completing;
        if let Some(Outcome::Completed { archive_id, location, tree }) = end {
            self.facts.made(archive_id, location, tree);
        }
        self.state.change(|_| Ok(state))?;
        *notes = if end_is_known(state) { JournalState::Over } else { JournalState::Open { journal, begun: true } };
        Ok(())
    }

    /// Writes into a new journal what upload it is of. It is on the disk when this returns.
    pub(crate) fn begin_journal(&self, archive_size: Option<u64>, source: Option<Identity>) -> Result<()> {
        let description = lock(&self.options).description.clone();
        let mut notes = lock(&self.notes);
        let JournalState::Open { journal, begun: begun @ false } = &mut *notes else { return Ok(()) };
        let client = &self.client;
        journal.begin(&Header {
            endpoint: client.endpoint.clone(),
            region: client.service.signer.region().to_owned(),
            account_id: client.service.account_id.clone(),
            vault: self.vault_name().to_owned(),
            upload_id: self.name()?.id.to_owned(),
            part_size: self.part_size(),
            archive_size,
            description,
            source,
        })?;
        *begun = true;
        Ok(())
    }

    /// Writes down what happened. That this fails must not stop an upload: what the service holds, it lists.
    pub(crate) fn note(&self, entry: &Record) {
        self.write_note(loss_of(entry), |journal| journal.note(entry));
    }

    /// The same, and it is on the disk when this returns.
    pub(crate) fn note_durably(&self, entry: &Record) {
        self.write_note(loss_of(entry), |journal| journal.note_durably(entry));
    }

    /// Has what was noted on the disk.
    pub(crate) fn sync_journal(&self) {
        self.write_note(LOSS_OF_PARTS, Journal::sync);
    }

    /// The upload has ended, or the handle is freed: another process or handle may have the journal, though threads that are
    /// about to end may hold it still. What they have to say is not noted any more, as if the process had been killed.
    pub(crate) fn release_journal(&self) {
        if let JournalState::Open { journal, .. } = std::mem::replace(&mut *lock(&self.notes), JournalState::Over) {
            journal.let_go();
        }
    }

    /// `loss`: what it means that this fails.
    fn write_note(&self, loss: &str, write: impl FnOnce(&Journal) -> Result<()>) {
        let journal = match &*lock(&self.notes) {
            JournalState::Open { journal, begun: true } => Arc::clone(journal),
            _ => return,
        };
        if let Err(error) = write(&journal) {
            self.say(Level::Warn, format_args!("the journal misses something ({error}): {loss}"));
        }
    }

    /// Says in an error of an upload that has ended without a known archive what to do with its journal.
    pub(crate) fn about_ended_journal(&self, error: Error, state: State, options: &Options) -> Error {
        match (&options.journal, state) {
            (Some(path), State::Aborted) => {
                error.with_hint(format_args!("to upload the archive anew, remove the journal {}", path.display()))
            }
            (Some(path), State::Unknown) => error.with_hint(format_args!(
                "if there is none, remove the journal {} and upload the archive anew",
                path.display()
            )),
            _ => error,
        }
    }

    /// Fails if the journal is of another upload than the one that the settings speak of.
    fn check_head(&self, journal: &Journal, head: &Header, options: &Options) -> Result<()> {
        let service = &self.client.service;
        let wanted = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let id = self.id().map(|id| id.to_string_lossy().into_owned());
        let size = |bytes: Option<u64>| bytes.map(|bytes| bytes.to_string());
        for (what, wanted, recorded) in [
            ("endpoint", Some(self.client.endpoint.clone()), &head.endpoint),
            ("region", Some(service.signer.region().to_owned()), &head.region),
            ("account", Some(service.account_id.clone()), &head.account_id),
            ("vault", Some(self.vault_name().to_owned()), &head.vault),
            ("upload ID", id, &head.upload_id),
            ("part size", size(options.part_size), &head.part_size.to_string()),
            (
                "archive size",
                head.archive_size.and(size(options.archive_size)),
                &size(head.archive_size).unwrap_or_default(),
            ),
            ("description", wanted(&options.description), &head.description),
        ] {
            if let Some(wanted) = wanted.filter(|wanted| wanted != recorded) {
                return Err(Error::new(
                    Kind::Journal,
                    format!(
                        "the journal {} is of another upload: its {what} is {recorded}, not {wanted}",
                        journal.path().display()
                    ),
                ));
            }
        }
        Ok(())
    }
}

const LOSS_OF_PARTS: &str = "a resume reads more of the source for it";

/// What it means that the journal misses an entry.
fn loss_of(entry: &Record) -> &'static str {
    match entry {
        Record::Source(_) | Record::Part(_) => LOSS_OF_PARTS,
        Record::Completing { .. } => {
            "if this process dies before Complete is answered, the next cannot learn the outcome"
        }
        Record::Refused => "a resume repeats Complete before anything else",
        Record::Completed { .. } => "a later run with it may not find the archive: keep the archive ID",
        Record::Aborted => "a later run with it looks for the upload in vain",
    }
}

fn end_is_known(state: State) -> bool {
    matches!(state, State::Completed | State::Aborted)
}
