//! The retry policy: which failures are transient, how long to wait before a retry, and when to give up. It is pure: time,
//! random numbers and the reachability of the service are arguments.
//!
//! # Classes
//!
//! A response is *identified* if it has a request ID or an error document with a code of AWS. Any other response may come from a proxy,
//! a captive portal or a load balancer, and says little about the upload.
//!
//! | failure | identified | not identified |
//! |---|---|---|
//! | no connection, unknown host name, lost connection, stall, truncated response | – | transient |
//! | 502, 504: a gateway did not reach the service | transient | transient |
//! | a response that is not HTTP, or a document that cannot be parsed | – | ambiguous |
//! | the expected 2xx without a required header (tree hash, ID, location) | ambiguous | ambiguous |
//! | another 2xx | ambiguous | ambiguous |
//! | 3xx | permanent | ambiguous |
//! | 408, 429, 500, 503, 509, throttling codes, the error codes of a timeout or an overload | transient | transient |
//! | 404 | permanent: not found | transient |
//! | 400, 403 without an error code: no document, or a truncated one | ambiguous | ambiguous |
//! | any other 4xx or 5xx | permanent | ambiguous |
//! | certificate rejected | – | permanent |
//! | another TLS failure: no TLS, no common version, an alert | – | permanent before the first connection, then transient |
//! | an alert after the handshake and before a response (TLS 1.3) | – | permanent before the first response, then transient |
//! | a proxy opens no connection: 408, 429, 5xx | – | transient |
//! | a proxy opens no connection: any other status, such as 407; a request that it does not forward: 407 | – | permanent |
//! | signature expired, clock wrong | signed again with the corrected clock | – |
//! | signature expired, clock correct | transient, unless the part was the only one in flight | – |
//! | token expired | signed again with a new key, if a provider supplies one | – |
//! | a hash that differs from the caller's, or from what was sent earlier | permanent | – |
//! | hash rejected, or another hash in the response | the part is read again, then ambiguous | – |
//! | another hash found without a request, or of the archive that exists | – | permanent |
//!
//! # Limits
//!
//! Transient failures are retried until the attempts or `give_up_after` are exhausted, ambiguous ones at most
//! [`AMBIGUOUS_MAX`] times.
//!
//! - By default, an attempt that does not reach the service counts only if the client received another response since the
//!   attempt before it. During an outage nothing reaches the service, so only the time counts.
//! - If the caller set the number of attempts, every attempt counts.
//! - No delay of the library exceeds the time limit: it is shortened, and the last attempt is made at the limit. A longer
//!   `Retry-After` is never shortened. The request waits up to the limit if progress of other requests can extend it, and
//!   otherwise fails at once.
//! - Until the client has opened its first connection, the time limit is [`FIRST_CONTACT_MAX`], and a host name that does
//!   not exist is a permanent failure after [`UNKNOWN_NAME_ATTEMPTS`] attempts. An endpoint that was never reached is more
//!   likely wrong than down.

mod idle_time;

use std::time::Duration;

pub use self::idle_time::IdleTime;
use crate::error::{ConnectFailure, Error, Kind, SignatureExpired};
use crate::reachability::Contact;

/// How often and how long one request is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The maximum number of attempts that the caller set; 0: only the time counts. `None`: [`ATTEMPTS_DEFAULT`], not
    /// counting outages.
    pub max_attempts: Option<u32>,
    /// The maximum active time without progress.
    pub give_up_after: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { max_attempts: None, give_up_after: Duration::from_secs(30 * 60) }
    }
}

/// The class of a failure, which decides about the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Retried: overload, a lost connection, a slow response.
    Transient,
    /// Retried with fewer parts in flight: the request outlived its signature.
    TooSlow,
    /// Signed again at once, [`CORRECTIONS_MAX`] times: the clock was wrong and is now corrected.
    ClockCorrected,
    /// Signed again at once, [`KEYS_MAX`] times: the key has expired and another one is available.
    KeyExpired,
    /// Retried [`AMBIGUOUS_MAX`] times: corruption in transit or a permanent failure.
    Ambiguous,
    /// As `Ambiguous`, after the part was read again: the service computed another hash.
    HashMismatch,
    /// Not retried: the same request would fail in the same way.
    Permanent,
}

