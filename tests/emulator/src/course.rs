//! The course of a request: its body is read, it is worked on, it is answered; and where on this way the actions act.

use std::time::Duration;

use crate::action::{Action, AfterResponse, ConnectionEnd, RefusalReason, ResponsePrefix};
use crate::framing::{Framing, Segments};
use crate::http::{Content, Response};
use crate::interim::Interim;

/// How a request goes. Without any action it goes as it should.
#[derive(Debug, Default)]
pub(crate) struct Course {
    /// How fast its body is read at most.
    pub(crate) bytes_per_second: Option<u64>,
    /// What comes between two bytes of the body: after so many, or at its end.
    pub(crate) moments: Vec<(Option<u64>, Moment)>,
    /// How it ends before its body has been read, or before any work.
    pub(crate) cut: Option<Cut>,
    /// What comes instead of the work.
    pub(crate) instead: Option<Instead>,
    /// What the work does wrong.
    pub(crate) harm: Option<Harm>,
    /// What is wrong with the tree hash in the response.
    pub(crate) tree_hash: Option<TreeHash>,
    /// How much later the answer comes.
    pub(crate) delay: Option<Duration>,
    /// How much of the answer comes.
    pub(crate) delivery: Option<Delivery>,
    /// The form in which the response is sent.
    pub(crate) framing: Framing,
    /// How the connection ends behind a response that was sent whole.
    pub(crate) ending: Option<ConnectionEnd>,
}

/// Something between two bytes of a body.
#[derive(Clone, Debug)]
pub(crate) enum Moment {
    /// Nothing happens for so long.
    Pause(Duration),
    /// The clock is set.
    Clock(i64),
    /// Interim responses are sent.
    Interim(Interim),
}

/// An end after so many bytes of the body.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) after_bytes: Option<u64>,
    pub(crate) how: How,
}

/// How a request is cut off.
#[derive(Debug)]
pub(crate) enum How {
    /// The connection ends.
    End(ConnectionEnd),
    /// Nothing more happens.
    Stall,
    /// This answer comes.
    Answer(Response, AfterResponse),
    /// The part is acknowledged.
    Acknowledge(AfterResponse),
}

/// What comes instead of the work.
#[derive(Debug)]
pub(crate) enum Instead {
    /// This answer.
    Answer(Response),
    /// The service's own refusal.
    Refuse(RefusalReason),
    /// Bytes that are no answer.
    Garbage,
}

/// What becomes of a part that is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// It is not kept.
    Lose,
    /// Other bytes are kept.
    Damage,
}

/// What is wrong with the tree hash in a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TreeHash {
    /// It is another one.
    Other,
    /// It is not there.
    Missing,
}

/// How much of an answer comes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Delivery {
    /// About half of it.
    Half,
    /// This much; then the connection ends.
    Cut(ResponsePrefix, ConnectionEnd),
    /// Nothing: the connection ends.
    Nothing(ConnectionEnd),
}

impl Course {
    /// Puts each action at its place. Of two at one place the first acts.
    pub(crate) fn of(actions: Vec<Action>) -> Self {
        let mut course = Self::default();
        for action in actions {
            match action {
                Action::Slow { bytes_per_second } => first(&mut course.bytes_per_second, bytes_per_second),
                Action::Pause { after_bytes, millis } => {
                    course.moments.push((after_bytes, Moment::Pause(Duration::from_millis(millis))));
                }
                Action::MoveClock { after_bytes, offset } => course.moments.push((after_bytes, Moment::Clock(offset))),
                Action::Reset { after_bytes } => course.cut(after_bytes, How::End(ConnectionEnd::Reset)),
                Action::Close { after_bytes } => course.cut(after_bytes, How::End(ConnectionEnd::Close)),
                Action::Stall { after_bytes } => course.cut(after_bytes, How::Stall),
                Action::EarlyAnswer { after_bytes, status, body, then } => {
                    course.cut(Some(after_bytes), How::Answer(answer(status, body, None), then));
                }
                Action::Status { status, body, content_type, headers } => {
                    let mut answer = answer(status, body, content_type);
                    answer.headers.extend(headers);
                    first(&mut course.instead, Instead::Answer(answer));
                }
                Action::Refuse { because } => first(&mut course.instead, Instead::Refuse(because)),
                Action::LosePart => first(&mut course.harm, Harm::Lose),
                Action::DamagePart => first(&mut course.harm, Harm::Damage),
                Action::Garbage => first(&mut course.instead, Instead::Garbage),
                Action::WrongTreeHash => first(&mut course.tree_hash, TreeHash::Other),
                Action::MissingTreeHash => first(&mut course.tree_hash, TreeHash::Missing),
                Action::DelayAnswer { millis } => first(&mut course.delay, Duration::from_millis(millis)),
                Action::TruncatedAnswer => first(&mut course.delivery, Delivery::Half),
                Action::LostAnswer { then } => first(&mut course.delivery, Delivery::Nothing(then)),
                Action::CutResponse { after, then } => first(&mut course.delivery, Delivery::Cut(after, then)),
                Action::EarlySuccess { after_bytes, then } => course.cut(Some(after_bytes), How::Acknowledge(then)),
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
                    course.moments.push((after_bytes, Moment::Interim(interim)));
                }
                Action::SegmentedResponse { bytes, millis } => {
                    first(&mut course.framing.segments, Segments { bytes, pause: Duration::from_millis(millis) });
                }
                Action::FoldedHeaders => course.framing.folded = true,
                Action::CloseDelimited { then } => {
                    course.framing.close_delimited = true;
                    first(&mut course.ending, then);
                }
                Action::ProxyResponse { status, body, content_type } => {
                    let content_type = content_type.or_else(|| Some("text/html".to_owned()));
                    let response = Response { from_proxy: true, ..answer(status, body, content_type) };
                    first(&mut course.instead, Instead::Answer(response));
                }
            }
        }
        course
    }

    fn cut(&mut self, after_bytes: Option<u64>, how: How) {
        first(&mut self.cut, Cut { after_bytes, how });
    }
}

fn first<T>(place: &mut Option<T>, value: T) {
    place.get_or_insert(value);
}

fn answer(status: u16, body: Option<String>, content_type: Option<String>) -> Response {
    let mut answer = Response::empty(status);
    if let Some(body) = body {
        answer = answer.with("Content-Type", content_type.unwrap_or_else(|| "application/json".to_owned()));
        answer.content = Content::Bytes(body.into_bytes());
    }
    answer
}
