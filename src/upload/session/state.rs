//! The state machine of a multipart upload: an operation or an event goes in, an action or the next state comes out. Pure: no
//! I/O, no clock.
//!
//! ```text
//!                     known               sending                complete sent         completed
//!  New ------------------> Initiated -------------> Transferring -----------> Completing ---------> Completed
//!                              |                         |  ^                   |     |
//!                              |  aborted                |  '---- rejected -----'     | outcome unknown
//!                              '-----------> Aborted <---'-------- aborted -----'     v
//!                                                                                  Unknown
//! ```
//!
//! A call that fails or is canceled leaves the state as the last event set it. The upload can be resumed from there, or
//! aborted. Two states refuse an abort: in Completed there is an archive instead of an upload, and in Unknown there may be
//! one.

use crate::error::{Error, Kind, Result};
use crate::sync::atomic::{AtomicU8, Ordering};

/// The state of a multipart upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum State {
    /// No multipart upload exists yet.
    New,
    /// The upload has an ID.
    Initiated,
    /// Parts have been sent, or are being sent.
    Transferring,
    /// Complete was sent, and no response to it was received yet.
    Completing,
    /// The archive exists.
    Completed,
    /// The upload was aborted.
    Aborted,
    /// Complete was sent, and the service no longer knows the upload: an archive may exist.
    Unknown,
}

/// An operation that the caller requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Upload the source and complete.
    Run,
    /// Upload the source without completing.
    Transfer,
    /// Write the next bytes of a stream.
    Write,
    /// Initiate the multipart upload.
    Initiate,
    /// Send one part.
    PutPart,
    /// List the stored parts.
    ListParts,
    /// Complete the upload.
    Complete,
    /// Abort the upload.
    Abort,
}

/// What a call has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Carry out the operation.
    Proceed,
    /// Send the lost Complete again before anything else.
    RepeatComplete,
    /// Nothing: the result exists already.
    Nothing,
}

/// An event in the life of a multipart upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The upload ID became known, from Initiate or from the caller.
    Known,
    /// A part is about to be sent.
    Sending,
    /// Complete is about to be sent.
    CompleteSent,
    /// The service rejected Complete; the upload still exists.
    CompleteRejected,
    /// The service created the archive.
    Completed,
    /// After Complete was sent, the service does not know the upload.
    OutcomeUnknown,
    /// The service aborted the upload.
    Aborted,
}

impl State {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::New,
        Self::Initiated,
        Self::Transferring,
        Self::Completing,
        Self::Completed,
        Self::Aborted,
        Self::Unknown,
    ];

    /// Returns what an operation has to do in this state.
    ///
    /// # Errors
    /// `State` if the state does not allow the operation; `OutcomeUnknown` in [`State::Unknown`].
    pub fn action_for(self, operation: Operation) -> Result<Action> {
        use Action::{Nothing, Proceed, RepeatComplete};
        match (self, operation) {
            (Self::New, Operation::Run | Operation::Transfer | Operation::Write | Operation::Initiate) => Ok(Proceed),
            (Self::New, Operation::Abort) => Ok(Nothing),
            (Self::New, Operation::PutPart | Operation::ListParts | Operation::Complete) => {
                Err(not_allowed("the upload was neither initiated nor attached by its ID"))
            }

            (Self::Initiated | Self::Transferring | Self::Completing, Operation::Initiate) => {
                Err(not_allowed("the upload already has an ID"))
            }
            (Self::Initiated | Self::Transferring, _) => Ok(Proceed),

            (Self::Completing, Operation::Run | Operation::Write | Operation::Complete) => Ok(RepeatComplete),
            (Self::Completing, Operation::Abort | Operation::ListParts) => Ok(Proceed),
            (Self::Completing, Operation::PutPart | Operation::Transfer) => {
                Err(not_allowed("Complete was sent and its response was lost: complete again, or abort"))
            }

            (Self::Completed, Operation::Run | Operation::Transfer | Operation::Write | Operation::Complete) => {
                Ok(Nothing)
            }
            (Self::Completed, _) => Err(not_allowed("the upload is completed: the archive exists")),

            (Self::Aborted, Operation::Abort) => Ok(Nothing),
            (Self::Aborted, _) => Err(not_allowed("the upload was aborted")),

            (Self::Unknown, _) => Err(Error::new(
                Kind::OutcomeUnknown,
                "Complete was sent, and the service no longer knows the upload: only an inventory of the vault shows whether \
                 the archive exists",
            )),
        }
    }

    /// Returns the state after an event.
    ///
    /// # Errors
    /// `Internal` if the event cannot happen in this state.
    pub fn after(self, event: Event) -> Result<Self> {
        match (self, event) {
            (Self::New, Event::Known) => Ok(Self::Initiated),
            (Self::Initiated | Self::Transferring, Event::Sending) => Ok(Self::Transferring),
            (Self::Initiated | Self::Transferring | Self::Completing, Event::CompleteSent) => Ok(Self::Completing),
            (Self::Completing, Event::CompleteRejected) => Ok(Self::Transferring),
            (Self::Completing, Event::Completed) => Ok(Self::Completed),
            (Self::Completing, Event::OutcomeUnknown) => Ok(Self::Unknown),
            (Self::Initiated | Self::Transferring | Self::Completing, Event::Aborted) => Ok(Self::Aborted),
            _ => Err(Error::new(Kind::Internal, format!("{event:?} cannot happen in {self:?}"))),
        }
    }

    /// Returns true if the service keeps an upload that can be resumed.
    pub fn is_resumable(self) -> bool {
        matches!(self, Self::Initiated | Self::Transferring | Self::Completing)
    }
}