/// The default number of attempts for one request.
pub const ATTEMPTS_DEFAULT: u32 = 10;
/// The time limit of one request while the client has not opened any connection.
pub const FIRST_CONTACT_MAX: Duration = Duration::from_secs(45);
/// The number of attempts for an unknown host name while the client has not opened any connection.
pub const UNKNOWN_NAME_ATTEMPTS: u32 = 3;
/// The number of retries after ambiguous failures and hash mismatches.
pub const AMBIGUOUS_MAX: u32 = 3;
/// The number of times that a request is signed again because the clock was corrected.
pub const CORRECTIONS_MAX: u32 = 2;
/// The number of times that a request is signed again because its key has expired. A provider may return several expired
/// keys.
pub const KEYS_MAX: u32 = 3;

/// The upper bound of the first delay. It doubles with each retry.
const BACKOFF_BASE: Duration = Duration::from_millis(500);
/// The upper bound of all delays, apart from `Retry-After`.
const BACKOFF_CAP: Duration = Duration::from_secs(20);
/// The upper bound of `Retry-After`: the service may recover earlier than it announces.
const RETRY_AFTER_CAP: Duration = Duration::from_secs(300);

/// Returns the class of an error, as in the table above.
pub fn classify(error: &Error) -> Class {
    match error.signature_expired() {
        Some(SignatureExpired::ClockSkew) => return Class::ClockCorrected,
        Some(SignatureExpired::KeyExpired) => return Class::KeyExpired,
        Some(SignatureExpired::TooSlow) => return Class::TooSlow,
        None => {}
    }
    if error.connect_failure() == Some(ConnectFailure::ProxyRefused) {
        return Class::Permanent;
    }
    match (error.kind(), error.http_status()) {
        (Kind::TreeHash, Some(_)) => Class::HashMismatch,
        (Kind::Network | Kind::Timeout | Kind::Throttled, _) => Class::Transient,
        (_, Some(408 | 429 | 500 | 502 | 503 | 504 | 509)) => Class::Transient,
        _ if has_transient_code(error) => Class::Transient,
        (_, Some(404)) if !error.is_from_service() => Class::Transient,
        (Kind::Protocol, None | Some(200..=299)) => Class::Ambiguous,
        // The truncated part of the response may contain an error code that a new signature would resolve.
        (_, Some(400 | 403)) if error.service_code().is_none() => Class::Ambiguous,
        (_, Some(_)) if !error.is_from_service() => Class::Ambiguous,
        _ => Class::Permanent,
    }
}

/// Returns true if the error code alone says that the service could not handle the request in time. The status may be
/// another one: gateways send these codes with 400.
fn has_transient_code(error: &Error) -> bool {
    error.service_code().is_some_and(is_timeout_or_overload)
}

/// Returns true for the error codes of a timeout or an overload.
pub fn is_timeout_or_overload(code: &str) -> bool {
    matches!(
        code,
        "RequestTimeout"
            | "RequestTimeoutException"
            | "PriorRequestNotComplete"
            | "ServiceUnavailable"
            | "ServiceUnavailableException"
            | "InternalFailure"
            | "InternalServerError"
    )
}

/// Returns true if an attempt ended without a response of the service: no connection, lost connection, stall, truncated
/// response, or a gateway that did not reach the service.
fn is_without_response(error: &Error) -> bool {
    let is_lost = matches!(error.kind(), Kind::Network | Kind::Timeout) && status_through_connection(error).is_none();
    let is_refused =
        matches!(error.connect_failure(), Some(ConnectFailure::TlsRefused | ConnectFailure::ClientRefused));
    is_lost || is_of_gateway(error) || is_refused
}

/// Returns true if a gateway reports that it did not reach the service, or received no response in time.
fn is_of_gateway(error: &Error) -> bool {
    error.http_status().is_some_and(is_gateway_failure) && !error.is_from_service()
}

