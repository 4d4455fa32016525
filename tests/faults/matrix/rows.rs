//! The faults, and what each of them must come to.

use glacier_emulator::{Action, AfterResponse, ConnectionEnd, Fault, Operation, RefusalReason, ResponsePrefix};
use glacier_mp::error::Kind;

use super::place::{Place, Which};

/// A fault.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    actions: [Option<Action>; 2],
    of: Of,
    pub(crate) nature: Nature,
    /// How many requests in a row it strikes, if it does not last.
    pub(crate) strikes: u64,
}

/// The operations that can meet a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    All,
    /// Only what has a payload.
    Payloads,
    /// Only what names a tree hash.
    Hashes,
    /// Only what is answered with one.
    HashAnswers,
    /// Only what is answered with a document that the client needs.
    Lists,
    /// Only the first part, which is larger than the buffers of a connection.
    LargePart,
}

/// What a fault is to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Nothing, but a little time.
    Harmless,
    /// It passes by itself. What the service has done, nobody is told.
    Passing(Kind),
    /// The same, and the service says that it did nothing.
    Refused(Kind),
    /// The same as the first, with an answer before the end of the request, and then the end of the connection.
    Early,
    /// It may pass, or not.
    Doubtful(Kind),
    /// Nothing moves any more, until the client has had enough.
    Mute,
    /// It passes when the request is signed again.
    WrongClock,
    /// It passes when the request is signed again with another key, which there is.
    OldKey,
    /// It passes if fewer parts are in flight.
    TooSlow,
    /// The answer has another tree hash.
    OtherHash,
    /// The service found another tree hash.
    HashRefused,
    /// A part is not there, or not what it was, although it was acknowledged.
    Spoilt,
    /// A part is acknowledged before it was sent, and is not stored.
    EarlySuccess,
    /// It does not pass.
    Final(Kind),
}

impl Row {
    fn new(name: &'static str, action: Action, nature: Nature) -> Self {
        Self { name, actions: [Some(action), None], of: Of::All, nature, strikes: 1 }
    }

    fn and(mut self, action: Action) -> Self {
        self.actions[1] = Some(action);
        self
    }

    fn of(mut self, of: Of) -> Self {
        self.of = of;
        self
    }

    fn strikes(mut self, times: u64) -> Self {
        self.strikes = times;
        self
    }

    pub(crate) fn fits(&self, place: Place) -> bool {
        let operation = place.operation();
        match self.of {
            Of::All => true,
            Of::Lists => matches!(operation, Operation::ListParts | Operation::ListMultipartUploads),
            Of::LargePart => place == Place::Part(Which::First),
            Of::Payloads => operation == Operation::UploadMultipartPart,
            Of::Hashes => matches!(operation, Operation::UploadMultipartPart | Operation::CompleteMultipartUpload),
            Of::HashAnswers => matches!(
                operation,
                Operation::UploadMultipartPart | Operation::CompleteMultipartUpload | Operation::ListParts
            ),
        }
    }

    pub(crate) fn fault(&self, lasting: bool) -> Fault {
        let mut actions = self.actions.iter().flatten().cloned();
        let fault = Fault::new(actions.next().unwrap());
        let fault = actions.fold(fault, Fault::and);
        if lasting { fault.always() } else { fault.times(self.strikes) }
    }

    /// Whether the service does what it is asked for all the same.
    pub(crate) fn is_worked_on(&self) -> bool {
        let spoils_the_response = |action: &Action| {
            matches!(
                action,
                Action::LostAnswer { .. }
                    | Action::CutResponse { .. }
                    | Action::WrongTreeHash
                    | Action::MissingTreeHash
                    | Action::InterimResponse { .. }
                    | Action::CloseDelimited { .. }
            )
        };
        self.actions.iter().flatten().all(spoils_the_response)
    }
}

