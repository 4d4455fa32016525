//! The journal of one source, and what an earlier command left in it.

use std::path::{Path, PathBuf};

use glacier_mp::error::Kind;
use glacier_mp::upload::{JournalEnd, JournalSummary, Upload};

use super::changed::changed;
use super::context::{Context, JournalChoice};
use super::job::{Job, JobSource};
use crate::console::{shown, shown_path};
use crate::exit::{Exit, Failure, Result};
use crate::progress::Event;
use crate::state::entry::{Entry, UploadKey, remove_file, unfinished};
use crate::stdin::Stdin;

/// The journal of one source.
pub(super) enum Journal {
    Entry(Entry),
    At(PathBuf),
    None,
}

/// What an earlier command left in a journal.
#[derive(Debug)]
pub(super) enum Earlier {
    /// No upload.
    Nothing,
    /// An upload to resume.
    Unfinished(JournalSummary),
    /// An archive. A run with the journal compares it with the source.
    Finished(JournalSummary),
}

impl Journal {
    /// Finds and locks the journal of a source.
    ///
    /// # Errors
    /// Another process uploads the source; the upload ID belongs to another file, or to a journal of the state directory that
    /// the options exclude; the state directory cannot be written; the journal is standard input.
    pub(super) fn of(job: &Job, context: &Context) -> Result<Self> {
        let recorded = match (&job.upload_id, &job.source) {
            (Some(id), JobSource::File(path)) => recorded_key(id, path, job, context)?,
            _ => None,
        };
        if let (Some(_), Some(id)) = (&recorded, &job.upload_id)
            && !matches!(context.settings.journal, JournalChoice::StateDirectory)
        {
            return Err(Failure::usage(format!(
                "the state directory has the journal of upload {}: leave out --journal and --no-journal",
                shown(id)
            )));
        }
        match (&context.settings.journal, &job.source) {
            // The library detects a source file, but not the file that standard input reads.
            (JournalChoice::At(path), JobSource::Stdin) if Stdin::open().is_ok_and(|input| input.is_file(path)) => {
                Err(Failure::new(format!(
                    "the journal {} is the file of standard input: set another path for the journal",
                    shown_path(path)
                )))
            }
            (JournalChoice::At(path), _) => Ok(Self::At(path.clone())),
            (JournalChoice::StateDirectory, JobSource::File(path)) => {
                let key = recorded.unwrap_or_else(|| context.key(job, path));
                Ok(Self::Entry(Entry::lock(&context.settings.state, &key)?))
            }
            _ => Ok(Self::None),
        }
    }

