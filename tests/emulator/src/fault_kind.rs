//! The kinds of random faults, and the actions of each kind.

use serde::{Deserialize, Serialize};

use crate::action::{Action, AfterResponse, ConnectionEnd, RefusalReason, ResponsePrefix, error_document};
use crate::prng::SeededDraws;
use crate::request::Operation;

/// A kind of random fault. Positions, durations and contents are random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// A 400 without content.
    #[serde(rename = "400")]
    BadRequest,
    /// A 408 with the service's document, an HTML page or no content. The following statuses vary in the same way.
    #[serde(rename = "408")]
    RequestTimeout,
    /// A 429 with `Retry-After: 0` or `1`.
    #[serde(rename = "429")]
    TooManyRequests,
    /// A 500.
    #[serde(rename = "500")]
    InternalServerError,
    /// A 502.
    #[serde(rename = "502")]
    BadGateway,
    /// A 503.
    #[serde(rename = "503")]
    ServiceUnavailable,
    /// A 504.
    #[serde(rename = "504")]
    GatewayTimeout,
    /// `ThrottlingException` with 400.
    Throttling,
    /// `ThrottlingException` with 403.
    #[serde(rename = "throttling_403")]
    ThrottlingForbidden,
    /// A 408, 500 or 503 before the end of the body. Then the connection closes.
    EarlyClose,
    /// As `EarlyClose`, but the connection stays open for a while. The rest of the body is not read.
    EarlyHold,
    /// As `EarlyClose`, but the rest of the body is read and the connection stays open.
    EarlyDrain,
    /// A TCP reset during or after the body.
    Reset,
    /// A close of the connection during or after the body.
    Close,
    /// A stall during or after the body. Then the connection closes.
    Stall,
    /// A pause during or after the body.
    Pause,
    /// A limited read rate.
    Slow,
    /// A delayed response.
    Delay,
    /// A truncated response.
    Truncated,
    /// A response that is not HTTP. The request is not processed.
    Garbage,
    /// A wrong tree hash in the response.
    WrongTreeHash,
    /// A processed request without response. The connection closes.
    LostClose,
    /// A processed request without response. The connection is reset.
    LostReset,
    /// "Signature expired".
    SignatureExpired,
    /// "Signature not yet current".
    SignatureNotYetCurrent,
    /// `ExpiredTokenException`.
    ExpiredToken,
    /// A rejected tree hash of a part or an archive, although it is correct.
    RefusedTreeHash,
    /// An acknowledged part that is not stored.
    LostPart,
    /// An acknowledged part whose stored bytes differ.
    DamagedPart,
    /// An acknowledgement of a part before its whole body is read. The part is not stored.
    EarlySuccess,
    /// A success without a tree hash.
    MissingTreeHash,
    /// 1 to 3 interim responses, or 9, before the response.
    InterimResponses,
    /// A response that ends in its status line, headers or content.
    CutResponse,
    /// A 404 of a proxy.
    #[serde(rename = "proxy_404")]
    ProxyNotFound,
    /// A second header with another tree hash, upload ID or archive ID.
    RepeatedHeader,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 35] = [
        Self::BadRequest,
        Self::RequestTimeout,
        Self::TooManyRequests,
        Self::InternalServerError,
        Self::BadGateway,
        Self::ServiceUnavailable,
        Self::GatewayTimeout,
        Self::Throttling,
        Self::ThrottlingForbidden,
        Self::EarlyClose,
        Self::EarlyHold,
        Self::EarlyDrain,
        Self::Reset,
        Self::Close,
        Self::Stall,
        Self::Pause,
        Self::Slow,
        Self::Delay,
        Self::Truncated,
        Self::Garbage,
        Self::WrongTreeHash,
        Self::LostClose,
        Self::LostReset,
        Self::SignatureExpired,
        Self::SignatureNotYetCurrent,
        Self::ExpiredToken,
        Self::RefusedTreeHash,
        Self::LostPart,
        Self::DamagedPart,
        Self::EarlySuccess,
        Self::MissingTreeHash,
        Self::InterimResponses,
        Self::CutResponse,
        Self::ProxyNotFound,
        Self::RepeatedHeader,
    ];

    /// Whether the kind has an effect on this operation.
    pub(crate) fn fits(self, operation: Operation) -> bool {
        use Operation::{CompleteMultipartUpload, InitiateMultipartUpload, ListParts, UploadMultipartPart};
        match self {
            Self::Slow => operation.takes_body(),
            Self::WrongTreeHash => operation.takes_body() || matches!(operation, CompleteMultipartUpload | ListParts),
            Self::RefusedTreeHash | Self::MissingTreeHash => {
                operation.takes_body() || operation == CompleteMultipartUpload
            }
            Self::LostPart | Self::DamagedPart | Self::EarlySuccess => operation == UploadMultipartPart,
            Self::RepeatedHeader => {
                operation.takes_body() || matches!(operation, InitiateMultipartUpload | CompleteMultipartUpload)
            }
            _ => true,
        }
    }

    /// Returns the actions for a request of this operation with a body of this length.
    pub(crate) fn actions(
        self,
        draws: &mut SeededDraws,
        operation: Operation,
        length: u64,
        millis: u64,
    ) -> Vec<Action> {
        // During or after the body.
        let position = draws.below(length.saturating_add(1));
        let after_bytes = Some(position);
        let duration = draws.below(millis.max(1)) + 1;
        let early = |draws: &mut SeededDraws, then| {
            let status = draws.one_of(&[408, 500, 503]);
            let body = draws.chance(0.5).then(|| document(status));
            vec![Action::EarlyAnswer { after_bytes: position, status, body, then }]
        };
        match self {
            Self::BadRequest => vec![Action::status(400)],
            Self::RequestTimeout => vec![error_response(408, draws)],
            Self::TooManyRequests => vec![Action::Status {
                status: 429,
                body: None,
                content_type: None,
                headers: vec![("Retry-After".to_owned(), draws.below(2).to_string())],
            }],
            Self::InternalServerError => vec![error_response(500, draws)],
            Self::BadGateway => vec![error_response(502, draws)],
            Self::ServiceUnavailable => vec![error_response(503, draws)],
            Self::GatewayTimeout => vec![error_response(504, draws)],
            Self::Throttling => vec![Action::Refuse { because: RefusalReason::Throttling }],
            Self::ThrottlingForbidden => vec![Action::error(403, "ThrottlingException", "Rate exceeded")],
            Self::EarlyClose => early(draws, AfterResponse::Close),
            Self::EarlyHold => early(draws, AfterResponse::HoldFor { millis }),
            Self::EarlyDrain => early(draws, AfterResponse::Drain),
            Self::Reset => vec![Action::Reset { after_bytes }],
            Self::Close => vec![Action::Close { after_bytes }],
            Self::Stall => vec![Action::Pause { after_bytes, millis }, Action::Close { after_bytes }],
            Self::Pause => vec![Action::Pause { after_bytes, millis: duration }],
            Self::Slow => vec![Action::Slow { bytes_per_second: (length.saturating_mul(1000) / duration).max(1) }],
            Self::Delay => vec![Action::DelayAnswer { millis: duration }],
            Self::Truncated => vec![Action::TruncatedAnswer],
            Self::Garbage => vec![Action::Garbage],
            Self::WrongTreeHash => vec![Action::WrongTreeHash],
            Self::LostClose => vec![Action::LostAnswer { then: ConnectionEnd::Close }],
            Self::LostReset => vec![Action::LostAnswer { then: ConnectionEnd::Reset }],
            Self::SignatureExpired => vec![Action::Refuse { because: RefusalReason::SignatureExpired }],
            Self::SignatureNotYetCurrent => vec![Action::Refuse { because: RefusalReason::SignatureNotYetCurrent }],
            Self::ExpiredToken => vec![Action::Refuse { because: RefusalReason::ExpiredToken }],
            Self::RefusedTreeHash => vec![Action::Refuse { because: RefusalReason::TreeHash }],
            Self::LostPart => vec![Action::LosePart],
            Self::DamagedPart => vec![Action::DamagePart],
            Self::EarlySuccess => {
                let then =
                    draws.one_of(&[AfterResponse::Close, AfterResponse::HoldFor { millis }, AfterResponse::Drain]);
                vec![Action::EarlySuccess { after_bytes: position, then }]
            }
            Self::MissingTreeHash => vec![Action::MissingTreeHash],
            Self::InterimResponses => vec![Action::InterimResponse {
                after_bytes,
                status: draws.one_of(&[100, 102, 103]),
                http_1_0: draws.chance(0.2),
                count: Some(draws.one_of(&[1, 2, 3, 9])),
                header_bytes: draws.one_of(&[0, 2000]),
                segment_bytes: draws.one_of(&[None, Some(13)]),
                millis: draws.below(2),
            }],
            Self::CutResponse => {
                let after = draws.one_of(&[
                    ResponsePrefix::HalfStatusLine,
                    ResponsePrefix::HalfHeaders,
                    ResponsePrefix::Headers,
                    ResponsePrefix::HalfContent,
                ]);
                let then = draws.one_of(&[ConnectionEnd::Close, ConnectionEnd::Reset, ConnectionEnd::Abrupt]);
                vec![Action::CutResponse { after, then }]
            }
            Self::ProxyNotFound => {
                let body = draws.chance(0.5).then(|| "<html><body>404</body></html>".to_owned());
                vec![Action::ProxyResponse { status: 404, body, content_type: None }]
            }
            Self::RepeatedHeader => {
                let name = match operation {
                    Operation::InitiateMultipartUpload => "x-amz-multipart-upload-id",
                    Operation::UploadMultipartPart => "x-amz-sha256-tree-hash",
                    _ => draws.one_of(&["x-amz-sha256-tree-hash", "x-amz-archive-id"]),
                };
                vec![Action::RepeatedHeader { name: name.to_owned() }]
            }
        }
    }
}

