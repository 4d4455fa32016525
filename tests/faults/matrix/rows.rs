//! The faults, and what each of them must come to.

use glacier_emulator::{Action, Afterwards, Ending, Fault, Operation, Reason, Sent};
use glacier_mp::error::Kind;

use super::place::Place;

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
        matches!(self.actions[0], Some(Action::LostAnswer { .. } | Action::CutResponse { .. } | Action::WrongTreeHash))
    }
}

/// All of them.
pub(crate) fn rows() -> Vec<Row> {
    use Nature::{
        Doubtful, Early, Final, Harmless, HashRefused, Mute, OldKey, OtherHash, Passing, Refused, Spoilt, TooSlow,
        WrongClock,
    };
    let here = Some(100_000);
    let closed = Action::Close { after_bytes: here };
    let pause = |after_bytes| Action::Pause { after_bytes, millis: 50 };
    let refuse = |because| Action::Refuse { because };
    let clock = |offset| Action::MoveClock { after_bytes: Some(0), offset };
    let early = |after_bytes, then| Action::EarlyAnswer { after_bytes, status: 503, body: None, then };
    let cut = |after| Action::CutResponse { after, then: Ending::Close };
    let hold = Afterwards::HoldFor { millis: 50 };
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
        Row::new("408", refuse(Reason::RequestTimeout), Passing(Kind::Service)),
        Row::new("408, no body", Action::status(408), Passing(Kind::Service)),
        Row::new("429, Retry-After", retry_after(429), Refused(Kind::Throttled)),
        Row::new("500", refuse(Reason::ServiceUnavailable), Passing(Kind::Service)),
        Row::new("500, no body", Action::status(500), Passing(Kind::Service)),
        Row::new("502, HTML", html(502), Passing(Kind::Service)),
        Row::new("503, Retry-After", retry_after(503), Passing(Kind::Service)),
        Row::new("503, HTML", html(503), Passing(Kind::Service)),
        Row::new("504, no body", Action::status(504), Passing(Kind::Service)),
        Row::new("throttling, 400", refuse(Reason::Throttling), Refused(Kind::Throttled)),
        Row::new(
            "throttling, 403",
            Action::error(403, "ThrottlingException", "Rate exceeded"),
            Refused(Kind::Throttled),
        ),
        Row::new("storm of throttling", refuse(Reason::Throttling), Refused(Kind::Throttled)).strikes(4),
        Row::new("early 503, then closed", early(0, Afterwards::Close), Early),
        Row::new("early 503 in the body, closed", early(100_000, Afterwards::Close), Early).of(Of::Payloads),
        Row::new("early 503 in the body, held", early(100_000, hold), Early).of(Of::Payloads),
        Row::new("early 503 in the body, drained", early(100_000, Afterwards::Drain), Passing(Kind::Service))
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
        Row::new("response cut in its headers", cut(Sent::HalfHeaders), Passing(Kind::Network)),
        Row::new("no HTTP", Action::Garbage, Doubtful(Kind::Protocol)),
        Row::new("answer lost, closed", Action::LostAnswer { then: Ending::Close }, Passing(Kind::Network)),
        Row::new("answer lost, reset", Action::LostAnswer { then: Ending::Reset }, Passing(Kind::Network)),
        Row::new("other tree hash answered", Action::WrongTreeHash, OtherHash).of(Of::HashAnswers),
        Row::new("right tree hash refused", refuse(Reason::TreeHash), HashRefused).of(Of::Hashes),
        Row::new("part lost", Action::LosePart, Spoilt).of(Of::Payloads),
        Row::new("part damaged", Action::DamagePart, Spoilt).of(Of::Payloads),
        Row::new("clock an hour behind", clock(3600), WrongClock),
        Row::new("clock an hour ahead", clock(-3600), WrongClock),
        Row::new("too slow for a signature", refuse(Reason::SignatureExpired), TooSlow),
        Row::new("signature not yet current", refuse(Reason::SignatureNotYetCurrent), Final(Kind::Credentials)),
        Row::new("expired token, another to be had", refuse(Reason::ExpiredToken), OldKey),
        Row::new("expired token", refuse(Reason::ExpiredToken), Final(Kind::Credentials)),
        Row::new("access denied", Action::error(403, "AccessDeniedException", "No."), Final(Kind::Access)),
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
