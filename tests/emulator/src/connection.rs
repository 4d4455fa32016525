//! Serves the requests of one connection in order, until the client or a request ends it.

use std::io;

use crate::action::ConnectionEnd;
use crate::admin;
use crate::body::Body;
use crate::exchange::{CLOSE, Exchange, Next};
use crate::head::{Head, NoHead};
use crate::refusal::Refusal;
use crate::request::Target;
use crate::service::Service;
use crate::wire::Wire;

/// Serves a connection until it ends.
pub(crate) fn serve(service: &Service, mut wire: Wire, number: u64) {
    let ending = loop {
        // After an I/O error the kind of close does not matter.
        match next_request(service, &mut wire, number) {
            Ok(None) => {}
            Ok(Some(ending)) => break ending,
            Err(_) => break ConnectionEnd::Close,
        }
    };
    match ending {
        ConnectionEnd::Close => wire.close(),
        ConnectionEnd::Abrupt => wire.close_abruptly(),
        // If the reset fails, the connection closes in order.
        ConnectionEnd::Reset => drop(wire.reset()),
    }
}

fn next_request(service: &Service, wire: &mut Wire, connection: u64) -> io::Result<Next> {
    let head = match Head::read(wire) {
        Ok(head) => head,
        Err(NoHead::Closed) => return Ok(CLOSE),
        Err(NoHead::Broken(error)) => return Err(error),
        Err(NoHead::Malformed(why)) => return refuse_and_close(service, wire, None, why),
    };
    if let Err(why) = head.check_host() {
        return refuse_and_close(service, wire, Some(&head), why);
    }
    let target = Target::of(&head);
    let takes_body = target.as_ref().is_some_and(|target| target.operation.takes_body());
    let length = match head.body_length() {
        Ok(None) if takes_body => {
            return refuse_and_close(service, wire, Some(&head), "Content-Length is required".to_owned());
        }
        Ok(length) => length.unwrap_or(0),
        Err(why) => return refuse_and_close(service, wire, Some(&head), why),
    };
    let next = if admin::is_admin(&head) {
        let response = admin::perform(service, &head, &mut Body::new(wire, &service.stop, &head, length))?;
        service.with_common_headers(response.to(&head)).send(wire)?;
        None
    } else {
        Exchange::begin(service, wire, &head, target, length, connection).run()?
    };
    Ok(if head.keeps_alive() { next } else { next.or(CLOSE) })
}

/// Responds and closes the connection: the end of the request is unknown, so no other request can follow.
fn refuse_and_close(service: &Service, wire: &mut Wire, head: Option<&Head>, why: String) -> io::Result<Next> {
    let mut response = service.with_common_headers(Refusal::bad_request(why).into());
    if let Some(head) = head {
        response = response.to(head);
    }
    response.with("Connection", "close").send(wire)?;
    Ok(CLOSE)
}
