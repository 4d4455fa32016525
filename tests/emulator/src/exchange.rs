//! One request and its answer, along the course that its faults leave it.

use std::io;
use std::time::Duration;

use crate::action::{AfterResponse, ConnectionEnd, RefusalReason, ResponsePrefix};
use crate::course::{Course, Cut, Delivery, Harm, How, Instead, Moment, TreeHash};
use crate::framing::Framing;
use crate::http::{Body, Content, Head, Response};
use crate::operations::{self, Done};
use crate::records::RequestRecord;
use crate::refusal::{Failure, Refusal, SIGNATURE_SECONDS};
use crate::request::{Operation, Target, content_range};
use crate::service::Service;
use crate::wire::Wire;

const TREE_HASH: &str = "x-amz-sha256-tree-hash";

/// How a request leaves its connection: `None` lets another follow.
pub(crate) type Next = Option<ConnectionEnd>;

/// Nothing follows.
pub(crate) const CLOSE: Next = Some(ConnectionEnd::Close);

/// One request of the service, from its head to its answer.
pub(crate) struct Exchange<'a> {
    service: &'a Service,
    head: &'a Head,
    target: Option<Target>,
    body: Body<'a>,
    number: usize,
    course: Course,
    framing: Framing,
    /// The upload that the request has started.
    started: Option<String>,
    changed: bool,
    status: Option<u16>,
    /// Whether the client still holds back the body: it may send it or not, so the connection is of no more use.
    unasked: bool,
}

impl<'a> Exchange<'a> {
    /// Draws up its course, and puts it on record.
    pub(crate) fn begin(
        service: &'a Service,
        wire: &'a mut Wire,
        head: &'a Head,
        target: Option<Target>,
        length: u64,
        connection: u64,
    ) -> Self {
        let operation = target.as_ref().map(|target| target.operation);
        let upload_id = target.as_ref().map(|target| target.upload_id.clone()).filter(|id| !id.is_empty());
        let is_part = operation == Some(Operation::UploadMultipartPart);
        let range = head.header("content-range").filter(|_| is_part).and_then(content_range);
        let part_size = upload_id.as_deref().and_then(|id| service.store.part_size(id));
        let part = range.zip(part_size).map(|((first, _), size)| first / size);
        let faults = service.strike(target.as_ref(), part, length);
        let course = Course::of(faults.clone());
        let mut body = Body::new(wire, &service.stop, head, length);
        if operation.is_some_and(Operation::takes_body) && service.store.hashing() {
            body.hash();
        }
        let number = service.log.begin(|number| RequestRecord {
            number,
            operation,
            method: head.method.clone(),
            target: head.target.clone(),
            headers: head.headers.clone(),
            upload_id,
            part,
            range,
            connection,
            faults,
            body_bytes: 0,
            tree_hash: None,
            changed: false,
            status: None,
            over: false,
        });
        Self {
            service,
            head,
            target,
            body,
            number,
            framing: course.framing,
            course,
            started: None,
            changed: false,
            status: None,
            unasked: false,
        }
    }

    /// Takes it from here to its end.
    pub(crate) fn run(mut self) -> io::Result<Next> {
        let next = self.play();
        self.note(true);
        next
    }

    /// Puts into the record what has become of the request so far.
    fn note(&self, over: bool) {
        self.service.log.note(self.number, |record| {
            record.body_bytes = self.body.bytes_read();
            record.tree_hash = self.body.hashes().map(|(_, tree)| hex::encode(tree));
            record.changed = self.changed;
            record.status = self.status;
            record.over = over;
            if self.started.is_some() {
                record.upload_id.clone_from(&self.started);
            }
        });
    }

    /// Follows the course.
    fn play(&mut self) -> io::Result<Next> {
        let (service, course) = (self.service, std::mem::take(&mut self.course));
        if let Some(rate) = course.bytes_per_second {
            self.body.slow_down(rate);
        }
        for (after_bytes, moment) in course.moments {
            self.body.meanwhile(after_bytes, move |wire| {
                match moment {
                    Moment::Pause(time) => drop(service.stop.wait(time)),
                    Moment::Clock(offset) => service.set_clock_offset(offset),
                    Moment::Interim(interim) => interim.send(wire, &service.stop)?,
                }
                Ok(())
            });
        }
        // What comes before the first byte comes also where the body is never read.
        self.read(Some(0))?;
        let is_part = self.target.as_ref().is_some_and(|target| target.operation == Operation::UploadMultipartPart);
        let cut = course.cut.filter(|cut| is_part || !matches!(cut.how, How::Acknowledge(_)));
        if let Some(Cut { after_bytes, how }) = cut {
            self.read(after_bytes)?;
            return self.cut(how);
        }
        let answer = match course.instead {
            None => Some(self.work(course.harm)?),
            Some(instead) => {
                self.read(None)?;
                match instead {
                    Instead::Answer(answer) => Some(answer),
                    Instead::Refuse(reason) => Some(self.refusal(reason).into()),
                    Instead::Garbage => None,
                }
            }
        };
        service.stop.wait(course.delay.unwrap_or_default());
        let Some(mut answer) = answer else {
            self.body.wire().send(b"\x00\x01 no HTTP \xff\xfe\r\n\r\n")?;
            return Ok(CLOSE);
        };
        match course.tree_hash {
            None => {}
            Some(TreeHash::Other) => answer = with_wrong_tree_hash(answer),
            Some(TreeHash::Missing) => answer.headers.retain(|(name, _)| name != TREE_HASH),
        }
        match course.delivery {
            None => self.answer(answer).map(|next| next.or(course.ending)),
            Some(Delivery::Half) => {
                let has_content = !matches!(&answer.content, Content::Bytes(content) if content.is_empty());
                self.cut_response(
                    answer,
                    if has_content { ResponsePrefix::HalfContent } else { ResponsePrefix::HalfHeaders },
                )?;
                Ok(CLOSE)
            }
            Some(Delivery::Cut(sent, ending)) => self.cut_response(answer, sent).map(|()| Some(ending)),
            Some(Delivery::Nothing(ending)) => Ok(Some(ending)),
        }
    }