/// Returns true for the statuses with which a gateway reports that it did not reach the server, or received no response in
/// time (RFC 9110 §15.6.3 and §15.6.5).
pub fn is_gateway_failure(status: u16) -> bool {
    matches!(status, 502 | 504)
}

/// Returns true if no retry can succeed.
pub fn is_permanent(error: &Error, contact: Contact) -> bool {
    classify(error) == Class::Permanent && !is_transient_refusal(error, contact)
}

/// Returns true if the peer rejected a TLS handshake in a way that the endpoint did not before: something else responded in
/// its place.
fn is_transient_refusal(error: &Error, contact: Contact) -> bool {
    match error.connect_failure() {
        Some(ConnectFailure::TlsRefused) => contact.connected,
        // The handshake opened a connection. Only a response shows that the endpoint accepts the client.
        Some(ConnectFailure::ClientRefused) => contact.responses > 0,
        _ => false,
    }
}

/// Returns the HTTP status, unless a proxy opened no connection and responded with it.
fn status_through_connection(error: &Error) -> Option<u16> {
    error.http_status().filter(|_| error.connect_failure().is_none())
}

/// Returns true if fewer parts should be in flight: throttling, an overloaded service, or a slow network.
pub fn is_throttling(error: &Error) -> bool {
    let status = status_through_connection(error);
    let overloaded = error.kind() == Kind::Throttled || matches!(status, Some(408 | 429 | 500 | 503));
    overloaded || has_transient_code(error) || classify(error) == Class::TooSlow
}

/// Returns true if the same call may succeed later.
pub fn is_retryable(error: &Error) -> bool {
    match classify(error) {
        Class::Transient | Class::TooSlow | Class::Ambiguous | Class::HashMismatch => true,
        // The request was already signed again, and rejected again.
        Class::ClockCorrected | Class::KeyExpired | Class::Permanent => false,
    }
}

/// Returns true if the request certainly had no effect: it was not sent, the server rejected the client before it, or the
/// service itself rejected it with a 4xx status other than 408, and not because of a timeout. A response of a proxy proves
/// nothing.
pub fn had_no_effect(error: &Error) -> bool {
    let rejected = error.http_status().is_some_and(|status| (400..500).contains(&status) && status != 408);
    error.is_not_sent() || (rejected && error.is_from_service() && !has_transient_code(error))
}

/// Returns true if an attempt was sent and ended without a response of the service: the response may be lost. With 408, the
/// server may have received the whole request.
pub fn lost_response(error: &Error) -> bool {
    let is_lost = matches!(error.http_status(), None | Some(408)) || is_of_gateway(error);
    is_lost && !error.is_not_sent()
}

/// Returns true if the service rejected Complete because of its parts: some are missing, or their hashes differ.
pub fn rejected_parts(error: &Error) -> bool {
    let of_parts = matches!(error.kind(), Kind::Service | Kind::TreeHash | Kind::Incomplete);
    of_parts && error.http_status() == Some(400) && error.service_code().is_some() && !has_transient_code(error)
}

/// Returns the delay after `attempt` failed attempts: exponential backoff with full jitter, at least `retry_after`.
///
/// `random` is a random number from 0 to 1.
pub fn backoff(attempt: u32, random: f64, retry_after: Option<Duration>) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    let limit = BACKOFF_CAP.min(BACKOFF_BASE * (1 << doublings));
    limit.mul_f64(random.clamp(0.0, 1.0)).max(min_delay(retry_after))
}

/// Returns the delay before which no attempt is made, because the service asked for it.
fn min_delay(retry_after: Option<Duration>) -> Duration {
    retry_after.unwrap_or_default().min(RETRY_AFTER_CAP)
}

impl Policy {
    /// Returns the maximum active time without progress of a client that has reached this.
    pub fn time_limit(&self, contact: Contact) -> Duration {
        if contact.connected { self.give_up_after } else { self.give_up_after.min(FIRST_CONTACT_MAX) }
    }
}

