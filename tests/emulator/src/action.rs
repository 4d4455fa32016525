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
        because: RefusalReason,
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
        then: AfterResponse,
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
        then: ConnectionEnd,
    },
    /// The connection is closed before the end of the answer's content, or of its headers if it has none.
    TruncatedAnswer,
    /// Acknowledges a part without reading all of its body, and stores nothing: 204 with the tree hash that the request
    /// names. No effect on other operations.
    EarlySuccess {
        /// See above.
        #[serde(default)]
        after_bytes: u64,
        /// What happens to the connection.
        then: AfterResponse,
    },
    /// Interim responses (1xx) before the response.
    InterimResponse {
        /// When the first one is sent; at the end of the body, if there is none.
        #[serde(default)]
        after_bytes: Option<u64>,
        /// The status code, 100 to 199.
        #[serde(default = "continue_status")]
        status: u16,
        /// Sends the status line with `HTTP/1.0`.
        #[serde(default)]
        http_1_0: bool,
        /// How many; without end, until the client closes the connection, if there is none.
        #[serde(default = "once")]
        count: Option<u64>,
        /// The length of a `Link` header in each of them; 0 sends no header.
        #[serde(default)]
        header_bytes: usize,
        /// Sends each of them in segments of this many bytes.
        #[serde(default)]
        segment_bytes: Option<usize>,
        /// The pause after each segment, or after each interim response if they are not segmented.
        #[serde(default)]
        millis: u64,
    },
    /// Sends the response in segments, as separate writes.
    SegmentedResponse {
        /// The length of a segment.
        bytes: usize,
        /// The pause after each segment.
        #[serde(default)]
        millis: u64,
    },
    /// Sends each header of the response over two lines (obsolete line folding, RFC 9112 section 5.2).
    FoldedHeaders,
    /// Sends the response without `Content-Length`; the end of the connection ends its content.
    CloseDelimited {
        /// How the connection ends.
        #[serde(default = "close")]
        then: ConnectionEnd,
    },
    /// Ends the connection after a part of the response.
    CutResponse {
        /// How much of it is sent.
        after: ResponsePrefix,
        /// How the connection ends.
        #[serde(default = "close")]
        then: ConnectionEnd,
    },
    /// The response has no tree hash header.
    MissingTreeHash,
    /// A response of a proxy instead of the service's: without `x-amzn-RequestId`, once the body is read.
    ProxyResponse {
        /// The status code.
        status: u16,
        /// The content; empty, if there is none.
        #[serde(default)]
        body: Option<String>,
        /// `text/html`, if there is none.
        #[serde(default)]
        content_type: Option<String>,
    },
}

/// How much of a response is sent before the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponsePrefix {
    /// Half of the status line.
    HalfStatusLine,
    /// The status line, and half of the rest of the header section.
    HalfHeaders,
    /// The whole header section, and nothing of the content.
    Headers,
    /// The whole header section, and half of the content.
    HalfContent,
}

fn continue_status() -> u16 {
    100
}

fn once() -> Option<u64> {
    Some(1)
}

fn close() -> ConnectionEnd {
    ConnectionEnd::Close
}

/// What a refusal says is wrong, whether it is or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
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
pub enum AfterResponse {
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
pub enum ConnectionEnd {
    /// In an orderly way.
    Close,
    /// By a TCP reset.
    Reset,
    /// By closing the TCP connection without a TLS `close_notify`. Without TLS the same as `Close`.
    Abrupt,
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
