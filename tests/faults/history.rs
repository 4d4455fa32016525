//! Rules for the request history of every upload, whatever faults occurred.

mod tests;

use std::collections::BTreeSet;

use glacier_emulator::{Action, Emulator, Operation, RequestRecord};
use glacier_mp::http::response::INTERIM_MAX;

/// One client with its handle. The user agent identifies its requests.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) name: String,
    /// The number of requests before the session.
    pub(crate) from: usize,
    /// The requests that had not finished at the start. They can still change the stored data during the session.
    unfinished: BTreeSet<usize>,
    /// Whether the caller stopped the session. It may then have ended before it read a response.
    pub(crate) canceled: bool,
}

impl Session {
    pub(crate) fn begin(glacier: &Emulator, number: usize) -> Self {
        let before = glacier.requests();
        let unfinished = before.iter().filter(|request| !request.over).map(|request| request.number).collect();
        Self { name: format!("session-{number}"), from: before.len(), unfinished, canceled: false }
    }

    pub(crate) fn sent(&self, request: &RequestRecord) -> bool {
        request.header("user-agent").and_then(|agent| agent.split(' ').next()) == Some(&self.name)
    }
}

/// The requests that the sessions sent for one source.
pub(crate) struct RequestHistory<'a> {
    pub(crate) requests: &'a [RequestRecord],
    pub(crate) sessions: &'a [Session],
    /// The tree hashes of the source's parts, in hex.
    pub(crate) hashes: &'a [String],
}