/// The next step of a wait for a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitStep {
    /// Wait for this time, then ask again: other requests may have made progress meanwhile.
    Wait(Duration),
    /// Make the next attempt.
    Retry,
    /// Return the error: the time limit is over before the time that the service asked for.
    GiveUp,
}

/// Returns the next step of a wait.
///
/// `delay` is that of [`Attempts::next_delay`], `waited` the part of it that has passed, `left` the time until the limit.
pub fn wait_step(error: &Error, delay: Duration, waited: Duration, left: Duration) -> WaitStep {
    if waited >= delay || (left.is_zero() && waited >= min_delay(error.retry_after())) {
        WaitStep::Retry
    } else if left.is_zero() {
        WaitStep::GiveUp
    } else {
        WaitStep::Wait((delay - waited).min(left))
    }
}

/// Counts the attempts for one request.
#[derive(Debug)]
pub struct Attempts {
    made: u32,
    /// The failed attempts, without those that were signed again. Determines the backoff.
    failed: u32,
    /// The failed attempts that count against the maximum.
    counted: u32,
    ambiguous: u32,
    clock_corrected: u32,
    key_expired: u32,
    unknown_name: u32,
    /// The number of responses that the client had received at the last failure, or at the start.
    responses: u64,
}

impl Attempts {
    /// Creates the counter of a request that begins now.
    pub fn new(contact: Contact) -> Self {
        Self {
            made: 0,
            failed: 0,
            counted: 0,
            ambiguous: 0,
            clock_corrected: 0,
            key_expired: 0,
            unknown_name: 0,
            responses: contact.responses,
        }
    }

    /// The number of the current attempt, from 1.
    pub fn number(&self) -> u32 {
        self.made + 1
    }

    /// Records a failed attempt. Returns the delay before the next one, or `None` to give up. A backoff ends at the time limit,
    /// for a last attempt. `Retry-After` may end after it: see [`wait_step`].
    ///
    /// `idle` is the active time since the last progress, `contact` is what the client has reached until now, `random` a
    /// random number from 0 to 1.
    pub fn next_delay(
        &mut self,
        error: &Error,
        policy: &Policy,
        idle: Duration,
        contact: Contact,
        random: f64,
    ) -> Option<Duration> {
        self.made += 1;
        let has_new_responses = std::mem::replace(&mut self.responses, contact.responses) != contact.responses;
        let is_retried = match classify(error) {
            Class::Permanent => is_transient_refusal(error, contact),
            // A new signature needs no delay, and the network is not the cause.
            Class::ClockCorrected => {
                self.clock_corrected += 1;
                return (self.clock_corrected <= CORRECTIONS_MAX).then_some(Duration::ZERO);
            }
            Class::KeyExpired => {
                self.key_expired += 1;
                return (self.key_expired <= KEYS_MAX).then_some(Duration::ZERO);
            }
            Class::Transient | Class::TooSlow => true,
            Class::Ambiguous | Class::HashMismatch => {
                self.ambiguous += 1;
                self.ambiguous <= AMBIGUOUS_MAX
            }
        };
        if error.connect_failure() == Some(ConnectFailure::NameNotFound) && !contact.connected {
            self.unknown_name += 1;
        }
        self.failed += 1;
        if policy.max_attempts.is_some() || has_new_responses || !is_without_response(error) {
            self.counted += 1;
        }
        let left = policy.time_limit(contact).saturating_sub(idle);
        let delay = backoff(self.failed, random, error.retry_after()).min(left.max(min_delay(error.retry_after())));
        let max_attempts = policy.max_attempts.unwrap_or(ATTEMPTS_DEFAULT);
        let has_attempts_left = max_attempts == 0 || self.counted < max_attempts;
        let name_may_exist = self.unknown_name < UNKNOWN_NAME_ATTEMPTS;
        (is_retried && has_attempts_left && name_may_exist && !left.is_zero()).then_some(delay)
    }
}

#[cfg(test)]
mod tests;
