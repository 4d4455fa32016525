//! One request and its response, under the fault plan of the request.

use std::io;
use std::time::Duration;

use crate::action::{AfterResponse, ConnectionEnd, RefusalReason, ResponsePrefix};
use crate::body::Body;
use crate::fault_plan::{Corruption, Cut, CutKind, Delivery, FaultPlan, MidBodyAction, Replacement, TreeHashError};
use crate::framing::Framing;
use crate::head::Head;
use crate::operations::{self, Done};
use crate::record::RequestRecord;
use crate::refusal::{Failure, Refusal, SIGNATURE_SECONDS};
use crate::request::{Operation, Target, content_range};
use crate::response::{Content, Response};
use crate::service::Service;
use crate::wire::Wire;

const TREE_HASH: &str = "x-amz-sha256-tree-hash";

/// How a request ends its connection. `None` keeps the connection for the next request.
pub(crate) type Next = Option<ConnectionEnd>;

/// An orderly close.
pub(crate) const CLOSE: Next = Some(ConnectionEnd::Close);

/// One request of the service and its response.
pub(crate) struct Exchange<'a> {
    service: &'a Service,
    head: &'a Head,
    target: Option<Target>,
    body: Body<'a>,
    number: usize,
    plan: FaultPlan,
    framing: Framing,
    /// The upload that this request initiated.
    initiated_upload: Option<String>,
    changed: bool,
    status: Option<u16>,
}

