//! A journal that records an archive: its command ended before it removed the journal. Whether the archive has the bytes of
//! the source, the library finds out: see [`Earlier::Finished`]. This file says what to do with an archive of other content.

use glacier_mp::upload::{JournalEnd, JournalSummary};
use serde_json::Map;

use super::context::Context;
use super::job::{Job, JobSource};
use super::journal::{Earlier, Journal};
use crate::console::{shown, shown_path};
use crate::exit::{Exit, Failure, Result};
use crate::progress::Event;
use crate::state::catalog::{ArchiveRecord, now};

impl Journal {
    /// Settles a journal that records an archive. A new upload may begin if the user asks for another archive.
    ///
    /// # Errors
    /// As [`Journal::replace`].
    pub(super) fn settle_finished(&self, summary: JournalSummary, job: &Job, context: &Context) -> Result<Earlier> {
        let other = job.description.as_ref().filter(|description| **description != summary.description);
        if context.settings.is_restart {
            self.retire(&summary, job, context)?;
        } else if let Some(description) = other {
            let (recorded, given) = (shown(&summary.description), shown(description));
            self.replace(&summary, &format!("the description \"{recorded}\", not \"{given}\""), job, context)?;
        } else {
            return Ok(Earlier::Finished(summary));
        }
        Ok(Earlier::Nothing)
    }

    /// Prepares a new upload with a journal that records an archive of other bytes than the source has.
    ///
    /// # Errors
    /// As [`Journal::replace`]; the journal cannot be read.
    pub(super) fn replace_other_bytes(&self, job: &Job, context: &Context) -> Result<()> {
        let summary = self.summary()?;
        summary.map_or(Ok(()), |summary| self.replace(&summary, "other bytes than this source", job, context))
    }

    /// Prepares a new upload with a journal that records an archive of earlier content of the source. `difference`: what the
    /// archive has.
    ///
    /// # Errors
    /// The archive may be of another source, or the source cannot be read again: the journal is unchanged. The catalog cannot
    /// be written.
    fn replace(&self, summary: &JournalSummary, difference: &str, job: &Job, context: &Context) -> Result<()> {
        if job.source == JobSource::Stdin || !self.is_of_source(summary, job, context) {
            return Err(self.rejected(summary, difference, job, context));
        }
        self.retire(summary, job, context)
    }

    /// Adds the archive to the catalog, and removes the journal.
    fn retire(&self, summary: &JournalSummary, job: &Job, context: &Context) -> Result<()> {
        // The catalog names no source that may not have had the bytes.
        let is_of_source = self.is_of_source(summary, job, context);
        let source = if is_of_source { job.name() } else { String::new() };
        let record = record(summary, source);
        context.settings.state.catalog().append_once(&record, context.catalog_wait())?;
        self.remove_file()?;
        let (name, id) = (shown(&job.name()), shown(&record.archive_id));
        let origin = if is_of_source { "an earlier upload of this source" } else { "the journal, without a source" };
        let message = format!("{name}: the catalog has archive {id} of {origin}; this upload creates a new archive");
        context.display.event(&Event::Note { message: &message });
        Ok(())
    }

    /// Returns whether the archive is known to be one of this source, of its present or earlier content.
    fn is_of_source(&self, summary: &JournalSummary, job: &Job, context: &Context) -> bool {
        match self {
            // The name of the journal follows from the path of the file.
            Self::Entry(_) => true,
            // The journal does not name its source, and another program may have written it.
            Self::At(_) => {
                let last = context.uploaded.get(&(job.vault.clone(), job.name()));
                last.is_some_and(|last| last.archive_id == archive_of(summary).0)
            }
            Self::None => false,
        }
    }

    fn rejected(&self, summary: &JournalSummary, difference: &str, job: &Job, context: &Context) -> Failure {
        let (archive_id, tree_hash) = archive_of(summary);
        let again = match job.source {
            JobSource::File(_) => "",
            JobSource::Stdin => "supply the same standard input again and ",
        };
        Failure {
            exit: Exit::Failed,
            message: format!(
                "the journal {} records archive {} of {} bytes with tree hash {tree_hash}, which has {difference}; no archive of \
                 this source was created; set another journal, or, to record that archive in the catalog and upload this source, \
                 {again}run: {}",
                self.path().map(shown_path).unwrap_or_default(),
                shown(&archive_id),
                summary.archive_size.unwrap_or_default(),
                context.invocation.restart_command(job, None)
            ),
        }
    }
}

/// Returns the archive ID and the tree hash that a journal records; empty without an archive.
fn archive_of(summary: &JournalSummary) -> (String, String) {
    match &summary.end {
        Some(JournalEnd::Completed { archive_id, tree_hash }) => (archive_id.clone(), tree_hash.to_hex()),
        _ => Default::default(),
    }
}

/// Returns the record of the archive that a journal has.
fn record(summary: &JournalSummary, source: String) -> ArchiveRecord {
    let (archive_id, tree_hash) = archive_of(summary);
    ArchiveRecord {
        time: now(),
        vault: summary.vault.clone(),
        archive_id,
        tree_hash,
        size: summary.archive_size.unwrap_or_default(),
        description: summary.description.clone(),
        source,
        endpoint: summary.endpoint.clone(),
        account_id: summary.account_id.clone(),
        later: Map::new(),
    }
}
