//! The last request: the parts become an archive. Its answer may take minutes, and may get lost.

use std::time::Duration;

use super::state::Event;
use super::{Upload, lock};
use crate::error::{Error, Kind, Result};
use crate::http::Watch;
use crate::log::{Level, c_text};
use crate::retry::{Attempts, Class, classify};
use crate::treehash::Digest;

/// How long a cancel waits for the answer to a Complete that is on its way.
const GRACE: Duration = Duration::from_secs(10);

impl Upload {
    /// Sends Complete until its answer is there.
    pub(super) fn complete_now(&self, size: u64, tree: Digest, watch: &Watch) -> Result<()> {
        let service = &self.client.service;
        // The service reads the archive before it answers; only the time to give up bounds that.
        let patient = Watch { grace: GRACE, answer_timeout: Some(service.policy.give_up_after), ..watch.clone() };
        let sent_before = lock(&self.completing).is_some();
        *lock(&self.completing) = Some((size, tree));
        let start = service.clock.monotonic();
        let mut attempts = Attempts::default();
        let mut maybe_done = sent_before;
        loop {
            watch.cancel.check().map_err(|error| if maybe_done { self.outcome_unknown(error) } else { error })?;
            self.happened(Event::CompleteSent)?;
            let error = match service.complete(self.name()?, size, tree, attempts.number(), &patient) {
                Ok(made) => return self.completed(made, tree),
                Err(error) => error,
            };
            match (error.kind(), classify(&error)) {
                (Kind::Canceled, _) => return Err(self.outcome_unknown(error)),
                (Kind::NotFound, _) if maybe_done => {
                    self.happened(Event::OutcomeUnknown)?;
                    return Err(self.outcome_unknown(error));
                }
                (_, Class::Final | Class::HashRefused) if error.http_status().is_some() => {
                    self.happened(Event::CompleteRefused)?;
                    *lock(&self.completing) = None;
                    return Err(error);
                }
                _ => maybe_done = true,
            }
            let idle = service.clock.monotonic().saturating_sub(start);
            service
                .wait_to_retry(error, &mut attempts, "Complete", idle, watch)
                .map_err(|error| self.outcome_unknown(error))?;
        }
    }

    /// Sends the Complete again whose answer got lost.
    pub(super) fn repeat_complete(&self, watch: &Watch) -> Result<()> {
        let sent = *lock(&self.completing);
        let (size, tree) = sent.ok_or_else(|| Error::new(Kind::Internal, "Complete was not sent before"))?;
        self.complete_now(size, tree, watch)
    }

    /// An error after which there may be an archive.
    pub(super) fn outcome_unknown(&self, cause: Error) -> Error {
        let check = if self.state().is_resumable() {
            "only this handle can learn it, by running or completing again; after that, an inventory of the vault"
        } else {
            "only an inventory of the vault can tell"
        };
        let message = format!("Complete was sent, and whether it was carried out is not known ({cause}); {check}");
        let mut error = Error::new(Kind::OutcomeUnknown, message);
        if let Some(operation) = cause.operation() {
            error = error.during(operation);
        }
        if let Some(status) = cause.http_status() {
            let text = |text: Option<&str>| text.map(str::to_owned);
            error = error.answered(status, text(cause.request_id()), text(cause.service_code()));
        }
        error.caused_by(cause)
    }

    fn completed(&self, made: crate::api::Completed, tree: Digest) -> Result<()> {
        self.happened(Event::Completed)?;
        self.say(Level::Info, format_args!("archive {} made, tree hash {tree}", made.archive_id));
        if made.tree_hash.is_some_and(|theirs| theirs != tree) {
            let theirs = made.tree_hash.map(Digest::to_hex).unwrap_or_default();
            let message = format!(
                "the service made archive {} with the tree hash {theirs}, but what was sent has {tree}: delete it and upload again",
                made.archive_id
            );
            let _ = self.facts.archive_id.set(c_text(made.archive_id));
            return Err(Error::new(Kind::TreeHash, message).during("CompleteMultipartUpload"));
        }
        let _ = self.facts.tree_hash.set(c_text(tree.to_hex()));
        let _ = self.facts.archive_location.set(c_text(made.location));
        let _ = self.facts.archive_id.set(c_text(made.archive_id));
        Ok(())
    }
}