/// All of them.
pub(crate) fn rows() -> Vec<Row> {
    use Nature::{
        Doubtful, Early, EarlySuccess, Final, Harmless, HashRefused, Mute, OldKey, OtherHash, Passing, Refused, Spoilt,
        TooSlow, WrongClock,
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
    let delimited = |then| Action::CloseDelimited { then };
    let denied = || Action::error(403, "AccessDeniedException", "No.");
    let hold = AfterResponse::HoldFor { millis: 50 };
    let success = Action::EarlySuccess { after_bytes: 0, then: hold };
    vec![
        // Their waits are real: they come first.
        Row::new("no answer", Action::Stall { after_bytes: None }, Mute),
        Row::new("stall in the body", Action::Stall { after_bytes: here }, Mute).of(Of::Payloads),
        Row::new("stall, then closed", pause(Some(0)), Passing(Kind::Network)).and(Action::Close { after_bytes: None }),
        Row::new("stall in the body, then closed", pause(here), Passing(Kind::Network)).and(closed).of(Of::Payloads),
        Row::new("pause in the body", pause(here), Harmless).of(Of::Payloads),
        Row::new("slow body", Action::Slow { bytes_per_second: 8 << 20 }, Harmless).of(Of::Payloads),
        Row::new("late answer", Action::DelayAnswer { millis: 50 }, Harmless),
        Row::new("400, no body", Action::status(400), Doubtful(Kind::Service)),
        Row::new("400, HTML", html(400), Doubtful(Kind::Service)),
        Row::new("408", refuse(RefusalReason::RequestTimeout), Passing(Kind::Service)),
        Row::new("408, no body", Action::status(408), Passing(Kind::Service)),
        Row::new("429, Retry-After", retry_after(429), Refused(Kind::Throttled)),
        Row::new("500", refuse(RefusalReason::ServiceUnavailable), Passing(Kind::Service)),
        Row::new("500, no body", Action::status(500), Passing(Kind::Service)),
        Row::new("502, HTML", html(502), Passing(Kind::Service)),
        Row::new("503, Retry-After", retry_after(503), Passing(Kind::Service)),
        Row::new("503, HTML", html(503), Passing(Kind::Service)),
        Row::new("504, no body", Action::status(504), Passing(Kind::Service)),
        Row::new("throttling, 400", refuse(RefusalReason::Throttling), Refused(Kind::Throttled)),
        Row::new(
            "throttling, 403",
            Action::error(403, "ThrottlingException", "Rate exceeded"),
            Refused(Kind::Throttled),
        ),
        Row::new("storm of throttling", refuse(RefusalReason::Throttling), Refused(Kind::Throttled)).strikes(4),
        Row::new("early 503, then closed", early(0, AfterResponse::Close), Early),
        Row::new("early 503 in the body, closed", early(100_000, AfterResponse::Close), Early).of(Of::Payloads),
        Row::new("early 503 in the body, held", early(100_000, hold), Early).of(Of::Payloads),
        Row::new("early 503 in the body, drained", early(100_000, AfterResponse::Drain), Passing(Kind::Service))
            .of(Of::Payloads),
        Row::new("reset at the head", Action::Reset { after_bytes: Some(0) }, Passing(Kind::Network)),
        Row::new("reset in the body", Action::Reset { after_bytes: here }, Passing(Kind::Network)).of(Of::Payloads),
        Row::new("reset behind the body", Action::Reset { after_bytes: None }, Passing(Kind::Network)).of(Of::Payloads),
        Row::new("closed at the head", Action::Close { after_bytes: Some(0) }, Passing(Kind::Network)),
        Row::new("closed in the body", Action::Close { after_bytes: here }, Passing(Kind::Network)).of(Of::Payloads),
        Row::new("closed behind the body", Action::Close { after_bytes: None }, Passing(Kind::Network))
            .of(Of::Payloads),
        Row::new("slow, then reset", Action::Slow { bytes_per_second: 8 << 20 }, Passing(Kind::Network))
            .and(Action::Reset { after_bytes: here })
            .of(Of::Payloads),
        Row::new("response cut in its status line", cut(ResponsePrefix::HalfStatusLine), Passing(Kind::Network)),
        Row::new("response cut in its headers", cut(ResponsePrefix::HalfHeaders), Passing(Kind::Network)),
        Row::new("list cut behind its headers", cut(ResponsePrefix::Headers), Passing(Kind::Network)).of(Of::Lists),
        Row::new("list cut in its body", cut(ResponsePrefix::HalfContent), Passing(Kind::Network)).of(Of::Lists),
        Row::new("early success", success, EarlySuccess).of(Of::LargePart),
        Row::new("interim response, 100", interim(None, 1), Harmless),
        Row::new("interim response in the body", interim(here, 1), Harmless).of(Of::Payloads),
        Row::new("interim responses in segments", hints_in_segments, Harmless),
        Row::new("9 interim responses", interim(None, 9), Doubtful(Kind::Protocol)),
        Row::new("response in segments", Action::SegmentedResponse { bytes: 7, millis: 0 }, Harmless),
        Row::new("folded headers", Action::FoldedHeaders, Harmless),
        Row::new("close-delimited", delimited(ConnectionEnd::Close), Harmless),
        Row::new("403, no close_notify", denied(), Final(Kind::Access)).and(delimited(ConnectionEnd::Abrupt)),
        Row::new("no tree hash answered", Action::MissingTreeHash, Doubtful(Kind::Protocol)).of(Of::Hashes),
        Row::new("404 of a proxy, HTML", proxy(Some("<html>404</html>")), Passing(Kind::Service)),
        Row::new("404 of a proxy, empty", proxy(None), Passing(Kind::Service)),
        Row::new("no HTTP", Action::Garbage, Doubtful(Kind::Protocol)),
        Row::new("answer lost, closed", Action::LostAnswer { then: ConnectionEnd::Close }, Passing(Kind::Network)),
        Row::new("answer lost, reset", Action::LostAnswer { then: ConnectionEnd::Reset }, Passing(Kind::Network)),
        Row::new("other tree hash answered", Action::WrongTreeHash, OtherHash).of(Of::HashAnswers),
        Row::new("right tree hash refused", refuse(RefusalReason::TreeHash), HashRefused).of(Of::Hashes),
        Row::new("part lost", Action::LosePart, Spoilt).of(Of::Payloads),
        Row::new("part damaged", Action::DamagePart, Spoilt).of(Of::Payloads),
        Row::new("clock an hour behind", clock(3600), WrongClock),
        Row::new("clock an hour ahead", clock(-3600), WrongClock),
        Row::new("too slow for a signature", refuse(RefusalReason::SignatureExpired), TooSlow),
        Row::new("signature not yet current", refuse(RefusalReason::SignatureNotYetCurrent), Final(Kind::Credentials)),
        Row::new("expired token, another to be had", refuse(RefusalReason::ExpiredToken), OldKey),
        Row::new("expired token", refuse(RefusalReason::ExpiredToken), Final(Kind::Credentials)),
        Row::new("access denied", denied(), Final(Kind::Access)),
        Row::new("not found", Action::error(404, "ResourceNotFoundException", "None."), Final(Kind::NotFound)),
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
