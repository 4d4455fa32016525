//! Sends one part until the service holds it, or sending cannot succeed.

use std::io::BufRead;
use std::time::Duration;

use super::limiter::SendLimiter;
use super::part::{HashedPart, PartBytes, RangeReader};
use crate::api::PreparedRequest;
use crate::error::{Error, Kind, Result};
use crate::http::RequestContext;
use crate::retry::{Attempts, Class, IdleTime, classify};
use crate::sync::cancel::Cancel;
use crate::sync::lock;
use crate::upload::session::Session;
use crate::upload::session::counters::InFlight;
use crate::upload::session::parts::StoredPart;

/// Sends a part. `last_progress` returns the active time at which the upload last made progress. Without a limiter, the
/// caller's threads decide how many parts are in flight.
///
/// # Errors
/// `SourceChanged` if the source's bytes changed while they were sent; the last failure, after all attempts.
pub(crate) fn send_part(
    session: &Session,
    part: &mut HashedPart<'_>,
    limiter: Option<&SendLimiter<'_>>,
    last_progress: impl Fn() -> Duration,
    context: &RequestContext,
) -> Result<()> {
    let service = &session.client.service;
    let index = part.pending.index;
    let label = format!("part {index}");
    let request = service.part_request(session.name()?, index, part.pending.range, &part.hashes);
    let mut attempts = Attempts::new(service.reachability.contact());
    // The time in which the source delivered the part does not count as time without progress.
    let start = service.clock.active();
    let outcome = loop {
        let mut was_alone = false;
        let mut attempt = || {
            let flight = InFlight::new(&session.counters);
            let sent = send_once(session, &request, part, attempts.number(), context);
            was_alone = flight.was_alone();
            sent
        };
        let attempted = match limiter {
            Some(limiter) => limiter.attempt(&context.cancel, attempt),
            None => attempt(),
        };
        let Err(error) = attempted else { break Ok(()) };
        // A part that had the connection to the service for itself is not faster the next time.
        if classify(&error) == Class::TooSlow && was_alone {
            break Err(error);
        }
        if let Err(changed) = check_bytes(part, &error, &context.cancel) {
            break Err(changed);
        }
        let idle = || service.clock.active().saturating_sub(last_progress().max(start));
        // Without a limiter, the caller sends a single part.
        let idle_time = if limiter.is_some() { IdleTime::MayShrink(&idle) } else { IdleTime::OnlyGrows(&idle) };
        if let Err(error) = service.wait_to_retry(error, &mut attempts, &label, idle_time, context) {
            break Err(error);
        }
    };
    if outcome.is_err() {
        lock(session.parts()).failed(index);
        return outcome;
    }
    let stored = StoredPart { length: part.pending.range.length(), tree: part.hashes.tree };
    session.acknowledged(index, stored, part.pending.trusted);
    Ok(())
}

fn send_once(
    session: &Session,
    request: &PreparedRequest,
    part: &HashedPart<'_>,
    attempt: u32,
    context: &RequestContext,
) -> Result<()> {
    let HashedPart { pending, hashes, bytes } = part;
    let service = &session.client.service;
    let send = |payload: &mut dyn BufRead| service.upload_part(request, hashes.tree, attempt, payload, context);
    match bytes {
        PartBytes::ReadTwice(source, window) => {
            send(&mut RangeReader::new(source, pending.range, *window, &context.cancel)?)
        }
        _ => send(&mut bytes.in_memory()),
    }
}

/// After the service found other bytes than were hashed, reads and hashes the part again. Same hash: the bytes were corrupted in
/// transit, and are sent again. Another hash: the source changed.
fn check_bytes(part: &mut HashedPart<'_>, error: &Error, cancel: &Cancel) -> Result<()> {
    if error.kind() != Kind::TreeHash || part.bytes.hash_again(part.pending.range, cancel)? == part.hashes {
        return Ok(());
    }
    let (index, range) = (part.pending.index, part.pending.range.in_bytes());
    Err(Error::new(Kind::SourceChanged, format!("part {index} (bytes {range}) changed while it was sent")))
}
