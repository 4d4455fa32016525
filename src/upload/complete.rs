//! The last request: the parts become an archive. Its answer may take minutes, and may get lost; it may be refused because
//! a part is not what it should be, which is repaired.

use std::time::Duration;

use super::journal::Record;
use super::resume::{self, PendingPart};
use super::state::{Event, State};
use super::{Upload, lock};
use crate::api::Completed;
use crate::error::{Error, Kind, Result};
use crate::http::RequestContext;
use crate::log::Level;
use crate::plan::Plan;
use crate::retry::{Attempts, had_no_effect, rejected_parts};
use crate::source::Source;
use crate::treehash::Digest;

/// How long a cancel waits for the answer to a Complete that is on its way.
const GRACE: Duration = Duration::from_secs(10);

/// How often a refused Complete is repaired, by sending parts again.
const REPAIRS_MAX: u32 = 3;

/// Why a refused Complete is not repaired, or asked for again.
const NOTHING_TO_REPAIR: &str = "the service lists all parts as they should be";

impl Upload {
    /// Completes an upload whose source can be read again: a refusal has the parts listed, and those sent again that are
    /// missing or differ.
    pub(crate) fn complete_with_repair(&self, source: &Source, plan: &Plan, context: &RequestContext) -> Result<()> {
        let size = plan.archive_size();
        let mut repairs = 0;
        loop {
            self.check_parts(source, plan, 0..plan.part_count(), context)?;
            let tree = lock(self.known_parts(context)?).archive_hash(size)?;
            let refused = match self.complete_now(size, tree, context) {
                Err(error) if repairs < REPAIRS_MAX && rejected_parts(&error) => error,
                outcome => return outcome,
            };
            let listed = self.list(context)?;
            let mut left = resume::diff(plan, &listed, &lock(&self.known))?.left;
            left.retain(differs);
            if left.is_empty() && repairs > 0 {
                return Err(refused.with_hint(NOTHING_TO_REPAIR));
            }
            repairs += 1;
            let parts: Vec<_> = left.iter().map(|todo| todo.index.to_string()).collect();
            self.say(
                Level::Warn,
                format_args!(
                    "Complete was refused ({refused}); missing or different at the service: {}; sent again, then Complete",
                    if parts.is_empty() { "no part".to_owned() } else { format!("part {}", parts.join(", ")) }
                ),
            );
            self.send_parts_of(source, plan, left, context)?;
        }
    }

    /// Completes an upload whose bytes are gone: a refusal names the parts that are not what they should be.
    pub(crate) fn complete_once(&self, size: u64, context: &RequestContext) -> Result<()> {
        let tree = lock(self.known_parts(context)?).archive_hash(size)?;
        let refused = match self.complete_now(size, tree, context) {
            Err(error) if rejected_parts(&error) => error,
            outcome => return outcome,
        };
        let plan = Plan::new(size, Some(self.part_size()))?;
        let listed = self.list(context)?;
        resume::check_end(&listed, size)?;
        let left = resume::diff(&plan, &listed, &lock(&self.known))?.left;
        match left.iter().find(|todo| differs(todo)) {
            Some(todo) => Err(refused.with_kind(Kind::Incomplete).with_context(format_args!(
                "part {} ({}) is missing at the service, or is not what was sent: send it again",
                todo.index,
                todo.range.in_bytes()
            ))),
            None => {
                self.say(Level::Warn, format_args!("Complete was refused ({refused}); {NOTHING_TO_REPAIR}: once more"));
                let again = self.complete_now(size, tree, context);
                again.map_err(|error| if rejected_parts(&error) { error.with_hint(NOTHING_TO_REPAIR) } else { error })
            }
        }
    }

    /// Repeats a Complete whose answer got lost. Tells whether there is an archive; if not, it was refused: some part is not
    /// as it should be.
    pub(crate) fn retry_lost_complete(&self, context: &RequestContext) -> Result<bool> {
        match self.repeat_complete(context) {
            Err(_) if self.state() == State::Transferring => Ok(false),
            outcome => outcome.map(|()| true),
        }
    }

