//! One connection: requests one after the other, each with its fault if it is its turn.

use std::io;
use std::time::Duration;

use crate::admin;
use crate::faults::{Action, Afterwards, Ending};
use crate::http::{Body, Content, Head, NoHead, Response};
use crate::operations;
use crate::records::RequestRecord;
use crate::refusal::{Failure, Refusal};
use crate::request::{Operation, Target, content_range};
use crate::service::Service;
use crate::wire::Wire;

/// Serves a connection until it ends.
pub(crate) fn serve(service: &Service, mut wire: Wire, number: u64) {
    let ending = loop {
        // A connection that breaks has no end worth choosing.
        match next_request(service, &mut wire, number) {
            Ok(None) => {}
            Ok(Some(ending)) => break ending,
            Err(_) => break Ending::Close,
        }
    };
    match ending {
        Ending::Close => wire.close(),
        // A reset that cannot be had becomes a close.
        Ending::Reset => drop(wire.reset()),
    }
}

/// How a request leaves its connection: `None` lets another follow.
type Next = Option<Ending>;

const CLOSE: Next = Some(Ending::Close);
const RESET: Next = Some(Ending::Reset);

fn next_request(service: &Service, wire: &mut Wire, connection: u64) -> io::Result<Next> {
    let head = match Head::read(wire) {
        Ok(head) => head,
        Err(NoHead::Closed) => return Ok(CLOSE),
        Err(NoHead::Broken(error)) => return Err(error),
        Err(NoHead::Malformed(why)) => return refuse_and_close(service, wire, why),
    };
    let target = Target::of(&head);
    let takes_body = target.as_ref().is_some_and(|target| target.operation.takes_body());
    let length = match head.body_length() {
        Ok(None) if takes_body => return refuse_and_close(service, wire, "Content-Length is required".to_owned()),
        Ok(length) => length.unwrap_or(0),
        Err(why) => return refuse_and_close(service, wire, why),
    };
    let next = if admin::is_admin(&head) {
        let answer = admin::perform(service, &head, &mut Body::new(wire, &service.stop, &head, length))?;
        common_headers(service, answer).send(wire)?;
        None
    } else {
        let mut exchange = Exchange::begin(service, wire, &head, target, length, connection);
        let played = exchange.play();
        exchange.note();
        played?
    };
    Ok(if head.keeps_alive() { next } else { next.or(CLOSE) })
}

/// Where a request ends cannot be told, so no other can follow.
fn refuse_and_close(service: &Service, wire: &mut Wire, why: String) -> io::Result<Next> {
    common_headers(service, Refusal::bad_request(why).into()).with("Connection", "close").send(wire)?;
    Ok(CLOSE)
}

/// One request of the service, from its head to its answer.
struct Exchange<'a> {
    service: &'a Service,
    wire: &'a mut Wire,
    head: &'a Head,
    target: Option<Target>,
    range: Option<(u64, u64)>,
    length: u64,
    number: usize,
    body_bytes: u64,
    status: Option<u16>,
    /// Whether the client still holds back the body: it may send it or not, so the connection is of no more use.
    unasked: bool,
}

impl<'a> Exchange<'a> {
    fn begin(
        service: &'a Service,
        wire: &'a mut Wire,
        head: &'a Head,
        target: Option<Target>,
        length: u64,
        connection: u64,
    ) -> Self {
        let operation = target.as_ref().map(|target| target.operation);
        let is_part = operation == Some(Operation::UploadMultipartPart);
        let range = head.header("content-range").filter(|_| is_part).and_then(content_range);
        let number = service.log.begin(RequestRecord {
            operation,
            method: head.method.clone(),
            target: head.target.clone(),
            headers: head.headers.clone(),
            range,
            connection,
            body_bytes: 0,
            status: None,
        });
        Self { service, wire, head, target, range, length, number, body_bytes: 0, status: None, unasked: false }
    }

    /// Puts into the record what has become of the request so far.
    fn note(&self) {
        self.service.log.note(self.number, self.body_bytes, self.status);
    }

