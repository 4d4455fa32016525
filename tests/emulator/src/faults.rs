//! Faults: what goes wrong, with which request, and how often.

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::request::Operation;
use crate::stop::lock;

/// Something that goes wrong with requests of a kind.
///
/// As JSON, for the admin address, with everything but `action` optional:
///
/// ```json
/// {"operation": "UploadMultipartPart", "part": 2, "skip": 1, "times": 3,
///  "action": {"kind": "reset", "after_bytes": 4096}}
/// ```
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
    /// What happens to them.
    pub action: Action,
}

/// What happens to a request.
///
/// `after_bytes` counts bytes of the body that are read first; none, or more than there are, means the whole body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// This answer, once the body is read; the request is not looked at.
    Status {
        /// The status code.
        status: u16,
        /// The content; empty, if there is none.
        #[serde(default)]
        body: Option<String>,
        /// `application/json`, if there is none.
        #[serde(default)]
        content_type: Option<String>,
        /// Further headers, such as `Location` or `Retry-After`.
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    /// An answer before the body is read.
    EarlyAnswer {
        /// See above.
        #[serde(default)]
        after_bytes: u64,
        /// The status code.
        status: u16,
        /// The content, as JSON; empty, if there is none.
        #[serde(default)]
        body: Option<String>,
        /// What becomes of the connection.
        then: Afterwards,
    },
    /// A TCP reset instead of an answer.
    Reset {
        /// See above.
        #[serde(default)]
        after_bytes: Option<u64>,
    },
    /// The connection is closed instead of an answer.
    Close {
        /// See above.
        #[serde(default)]
        after_bytes: Option<u64>,
    },
    /// No further byte is read or sent; the connection stays open.
    Stall {
        /// See above.
        #[serde(default)]
        after_bytes: Option<u64>,
    },
    /// Bytes that are not HTTP instead of an answer.
    Garbage,
    /// The request works, but its body is read no faster than this.
    Slow {
        /// The speed.
        bytes_per_second: u64,
    },
    /// The request works, and its answer comes this much later.
    DelayAnswer {
        /// The delay.
        millis: u64,
    },
    /// The request works, but the answer names another tree hash: in its header, and for the first part of a list.
    WrongTreeHash,
    /// The request works, but its answer never comes.
    LostAnswer {
        /// How the connection ends.
        then: Ending,
    },
    /// The request works; the connection is closed before the end of the answer's content, or of its headers if it
    /// has none.
    TruncatedAnswer,
}

/// What becomes of a connection after an early answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Afterwards {
    /// It is closed at once, with the rest of the body unread.
    Close,
    /// It stays open, and the rest of the body is not read.
    Hold,
    /// The rest of the body is read, and the connection goes on.
    Drain,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// In an orderly way.
    Close,
    /// By a TCP reset.
    Reset,
}

impl Fault {
    /// Hits the next request, whatever it is.
    pub fn new(action: Action) -> Self {
        Self { operation: None, part: None, skip: 0, times: once(), action }
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

    /// Never stops.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.times = None;
        self
    }
}

impl Action {
    /// An answer without content.
    pub fn status(status: u16) -> Self {
        Self::Status { status, body: None, content_type: None, headers: Vec::new() }
    }

    /// An error answer as the service writes them.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::Status {
            status,
            body: Some(error_document(status, code, message)),
            content_type: None,
            headers: Vec::new(),
        }
    }
}

/// The JSON document of an error answer, for the actions that take a body.
pub fn error_document(status: u16, code: &str, message: &str) -> String {
    let side = if status < 500 { "Client" } else { "Server" };
    serde_json::json!({ "code": code, "message": message, "type": side }).to_string()
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
}

impl Faults {
    pub(crate) fn add(&self, fault: Fault) {
        lock(&self.waiting).push(Waiting { fault, seen: 0 });
    }

    pub(crate) fn clear(&self) {
        lock(&self.waiting).clear();
    }

    /// What happens to this request. Every fault counts the requests of its kind; the earliest whose turn it is plays.
    pub(crate) fn strike(&self, operation: Option<Operation>, part: Option<u64>) -> Option<Action> {
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
            if due && struck.is_none() {
                struck = Some(fault.action.clone());
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
        faults.add(Fault::new(Action::Garbage).on(Operation::UploadMultipartPart).part(1).skip(1).times(2));
        let strike = |operation, part| faults.strike(Some(operation), part).is_some();
        assert!(!strike(Operation::UploadMultipartPart, Some(0)));
        assert!(!strike(Operation::ListParts, None));
        let hits: Vec<_> = (0..5).map(|_| strike(Operation::UploadMultipartPart, Some(1))).collect();
        assert_eq!(hits, [false, true, true, false, false]);
    }

    #[test]
    fn reads_json() {
        let fault: Fault = serde_json::from_str(r#"{"action": {"kind": "stall"}, "times": null}"#).unwrap();
        assert_eq!(fault, Fault::new(Action::Stall { after_bytes: None }).always());
        assert!(serde_json::from_str::<Fault>(r#"{"action": {"kind": "stall", "after": 1}}"#).is_err());
    }
}
