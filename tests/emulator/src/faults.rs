//! Faults by script: what goes wrong, with which request, and how often.

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::clock::Instant;
use crate::request::Operation;
use crate::stop::lock;

/// Something that goes wrong with requests of a kind.
///
/// As JSON, for the admin address and the command line, with everything but `action` optional:
///
/// ```json
/// {"operation": "UploadMultipartPart", "part": 2, "skip": 1, "times": 3,
///  "action": {"kind": "slow", "bytes_per_second": 65536}, "and": [{"kind": "reset", "after_bytes": 4096}]}
/// ```
///
/// Each of its actions acts at its own place on a request's way, whatever their order: while the body is read, when it
/// is cut off, instead of the work or within it, before the answer, on the answer. Of two at one place the first acts,
/// and one behind the end of the request never does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Only requests of this operation; any, if there is none.
    #[serde(default)]
    pub operation: Option<Operation>,
    /// Only requests that send this part, counted from 0.
    #[serde(default)]
    pub part: Option<u64>,
    /// How many such requests pass unharmed first.
    #[serde(default)]
    pub skip: u64,
    /// How many are hit then; all, if there is none.
    #[serde(default = "once")]
    pub times: Option<u64>,
    /// For how many seconds of the service's clock, from when it is added; for good, if there is none.
    #[serde(default)]
    pub seconds: Option<i64>,
    /// What happens to them.
    pub action: Action,
    /// What happens besides.
    #[serde(default)]
    pub and: Vec<Action>,
}

impl Fault {
    /// Hits the next request, whatever it is.
    pub fn new(action: Action) -> Self {
        Self { operation: None, part: None, skip: 0, times: once(), seconds: None, action, and: Vec::new() }
    }

    /// This happens to the same requests.
    #[must_use]
    pub fn and(mut self, action: Action) -> Self {
        self.and.push(action);
        self
    }

    /// Only requests of this operation.
    #[must_use]
    pub fn on(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Only requests that send this part, counted from 0.
    #[must_use]
    pub fn part(mut self, index: u64) -> Self {
        self.part = Some(index);
        self
    }

    /// Lets so many pass first.
    #[must_use]
    pub fn skip(mut self, requests: u64) -> Self {
        self.skip = requests;
        self
    }

    /// Hits so many.
    #[must_use]
    pub fn times(mut self, requests: u64) -> Self {
        self.times = Some(requests);
        self
    }

    /// Stops after so many seconds of the service's clock, counted from when it is added.
    #[must_use]
    pub fn seconds(mut self, seconds: i64) -> Self {
        self.seconds = Some(seconds);
        self
    }

    /// Hits them all.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.times = None;
        self
    }
}

fn once() -> Option<u64> {
    Some(1)
}

/// The faults that are waiting.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    waiting: Mutex<Vec<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    fault: Fault,
    seen: u64,
    /// The end of its time.
    until: Option<Instant>,
}

impl Faults {
    pub(crate) fn add(&self, fault: Fault, now: Instant) {
        let until = fault.seconds.map(|seconds| now.plus_seconds(seconds));
        lock(&self.waiting).push(Waiting { fault, seen: 0, until });
    }

    pub(crate) fn clear(&self) {
        lock(&self.waiting).clear();
    }

    /// What happens to this request. Every fault counts the requests of its kind; the earliest whose turn it is plays.
    pub(crate) fn strike(&self, operation: Option<Operation>, part: Option<u64>, now: Instant) -> Option<Vec<Action>> {
        let mut struck = None;
        for waiting in lock(&self.waiting).iter_mut() {
            let fault = &waiting.fault;
            let of_kind = (fault.operation.is_none() || fault.operation == operation)
                && (fault.part.is_none() || fault.part == part);
            if !of_kind {
                continue;
            }
            let turn = waiting.seen;
            waiting.seen += 1;
            let due = turn >= fault.skip && fault.times.is_none_or(|times| turn - fault.skip < times);
            let lasts = waiting.until.is_none_or(|until| now < until);
            if due && lasts && struck.is_none() {
                struck = Some(std::iter::once(&fault.action).chain(&fault.and).cloned().collect());
            }
        }
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strikes_after_skip_and_so_many_times() {
        let faults = Faults::default();
        let now = Instant::parse_basic("20120320T170343Z").unwrap();
        faults.add(Fault::new(Action::Garbage).on(Operation::UploadMultipartPart).part(1).skip(1).times(2), now);
        let strike = |operation, part| faults.strike(Some(operation), part, now).is_some();
        assert!(!strike(Operation::UploadMultipartPart, Some(0)));
        assert!(!strike(Operation::ListParts, None));
        let hits: Vec<_> = (0..5).map(|_| strike(Operation::UploadMultipartPart, Some(1))).collect();
        assert_eq!(hits, [false, true, true, false, false]);
    }

    #[test]
    fn lasts_for_its_seconds() {
        let faults = Faults::default();
        let now = Instant::parse_basic("20120320T170343Z").unwrap();
        faults.add(Fault::new(Action::Garbage).always().seconds(60), now);
        let strike = |seconds| faults.strike(None, None, now.plus_seconds(seconds)).is_some();
        assert_eq!([0, 59, 60, 61].map(strike), [true, true, false, false]);
    }

    #[test]
    fn reads_json() {
        let fault: Fault = serde_json::from_str(r#"{"action": {"kind": "stall"}, "times": null}"#).unwrap();
        assert_eq!(fault, Fault::new(Action::Stall { after_bytes: None }).always());
        let both = r#"{"action": {"kind": "stall"}, "times": null, "and": [{"kind": "delay_answer", "millis": 5}]}"#;
        assert_eq!(serde_json::from_str::<Fault>(both).unwrap(), fault.and(Action::DelayAnswer { millis: 5 }));
        for wrong in [
            r#"{"action": {"kind": "stall", "after": 1}}"#,
            r#"{"action": {"kind": "stall"}, "also": []}"#,
            r#"{"action": {"kind": "stall"}, "and": {"kind": "garbage"}}"#,
        ] {
            assert!(serde_json::from_str::<Fault>(wrong).is_err(), "{wrong}");
        }
    }
}
