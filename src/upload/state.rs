//! The multipart state machine: calls and events in, what to do out. No I/O, no clock.
//!
//! ```text
//!                     known               sending                complete sent         completed
//!  New ------------------> Initiated -------------> Transferring -----------> Completing ---------> Completed
//!                              |                         |  ^                   |     |
//!                              |  aborted                |  '---- refused ------'     | outcome unknown
//!                              '-----------> Aborted <---'-------- aborted -----'     v
//!                                                                                  Unknown
//! ```
//!
//! A failed, canceled or interrupted call leaves the state where the last event put it: the upload can be carried on from
//! there, or aborted. Only two states refuse an abort: Completed, where there is an archive instead of an upload, and
//! Unknown, where there may be one.

use crate::error::{Error, Kind, Result};
use crate::sync::atomic::{AtomicU8, Ordering};

/// Where an upload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum State {
    /// The service does not know of it.
    New,
    /// It has an upload ID.
    Initiated,
    /// Parts have been sent, or are being sent.
    Transferring,
    /// Complete was sent, and no answer to it was seen yet.
    Completing,
    /// There is an archive.
    Completed,
    /// It was thrown away.
    Aborted,
    /// Complete was sent, and the service does not know the upload any more: there may be an archive.
    Unknown,
}

/// What the caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// All at once.
    Run,
    /// All at once, but for Complete.
    Transfer,
    /// Push bytes.
    Write,
    /// Make the upload.
    Initiate,
    /// Send one part.
    PutPart,
    /// Ask which parts the service holds.
    ListParts,
    /// Make the archive.
    Complete,
    /// Throw the upload away.
    Abort,
}

/// What is to be done about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Carry it out.
    Proceed,
    /// Complete was sent before: repeat that before anything else.
    RepeatComplete,
    /// Nothing: it is done, or there is nothing to do.
    Nothing,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// There is an upload ID, from Initiate or from the caller.
    Known,
    /// A part is about to be sent.
    Sending,
    /// Complete is about to be sent.
    CompleteSent,
    /// The service refused Complete; the upload is still open.
    CompleteRefused,
    /// The service made the archive.
    Completed,
    /// After Complete was sent the service does not know the upload.
    OutcomeUnknown,
    /// The service threw the upload away.
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

    /// What to do about a call.
    ///
    /// # Errors
    /// `State` if the call makes no sense here, `OutcomeUnknown` if nothing can be said or done any more.
    pub fn answer(self, call: Operation) -> Result<Action> {
        use Action::{Nothing, Proceed, RepeatComplete};
        match (self, call) {
            (Self::New, Operation::Run | Operation::Transfer | Operation::Write | Operation::Initiate) => Ok(Proceed),
            (Self::New, Operation::Abort) => Ok(Nothing),
            (Self::New, Operation::PutPart | Operation::ListParts | Operation::Complete) => {
                Err(out_of_order("the upload was neither initiated nor attached by its ID"))
            }

            (Self::Initiated | Self::Transferring | Self::Completing, Operation::Initiate) => {
                Err(out_of_order("the upload has an ID already"))
            }
            (Self::Initiated | Self::Transferring, _) => Ok(Proceed),

            (Self::Completing, Operation::Run | Operation::Write | Operation::Complete) => Ok(RepeatComplete),
            (Self::Completing, Operation::Abort | Operation::ListParts) => Ok(Proceed),
            (Self::Completing, Operation::PutPart | Operation::Transfer) => {
                Err(out_of_order("Complete was sent, and its answer was lost: complete again, or abort"))
            }

            (Self::Completed, Operation::Run | Operation::Transfer | Operation::Write | Operation::Complete) => {
                Ok(Nothing)
            }
            (Self::Completed, _) => Err(out_of_order("the upload is completed: there is an archive now")),

            (Self::Aborted, Operation::Abort) => Ok(Nothing),
            (Self::Aborted, _) => Err(out_of_order("the upload was aborted")),

            (Self::Unknown, _) => Err(Error::new(
                Kind::OutcomeUnknown,
                "Complete was sent, and the service does not know the upload any more: whether there is an archive, only an \
                 inventory of the vault can tell",
            )),
        }
    }

    /// Where an event leads.
    ///
    /// # Errors
    /// `Internal` for an event that cannot happen here; the state stays.
    pub fn after(self, event: Event) -> Result<Self> {
        match (self, event) {
            (Self::New, Event::Known) => Ok(Self::Initiated),
            (Self::Initiated | Self::Transferring, Event::Sending) => Ok(Self::Transferring),
            (Self::Initiated | Self::Transferring | Self::Completing, Event::CompleteSent) => Ok(Self::Completing),
            (Self::Completing, Event::CompleteRefused) => Ok(Self::Transferring),
            (Self::Completing, Event::Completed) => Ok(Self::Completed),
            (Self::Completing, Event::OutcomeUnknown) => Ok(Self::Unknown),
            (Self::Initiated | Self::Transferring | Self::Completing, Event::Aborted) => Ok(Self::Aborted),
            _ => Err(Error::new(Kind::Internal, format!("{event:?} cannot happen in {self:?}"))),
        }
    }

    /// Whether the service keeps an upload that can be carried on.
    pub fn is_resumable(self) -> bool {
        matches!(self, Self::Initiated | Self::Transferring | Self::Completing)
    }
}

