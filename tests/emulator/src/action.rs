//! What can happen to a request.

use serde::{Deserialize, Serialize};

/// What happens to a request.
///
/// `after_bytes` counts bytes of the body that are read first; none, or more than there are, means the whole body.
/// What is not touched goes as it would without: a request that is slow is worked on and answered.
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
    /// The service's own refusal, with the text that fits the request, once the body is read.
    Refuse {
        /// What the service says is wrong.
        because: Reason,
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
    /// Bytes that are not HTTP instead of an answer, once the body is read; the request is not looked at.
    Garbage,
    /// The body is read no faster than this.
    Slow {
        /// The speed.
        bytes_per_second: u64,
    },
    /// For this long no further byte is read or sent; then the request goes on.
    Pause {
        /// See above.
        #[serde(default)]
        after_bytes: Option<u64>,
        /// How long.
        millis: u64,
    },
    /// The service's clock is set, for all requests: see [`Emulator::set_clock_offset`](crate::Emulator).
    MoveClock {
        /// See above.
        #[serde(default)]
        after_bytes: Option<u64>,
        /// Seconds ahead of the real time, or behind.
        offset: i64,
    },
    /// The answer comes this much later, or what ends the connection instead.
    DelayAnswer {
        /// The delay.
        millis: u64,
    },
    /// A part is acknowledged and not kept; one that was held before stays.
    LosePart,
    /// A part is acknowledged, and other bytes are kept, which a list then shows by their hash.
    DamagePart,
    /// The answer names another tree hash: in its header, and for the first part of a list.
    WrongTreeHash,
    /// The work is done, but its answer never comes.
    LostAnswer {
        /// How the connection ends.
        then: Ending,
    },
    /// The connection is closed before the end of the answer's content, or of its headers if it has none.
    TruncatedAnswer,
}

/// What a refusal says is wrong, whether it is or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Too many requests: 400 `ThrottlingException`.
    Throttling,
    /// The request took too long: 408 `RequestTimeoutException`.
    RequestTimeout,
    /// Nothing is wrong with the request: 500 `ServiceUnavailableException`.
    ServiceUnavailable,
    /// The session token is over: 403 `ExpiredTokenException`.
    ExpiredToken,
    /// The signature is too old by the service's clock: 403 `InvalidSignatureException`.
    SignatureExpired,
    /// The signature is of a time to come: 403 `InvalidSignatureException`.
    SignatureNotYetCurrent,
    /// The tree hash is not that of the bytes: 400 `InvalidParameterValueException`.
    TreeHash,
}

/// What becomes of a connection after an early answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Afterwards {
    /// It is closed at once, with the rest of the body unread.
    Close,
    /// It stays open, and the rest of the body is not read.
    Hold,
    /// The same, until it is closed after this long.
    HoldFor {
        /// How long.
        millis: u64,
    },
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
