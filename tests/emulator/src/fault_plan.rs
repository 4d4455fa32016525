//! The plan of one request: which actions apply at which stage. The stages are: read the body, process, respond.

use std::time::Duration;

use crate::action::{Action, AfterResponse, ConnectionEnd, RefusalReason, ResponsePrefix};
use crate::framing::{Framing, Segments};
use crate::interim::Interim;
use crate::response::{Content, Response};

/// The actions that apply to a request, by stage. The default changes nothing.
#[derive(Debug, Default)]
pub(crate) struct FaultPlan {
    /// The limit on the rate at which the body is read.
    pub(crate) bytes_per_second: Option<u64>,
    /// The actions while the body is read, each with the number of bytes that come first. `None` means the whole body.
    pub(crate) mid_body: Vec<(Option<u64>, MidBodyAction)>,
    /// An end of the request before its body is read, or before it is processed.
    pub(crate) cut: Option<Cut>,
    /// What replaces the processing of the request.
    pub(crate) replacement: Option<Replacement>,
    /// The corruption of the stored part.
    pub(crate) corruption: Option<Corruption>,
    /// The error in the tree hash of the response.
    pub(crate) tree_hash_error: Option<TreeHashError>,
    /// The header that is sent a second time with another value.
    pub(crate) repeated_header: Option<String>,
    /// The delay of the response.
    pub(crate) delay: Option<Duration>,
    /// How much of the response is sent.
    pub(crate) delivery: Option<Delivery>,
    /// The form in which the response is sent.
    pub(crate) framing: Framing,
    /// How the connection ends after a whole response.
    pub(crate) connection_end: Option<ConnectionEnd>,
}

/// An action between two bytes of a body.
#[derive(Clone, Debug)]
pub(crate) enum MidBodyAction {
    /// Waits for this time.
    Pause(Duration),
    /// Sets the offset of the service's clock.
    Clock(i64),
    /// Sends interim responses.
    Interim(Interim),
}

/// An end of the request after a number of bytes of the body.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) after_bytes: Option<u64>,
    pub(crate) kind: CutKind,
}

/// How a cut request ends.
#[derive(Debug)]
pub(crate) enum CutKind {
    /// The connection ends.
    Close(ConnectionEnd),
    /// The connection stays open without any further byte.
    Stall,
    /// The emulator sends this response.
    Response(Response, AfterResponse),
    /// The emulator acknowledges the part.
    Acknowledge(AfterResponse),
}

/// What replaces the processing of a request.
#[derive(Debug)]
pub(crate) enum Replacement {
    /// This response.
    Response(Response),
    /// An error of the service.
    Refusal(RefusalReason),
    /// Bytes that are not HTTP.
    Garbage,
}

/// What happens to the bytes of an acknowledged part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Corruption {
    /// They are not stored.
    Lose,
    /// Other bytes are stored.
    Damage,
}

/// An error in the tree hash of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TreeHashError {
    /// The hash differs.
    Wrong,
    /// The header is absent.
    Missing,
}

/// How much of a response is sent, if not all of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Delivery {
    /// About half.
    Truncated,
    /// This prefix. Then the connection ends.
    Cut(ResponsePrefix, ConnectionEnd),
    /// Nothing. The connection ends.
    Lost(ConnectionEnd),
}

impl FaultPlan {
    /// Assigns each action to its stage. If two actions apply at one stage, the first is used.
    pub(crate) fn of(actions: Vec<Action>) -> Self {
        let mut plan = Self::default();
        for action in actions {
            match action {
                Action::Slow { bytes_per_second } => set_once(&mut plan.bytes_per_second, bytes_per_second),
                Action::Pause { after_bytes, millis } => {
                    plan.mid_body.push((after_bytes, MidBodyAction::Pause(Duration::from_millis(millis))));
                }
                Action::MoveClock { after_bytes, offset } => {
                    plan.mid_body.push((after_bytes, MidBodyAction::Clock(offset)))
                }
                Action::Reset { after_bytes } => plan.cut(after_bytes, CutKind::Close(ConnectionEnd::Reset)),
                Action::Close { after_bytes } => plan.cut(after_bytes, CutKind::Close(ConnectionEnd::Close)),
                Action::Stall { after_bytes } => plan.cut(after_bytes, CutKind::Stall),
                Action::EarlyAnswer { after_bytes, status, body, then } => {
                    plan.cut(Some(after_bytes), CutKind::Response(response_with(status, body, None), then));
                }
                Action::Status { status, body, content_type, headers } => {
                    let mut response = response_with(status, body, content_type);
                    response.headers.extend(headers);
                    set_once(&mut plan.replacement, Replacement::Response(response));
                }
                Action::Refuse { because } => set_once(&mut plan.replacement, Replacement::Refusal(because)),
                Action::LosePart => set_once(&mut plan.corruption, Corruption::Lose),
                Action::DamagePart => set_once(&mut plan.corruption, Corruption::Damage),
                Action::Garbage => set_once(&mut plan.replacement, Replacement::Garbage),
                Action::WrongTreeHash => set_once(&mut plan.tree_hash_error, TreeHashError::Wrong),
                Action::MissingTreeHash => set_once(&mut plan.tree_hash_error, TreeHashError::Missing),
                Action::RepeatedHeader { name } => set_once(&mut plan.repeated_header, name),
                Action::DelayAnswer { millis } => set_once(&mut plan.delay, Duration::from_millis(millis)),
                Action::TruncatedAnswer => set_once(&mut plan.delivery, Delivery::Truncated),
                Action::LostAnswer { then } => set_once(&mut plan.delivery, Delivery::Lost(then)),
                Action::CutResponse { after, then } => set_once(&mut plan.delivery, Delivery::Cut(after, then)),
                Action::EarlySuccess { after_bytes, then } => plan.cut(Some(after_bytes), CutKind::Acknowledge(then)),
                Action::InterimResponse {
                    after_bytes,
                    status,
                    http_1_0,
                    count,
                    header_bytes,
                    segment_bytes,
                    millis,
                } => {
                    let pause = Duration::from_millis(millis);
                    let interim = Interim { status, http_1_0, count, header_bytes, segment_bytes, pause };
                    plan.mid_body.push((after_bytes, MidBodyAction::Interim(interim)));
                }
                Action::SegmentedResponse { bytes, millis } => {
                    set_once(&mut plan.framing.segments, Segments { bytes, pause: Duration::from_millis(millis) });
                }
                Action::FoldedHeaders => plan.framing.folded = true,
                Action::CloseDelimited { then } => {
                    plan.framing.close_delimited = true;
                    set_once(&mut plan.connection_end, then);
                }
                Action::ProxyResponse { status, body, content_type } => {
                    let content_type = content_type.or_else(|| Some("text/html".to_owned()));
                    let response = Response { from_proxy: true, ..response_with(status, body, content_type) };
                    set_once(&mut plan.replacement, Replacement::Response(response));
                }
            }
        }
        plan
    }

    fn cut(&mut self, after_bytes: Option<u64>, kind: CutKind) {
        set_once(&mut self.cut, Cut { after_bytes, kind });
    }
}

fn set_once<T>(place: &mut Option<T>, value: T) {
    place.get_or_insert(value);
}

fn response_with(status: u16, body: Option<String>, content_type: Option<String>) -> Response {
    let mut response = Response::empty(status);
    if let Some(body) = body {
        response = response.with("Content-Type", content_type.unwrap_or_else(|| "application/json".to_owned()));
        response.content = Content::Bytes(body.into_bytes());
    }
    response
}