    /// Answers the request, or does with it what a fault says.
    fn play(&mut self) -> io::Result<Next> {
        let operation = self.target.as_ref().map(|target| target.operation);
        let Some(action) = self.service.faults.strike(operation, self.part()) else {
            let answer = self.work(None)?;
            return self.answer(answer);
        };
        match action {
            // Instead of the work.
            Action::Status { status, body, content_type, headers } => {
                self.read(None)?;
                let mut answer = scripted(status, body, content_type);
                answer.headers.extend(headers);
                self.answer(answer)
            }
            Action::EarlyAnswer { after_bytes, status, body, then } => {
                self.read(Some(after_bytes))?;
                self.answer(scripted(status, body, None))?;
                match then {
                    Afterwards::Close => return Ok(CLOSE),
                    Afterwards::Hold => self.wire.hold(&self.service.stop),
                    Afterwards::Drain => return self.read_rest(after_bytes),
                }
                Ok(CLOSE)
            }
            Action::Reset { after_bytes } => self.read(after_bytes).map(|()| RESET),
            Action::Close { after_bytes } => self.read(after_bytes).map(|()| CLOSE),
            Action::Stall { after_bytes } => {
                self.read(after_bytes)?;
                self.wire.hold(&self.service.stop);
                Ok(CLOSE)
            }
            Action::Garbage => {
                self.read(None)?;
                self.wire.send(b"\x00\x01 no HTTP \xff\xfe\r\n\r\n")?;
                Ok(CLOSE)
            }
            // Around the work.
            Action::Slow { bytes_per_second } => {
                let answer = self.work(Some(bytes_per_second))?;
                self.answer(answer)
            }
            Action::DelayAnswer { millis } => {
                let answer = self.work(None)?;
                self.service.stop.wait(Duration::from_millis(millis));
                self.answer(answer)
            }
            Action::WrongTreeHash => {
                let answer = with_wrong_tree_hash(self.work(None)?);
                self.answer(answer)
            }
            Action::LostAnswer { then } => {
                self.work(None)?;
                Ok(Some(then))
            }
            Action::TruncatedAnswer => {
                let answer = self.work(None)?;
                self.truncated(answer)
            }
        }
    }

    /// The part that the request carries, counted from 0, if its upload is known.
    fn part(&self) -> Option<u64> {
        let part_size = self.service.store.part_size(&self.target.as_ref()?.upload_id)?;
        Some(self.range?.0 / part_size)
    }

    /// The request's own answer. Its body has been read to the end then, or was never asked for.
    fn work(&mut self, bytes_per_second: Option<u64>) -> io::Result<Response> {
        let mut body = Body::new(self.wire, &self.service.stop, self.head, self.length);
        if let Some(rate) = bytes_per_second {
            body.slow_down(rate);
        }
        let answer = match operations::perform(self.service, self.head, self.target.as_ref(), &mut body) {
            Ok(answer) => Ok(answer),
            Err(Failure::Refused(refusal)) if body.is_waited_for() => {
                self.unasked = true;
                Ok(Response::from(refusal).with("Connection", "close"))
            }
            Err(Failure::Refused(refusal)) => body.skip(u64::MAX).map(|()| refusal.into()),
            Err(Failure::Broken(error)) => Err(error),
        };
        self.body_bytes = body.bytes_read();
        answer
    }

    /// Reads the body to here, or to its end.
    fn read(&mut self, bytes: Option<u64>) -> io::Result<()> {
        let mut body = Body::new(self.wire, &self.service.stop, self.head, self.length);
        let read = body.skip(bytes.unwrap_or(u64::MAX));
        self.body_bytes = body.bytes_read();
        read
    }

    /// Reads what is behind the first bytes.
    fn read_rest(&mut self, already: u64) -> io::Result<Next> {
        let rest = self.length.saturating_sub(already);
        let mut body = Body::after(self.wire, &self.service.stop, rest);
        let read = body.skip(u64::MAX);
        self.body_bytes += body.bytes_read();
        read.map(|()| None)
    }

    fn answer(&mut self, answer: Response) -> io::Result<Next> {
        // Noted first: who has the answer may ask for the record at once.
        self.status = Some(answer.status);
        self.note();
        common_headers(self.service, answer).send(self.wire)?;
        Ok(if self.unasked { CLOSE } else { None })
    }

    /// Sends half of the content; of an answer without content half of the headers.
    fn truncated(&mut self, answer: Response) -> io::Result<Next> {
        let answer = common_headers(self.service, answer);
        let mut bytes = answer.head();
        match &answer.content {
            Content::Bytes(content) if !content.is_empty() => bytes.extend(&content[..content.len() / 2]),
            _ => bytes.truncate(bytes.len() / 2),
        }
        self.wire.send(&bytes)?;
        Ok(CLOSE)
    }
}

fn common_headers(service: &Service, answer: Response) -> Response {
    answer.with("x-amzn-RequestId", service.ids.request_id()).with("Date", service.clock.now().http())
}

fn scripted(status: u16, body: Option<String>, content_type: Option<String>) -> Response {
    let mut answer = Response::empty(status);
    if let Some(body) = body {
        answer = answer.with("Content-Type", content_type.unwrap_or_else(|| "application/json".to_owned()));
        answer.content = Content::Bytes(body.into_bytes());
    }
    answer
}

/// Changes the tree hash in the header, and that of the first part in a list.
fn with_wrong_tree_hash(mut answer: Response) -> Response {
    for (name, value) in &mut answer.headers {
        if name == "x-amz-sha256-tree-hash" {
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
    let (first, rest) = hash.split_at(usize::from(!hash.is_empty()));
    format!("{}{rest}", if first == "0" { "1" } else { "0" })
}