/// The state of one upload, which any thread may look at without waiting: in a forked child too, where a lock could have
/// stayed behind locked.
#[derive(Debug, Default)]
pub(crate) struct AtomicState(AtomicU8);

impl AtomicState {
    pub(crate) fn get(&self) -> State {
        let number = self.0.load(Ordering::Acquire);
        State::ALL.into_iter().find(|state| *state as u8 == number).unwrap_or(State::New)
    }

    /// Puts another state in place, made of the one that stands at that moment.
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

fn out_of_order(why: &str) -> Error {
    Error::new(Kind::State, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use State::{Aborted, Completed, Completing, Initiated, New, Transferring, Unknown};
    use std::collections::HashSet;

    const CALLS: [Operation; 8] = [
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
        Event::CompleteRefused,
        Event::Completed,
        Event::OutcomeUnknown,
        Event::Aborted,
    ];

    /// Every event in every state: where it leads, `-` where it cannot happen.
    #[test]
    fn every_event_in_every_state() {
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

    /// Every call in every state.
    #[test]
    fn every_call_in_every_state() {
        use Action::{Nothing, Proceed, RepeatComplete};
        let (refused, unknown) = (Err(Kind::State), Err(Kind::OutcomeUnknown));
        let (go, nothing, repeat) = (Ok(Proceed), Ok(Nothing), Ok(RepeatComplete));
        let table: [(State, [std::result::Result<Action, Kind>; 8]); 7] = [
            (New, [go, go, go, go, refused, refused, refused, nothing]),
            (Initiated, [go, go, go, refused, go, go, go, go]),
            (Transferring, [go, go, go, refused, go, go, go, go]),
            (Completing, [repeat, refused, repeat, refused, refused, go, repeat, go]),
            (Completed, [nothing, nothing, nothing, refused, refused, refused, nothing, refused]),
            (Aborted, [refused, refused, refused, refused, refused, refused, refused, nothing]),
            (Unknown, [unknown; 8]),
        ];
        assert_eq!(table.map(|(state, _)| state), State::ALL);
        for (state, row) in table {
            for (call, expected) in CALLS.into_iter().zip(row) {
                assert_eq!(state.answer(call).map_err(|error| error.kind()), expected, "{call:?} in {state:?}");
            }
        }
    }

    /// From wherever any sequence of events leads, the upload can be aborted, or there is none to abort.
    #[test]
    fn no_state_is_a_trap() {
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
        assert_eq!(reached, HashSet::from(State::ALL), "every state can be reached");
        for state in reached {
            match state {
                Completed | Unknown => assert!(state.answer(Operation::Abort).is_err(), "{state:?}"),
                New | Aborted => assert_eq!(state.answer(Operation::Abort).unwrap(), Action::Nothing),
                _ => {
                    assert_eq!(state.answer(Operation::Abort).unwrap(), Action::Proceed);
                    assert_eq!(state.after(Event::Aborted).unwrap(), Aborted);
                }
            }
        }
    }
}
