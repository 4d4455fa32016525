//! Sends Complete until the service responds. The response may take minutes, and may be lost.

use std::time::Duration;

use super::Session;
use super::state::{Event, State};
use crate::api::Completed;
use crate::error::{Error, Kind, Result};
use crate::http::RequestContext;
use crate::log::Level;
use crate::retry::{Attempts, IdleTime, had_no_effect, rejected_parts};
use crate::sync::lock;
use crate::treehash::Digest;
use crate::upload::journal::record::Record;

/// How long a cancel waits for the response to a Complete that was sent.
const GRACE: Duration = Duration::from_secs(10);

impl Session {
    /// Sends Complete until the service creates the archive or rejects it.
    ///
    /// # Errors
    /// `OutcomeUnknown` if Complete may have been carried out; otherwise the rejection, and the upload is as before.
    pub(crate) fn complete_once(&self, size: u64, tree: Digest, context: &RequestContext) -> Result<()> {
        let service = &self.client.service;
        let sent_before = lock(&self.pending_complete).replace((size, tree)).is_some();
        if !sent_before {
            self.record_durably(&Record::Completing { size, tree });
        }
        let start = service.clock.active();
        let mut attempts = Attempts::new(service.reachability.contact());
        let mut maybe_done = sent_before;
        loop {
            self.apply(Event::CompleteSent)?;
            // The service reads the archive before it responds: only `give_up_after` bounds the wait, over all attempts.
            let idle = || service.clock.active().saturating_sub(start);
            let time = time_for_response(attempts.number(), service.policy.give_up_after, idle());
            let patient = RequestContext { grace: GRACE, response_timeout: Some(time), ..context.clone() };
            let mut error = match service.complete(self.name()?, size, tree, attempts.number(), &patient) {
                Ok(completed) => return self.completed(completed, tree),
                Err(error) => error,
            };
            match error.kind() {
                Kind::Canceled if maybe_done || !error.is_not_sent() => return Err(self.outcome_unknown(error)),
                Kind::NotFound if maybe_done => {
                    self.apply(Event::OutcomeUnknown)?;
                    return Err(self.outcome_unknown(error));
                }
                _ if !rejected_parts(&error) => maybe_done |= !had_no_effect(&error),
                // If the upload still exists, no Complete was carried out. A rejection alone does not show that it exists:
                // something between may have sent it.
                _ if (!maybe_done && error.request_id().is_some()) || self.exists(context)? => {
                    return Err(self.rejected(error)?);
                }
                _ => error = vanished(error),
            }
            if let Err(error) =
                service.wait_to_retry(error, &mut attempts, "Complete", IdleTime::OnlyGrows(&idle), context)
            {
                return Err(if maybe_done { self.outcome_unknown(error) } else { self.rejected(error)? });
            }
        }
    }

