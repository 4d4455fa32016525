//! The upload of one source, from its journal to the catalog.

use std::sync::Arc;

use glacier_mp::error::Kind;
use glacier_mp::upload::{JournalSummary, Upload};
use serde_json::Map;

use super::context::Context;
use super::description::default_description;
use super::job::{Job, JobSource, Outcome};
use super::journal::{Earlier, Journal};
use super::stdin::{ReadError, reader};
use crate::console::shown;
use crate::exit::{Exit, Failure, Result};
use crate::files::open_file;
use crate::progress::{Event, Phase};
use crate::state::catalog::{ArchiveRecord, now};
use crate::stdin::Stdin;

impl Job {
    /// Uploads the source, and shows the outcome.
    pub(super) fn run(&self, index: usize, context: &Context) -> Outcome {
        if context.stop.is_raised() {
            context.tracker.set_phase(index, Phase::Failed);
            return Outcome::NotStarted;
        }
        context.tracker.set_phase(index, Phase::Running);
        let (source, vault, size) = (&self.name(), self.vault.as_str(), self.size());
        context.display.event(&Event::Started { source, vault, size });
        let mut unfinished = None;
        let outcome = match self.upload(index, context, &mut unfinished) {
            Ok(record) => Outcome::Done(record),
            Err(failure) => Outcome::Failed { failure, upload_id: unfinished },
        };
        show(context, index, self, &outcome);
        outcome
    }

    /// Uploads the source. Sets `unfinished` to the ID of an unfinished upload that has no journal.
    fn upload(&self, index: usize, context: &Context, unfinished: &mut Option<String>) -> Result<ArchiveRecord> {
        // A source that cannot be opened fails before a request or an abort is sent.
        match &self.source {
            JobSource::File(path) => drop(open_file(path).map_err(|cause| self.unreadable(path, &cause, context))?),
            JobSource::Stdin => drop(Stdin::open()?),
        }
        let journal = Journal::of(self, context)?;
        let outcome = self.upload_with(&journal, index, context, unfinished);
        match &outcome {
            // The archive is in the catalog.
            Ok(_) => journal.remove()?,
            Err(_) => journal.close(),
        }
        outcome
    }

    fn upload_with(
        &self,
        journal: &Journal,
        index: usize,
        context: &Context,
        unfinished: &mut Option<String>,
    ) -> Result<ArchiveRecord> {
        let mut earlier = journal.settle(self, context)?;
        if matches!(earlier, Earlier::Nothing) && self.upload_id.is_none() {
            self.note_earlier_archive(context);
        }
        loop {
            if let Some(record) = self.send(journal, &earlier, index, context, unfinished)? {
                return Ok(record);
            }
            journal.replace_other_bytes(self, context)?;
            earlier = Earlier::Nothing;
        }
    }

    /// Runs the upload, and records its archive. `None`: the earlier upload became an archive of other bytes than the source
    /// has.
    fn send(
        &self,
        journal: &Journal,
        earlier: &Earlier,
        index: usize,
        context: &Context,
        unfinished: &mut Option<String>,
    ) -> Result<Option<ArchiveRecord>> {
        if let Earlier::Unfinished(summary) = earlier {
            self.check_options(summary, context).inspect_err(|_| *unfinished = Some(summary.upload_id.clone()))?;
        }
        let upload = Upload::new(&context.client, &self.vault)?;
        let description = self.prepare(&upload, journal, earlier, context)?;
        let read_error = self.set_source(&upload, context)?;
        context.stop.add(&upload);
        context.tracker.set_upload(index, &upload);
        if let Err(error) = upload.run() {
            let is_earlier_archive = !matches!(earlier, Earlier::Nothing) && upload.archive_id().is_some();
            if error.kind() == Kind::SourceChanged && is_earlier_archive && self.upload_id.is_none() {
                return Ok(None);
            }
            if journal.path().is_none() {
                *unfinished = upload.id().map(|id| id.to_string_lossy().into_owned());
            }
            return Err(self.failure_of(error, journal, earlier, read_error, context));
        }
        let text =
            |text: Option<&std::ffi::CStr>| text.map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
        let record = ArchiveRecord {
            time: now(),
            vault: self.vault.clone(),
            archive_id: text(upload.archive_id()),
            tree_hash: text(upload.tree_hash()),
            size: archive_size(&upload, journal),
            description,
            source: self.name(),
            endpoint: context.client.endpoint().to_owned(),
            account_id: context.account_id.clone(),
            later: Map::new(),
        };
        self.record_archive(&record, journal, earlier, context)?;
        Ok(Some(record))
    }

    /// Sets everything but the source. Returns the description of the archive.
    fn prepare(&self, upload: &Upload, journal: &Journal, earlier: &Earlier, context: &Context) -> Result<String> {
        if let Some(path) = journal.path() {
            upload.set_journal(path)?;
        }
        // An archive has the same bytes with each part size.
        if let Some(bytes) = context.settings.part_size.filter(|_| !matches!(earlier, Earlier::Finished(_))) {
            upload.set_part_size(bytes)?;
        }
        if let Earlier::Unfinished(summary) | Earlier::Finished(summary) = earlier {
            if let Some(description) = &self.description {
                upload.set_description(description)?;
            }
            if let Some(id) = &self.upload_id {
                upload.set_upload_id(id)?;
            }
            return Ok(summary.description.clone());
        }
        let description = match (&self.upload_id, &self.description, &self.source) {
            (Some(id), ..) => {
                upload.set_upload_id(id)?;
                self.listed_description(id, context)?
            }
            (None, Some(description), _) => description.clone(),
            (None, None, JobSource::File(path)) => default_description(path),
            (None, None, JobSource::Stdin) => String::new(),
        };
        upload.set_description(&description)?;
        Ok(description)
    }