impl RequestHistory<'_> {
    /// Checks that no part was sent twice without a reason, that all bytes are the source's, that all parts went to one
    /// upload with at most one archive, and that no upload was aborted. Returns the IDs of the orphaned uploads.
    pub(crate) fn check(&self) -> Result<BTreeSet<String>, String> {
        let abort = |request: &&RequestRecord| request.operation == Some(Operation::AbortMultipartUpload);
        if let Some(abort) = self.requests.iter().find(abort) {
            return Err(format!("the library sent Abort without a call of abort: {abort:?}"));
        }
        self.parts().try_for_each(|request| self.check_bytes(request).and_then(|()| self.check_reason(request)))?;
        self.check_end()?;
        self.orphans()
    }

    fn check_bytes(&self, request: &RequestRecord) -> Result<(), String> {
        let right = request.part.and_then(|part| self.hashes.get(usize::try_from(part).ok()?));
        match &request.tree_hash {
            Some(sent) if Some(sent) != right => Err(format!("the bytes differ from the source: {request:?}")),
            _ => Ok(()),
        }
    }

    /// Checks that the session had a reason to send this part.
    fn check_reason(&self, request: &RequestRecord) -> Result<(), String> {
        let session = self.session_of(request)?;
        let of_this_part = |other: &&RequestRecord| {
            other.part == request.part && other.upload_id == request.upload_id && other.number < request.number
        };
        let list_was_wrong = self.requests.iter().any(|list| {
            list.operation == Some(Operation::ListParts)
                && session.sent(list)
                && list.number < request.number
                && list.faults.contains(&Action::WrongTreeHash)
        });
        // A request that was unfinished when this session started, or that this session sent without reading its response,
        // may overwrite a part that arrived in the meantime.
        let may_end_late = |other: &RequestRecord| {
            session.unfinished.contains(&other.number) || (session.sent(other) && !is_answered(other))
        };
        let may_be_overwritten =
            self.parts().filter(of_this_part).any(|other| damages_stored_part(other) && may_end_late(other));
        let before = match self.parts().filter(of_this_part).filter(|other| session.sent(other)).last() {
            Some(own) => (is_acknowledged(own) && !may_be_overwritten).then_some(own),
            None => {
                let before = || self.parts().filter(of_this_part).filter(|other| other.number < session.from);
                let is_settled = !before().any(|other| session.unfinished.contains(&other.number));
                let stored = before().filter(|other| other.changed).last();
                stored.filter(|stored| is_settled && !damages_stored_part(stored))
            }
        };
        match before {
            Some(before) if !list_was_wrong => {
                Err(format!("part {:?} was sent twice without a reason: {request:?}, after {before:?}", request.part))
            }
            _ => Ok(()),
        }
    }

    fn check_end(&self) -> Result<(), String> {
        let complete = |request: &&RequestRecord| request.operation == Some(Operation::CompleteMultipartUpload);
        let made: Vec<_> = self.requests.iter().filter(complete).filter(|request| request.changed).collect();
        match &made[..] {
            [] => Ok(()),
            // A request of a stopped or failed client may arrive late.
            [made] => self.parts().filter(|part| part.number > made.number).try_for_each(|part| {
                let session = self.session_of(part)?;
                let is_late = session.from < made.number && (session.canceled || !session.sent(made));
                if is_late { Ok(()) } else { Err(format!("a part was sent after the archive was created: {part:?}")) }
            }),
            _ => Err(format!("more than one archive was created: {made:?}")),
        }
    }

    /// Returns the uploads without parts. Each needs a reason: its client could not read its ID, or was stopped.
    fn orphans(&self) -> Result<BTreeSet<String>, String> {
        let of = |request: &RequestRecord| request.upload_id.clone();
        let used: BTreeSet<_> = self.parts().filter_map(of).collect();
        if used.len() > 1 {
            return Err(format!("parts were sent to {} uploads", used.len()));
        }
        let initiates = self.requests.iter().filter(|request| {
            let is_made = request.operation == Some(Operation::InitiateMultipartUpload) && request.changed;
            is_made && request.upload_id.as_ref().is_some_and(|id| !used.contains(id))
        });
        let mut orphans = BTreeSet::new();
        for initiate in initiates {
            let is_answered = initiate.status.is_some() && !is_unreadable(initiate);
            if is_answered && !self.session_of(initiate)?.canceled && !used.is_empty() {
                return Err(format!("an upload was initiated, its ID was received, and it was not used: {initiate:?}"));
            }
            orphans.extend(initiate.upload_id.clone());
        }
        Ok(orphans)
    }

    fn parts(&self) -> impl Iterator<Item = &RequestRecord> {
        let is_part = |request: &&RequestRecord| request.operation == Some(Operation::UploadMultipartPart);
        self.requests.iter().filter(is_part)
    }

    fn session_of(&self, request: &RequestRecord) -> Result<&Session, String> {
        let session = self.sessions.iter().find(|session| session.sent(request));
        session.ok_or_else(|| format!("the request belongs to no session: {request:?}"))
    }
}

/// Whether the part is stored and its client received a correct acknowledgement.
fn is_acknowledged(request: &RequestRecord) -> bool {
    let has_bad_tree_hash = |action: &Action| matches!(action, Action::WrongTreeHash | Action::MissingTreeHash);
    is_answered(request) && !damages_stored_part(request) && !request.faults.iter().any(has_bad_tree_hash)
}

/// Whether the client could read the response to the part.
fn is_answered(request: &RequestRecord) -> bool {
    request.status == Some(204) && !is_unreadable(request)
}

/// Whether a client must reject the response: too many interim responses, or contradicting headers.
fn is_unreadable(request: &RequestRecord) -> bool {
    let interim_responses = request.faults.iter().map(|action| match action {
        Action::InterimResponse { count, .. } => count.unwrap_or(u64::MAX),
        _ => 0,
    });
    let is_repeated = |action: &Action| matches!(action, Action::RepeatedHeader { .. });
    interim_responses.fold(0, u64::saturating_add) > INTERIM_MAX.into() || request.faults.iter().any(is_repeated)
}

/// Whether the service stores other bytes than those that were sent, or none.
fn damages_stored_part(request: &RequestRecord) -> bool {
    let damages =
        |action: &Action| matches!(action, Action::LosePart | Action::DamagePart | Action::EarlySuccess { .. });
    request.faults.iter().any(damages)
}
