//! The actions of a fault.

use serde::{Deserialize, Serialize};

/// What a fault does to a request.
///
/// `after_bytes` is the number of bytes of the body that are read first. `None`, or a number above the length of the
/// body, means the whole body. An action changes only what it names: a request with `Slow` is processed and gets its
/// response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Reads the body, then sends this response. The request is not processed.
    Status {
        /// The status code.
        status: u16,
        /// The content. `None` sends no content.
        #[serde(default)]
        body: Option<String>,
        /// The content type. `None` means `application/json`.
        #[serde(default)]
        content_type: Option<String>,
        /// Further headers, such as `Location` or `Retry-After`.
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    /// Reads the body, then sends an error of the service, with the text that fits the request.
    Refuse {
        /// The error to send.
        because: RefusalReason,
    },
    /// Sends a response before the whole body is read.
    EarlyAnswer {
        /// The number of bytes of the body that are read first.
        #[serde(default)]
        after_bytes: u64,
        /// The status code.
        status: u16,
        /// The content, as JSON. `None` sends no content.
        #[serde(default)]
        body: Option<String>,
        /// What happens to the connection.
        then: AfterResponse,
    },
    /// Resets the TCP connection and sends no response.
    Reset {
        /// The number of bytes of the body that are read first.
        #[serde(default)]
        after_bytes: Option<u64>,
    },
    /// Closes the connection and sends no response.
    Close {
        /// The number of bytes of the body that are read first.
        #[serde(default)]
        after_bytes: Option<u64>,
    },
    /// Keeps the connection open, but reads and sends nothing more.
    Stall {
        /// The number of bytes of the body that are read first.
        #[serde(default)]
        after_bytes: Option<u64>,
    },
    /// Reads the body, then sends bytes that are not HTTP. The request is not processed.
    Garbage,
    /// Limits the rate at which the body is read.
    Slow {
        /// The limit.
        bytes_per_second: u64,
    },
    /// Reads and sends nothing for this time. Then the request continues.
    Pause {
        /// The number of bytes of the body that are read first.
        #[serde(default)]
        after_bytes: Option<u64>,
        /// The duration.
        millis: u64,
    },
    /// Sets the service's clock for all requests: see [`Emulator::set_clock_offset`](crate::Emulator).
    MoveClock {
        /// The number of bytes of the body that are read first.
        #[serde(default)]
        after_bytes: Option<u64>,
        /// The offset from the real time, in seconds. Negative values are in the past.
        offset: i64,
    },
    /// Delays the response, or the end of the connection that replaces it.
    DelayAnswer {
        /// The delay.
        millis: u64,
    },
    /// Acknowledges a part but does not store it. A part stored earlier at this place remains.
    LosePart,
    /// Acknowledges a part but stores other bytes. ListParts reports the hash of the stored bytes.
    DamagePart,
    /// Changes the tree hash in the response: in its header, and in the first part of a list.
    WrongTreeHash,
    /// Processes the request but sends no response.
    LostAnswer {
        /// How the connection ends.
        then: ConnectionEnd,
    },
    /// Closes the connection before the end of the response's content, or of its headers if it has no content.
    TruncatedAnswer,
    /// Acknowledges a part before its whole body is read, and stores nothing: 204 with the tree hash in the request's
    /// header. No effect on other operations.
    EarlySuccess {
        /// The number of bytes of the body that are read first.
        #[serde(default)]
        after_bytes: u64,
        /// What happens to the connection.
        then: AfterResponse,
    },
    /// Sends interim responses (1xx) before the response.
    InterimResponse {
        /// The number of bytes of the body that are read first.
        #[serde(default)]
        after_bytes: Option<u64>,
        /// The status code, 100 to 199.
        #[serde(default = "continue_status")]
        status: u16,
        /// Sends the status line with `HTTP/1.0`.
        #[serde(default)]
        http_1_0: bool,
        /// The number of interim responses. `None` sends them until the client closes the connection.
        #[serde(default = "once")]
        count: Option<u64>,
        /// The length of a `Link` header in each interim response. 0 sends no header.
        #[serde(default)]
        header_bytes: usize,
        /// The length of the segments in which each interim response is sent. `None` sends it at once.
        #[serde(default)]
        segment_bytes: Option<usize>,
        /// The pause after each segment, or after each interim response if they are not segmented.
        #[serde(default)]
        millis: u64,
    },
    /// Sends the response in segments, each with its own write.
    SegmentedResponse {
        /// The length of a segment.
        bytes: usize,
        /// The pause after each segment.
        #[serde(default)]
        millis: u64,
    },
    /// Sends each header of the response over two lines (obsolete line folding, RFC 9112 section 5.2).
    FoldedHeaders,
    /// Sends the response without `Content-Length`. The end of the connection ends the content.
    CloseDelimited {
        /// How the connection ends.
        #[serde(default = "close")]
        then: ConnectionEnd,
    },
    /// Ends the connection after the start of the response.
    CutResponse {
        /// How much of the response is sent.
        after: ResponsePrefix,
        /// How the connection ends.
        #[serde(default = "close")]
        then: ConnectionEnd,
    },
    /// Removes the tree hash header from the response.
    MissingTreeHash,
    /// Sends a header of the response a second time, with another value. No effect on a response without this header.
    RepeatedHeader {
        /// The name of the header.
        name: String,
    },
    /// Reads the body, then sends the response of a proxy: without `x-amzn-RequestId`. The request is not processed.
    ProxyResponse {
        /// The status code.
        status: u16,
        /// The content. `None` sends no content.
        #[serde(default)]
        body: Option<String>,
        /// The content type. `None` means `text/html`.
        #[serde(default)]
        content_type: Option<String>,
    },
}

