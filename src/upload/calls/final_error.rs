//! The final form of an error of a working call.

use crate::error::{Error, Kind};
use crate::log::Level;
use crate::sync::lock;
use crate::upload::admission::Admission;
use crate::upload::handle::Upload;
use crate::upload::options::Settings;
use crate::upload::session::state::State;

impl Upload {
    /// Gives an error its final form: without secrets, with whether the upload can be resumed, and with its ID and journal.
    pub(super) fn finalize_error(&self, error: Error, admission: &Admission<'_>) -> Error {
        let error = self.as_callback_error(error);
        if matches!(error.kind(), Kind::Canceled | Kind::OutcomeUnknown) {
            admission.was_canceled();
        }
        self.with_upload(error)
    }

    /// Adds to an error what the handle knows of the upload, removes secrets, and logs it.
    pub(super) fn with_upload(&self, error: Error) -> Error {
        let session = &self.session;
        let is_misuse = matches!(error.kind(), Kind::Invalid | Kind::State | Kind::Busy);
        let is_gone = error.kind() == Kind::NotFound;
        // With an unknown outcome, either the upload or the archive exists. Only a repeated Complete shows which.
        let is_unknown = error.kind() == Kind::OutcomeUnknown;
        let is_unfinished = session.is_resumable();
        let may_be_deleted = is_unfinished && session.lost_responses.may_be_deleted() && !is_unknown;
        let is_resumable = is_unfinished && !is_gone && !may_be_deleted;
        let error = error.resumable(is_resumable);
        let is_named = !is_misuse && !is_unknown;
        let may_have_initiated = session.id().is_none() && session.lost_responses.may_have_initiated();
        let error = match session.id().filter(|_| is_named) {
            Some(id) if is_resumable => error.with_upload_hint(format_args!(
                "the upload is kept and can be resumed: upload ID {} in vault {}",
                id.to_string_lossy(),
                session.vault_name()
            )),
            Some(id) if is_gone => error.with_upload_hint(format_args!(
                "the service does not know upload ID {} in vault {}: {}, expired 24 hours after its last part, or never \
                 existed; look for its archive in an inventory of the vault before you upload it again",
                id.to_string_lossy(),
                session.vault_name(),
                if session.lost_responses.abort_response_is_lost() {
                    "this handle probably aborted it (the response was lost); otherwise it was completed"
                } else if may_be_deleted {
                    "this handle may have aborted it, although its abort failed; otherwise it was completed or aborted"
                } else {
                    "it was completed or aborted (also by an abort whose response was lost)"
                }
            )),
            Some(id) if may_be_deleted => error.with_upload_hint(format_args!(
                "the abort may have been carried out, and can be repeated: upload ID {} in vault {}",
                id.to_string_lossy(),
                session.vault_name()
            )),
            None if is_named && may_have_initiated => error.with_hint(format_args!(
                "Initiate may have been carried out: an upload without parts may be in vault {} until it expires; list the \
                 uploads of the vault to find it",
                session.vault_name()
            )),
            _ => error,
        };
        let error = match session.archive_id() {
            Some(archive) if matches!(error.kind(), Kind::Canceled | Kind::Callback) => error.with_hint(format_args!(
                "the upload is completed as archive {}; its comparison with the source was stopped: repeat the call to compare",
                archive.to_string_lossy()
            )),
            _ => error,
        };
        let error = match lock(&self.options).settings.journal.as_deref().filter(|_| is_named && session.id().is_some())
        {
            Some(path) if is_gone => {
                error.with_journal_hint(format_args!("to upload again, remove its journal {}", path.display()))
            }
            Some(path) => error.with_journal_hint(format_args!("its journal is {}", path.display())),
            None => error,
        };
        // Last, because IDs and paths in the hints can contain secrets too.
        let error = self.redacted(error);
        session.log(Level::Error, format_args!("{error}"));
        self.deliver_log();
        error
    }
}

/// Adds to the error of an upload that ended without a known archive what to do with its journal.
pub(super) fn add_journal_hint(error: Error, state: State, settings: &Settings) -> Error {
    match (&settings.journal, state) {
        (Some(path), State::Aborted) => {
            error.with_journal_hint(format_args!("to upload the archive again, remove the journal {}", path.display()))
        }
        (Some(path), State::Unknown) => error.with_journal_hint(format_args!(
            "if there is no archive, remove the journal {} and upload again",
            path.display()
        )),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::client::Client;
    use crate::config::Config;
    use crate::environment::Environment;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    #[test]
    fn removes_secrets_from_hints() {
        let mut config = Config::new(Environment::default());
        config.set_region("us-east-1").unwrap();
        config.set_credentials("AKIDEXAMPLE", SECRET, None).unwrap();
        let upload = Upload::new(&Client::new(&config).unwrap(), "vault").unwrap();
        upload.set_upload_id(SECRET).unwrap();
        upload.set_journal(Path::new(&format!("/tmp/{SECRET}/journal"))).unwrap();
        for kind in [Kind::Network, Kind::NotFound] {
            let error = upload.with_upload(Error::new(kind, "the call failed"));
            let message = error.message();
            assert!(
                message.contains("upload ID [redacted]") && message.contains("/tmp/[redacted]/journal"),
                "{message}"
            );
            let without = error.without_upload_hint().without_journal_hint();
            assert_eq!(without.message(), "the call failed");
        }
    }
}
