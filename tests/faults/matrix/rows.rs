//! The faults of the matrix, with the expected behavior of the library.

use glacier_emulator::{Action, AfterResponse, ConnectionEnd, Fault, Operation, RefusalReason, ResponsePrefix};
use glacier_mp::error::Kind;

use super::target::{Target, Which};

/// A fault.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    actions: [Option<Action>; 2],
    applies_to: AppliesTo,
    pub(crate) expectation: Expectation,
    /// The number of consecutive requests that it applies to, if it does not last.
    pub(crate) times: u64,
}

/// The operations that a fault applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AppliesTo {
    All,
    /// Operations with a payload.
    Payloads,
    /// Operations with a tree hash in the request.
    Hashes,
    /// Operations with a tree hash in the response.
    HashResponses,
    /// Operations whose response is a document that the client needs.
    Lists,
    /// The first part, which is larger than the buffers of a connection.
    LargePart,
}

/// How the library must treat a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expectation {
    /// It causes only a delay.
    NoEffect,
    /// A transient failure with unknown effect of the request.
    Transient(Kind),
    /// A transient failure in which the service reports that the request had no effect.
    Rejected(Kind),
    /// A transient failure with a response before the end of the request. Then the connection closes.
    Early,
    /// An ambiguous failure.
    Ambiguous(Kind),
    /// No byte moves until the stall timeout.
    Stalled,
    /// Signing again with a corrected clock succeeds.
    ClockSkew,
    /// Signing again with a new key succeeds.
    ExpiredKey,
    /// Sending fewer parts at once may succeed.
    TooSlow,
    /// The response has a wrong tree hash.
    WrongHash,
    /// The service rejects a correct tree hash.
    HashRejected,
    /// An acknowledged part is not stored, or other bytes are stored.
    WrongStoredPart,
    /// A part is acknowledged before it was sent, and is not stored.
    EarlySuccess,
    /// A permanent failure.
    Permanent(Kind),
}

impl Expectation {
    /// Whether the service may have carried out a request that failed in this way.
    pub(crate) fn leaves_effect_unknown(self) -> bool {
        matches!(self, Self::Transient(_) | Self::Early | Self::Stalled | Self::Ambiguous(Kind::Protocol))
    }
}

impl Row {
    fn new(name: &'static str, action: Action, expectation: Expectation) -> Self {
        Self { name, actions: [Some(action), None], applies_to: AppliesTo::All, expectation, times: 1 }
    }

    fn and(mut self, action: Action) -> Self {
        self.actions[1] = Some(action);
        self
    }

    fn of(mut self, applies_to: AppliesTo) -> Self {
        self.applies_to = applies_to;
        self
    }

    fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    pub(crate) fn fits(&self, target: Target) -> bool {
        let operation = target.operation();
        match self.applies_to {
            AppliesTo::All => true,
            AppliesTo::Lists => matches!(operation, Operation::ListParts | Operation::ListMultipartUploads),
            AppliesTo::LargePart => target == Target::Part(Which::First),
            AppliesTo::Payloads => operation == Operation::UploadMultipartPart,
            AppliesTo::Hashes => {
                matches!(operation, Operation::UploadMultipartPart | Operation::CompleteMultipartUpload)
            }
            AppliesTo::HashResponses => matches!(
                operation,
                Operation::UploadMultipartPart | Operation::CompleteMultipartUpload | Operation::ListParts
            ),
        }
    }

    pub(crate) fn fault(&self, lasting: bool) -> Fault {
        let mut actions = self.actions.iter().flatten().cloned();
        let fault = Fault::new(actions.next().unwrap());
        let fault = actions.fold(fault, Fault::and);
        if lasting { fault.always() } else { fault.times(self.times) }
    }

    /// Whether the service still processes the request.
    pub(crate) fn is_processed(&self) -> bool {
        let affects_only_the_response = |action: &Action| {
            matches!(
                action,
                Action::LostAnswer { .. }
                    | Action::CutResponse { .. }
                    | Action::WrongTreeHash
                    | Action::MissingTreeHash
                    | Action::RepeatedHeader { .. }
                    | Action::InterimResponse { .. }
                    | Action::CloseDelimited { .. }
            )
        };
        self.actions.iter().flatten().all(affects_only_the_response)
    }
}