/// A response with this status, from the service or from a proxy.
fn error_response(status: u16, draws: &mut SeededDraws) -> Action {
    let (body, content_type) = match draws.below(3) {
        0 => (None, None),
        1 => (Some(document(status)), None),
        _ => (Some(format!("<html><body>{status}</body></html>")), Some("text/html".to_owned())),
    };
    Action::Status { status, body, content_type, headers: Vec::new() }
}

fn document(status: u16) -> String {
    match status {
        408 => error_document(status, "RequestTimeoutException", "Request timed out."),
        _ => error_document(status, "ServiceUnavailableException", "Service unavailable. Try again later."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_actions() {
        for kind in FaultKind::ALL {
            for number in 0..99 {
                let actions = kind.actions(
                    &mut SeededDraws::new(&number.to_string()),
                    Operation::UploadMultipartPart,
                    1 << 20,
                    200,
                );
                let name = serde_json::to_value(kind).unwrap();
                let first = serde_json::to_value(&actions[0]).unwrap();
                assert!(matches_kind(kind, &first), "{name} is {first}");
                let after = first["after_bytes"].as_u64().unwrap_or_default();
                assert!(after <= 1 << 20 && first["millis"].as_u64().is_none_or(|millis| millis <= 200));
                assert_eq!(actions.len(), if kind == FaultKind::Stall { 2 } else { 1 }, "{name}");
            }
        }
    }

    /// Whether the first action belongs to the kind, judged by its names.
    fn matches_kind(kind: FaultKind, action: &serde_json::Value) -> bool {
        let is = |name: &str| action["kind"] == name;
        let status = |status: u16| is("status") && action["status"] == status;
        let refuses = |because: &str| is("refuse") && action["because"] == because;
        match kind {
            FaultKind::BadRequest => status(400) && action["body"].is_null(),
            FaultKind::RequestTimeout => status(408),
            FaultKind::TooManyRequests => status(429) && action["headers"][0][0] == "Retry-After",
            FaultKind::InternalServerError => status(500),
            FaultKind::BadGateway => status(502),
            FaultKind::ServiceUnavailable => status(503),
            FaultKind::GatewayTimeout => status(504),
            FaultKind::Throttling => refuses("throttling"),
            FaultKind::ThrottlingForbidden => status(403),
            FaultKind::EarlyClose => is("early_answer") && action["then"] == "close",
            FaultKind::EarlyHold => is("early_answer") && action["then"]["hold_for"]["millis"] == 200,
            FaultKind::EarlyDrain => is("early_answer") && action["then"] == "drain",
            FaultKind::Reset => is("reset"),
            FaultKind::Close => is("close"),
            FaultKind::Stall | FaultKind::Pause => is("pause"),
            FaultKind::Slow => is("slow"),
            FaultKind::Delay => is("delay_answer"),
            FaultKind::Truncated => is("truncated_answer"),
            FaultKind::Garbage => is("garbage"),
            FaultKind::WrongTreeHash => is("wrong_tree_hash"),
            FaultKind::LostClose => is("lost_answer") && action["then"] == "close",
            FaultKind::LostReset => is("lost_answer") && action["then"] == "reset",
            FaultKind::SignatureExpired => refuses("signature_expired"),
            FaultKind::SignatureNotYetCurrent => refuses("signature_not_yet_current"),
            FaultKind::ExpiredToken => refuses("expired_token"),
            FaultKind::RefusedTreeHash => refuses("tree_hash"),
            FaultKind::LostPart => is("lose_part"),
            FaultKind::DamagedPart => is("damage_part"),
            FaultKind::EarlySuccess => is("early_success"),
            FaultKind::MissingTreeHash => is("missing_tree_hash"),
            FaultKind::InterimResponses => is("interim_response"),
            FaultKind::CutResponse => is("cut_response"),
            FaultKind::ProxyNotFound => is("proxy_response") && action["status"] == 404,
            FaultKind::RepeatedHeader => is("repeated_header") && action["name"] == "x-amz-sha256-tree-hash",
        }
    }
}
