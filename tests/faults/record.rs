//! What must be true of every record of requests, whatever went wrong.

use std::collections::BTreeSet;

use glacier_emulator::{Action, Emulator, Operation, RequestRecord};
use glacier_mp::http::response::INTERIM_MAX;

/// One client with its handle, whose requests are known by the user agent.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) name: String,
    /// How many requests there were before it.
    pub(crate) from: usize,
    /// Those of them that were not over: what they do may come behind what this session is told.
    unfinished: BTreeSet<usize>,
    /// Whether the caller ended it: it may have left before it had read an answer.
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

/// The requests that sessions have made for one source.
pub(crate) struct Record<'a> {
    pub(crate) requests: &'a [RequestRecord],
    pub(crate) sessions: &'a [Session],
    /// The tree hashes of the source's parts, in hex.
    pub(crate) hashes: &'a [String],
}

impl Record<'_> {
    /// Checks that no part was sent again without a reason, no other bytes than the source's, and all to one upload, of
    /// which there was one archive at most, and that none was thrown away by itself. Says which uploads were left behind.
    pub(crate) fn check(&self) -> Result<BTreeSet<String>, String> {
        let abort = |request: &&RequestRecord| request.operation == Some(Operation::AbortMultipartUpload);
        if let Some(abort) = self.requests.iter().find(abort) {
            return Err(format!("nobody asked for this: {abort:?}"));
        }
        self.parts().try_for_each(|request| self.check_bytes(request).and_then(|()| self.check_reason(request)))?;
        self.check_end()?;
        self.orphans()
    }

    fn check_bytes(&self, request: &RequestRecord) -> Result<(), String> {
        let right = request.part.and_then(|part| self.hashes.get(usize::try_from(part).ok()?));
        match &request.tree_hash {
            Some(sent) if Some(sent) != right => Err(format!("these are not the source's bytes: {request:?}")),
            _ => Ok(()),
        }
    }

    /// Whether the session of a request had to send its part.
    fn check_reason(&self, request: &RequestRecord) -> Result<(), String> {
        let session = self.session_of(request)?;
        let of_this_part = |other: &&RequestRecord| {
            other.part == request.part && other.upload_id == request.upload_id && other.number < request.number
        };
        let was_misled = self.requests.iter().any(|list| {
            list.operation == Some(Operation::ListParts)
                && session.sent(list)
                && list.number < request.number
                && list.faults.contains(&Action::WrongTreeHash)
        });
        // What a session before it left on its way may damage a part that arrived meanwhile.
        let is_spoilt_late =
            self.parts().filter(of_this_part).any(|other| session.unfinished.contains(&other.number) && spoils(other));
        let before = match self.parts().filter(of_this_part).filter(|other| session.sent(other)).last() {
            Some(own) => (was_told_that_it_is_held(own) && !is_spoilt_late).then_some(own),
            None => {
                let before = || self.parts().filter(of_this_part).filter(|other| other.number < session.from);
                let is_settled = !before().any(|other| session.unfinished.contains(&other.number));
                let held = before().filter(|other| other.changed).last();
                held.filter(|held| is_settled && !spoils(held))
            }
        };
        match before {
            Some(before) if !was_misled => {
                Err(format!("part {:?} was sent again without a reason: {request:?}, after {before:?}", request.part))
            }
            _ => Ok(()),
        }
    }

    fn check_end(&self) -> Result<(), String> {
        let complete = |request: &&RequestRecord| request.operation == Some(Operation::CompleteMultipartUpload);
        let made: Vec<_> = self.requests.iter().filter(complete).filter(|request| request.changed).collect();
        match &made[..] {
            [] => Ok(()),
            // What a client had sent when it was stopped, or failed, may come late.
            [made] => self.parts().filter(|part| part.number > made.number).try_for_each(|part| {
                let session = self.session_of(part)?;
                let is_late = session.from < made.number && (session.canceled || !session.sent(made));
                if is_late { Ok(()) } else { Err(format!("a part was sent behind the archive: {part:?}")) }
            }),
            _ => Err(format!("more than one archive was made: {made:?}")),
        }
    }

    /// The uploads that were made and not used: those whose IDs nobody was told, or had the time to read.
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
                return Err(format!("an upload was made, told of, and not used: {initiate:?}"));
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
        session.ok_or_else(|| format!("this request is of no session: {request:?}"))
    }
}

/// Whether its client could know that the service holds the part, and it does.
fn was_told_that_it_is_held(request: &RequestRecord) -> bool {
    let is_misled = |action: &Action| matches!(action, Action::WrongTreeHash | Action::MissingTreeHash);
    let is_answered = request.status == Some(204) && !is_unreadable(request);
    is_answered && !spoils(request) && !request.faults.iter().any(is_misled)
}

/// Whether its response has more interim responses than a client must accept.
fn is_unreadable(request: &RequestRecord) -> bool {
    let interim_responses = request.faults.iter().map(|action| match action {
        Action::InterimResponse { count, .. } => count.unwrap_or(u64::MAX),
        _ => 0,
    });
    let is_repeated = |action: &Action| matches!(action, Action::RepeatedHeader { .. });
    interim_responses.fold(0, u64::saturating_add) > INTERIM_MAX.into() || request.faults.iter().any(is_repeated)
}

/// Whether the service does not hold afterwards what was sent.
fn spoils(request: &RequestRecord) -> bool {
    let spoiling =
        |action: &Action| matches!(action, Action::LosePart | Action::DamagePart | Action::EarlySuccess { .. });
    request.faults.iter().any(spoiling)
}