    /// Asks the service whether the upload still exists, after Complete was sent.
    ///
    /// # Errors
    /// `OutcomeUnknown` if the service does not say.
    fn exists(&self, context: &RequestContext) -> Result<bool> {
        match self.client.service.list_parts(self.name()?, context) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == Kind::NotFound => Ok(false),
            Err(error) => Err(self.outcome_unknown(error)),
        }
    }

    /// Sends a Complete again whose response was lost.
    ///
    /// # Errors
    /// As [`Session::complete_once`].
    pub(crate) fn repeat_complete(&self, context: &RequestContext) -> Result<()> {
        let sent = *lock(&self.pending_complete);
        let (size, tree) = sent.ok_or_else(|| Error::new(Kind::Internal, "Complete was not sent before"))?;
        self.complete_once(size, tree, context)
    }

    /// Sends a Complete again whose response was lost. Returns whether the archive exists; if not, a part is missing or
    /// differs.
    ///
    /// # Errors
    /// As [`Session::complete_once`].
    pub(crate) fn retry_lost_complete(&self, context: &RequestContext) -> Result<bool> {
        match self.repeat_complete(context) {
            Err(_) if self.state() == State::Transferring => Ok(false),
            outcome => outcome.map(|()| true),
        }
    }

    /// Returns the error of a call after which the archive may exist.
    pub(super) fn outcome_unknown(&self, cause: Error) -> Error {
        let next = if self.state().is_resumable() && self.journal.is_open() {
            "repeat the call, with this handle or with another one that has the same journal, to learn the outcome"
        } else if self.state().is_resumable() {
            "repeat the call with this handle to learn the outcome; after the handle is freed, only an inventory of the \
             vault shows the outcome"
        } else {
            "only an inventory of the vault shows whether the archive exists"
        };
        let message = format!("Complete was sent, and its outcome is unknown ({cause}); {next}");
        let mut error = Error::new(Kind::OutcomeUnknown, message);
        if let Some(operation) = cause.operation() {
            error = error.during(operation);
        }
        if let Some(status) = cause.http_status() {
            let text = |text: Option<&str>| text.map(str::to_owned);
            error = error.with_response(status, text(cause.request_id()), text(cause.service_code()));
        }
        error.caused_by(cause)
    }

    /// Records that Complete was rejected: the upload is as before.
    fn rejected(&self, error: Error) -> Result<Error> {
        self.apply(Event::CompleteRejected)?;
        *lock(&self.pending_complete) = None;
        self.record_durably(&Record::Rejected);
        Ok(error)
    }

    fn completed(&self, completed: Completed, tree: Digest) -> Result<()> {
        self.apply(Event::Completed)?;
        self.log(Level::Info, format_args!("archive {} created, tree hash {tree}", completed.archive_id));
        let Completed { archive_id, location, tree_hash } = completed;
        let record = Record::Completed { archive_id: archive_id.clone(), location: location.clone(), tree: tree_hash };
        self.record_durably(&record);
        self.journal.release();
        self.facts.set_archive(archive_id, location, tree_hash);
        self.check_archive_hash().map_err(|error| error.during("CompleteMultipartUpload"))
    }

    /// Fails if the archive was created with another tree hash than was sent. Each later call fails too.
    pub(crate) fn check_archive_hash(&self) -> Result<()> {
        let sent = lock(&self.pending_complete).map(|(_, tree)| tree);
        let (Some(created), Some(sent)) = (self.tree_hash(), sent) else { return Ok(()) };
        let (created, sent) = (created.to_string_lossy(), sent.to_hex());
        if created == sent {
            return Ok(());
        }
        let archive = self.archive_id().unwrap_or_default().to_string_lossy();
        Err(Error::new(
            Kind::TreeHash,
            format!(
                "the service created archive {archive} with the tree hash {created}, but the data that was sent has {sent}: \
                 delete this archive and upload again"
            ),
        ))
    }
}

/// Returns how long an attempt waits for the response to Complete. A repeated attempt, which may begin at the time limit, has
/// at least the time for which a cancel waits, or the whole limit if that is shorter.
fn time_for_response(attempt: u32, limit: Duration, elapsed: Duration) -> Duration {
    let left = limit.saturating_sub(elapsed);
    if attempt == 1 { left } else { left.max(GRACE.min(limit)) }
}

/// Returns the error of a rejected Complete whose upload does not exist: an earlier Complete may have been carried out, and
/// another one returns its archive.
fn vanished(rejection: Error) -> Error {
    let message = format!("Complete was rejected ({rejection}), but the service no longer lists the upload");
    Error::new(Kind::Protocol, message).during("CompleteMultipartUpload").caused_by(rejection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempt_at_the_limit_has_time_for_its_response() {
        let second = Duration::from_secs;
        assert_eq!(time_for_response(1, second(2), second(0)), second(2));
        assert_eq!(time_for_response(2, second(60), second(20)), second(40));
        assert_eq!(time_for_response(2, second(60), second(60)), GRACE);
        assert_eq!(time_for_response(2, second(3), second(3)), second(3));
    }
}