    /// Returns the description of an upload in progress; empty if the service does not list it. Notes one that is not the
    /// name of the file.
    fn listed_description(&self, id: &str, context: &Context) -> Result<String> {
        let mut listed = context.client.list_uploads(&self.vault)?.into_iter();
        let description =
            listed.find(|upload| upload.id == id).and_then(|upload| upload.description).unwrap_or_default();
        if let JobSource::File(path) = &self.source
            && !description.is_empty()
            && description != default_description(path)
        {
            let message = format!(
                "{}: upload {} has the description \"{}\", perhaps of another file; stored parts that differ are replaced",
                shown(&self.name()),
                shown(id),
                shown(&description)
            );
            context.display.event(&Event::Note { message: &message });
        }
        Ok(description)
    }

    /// Checks the options of a new upload against the unfinished one.
    fn check_options(&self, summary: &JournalSummary, context: &Context) -> Result<()> {
        let differs = |option, what, recorded: String, given: String| Failure {
            exit: Exit::Stopped,
            message: format!(
                "the unfinished upload of this source has the {what} {recorded}, not {given}; to resume it, leave out {option}; \
                 to abort it and start again, run: {}",
                context.invocation.restart_command(self, Some(summary))
            ),
        };
        if let Some(bytes) = context.settings.part_size.filter(|bytes| *bytes != summary.part_size) {
            let (recorded, given) = (summary.part_size.to_string(), bytes.to_string());
            return Err(differs("--part-size", "part size", recorded, given));
        }
        if let Some(text) = self.description.as_ref().filter(|text| **text != summary.description) {
            let (recorded, given) = (format!("\"{}\"", shown(&summary.description)), format!("\"{}\"", shown(text)));
            return Err(differs("--description", "description", recorded, given));
        }
        Ok(())
    }

    /// Notes that the catalog has an archive of the same file, with the same size.
    fn note_earlier_archive(&self, context: &Context) {
        let Some(record) = context.uploaded.get(&(self.vault.clone(), self.name())) else { return };
        if matches!(self.source, JobSource::File(_)) && self.size() == Some(record.size) {
            let message = format!(
                "{}: the catalog has archive {} of {} with this path and size; the file is uploaded again as a new archive",
                shown(&self.name()),
                shown(&record.archive_id),
                shown(&record.time)
            );
            context.display.event(&Event::Note { message: &message });
        }
    }

    /// Adds the archive to the catalog. Only then may its journal be removed.
    fn record_archive(
        &self,
        record: &ArchiveRecord,
        journal: &Journal,
        earlier: &Earlier,
        context: &Context,
    ) -> Result<()> {
        let catalog = context.settings.state.catalog();
        let appended = match earlier {
            // The earlier command may have written the line.
            Earlier::Finished(_) => catalog.append_once(record, context.catalog_wait()),
            _ => catalog.append(record, context.catalog_wait()),
        };
        appended.map_err(|failure| {
            let ArchiveRecord { archive_id, tree_hash, size, .. } = record;
            let has_journal = journal.path().is_some();
            let input = if self.source == JobSource::Stdin { " with the same standard input" } else { "" };
            let next = if has_journal {
                format!(
                    "correct this and run the same command again{input}, which sends nothing and writes the catalog"
                )
            } else {
                "keep this message: nothing else has the archive ID".to_owned()
            };
            let message = format!(
                "the archive exists as {} with tree hash {tree_hash} and {size} bytes, but {failure}; {next}",
                shown(archive_id)
            );
            let exit = if has_journal && context.stop.is_raised() { Exit::Stopped } else { Exit::Failed };
            Failure { exit, message }
        })
    }

    fn set_source(&self, upload: &Upload, context: &Context) -> Result<Option<ReadError>> {
        match &self.source {
            JobSource::File(path) => upload.set_source_file(path).map(|()| None).map_err(Failure::from),
            JobSource::Stdin => {
                let (read, failure) = reader(&context.stop)?;
                upload.set_source_callback(read, None)?;
                if let Some(bytes) = context.settings.expected_size {
                    upload.set_expected_size(bytes)?;
                }
                Ok(Some(failure))
            }
        }
    }
}

fn archive_size(upload: &Arc<Upload>, journal: &Journal) -> u64 {
    let counted = upload.progress().map_or(u64::MAX, |progress| progress.bytes_total);
    let recorded = || journal.summary().ok().flatten().and_then(|summary| summary.archive_size);
    if counted == u64::MAX { recorded().unwrap_or_default() } else { counted }
}

/// Shows the outcome of a job.
fn show(context: &Context, index: usize, job: &Job, outcome: &Outcome) {
    let (phase, event) = match outcome {
        Outcome::Done(record) => (Phase::Done, Event::Archive(record)),
        Outcome::Failed { failure, .. } => (Phase::Failed, Event::Failed { source: &job.name(), failure }),
        Outcome::NotStarted => return context.tracker.set_phase(index, Phase::Failed),
    };
    context.tracker.set_phase(index, phase);
    context.display.event(&event);
}