impl<'a> Exchange<'a> {
    /// Creates the fault plan and the record of the request.
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
        let faults = service.faults_for(target.as_ref(), part, length);
        let plan = FaultPlan::of(faults.clone());
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
            framing: plan.framing,
            plan,
            initiated_upload: None,
            changed: false,
            status: None,
        }
    }

    /// Serves the request.
    pub(crate) fn run(mut self) -> io::Result<Next> {
        let next = self.execute();
        self.update_record(true);
        next
    }

    /// Updates the record of the request.
    fn update_record(&self, over: bool) {
        self.service.log.update_record(self.number, |record| {
            record.body_bytes = self.body.bytes_read();
            record.tree_hash = self.body.hashes().map(|(_, tree)| hex::encode(tree));
            record.changed = self.changed;
            record.status = self.status;
            record.over = over;
            if self.initiated_upload.is_some() {
                record.upload_id.clone_from(&self.initiated_upload);
            }
        });
    }

    /// Executes the fault plan.
    fn execute(&mut self) -> io::Result<Next> {
        let (service, plan) = (self.service, std::mem::take(&mut self.plan));
        if let Some(rate) = plan.bytes_per_second {
            self.body.slow_down(rate);
        }
        for (after_bytes, action) in plan.mid_body {
            let is_interim = matches!(action, MidBodyAction::Interim(_));
            self.body.add_hook(after_bytes, is_interim, move |wire| {
                match action {
                    MidBodyAction::Pause(time) => drop(service.stop.wait(time)),
                    MidBodyAction::Clock(offset) => service.set_clock_offset(offset),
                    MidBodyAction::Interim(interim) => interim.send(wire, &service.stop)?,
                }
                Ok(())
            });
        }
        // Actions before the first byte also apply if the body is never read.
        self.read(Some(0))?;
        let is_part = self.target.as_ref().is_some_and(|target| target.operation == Operation::UploadMultipartPart);
        let cut = plan.cut.filter(|cut| is_part || !matches!(cut.kind, CutKind::Acknowledge(_)));
        if let Some(Cut { after_bytes, kind }) = cut {
            self.read(after_bytes)?;
            return self.cut(kind);
        }
        let response = match plan.replacement {
            None => Some(self.work(plan.corruption)?),
            Some(replacement) => {
                self.read(None)?;
                match replacement {
                    Replacement::Response(response) => Some(response),
                    Replacement::Refusal(reason) => Some(self.refusal(reason).into()),
                    Replacement::Garbage => None,
                }
            }
        };
        service.stop.wait(service.response_delay + plan.delay.unwrap_or_default());
        let Some(mut response) = response else {
            self.body.wire().send(b"\x00\x01 no HTTP \xff\xfe\r\n\r\n")?;
            return Ok(CLOSE);
        };
        match plan.tree_hash_error {
            None => {}
            Some(TreeHashError::Wrong) => response = with_wrong_tree_hash(response),
            Some(TreeHashError::Missing) => response.headers.retain(|(name, _)| name != TREE_HASH),
        }
        if let Some(name) = plan.repeated_header {
            repeat_header(&mut response, &name);
        }
        match plan.delivery {
            None => self.respond(response).map(|next| next.or(plan.connection_end)),
            Some(Delivery::Truncated) => {
                let has_content = !matches!(&response.content, Content::Bytes(content) if content.is_empty());
                self.cut_response(
                    response,
                    if has_content { ResponsePrefix::HalfContent } else { ResponsePrefix::HalfHeaders },
                )?;
                Ok(CLOSE)
            }
            Some(Delivery::Cut(sent, ending)) => self.cut_response(response, sent).map(|()| Some(ending)),
            Some(Delivery::Lost(ending)) => Ok(Some(ending)),
        }
    }

    /// Ends the request at this point.
    fn cut(&mut self, kind: CutKind) -> io::Result<Next> {
        let stop = &self.service.stop;
        match kind {
            CutKind::Close(ending) => return Ok(Some(ending)),
            CutKind::Stall => self.body.wire().hold(stop, Duration::MAX),
            CutKind::Response(response, then) => return self.respond_early(response, then),
            CutKind::Acknowledge(then) => {
                let tree_hash = self.head.header(TREE_HASH).unwrap_or_default();
                return self.respond_early(Response::empty(204).with(TREE_HASH, tree_hash), then);
            }
        }
        Ok(CLOSE)
    }

    /// Sends a response before the body has been read.
    fn respond_early(&mut self, response: Response, then: AfterResponse) -> io::Result<Next> {
        let next = self.respond(response)?;
        let stop = &self.service.stop;
        match then {
            AfterResponse::Close => {}
            AfterResponse::Hold => self.body.wire().hold(stop, Duration::MAX),
            AfterResponse::HoldFor { millis } => self.body.wire().hold(stop, Duration::from_millis(millis)),
            AfterResponse::Drain if next.is_none() => return self.read(None).map(|()| None),
            AfterResponse::Drain => {}
        }
        Ok(CLOSE)
    }

    /// Processes the request. Afterwards the body has been read to its end, or was never requested.
    fn work(&mut self, corruption: Option<Corruption>) -> io::Result<Response> {
        let done = operations::perform(self.service, self.head, self.target.as_ref(), &mut self.body, corruption);
        match done {
            Ok(Done { response, changed }) => {
                self.changed = changed;
                self.initiated_upload = response.header("x-amz-multipart-upload-id").map(str::to_owned);
                self.update_record(false);
                Ok(response)
            }
            Err(Failure::Refused(refusal)) if self.body.is_awaiting_continue() => Ok(refusal.into()),
            Err(Failure::Refused(refusal)) => self.body.skip(u64::MAX).map(|()| refusal.into()),
            Err(Failure::Broken(error)) => Err(error),
        }
    }

    /// The refusal that the service sends for this reason.
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
                Refusal::checksum_mismatch(tree_hash, &altered(tree_hash))
            }
            RefusalReason::TreeHash => Refusal::wrong_tree_hash(tree_hash),
        }
    }

    /// Reads this many bytes of the body. `None` reads the rest.
    fn read(&mut self, bytes: Option<u64>) -> io::Result<()> {
        self.body.skip(bytes.unwrap_or(u64::MAX))
    }

    /// Sends the whole response. A client that still waits for `100 Continue` may send the body or not, so its connection
    /// ends.
    fn respond(&mut self, mut response: Response) -> io::Result<Next> {
        let next = if self.body.is_awaiting_continue() { CLOSE } else { None };
        if next.is_some() {
            response = response.with("Connection", "close");
        }
        // The record is updated first: a client that has the response may query the record at once.
        self.status = Some(response.status);
        self.update_record(false);
        let response = self.service.with_common_headers(response.to(self.head));
        self.framing.send(&response, None, self.body.wire(), &self.service.stop)?;
        self.body.response_sent();
        Ok(next)
    }

    /// Sends a prefix of the response.
    fn cut_response(&mut self, response: Response, sent: ResponsePrefix) -> io::Result<()> {
        let response = self.service.with_common_headers(response.to(self.head));
        self.framing.send(&response, Some(sent), self.body.wire(), &self.service.stop)
    }
}

/// Changes the tree hash in the header, and that of the first part in a list.
fn with_wrong_tree_hash(mut response: Response) -> Response {
    for (name, value) in &mut response.headers {
        if name == TREE_HASH {
            *value = altered(value);
        }
    }
    let Content::Bytes(bytes) = &mut response.content else { return response };
    if let Ok(mut document) = serde_json::from_slice::<serde_json::Value>(bytes)
        && let Some(hash) = document.pointer_mut("/Parts/0/SHA256TreeHash")
    {
        *hash = altered(hash.as_str().unwrap_or_default()).into();
        *bytes = document.to_string().into_bytes();
    }
    response
}

/// Adds the header again, with another value.
fn repeat_header(response: &mut Response, name: &str) {
    let first = response.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name));
    let second = first.map(|(name, value)| (name.clone(), altered(value)));
    response.headers.extend(second);
}

/// Changes the first character, so that a hash stays a hash and an ID stays an ID.
fn altered(text: &str) -> String {
    match text.strip_prefix('0') {
        Some(rest) => format!("1{rest}"),
        None => format!("0{}", text.get(1..).unwrap_or_default()),
    }
}