    /// Ends the request here.
    fn cut(&mut self, how: How) -> io::Result<Next> {
        let stop = &self.service.stop;
        match how {
            How::End(ending) => return Ok(Some(ending)),
            How::Stall => self.body.wire().hold(stop, Duration::MAX),
            How::Answer(answer, then) => return self.answer_early(answer, then),
            How::Acknowledge(then) => {
                let tree_hash = self.head.header(TREE_HASH).unwrap_or_default();
                return self.answer_early(Response::empty(204).with(TREE_HASH, tree_hash), then);
            }
        }
        Ok(CLOSE)
    }

    /// Sends a response before the body has been read.
    fn answer_early(&mut self, answer: Response, then: AfterResponse) -> io::Result<Next> {
        self.answer(answer)?;
        let stop = &self.service.stop;
        match then {
            AfterResponse::Close => {}
            AfterResponse::Hold => self.body.wire().hold(stop, Duration::MAX),
            AfterResponse::HoldFor { millis } => self.body.wire().hold(stop, Duration::from_millis(millis)),
            AfterResponse::Drain => return self.read(None).map(|()| None),
        }
        Ok(CLOSE)
    }

    /// The request's own answer. Its body has been read to the end then, or was never asked for.
    fn work(&mut self, harm: Option<Harm>) -> io::Result<Response> {
        let done = operations::perform(self.service, self.head, self.target.as_ref(), &mut self.body, harm);
        match done {
            Ok(Done { answer, changed }) => {
                self.changed = changed;
                self.started = answer.header("x-amz-multipart-upload-id").map(str::to_owned);
                self.note(false);
                Ok(answer)
            }
            Err(Failure::Refused(refusal)) if self.body.is_waited_for() => {
                self.unasked = true;
                Ok(Response::from(refusal).with("Connection", "close"))
            }
            Err(Failure::Refused(refusal)) => self.body.skip(u64::MAX).map(|()| refusal.into()),
            Err(Failure::Broken(error)) => Err(error),
        }
    }

    /// What the service would say, if it had this reason.
    fn refusal(&self, reason: RefusalReason) -> Refusal {
        const TOO_FAR: i64 = SIGNATURE_SECONDS + 1;
        let now = self.service.clock.now();
        let tree_hash = self.head.header(TREE_HASH).unwrap_or_default();
        match reason {
            RefusalReason::Throttling => Refusal::throttled(),
            RefusalReason::RequestTimeout => Refusal::request_timeout(),
            RefusalReason::ServiceUnavailable => Refusal::unavailable("Service unavailable. Try again later."),
            RefusalReason::ExpiredToken => Refusal::expired_token(),
            RefusalReason::SignatureExpired => Refusal::signature_expired(now.plus_seconds(-TOO_FAR), now),
            RefusalReason::SignatureNotYetCurrent => Refusal::signature_not_yet_current(now.plus_seconds(TOO_FAR), now),
            RefusalReason::TreeHash if self.body.bytes_read() > 0 => {
                Refusal::checksum_mismatch(tree_hash, &other_hash(tree_hash))
            }
            RefusalReason::TreeHash => Refusal::wrong_tree_hash(tree_hash),
        }
    }

    /// Reads the body to here, or to its end.
    fn read(&mut self, bytes: Option<u64>) -> io::Result<()> {
        self.body.skip(bytes.unwrap_or(u64::MAX))
    }

    /// Sends the whole answer.
    fn answer(&mut self, answer: Response) -> io::Result<Next> {
        // Noted first: who has the answer may ask for the record at once.
        self.status = Some(answer.status);
        self.note(false);
        let answer = self.service.with_common_headers(answer);
        self.framing.send(&answer, None, self.body.wire(), &self.service.stop)?;
        Ok(if self.unasked { CLOSE } else { None })
    }

    /// Sends a part of the response.
    fn cut_response(&mut self, answer: Response, sent: ResponsePrefix) -> io::Result<()> {
        let answer = self.service.with_common_headers(answer);
        self.framing.send(&answer, Some(sent), self.body.wire(), &self.service.stop)
    }
}

/// Changes the tree hash in the header, and that of the first part in a list.
fn with_wrong_tree_hash(mut answer: Response) -> Response {
    for (name, value) in &mut answer.headers {
        if name == TREE_HASH {
            *value = other_hash(value);
        }
    }
    let Content::Bytes(bytes) = &mut answer.content else { return answer };
    if let Ok(mut document) = serde_json::from_slice::<serde_json::Value>(bytes)
        && let Some(hash) = document.pointer_mut("/Parts/0/SHA256TreeHash")
    {
        *hash = other_hash(hash.as_str().unwrap_or_default()).into();
        *bytes = document.to_string().into_bytes();
    }
    answer
}

fn other_hash(hash: &str) -> String {
    match hash.strip_prefix('0') {
        Some(rest) => format!("1{rest}"),
        None => format!("0{}", hash.get(1..).unwrap_or_default()),
    }
}
