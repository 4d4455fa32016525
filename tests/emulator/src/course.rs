//! The course of a request: its body is read, it is worked on, it is answered; and where on this way the actions act.

use std::time::Duration;

use crate::action::{Action, Afterwards, Ending, Reason};
use crate::http::{Content, Response};

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
    /// Whether the answer names another tree hash.
    pub(crate) wrong_tree_hash: bool,
    /// How much later the answer comes.
    pub(crate) delay: Option<Duration>,
    /// How much of the answer comes.
    pub(crate) delivery: Option<Delivery>,
}

/// Something between two bytes of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    /// Nothing happens for so long.
    Pause(Duration),
    /// The clock is set.
    Clock(i64),
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
    End(Ending),
    /// Nothing more happens.
    Stall,
    /// This answer comes.
    Answer(Response, Afterwards),
}

/// What comes instead of the work.
#[derive(Debug)]
pub(crate) enum Instead {
    /// This answer.
    Answer(Response),
    /// The service's own refusal.
    Refuse(Reason),
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

/// How much of an answer comes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Delivery {
    /// About half of it.
    Half,
    /// Nothing: the connection ends.
    Nothing(Ending),
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
                Action::Reset { after_bytes } => course.cut(after_bytes, How::End(Ending::Reset)),
                Action::Close { after_bytes } => course.cut(after_bytes, How::End(Ending::Close)),
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
                Action::WrongTreeHash => course.wrong_tree_hash = true,
                Action::DelayAnswer { millis } => first(&mut course.delay, Duration::from_millis(millis)),
                Action::TruncatedAnswer => first(&mut course.delivery, Delivery::Half),
                Action::LostAnswer { then } => first(&mut course.delivery, Delivery::Nothing(then)),
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