    /// Sends Complete until its answer is there.
    fn complete_now(&self, size: u64, tree: Digest, context: &RequestContext) -> Result<()> {
        let service = &self.client.service;
        let sent_before = lock(&self.completing).replace((size, tree)).is_some();
        if !sent_before {
            self.note_durably(&Record::Completing { size, tree });
        }
        let start = service.clock.active();
        let mut attempts = Attempts::new(service.reachability.contact());
        let mut maybe_done = sent_before;
        loop {
            self.happened(Event::CompleteSent)?;
            // The service reads the archive before it responds: only the time to give up bounds the wait, all attempts together.
            let left = service.policy.give_up_after.saturating_sub(service.clock.active().saturating_sub(start));
            let patient = RequestContext { grace: GRACE, response_timeout: Some(left), ..context.clone() };
            let error = match service.complete(self.name()?, size, tree, attempts.number(), &patient) {
                Ok(made) => return self.completed(made, tree),
                Err(error) => error,
            };
            match error.kind() {
                Kind::Canceled if maybe_done || !error.is_not_sent() => return Err(self.outcome_unknown(error)),
                Kind::NotFound if maybe_done => {
                    self.happened(Event::OutcomeUnknown)?;
                    return Err(self.outcome_unknown(error));
                }
                // It was looked at, and is open: no Complete before this one was carried out either.
                _ if rejected_parts(&error) => return Err(self.refused(error)?),
                _ => maybe_done |= !had_no_effect(&error),
            }
            let idle = service.clock.active().saturating_sub(start);
            if let Err(error) = service.wait_to_retry(error, &mut attempts, "Complete", idle, context) {
                return Err(if maybe_done { self.outcome_unknown(error) } else { self.refused(error)? });
            }
        }
    }

    /// Sends the Complete again whose answer got lost.
    pub(crate) fn repeat_complete(&self, context: &RequestContext) -> Result<()> {
        let sent = *lock(&self.completing);
        let (size, tree) = sent.ok_or_else(|| Error::new(Kind::Internal, "Complete was not sent before"))?;
        self.complete_now(size, tree, context)
    }

    /// The upload is as it was before Complete.
    fn refused(&self, error: Error) -> Result<Error> {
        self.happened(Event::CompleteRefused)?;
        *lock(&self.completing) = None;
        self.note_durably(&Record::Refused);
        Ok(error)
    }

    /// An error after which there may be an archive.
    pub(crate) fn outcome_unknown(&self, cause: Error) -> Error {
        let check = if self.state().is_resumable() && lock(&self.options).journal.is_some() {
            "this handle can learn it by running or completing again, and another one with the same journal"
        } else if self.state().is_resumable() {
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
            error = error.with_response(status, text(cause.request_id()), text(cause.service_code()));
        }
        error.caused_by(cause)
    }

    fn completed(&self, made: Completed, tree: Digest) -> Result<()> {
        self.happened(Event::Completed)?;
        self.say(Level::Info, format_args!("archive {} made, tree hash {tree}", made.archive_id));
        let Completed { archive_id, location, tree_hash } = made;
        let entry = Record::Completed { archive_id: archive_id.clone(), location: location.clone(), tree: tree_hash };
        self.note_durably(&entry);
        self.release_journal();
        self.facts.made(archive_id, location, tree_hash);
        self.check_made().map_err(|error| error.during("CompleteMultipartUpload"))
    }

    /// Fails if the archive that was made is not of what was sent, each time that anybody asks for it.
    pub(crate) fn check_made(&self) -> Result<()> {
        let (Some(made), Some((_, sent))) = (self.tree_hash(), *lock(&self.completing)) else { return Ok(()) };
        let (made, sent) = (made.to_string_lossy(), sent.to_hex());
        if made == sent {
            return Ok(());
        }
        let archive = self.archive_id().unwrap_or_default().to_string_lossy();
        Err(Error::new(
            Kind::TreeHash,
            format!(
                "the service made archive {archive} with the tree hash {made}, but what was sent has {sent}: delete it and \
                 upload again"
            ),
        ))
    }
}

/// Whether the service does not hold a part, or holds other bytes than were sent.
fn differs(todo: &PendingPart) -> bool {
    todo.listed.is_none() || (todo.expected.is_some() && todo.listed != todo.expected)
}