    /// Returns the path.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Entry(entry) => Some(entry.journal()),
            Self::At(path) => Some(path),
            Self::None => None,
        }
    }

    /// Returns what the journal records.
    ///
    /// # Errors
    /// It is damaged, or another kind of file.
    pub(super) fn summary(&self) -> Result<Option<JournalSummary>> {
        Ok(self.path().map(JournalSummary::read).transpose()?.flatten())
    }

    /// Finds out what an earlier command left, and settles it: an upload that is to be started again is aborted, and an
    /// archive that is to be replaced goes to the catalog.
    ///
    /// # Errors
    /// The source changed since an unfinished upload; as [`Journal::settle_finished`]; the service rejects the abort.
    pub(super) fn settle(&self, job: &Job, context: &Context) -> Result<Earlier> {
        let Some(summary) = self.summary()? else { return Ok(Earlier::Nothing) };
        match &summary.end {
            Some(JournalEnd::Completed { .. }) => self.settle_finished(summary, job, context),
            Some(JournalEnd::Aborted) => self.remove_file().map(|()| Earlier::Nothing),
            _ if context.settings.is_restart => self.abandon(&summary, job, context).map(|()| Earlier::Nothing),
            // Complete is repeated first. Only its outcome shows what to do.
            Some(JournalEnd::Completing) => Ok(Earlier::Unfinished(summary)),
            // The user says that the upload has this source. The library compares the bytes.
            None if job.upload_id.is_some() || may_be_unchanged(&summary, &job.source) => {
                Ok(Earlier::Unfinished(summary))
            }
            None => Err(changed(job, &summary, None, context)),
        }
    }

    /// Assigns the journal of a file that was moved to its present path, so that commands with this path find it.
    ///
    /// # Errors
    /// As [`Entry::move_journal`].
    pub(super) fn assign(&self, job: &Job, context: &Context) -> Result<()> {
        match (self, &job.source) {
            (Self::Entry(entry), JobSource::File(path)) => {
                entry.move_journal(&context.settings.state, &context.key(job, path))
            }
            _ => Ok(()),
        }
    }

    /// Removes the journal of a finished archive, which the catalog has.
    ///
    /// # Errors
    /// The path and the cause.
    pub(super) fn remove(self) -> Result<()> {
        match self {
            Self::Entry(entry) => entry.remove(),
            Self::At(path) => remove_file(&path),
            Self::None => Ok(()),
        }
    }

    /// Keeps the journal of an unfinished upload, and removes it if no upload was initiated.
    pub(super) fn close(self) {
        if let Self::Entry(entry) = self {
            entry.close();
        }
    }

    /// Removes the file of the journal, and keeps the lock.
    ///
    /// # Errors
    /// The path and the cause.
    pub(super) fn remove_file(&self) -> Result<()> {
        self.path().map_or(Ok(()), remove_file)
    }

    /// Aborts the unfinished upload, and removes its journal.
    fn abandon(&self, summary: &JournalSummary, job: &Job, context: &Context) -> Result<()> {
        let Some(path) = self.path() else { return Ok(()) };
        let upload = Upload::new(&context.client, &job.vault)?;
        upload.set_journal(path)?;
        context.stop.add(&upload);
        match upload.abort() {
            // The abort may have been carried out. The message of the error says so.
            Err(error) if error.is_maybe_done() => {
                let is_canceled = error.kind() == Kind::Canceled;
                let failure = Failure::from(error);
                return Err(if is_canceled { Failure { exit: Exit::Stopped, ..failure } } else { failure });
            }
            Err(error) if !matches!(error.kind(), Kind::NotFound | Kind::OutcomeUnknown) => {
                return Err(Failure::from(error)
                    .with_hint(format_args!("upload {} was not aborted", shown(&summary.upload_id))));
            }
            // The user decided to upload again. The journal is removed, so the upload cannot be settled later.
            Err(error) if error.kind() == Kind::OutcomeUnknown => {
                let message = format!(
                    "{}: upload {} may have become an archive: look for it in an inventory of the vault; this upload creates a \
                     new archive",
                    shown(&job.name()),
                    shown(&summary.upload_id)
                );
                context.display.event(&Event::Note { message: &message });
            }
            _ => {}
        }
        drop(upload);
        remove_file(path)
    }
}

/// Returns the key under which the state directory records an upload: that of the file, or that of a file that was moved.
///
/// # Errors
/// The upload belongs to another file.
fn recorded_key(id: &str, path: &Path, job: &Job, context: &Context) -> Result<Option<UploadKey>> {
    for (key, journal) in unfinished(&context.settings.state)? {
        let Ok(Some(summary)) = JournalSummary::read(&journal) else { continue };
        let Some(source) = key.source().filter(|_| summary.upload_id == id) else { continue };
        if key != context.key(job, &source) {
            continue;
        }
        // The library compares the bytes of recorded parts. Without parts, only size and time can tell files apart.
        let may_be_moved = || !source.exists() && (summary.parts_done > 0 || summary.may_have_source(path));
        if source == path || may_be_moved() {
            return Ok(Some(key));
        }
        return Err(Failure::new(format!(
            "upload {} belongs to {}, not to this file; this command sent nothing; to resume that upload, run: {}",
            shown(id),
            shown_path(&source),
            context.invocation.resume_command(&job.vault, &source)
        )));
    }
    Ok(None)
}

/// Returns whether the source may have the bytes of an unfinished upload. The library compares them: parts of a file with the
/// recorded ones, a stream with those that the service lists, which it replaces. A copy and a touched file have other times
/// and the same bytes.
fn may_be_unchanged(summary: &JournalSummary, source: &JobSource) -> bool {
    match source {
        JobSource::File(path) => summary.has_source_size(path),
        JobSource::Stdin => true,
    }
}
