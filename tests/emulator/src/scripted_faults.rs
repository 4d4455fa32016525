//! Scripted faults: which requests they apply to, how often, and with which actions.

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::clock::Instant;
use crate::request::Operation;
use crate::stop::lock;

/// A fault for the requests that match it.
///
/// In JSON, for the admin path and the command line, only `action` is required:
///
/// ```json
/// {"operation": "UploadMultipartPart", "part": 2, "skip": 1, "times": 3,
///  "action": {"kind": "slow", "bytes_per_second": 65536}, "and": [{"kind": "reset", "after_bytes": 4096}]}
/// ```
///
/// Each action applies at its own stage of a request, in any order in the script: while the body is read, at its end,
/// instead of processing, during processing, before the response, in the response. If two actions apply at one stage,
/// the first is used. An action after the end of the request has no effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The operation of the requests. `None` matches every operation.
    #[serde(default)]
    pub operation: Option<Operation>,
    /// The index of the part, from 0. `None` matches every request.
    #[serde(default)]
    pub part: Option<u64>,
    /// The number of matching requests that pass before the fault applies.
    #[serde(default)]
    pub skip: u64,
    /// The number of requests that the fault applies to. `None` means all.
    #[serde(default = "once")]
    pub times: Option<u64>,
    /// The lifetime in seconds of the service's clock, from when the fault is added. `None` means no limit.
    #[serde(default)]
    pub seconds: Option<i64>,
    /// The action.
    pub action: Action,
    /// Further actions for the same request.
    #[serde(default)]
    pub and: Vec<Action>,
}

impl Fault {
    /// A fault for the next request of any kind.
    pub fn new(action: Action) -> Self {
        Self { operation: None, part: None, skip: 0, times: once(), seconds: None, action, and: Vec::new() }
    }

    /// Adds an action for the same requests.
    #[must_use]
    pub fn and(mut self, action: Action) -> Self {
        self.and.push(action);
        self
    }

    /// Matches only requests of this operation.
    #[must_use]
    pub fn on(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Matches only requests for this part. The index starts at 0.
    #[must_use]
    pub fn part(mut self, index: u64) -> Self {
        self.part = Some(index);
        self
    }

    /// Skips this many matching requests.
    #[must_use]
    pub fn skip(mut self, requests: u64) -> Self {
        self.skip = requests;
        self
    }

    /// Applies to this many requests.
    #[must_use]
    pub fn times(mut self, requests: u64) -> Self {
        self.times = Some(requests);
        self
    }

    /// Limits the lifetime, in seconds of the service's clock from when the fault is added.
    #[must_use]
    pub fn seconds(mut self, seconds: i64) -> Self {
        self.seconds = Some(seconds);
        self
    }

    /// Applies to all matching requests.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.times = None;
        self
    }
}

fn once() -> Option<u64> {
    Some(1)
}

/// The scripted faults of a service.
#[derive(Debug, Default)]
pub(crate) struct ScriptedFaults {
    pending: Mutex<Vec<PendingFault>>,
}

#[derive(Debug)]
struct PendingFault {
    fault: Fault,
    seen: u64,
    /// The end of the fault's lifetime.
    until: Option<Instant>,
}

impl ScriptedFaults {
    pub(crate) fn add(&self, fault: Fault, now: Instant) {
        let until = fault.seconds.map(|seconds| now.plus_seconds(seconds));
        lock(&self.pending).push(PendingFault { fault, seen: 0, until });
    }

    pub(crate) fn clear(&self) {
        lock(&self.pending).clear();
    }

    /// Returns the actions for this request. Every fault counts its matching requests. If several faults apply, the first is
    /// used.
    pub(crate) fn actions_for(
        &self,
        operation: Option<Operation>,
        part: Option<u64>,
        now: Instant,
    ) -> Option<Vec<Action>> {
        let mut found = None;
        for pending in lock(&self.pending).iter_mut() {
            let fault = &pending.fault;
            let of_kind = (fault.operation.is_none() || fault.operation == operation)
                && (fault.part.is_none() || fault.part == part);
            if !of_kind {
                continue;
            }
            let turn = pending.seen;
            pending.seen += 1;
            let due = turn >= fault.skip && fault.times.is_none_or(|times| turn - fault.skip < times);
            let lasts = pending.until.is_none_or(|until| now < until);
            if due && lasts && found.is_none() {
                found = Some(std::iter::once(&fault.action).chain(&fault.and).cloned().collect());
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_requests_then_applies_n_times() {
        let faults = ScriptedFaults::default();
        let now = Instant::parse_basic("20120320T170343Z").unwrap();
        faults.add(Fault::new(Action::Garbage).on(Operation::UploadMultipartPart).part(1).skip(1).times(2), now);
        let applies = |operation, part| faults.actions_for(Some(operation), part, now).is_some();
        assert!(!applies(Operation::UploadMultipartPart, Some(0)));
        assert!(!applies(Operation::ListParts, None));
        let hits: Vec<_> = (0..5).map(|_| applies(Operation::UploadMultipartPart, Some(1))).collect();
        assert_eq!(hits, [false, true, true, false, false]);
    }

    #[test]
    fn expires_after_its_lifetime() {
        let faults = ScriptedFaults::default();
        let now = Instant::parse_basic("20120320T170343Z").unwrap();
        faults.add(Fault::new(Action::Garbage).always().seconds(60), now);
        let applies = |seconds| faults.actions_for(None, None, now.plus_seconds(seconds)).is_some();
        assert_eq!([0, 59, 60, 61].map(applies), [true, true, false, false]);
    }

    #[test]
    fn parses_json() {
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