/// The part of a response that is sent before the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponsePrefix {
    /// Half of the status line.
    HalfStatusLine,
    /// The status line and half of the remaining header section.
    HalfHeaders,
    /// The header section, without content.
    Headers,
    /// The header section and half of the content.
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

/// The error that a refusal reports. The emulator reports it even if the request is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
    /// Too many requests: 400 `ThrottlingException`.
    Throttling,
    /// The request took too long: 408 `RequestTimeoutException`.
    RequestTimeout,
    /// The service failed: 500 `ServiceUnavailableException`.
    ServiceUnavailable,
    /// The session token has expired: 403 `ExpiredTokenException`.
    ExpiredToken,
    /// The signature is too old by the service's clock: 403 `InvalidSignatureException`.
    SignatureExpired,
    /// The time of the signature is in the future: 403 `InvalidSignatureException`.
    SignatureNotYetCurrent,
    /// The tree hash does not match the bytes: 400 `InvalidParameterValueException`.
    TreeHash,
}

/// What happens to a connection after an early response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterResponse {
    /// The connection closes at once. The rest of the body is not read.
    Close,
    /// The connection stays open. The rest of the body is not read.
    Hold,
    /// As `Hold`, but the connection closes after this time.
    HoldFor {
        /// The duration.
        millis: u64,
    },
    /// The rest of the body is read. The connection then accepts the next request. If the client still waits for
    /// `100 Continue`, the connection closes instead.
    Drain,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionEnd {
    /// An orderly close.
    Close,
    /// A TCP reset.
    Reset,
    /// A close of the TCP connection without a TLS `close_notify`. Without TLS the same as `Close`.
    Abrupt,
}

impl Action {
    /// A response without content.
    pub fn status(status: u16) -> Self {
        Self::Status { status, body: None, content_type: None, headers: Vec::new() }
    }

    /// An error response in the service's format.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::Status {
            status,
            body: Some(error_document(status, code, message)),
            content_type: None,
            headers: Vec::new(),
        }
    }
}

/// The JSON document of an error response, for actions with a `body`.
pub fn error_document(status: u16, code: &str, message: &str) -> String {
    let side = if status < 500 { "Client" } else { "Server" };
    serde_json::json!({ "code": code, "message": message, "type": side }).to_string()
}