/// All faults.
pub(crate) fn rows() -> Vec<Row> {
    use Expectation::{
        Ambiguous, ClockSkew, Early, EarlySuccess, ExpiredKey, HashRejected, NoEffect, Permanent, Rejected, Stalled,
        TooSlow, Transient, WrongHash, WrongStoredPart,
    };
    let here = Some(100_000);
    let closed = Action::Close { after_bytes: here };
    let pause = |after_bytes| Action::Pause { after_bytes, millis: 50 };
    let refuse = |because| Action::Refuse { because };
    let clock = |offset| Action::MoveClock { after_bytes: Some(0), offset };
    let early = |after_bytes, then| Action::EarlyAnswer { after_bytes, status: 503, body: None, then };
    let cut = |after| Action::CutResponse { after, then: ConnectionEnd::Close };
    let interim = |after_bytes, count| Action::InterimResponse {
        after_bytes,
        status: 100,
        http_1_0: false,
        count: Some(count),
        header_bytes: 0,
        segment_bytes: None,
        millis: 0,
    };
    let hints_in_segments = Action::InterimResponse {
        after_bytes: None,
        status: 103,
        http_1_0: true,
        count: Some(2),
        header_bytes: 2000,
        segment_bytes: Some(500),
        millis: 1,
    };
    let proxy =
        |body: Option<&str>| Action::ProxyResponse { status: 404, body: body.map(str::to_owned), content_type: None };
    let repeated = Action::RepeatedHeader { name: "x-amz-sha256-tree-hash".to_owned() };
    let delimited = |then| Action::CloseDelimited { then };
    let denied = || Action::error(403, "AccessDeniedException", "No.");
    let hold = AfterResponse::HoldFor { millis: 50 };
    let success = Action::EarlySuccess { after_bytes: 0, then: hold };
    vec![
        // The cells of these faults wait in real time, so they start first.
        Row::new("no response", Action::Stall { after_bytes: None }, Stalled),
        Row::new("stall in the body", Action::Stall { after_bytes: here }, Stalled).of(AppliesTo::Payloads),
        Row::new("stall, then closed", pause(Some(0)), Transient(Kind::Network))
            .and(Action::Close { after_bytes: None }),
        Row::new("stall in the body, then closed", pause(here), Transient(Kind::Network))
            .and(closed)
            .of(AppliesTo::Payloads),
        Row::new("pause in the body", pause(here), NoEffect).of(AppliesTo::Payloads),
        Row::new("slow body", Action::Slow { bytes_per_second: 8 << 20 }, NoEffect).of(AppliesTo::Payloads),
        Row::new("late response", Action::DelayAnswer { millis: 50 }, NoEffect),
        Row::new("400, no body", Action::status(400), Ambiguous(Kind::Service)),
        Row::new("400, HTML", html(400), Ambiguous(Kind::Service)),
        Row::new("408", refuse(RefusalReason::RequestTimeout), Transient(Kind::Service)),
        Row::new("408, no body", Action::status(408), Transient(Kind::Service)),
        Row::new("429, Retry-After", retry_after(429), Rejected(Kind::Throttled)),
        Row::new("500", refuse(RefusalReason::ServiceUnavailable), Transient(Kind::Service)),
        Row::new("500, no body", Action::status(500), Transient(Kind::Service)),
        Row::new("502, HTML", html(502), Transient(Kind::Service)),
        Row::new("503, Retry-After", retry_after(503), Transient(Kind::Service)),
        Row::new("503, HTML", html(503), Transient(Kind::Service)),
        Row::new("504, no body", Action::status(504), Transient(Kind::Service)),
        Row::new("throttling, 400", refuse(RefusalReason::Throttling), Rejected(Kind::Throttled)),
        Row::new(
            "throttling, 403",
            Action::error(403, "ThrottlingException", "Rate exceeded"),
            Rejected(Kind::Throttled),
        ),
        Row::new("throttling of 4 requests", refuse(RefusalReason::Throttling), Rejected(Kind::Throttled)).times(4),
        Row::new("early 503, then closed", early(0, AfterResponse::Close), Early),
        Row::new("early 503 in the body, closed", early(100_000, AfterResponse::Close), Early).of(AppliesTo::Payloads),
        Row::new("early 503 in the body, stays open", early(100_000, hold), Early).of(AppliesTo::Payloads),
        Row::new("early 503 in the body, drained", early(100_000, AfterResponse::Drain), Transient(Kind::Service))
            .of(AppliesTo::Payloads),
        Row::new("reset at the head", Action::Reset { after_bytes: Some(0) }, Transient(Kind::Network)),
        Row::new("reset in the body", Action::Reset { after_bytes: here }, Transient(Kind::Network))
            .of(AppliesTo::Payloads),
        Row::new("reset after the body", Action::Reset { after_bytes: None }, Transient(Kind::Network))
            .of(AppliesTo::Payloads),
        Row::new("closed at the head", Action::Close { after_bytes: Some(0) }, Transient(Kind::Network)),
        Row::new("closed in the body", Action::Close { after_bytes: here }, Transient(Kind::Network))
            .of(AppliesTo::Payloads),
        Row::new("closed after the body", Action::Close { after_bytes: None }, Transient(Kind::Network))
            .of(AppliesTo::Payloads),
        Row::new("slow, then reset", Action::Slow { bytes_per_second: 8 << 20 }, Transient(Kind::Network))
            .and(Action::Reset { after_bytes: here })
            .of(AppliesTo::Payloads),
        Row::new("response cut in its status line", cut(ResponsePrefix::HalfStatusLine), Transient(Kind::Network)),
        Row::new("response cut in its headers", cut(ResponsePrefix::HalfHeaders), Transient(Kind::Network)),
        Row::new("list cut after its headers", cut(ResponsePrefix::Headers), Transient(Kind::Network))
            .of(AppliesTo::Lists),
        Row::new("list cut in its body", cut(ResponsePrefix::HalfContent), Transient(Kind::Network))
            .of(AppliesTo::Lists),
        Row::new("early success", success, EarlySuccess).of(AppliesTo::LargePart),
        Row::new("interim response, 100", interim(None, 1), NoEffect),
        Row::new("interim response in the body", interim(here, 1), NoEffect).of(AppliesTo::Payloads),
        Row::new("interim responses in segments", hints_in_segments, NoEffect),
        Row::new("9 interim responses", interim(None, 9), Ambiguous(Kind::Protocol)),
        Row::new("response in segments", Action::SegmentedResponse { bytes: 7, millis: 0 }, NoEffect),
        Row::new("folded headers", Action::FoldedHeaders, NoEffect),
        Row::new("close-delimited", delimited(ConnectionEnd::Close), NoEffect),
        Row::new("403, no close_notify", denied(), Permanent(Kind::Access)).and(delimited(ConnectionEnd::Abrupt)),
        Row::new("no tree hash in the response", Action::MissingTreeHash, Ambiguous(Kind::Protocol))
            .of(AppliesTo::Hashes),
        Row::new("repeated tree hash", repeated, Ambiguous(Kind::Protocol)).of(AppliesTo::Hashes),
        Row::new("404 of a proxy, HTML", proxy(Some("<html>404</html>")), Transient(Kind::Service)),
        Row::new("404 of a proxy, empty", proxy(None), Transient(Kind::Service)),
        Row::new("response that is not HTTP", Action::Garbage, Ambiguous(Kind::Protocol)),
        Row::new("response lost, closed", Action::LostAnswer { then: ConnectionEnd::Close }, Transient(Kind::Network)),
        Row::new("response lost, reset", Action::LostAnswer { then: ConnectionEnd::Reset }, Transient(Kind::Network)),
        Row::new("wrong tree hash in the response", Action::WrongTreeHash, WrongHash).of(AppliesTo::HashResponses),
        Row::new("correct tree hash rejected", refuse(RefusalReason::TreeHash), HashRejected).of(AppliesTo::Hashes),
        Row::new("part lost", Action::LosePart, WrongStoredPart).of(AppliesTo::Payloads),
        Row::new("part damaged", Action::DamagePart, WrongStoredPart).of(AppliesTo::Payloads),
        Row::new("clock an hour behind", clock(3600), ClockSkew),
        Row::new("clock an hour ahead", clock(-3600), ClockSkew),
        Row::new("too slow for a signature", refuse(RefusalReason::SignatureExpired), TooSlow),
        Row::new(
            "signature not yet current",
            refuse(RefusalReason::SignatureNotYetCurrent),
            Permanent(Kind::Credentials),
        ),
        Row::new("expired token, with provider", refuse(RefusalReason::ExpiredToken), ExpiredKey),
        Row::new("expired token", refuse(RefusalReason::ExpiredToken), Permanent(Kind::Credentials)),
        Row::new("access denied", denied(), Permanent(Kind::Access)),
        Row::new("not found", Action::error(404, "ResourceNotFoundException", "None."), Permanent(Kind::NotFound)),
    ]
}

fn html(status: u16) -> Action {
    let body = Some(format!("<html><body>{status}</body></html>"));
    Action::Status { status, body, content_type: Some("text/html".to_owned()), headers: Vec::new() }
}

fn retry_after(status: u16) -> Action {
    let headers = vec![("Retry-After".to_owned(), "1".to_owned())];
    Action::Status { status, body: None, content_type: None, headers }
}