/// A [`State`] that threads share without a lock. A forked child can read it too, where a lock could have been copied in its
/// locked state.
#[derive(Debug, Default)]
pub(crate) struct AtomicState(AtomicU8);

impl AtomicState {
    pub(crate) fn get(&self) -> State {
        let number = self.0.load(Ordering::Acquire);
        State::ALL.into_iter().find(|state| *state as u8 == number).unwrap_or(State::New)
    }

    /// Replaces the state by `to(state)`, atomically.
    pub(crate) fn change(&self, to: impl Fn(State) -> Result<State>) -> Result<()> {
        loop {
            let from = self.get();
            let to = to(from)?;
            let changed = self.0.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire);
            if changed.is_ok() {
                return Ok(());
            }
        }
    }
}

fn not_allowed(why: &str) -> Error {
    Error::new(Kind::State, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use State::{Aborted, Completed, Completing, Initiated, New, Transferring, Unknown};
    use std::collections::HashSet;

    const OPERATIONS: [Operation; 8] = [
        Operation::Run,
        Operation::Transfer,
        Operation::Write,
        Operation::Initiate,
        Operation::PutPart,
        Operation::ListParts,
        Operation::Complete,
        Operation::Abort,
    ];
    const EVENTS: [Event; 7] = [
        Event::Known,
        Event::Sending,
        Event::CompleteSent,
        Event::CompleteRejected,
        Event::Completed,
        Event::OutcomeUnknown,
        Event::Aborted,
    ];

    /// `None` marks an event that cannot happen in a state.
    #[test]
    fn each_event_leads_to_the_expected_state() {
        let table: [(State, [Option<State>; 7]); 7] = [
            (New, [Some(Initiated), None, None, None, None, None, None]),
            (Initiated, [None, Some(Transferring), Some(Completing), None, None, None, Some(Aborted)]),
            (Transferring, [None, Some(Transferring), Some(Completing), None, None, None, Some(Aborted)]),
            (
                Completing,
                [None, None, Some(Completing), Some(Transferring), Some(Completed), Some(Unknown), Some(Aborted)],
            ),
            (Completed, [None; 7]),
            (Aborted, [None; 7]),
            (Unknown, [None; 7]),
        ];
        assert_eq!(table.map(|(state, _)| state), State::ALL);
        for (state, row) in table {
            for (event, expected) in EVENTS.into_iter().zip(row) {
                assert_eq!(state.after(event).ok(), expected, "{event:?} in {state:?}");
            }
        }
    }

    #[test]
    fn each_operation_has_the_expected_action() {
        use Action::{Nothing, Proceed, RepeatComplete};
        let (rejected, unknown) = (Err(Kind::State), Err(Kind::OutcomeUnknown));
        let (go, nothing, repeat) = (Ok(Proceed), Ok(Nothing), Ok(RepeatComplete));
        let table: [(State, [std::result::Result<Action, Kind>; 8]); 7] = [
            (New, [go, go, go, go, rejected, rejected, rejected, nothing]),
            (Initiated, [go, go, go, rejected, go, go, go, go]),
            (Transferring, [go, go, go, rejected, go, go, go, go]),
            (Completing, [repeat, rejected, repeat, rejected, rejected, go, repeat, go]),
            (Completed, [nothing, nothing, nothing, rejected, rejected, rejected, nothing, rejected]),
            (Aborted, [rejected, rejected, rejected, rejected, rejected, rejected, rejected, nothing]),
            (Unknown, [unknown; 8]),
        ];
        assert_eq!(table.map(|(state, _)| state), State::ALL);
        for (state, row) in table {
            for (operation, expected) in OPERATIONS.into_iter().zip(row) {
                assert_eq!(
                    state.action_for(operation).map_err(|error| error.kind()),
                    expected,
                    "{operation:?} in {state:?}"
                );
            }
        }
    }

    #[test]
    fn each_state_allows_abort_or_has_nothing_to_abort() {
        let mut reached = HashSet::from([New]);
        loop {
            let next: HashSet<State> = reached
                .iter()
                .flat_map(|state| EVENTS.iter().filter_map(|event| state.after(*event).ok()))
                .chain(reached.iter().copied())
                .collect();
            if next.len() == reached.len() {
                break;
            }
            reached = next;
        }
        assert_eq!(reached, HashSet::from(State::ALL), "unreachable states");
        for state in reached {
            match state {
                Completed | Unknown => assert!(state.action_for(Operation::Abort).is_err(), "{state:?}"),
                New | Aborted => assert_eq!(state.action_for(Operation::Abort).unwrap(), Action::Nothing),
                _ => {
                    assert_eq!(state.action_for(Operation::Abort).unwrap(), Action::Proceed);
                    assert_eq!(state.after(Event::Aborted).unwrap(), Aborted);
                }
            }
        }
    }
}
