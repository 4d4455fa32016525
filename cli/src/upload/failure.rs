//! The failures of an upload, with what to do.

use std::io;
use std::path::Path;

use glacier_mp::error::{Error, Kind};
use glacier_mp::upload::{JournalEnd, JournalSummary};

use super::changed::changed;
use super::context::Context;
use super::job::{Job, JobSource};
use super::journal::{Earlier, Journal};
use super::stdin::ReadError;
use crate::console::shown;
use crate::exit::{Exit, Failure};
use crate::state::entry::recorded;

impl Job {
    /// Returns the failure of a file that cannot be opened.
    pub(super) fn unreadable(&self, path: &Path, cause: &io::Error, context: &Context) -> Failure {
        let failure = Failure::new(format!("cannot read the file: {cause}"));
        let moved = || recorded(&context.settings.state, &context.key(self, path));
        if path.is_dir() {
            return failure.with_hint("to upload a directory, write an archive of it to standard input, such as: tar c DIR | glacier-mp upload -");
        }
        match (cause.kind(), &self.upload_id) {
            (io::ErrorKind::NotFound, None) => match moved() {
                Some(summary) => failure.with_hint(format_args!(
                    "if it was moved, resume its upload by: {}",
                    context.invocation.moved_command(self, &summary.upload_id)
                )),
                None => failure,
            },
            _ => failure,
        }
    }

    /// Returns the failure of an error that ended an upload, with what to do.
    pub(super) fn failure_of(
        &self,
        error: Error,
        journal: &Journal,
        earlier: &Earlier,
        read_error: Option<ReadError>,
        context: &Context,
    ) -> Failure {
        let kind = error.kind();
        let failure = Failure::from(error.clone());
        // For messages that say what becomes of the upload.
        let without_upload = || Failure {
            exit: Exit::Failed,
            ..Failure::from(error.clone().without_upload_hint().without_journal_hint())
        };
        if let Some(cause) = read_error.as_ref().and_then(|error| error.get()) {
            return Failure { message: format!("cannot read standard input: {cause}; {failure}"), ..failure };
        }
        if let (Kind::SourceChanged, None, Earlier::Unfinished(summary), JobSource::File(_)) =
            (kind, &self.upload_id, earlier, &self.source)
        {
            return changed(self, summary, Some(&without_upload()), context);
        }
        let summary = journal.summary().ok().flatten();
        let restart = summary.as_ref().map(|summary| context.invocation.restart_command(self, Some(summary)));
        match (kind, restart, &self.upload_id) {
            // Also before the upload was initiated: the same command begins it.
            (Kind::Canceled | Kind::Callback, ..) => Failure { exit: Exit::Stopped, ..failure },
            (Kind::SourceChanged, _, Some(id)) => {
                without_upload().with_hint(format_args!("upload {} has other bytes than this file", shown(id)))
            }
            (Kind::SourceChanged, Some(restart), None) => without_upload()
                .with_hint(format_args!("to abort the upload and upload the source as it is now, run: {restart}")),
            // The service created an archive of other bytes than it received.
            (Kind::TreeHash, Some(restart), None)
                if matches!(&summary, Some(JournalSummary { end: Some(JournalEnd::Completed { .. }), .. })) =>
            {
                failure.with_hint(format_args!("to upload the source again, run: {restart}"))
            }
            (Kind::SourceChanged, None, None) => Failure { exit: Exit::Failed, ..failure },
            (Kind::NotFound | Kind::OutcomeUnknown, Some(restart), _) => {
                // The command that is named settles the journal.
                let failure = Failure::from(error.without_journal_hint());
                let failure = match journal.assign(self, context) {
                    Ok(()) => failure,
                    Err(cause) => failure.with_hint(cause),
                };
                failure.with_hint(format_args!("to start again, run: {restart}"))
            }
            _ => failure,
        }
    }
}
