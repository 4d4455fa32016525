//! Sends one request: common headers, signature, log message, and the delay before a retry.

use std::io::{self, BufRead};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::clock_skew::ServiceTime;
use super::response;
use super::service::{Service, ServiceOperation};
use super::signature_errors::Signed;
use crate::credentials::NumberedKey;
use crate::error::{Error, Kind, Result};
use crate::http::{Connection, Method, PooledConnection, Request, RequestContext, Response};
use crate::log::Level;
use crate::retry::{
    Attempts, IdleTime, WaitStep, had_no_effect, is_gateway_failure, is_permanent, lost_response, wait_step,
};
use crate::sign::{EMPTY_PAYLOAD_SHA256, Key, UnsignedRequest, is_signed_by_default};
use crate::sync::lock;
use crate::sys::wiping::WipedFrees;

/// The API version. Only one exists.
const API_VERSION: &str = "2012-06-01";

/// A request of an operation, before it is signed.
#[derive(Debug)]
pub struct PreparedRequest {
    pub(super) operation: ServiceOperation,
    part: Option<u32>,
    method: Method,
    target: String,
    headers: Vec<(&'static str, String)>,
    /// The length of the payload.
    length: u64,
    success: u16,
}

impl PreparedRequest {
    pub(super) fn new(operation: ServiceOperation, method: Method, target: String, success: u16) -> Self {
        Self { operation, part: None, method, target, headers: Vec::new(), length: 0, success }
    }

    pub(super) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Makes it the request that sends a part of `length` bytes.
    pub(super) fn part(mut self, index: u32, length: u64) -> Self {
        self.part = Some(index);
        self.length = length;
        self
    }

    /// The name of the request in log messages and errors.
    pub(super) fn label(&self) -> String {
        match self.part {
            None => self.operation.name().to_owned(),
            Some(index) => format!("{} part {index}", self.operation),
        }
    }

    /// Adds the name of the request to an error. A cancel needs none.
    fn add_context(&self, error: Error) -> Error {
        match error.kind() {
            Kind::Canceled => error,
            _ => error.with_context(self.label()).during(self.operation.name()),
        }
    }
}

impl Service {
    /// Signs and sends a request once, and checks the status of the response.
    pub(super) fn attempt(
        &self,
        request: &PreparedRequest,
        number: u32,
        payload: &mut dyn BufRead,
        context: &RequestContext,
    ) -> Result<Response> {
        let start = self.clock.monotonic();
        let outcome = self.exchange(request, payload, context);
        // An error response can repeat the session token, until its text is redacted below.
        let _wiped = WipedFrees::begin();
        if self.log.is_enabled(Level::Debug) {
            let elapsed = self.clock.monotonic().saturating_sub(start).as_millis();
            let result = match &outcome {
                Ok((response, _)) => summary(response),
                Err(error) => error.to_string(),
            };
            self.log.write(Level::Debug, format_args!("{} attempt {number}: {result}, {elapsed} ms", request.label()));
        }
        outcome
            .and_then(|(response, signed)| match response::expect_status(&response, request.success) {
                Ok(()) => Ok(response),
                Err(error) => Err(self.add_vault_hint(request, self.recover_signature_error(error, signed))),
            })
            .map_err(|error| self.finish_error(request, error))
    }

    /// Adds what to check if the vault of a request was not found.
    fn add_vault_hint(&self, request: &PreparedRequest, error: Error) -> Error {
        let names_only_vault = matches!(request.operation, ServiceOperation::Initiate | ServiceOperation::ListUploads);
        if !names_only_vault || error.kind() != Kind::NotFound {
            return error;
        }
        let account = match self.account_id.as_str() {
            "-" => "the account of the keys".to_owned(),
            id => format!("the account {id}"),
        };
        error.with_hint(format_args!(
            "check the vault name, the region {} and {account}: the library creates no vault",
            self.signer.region()
        ))
    }

    /// Adds the name of the request to an error, and removes secrets that the service may have echoed.
    pub(super) fn finish_error(&self, request: &PreparedRequest, error: Error) -> Error {
        request.add_context(error.redacted(self.keys.redactor()))
    }

    /// Sends a request and receives the response. Also returns the time and key of the signature.
    fn exchange(
        &self,
        request: &PreparedRequest,
        payload: &mut dyn BufRead,
        context: &RequestContext,
    ) -> Result<(Response, Signed)> {
        let (mut connection, NumberedKey { key, number }) =
            self.acquire_key_and_connection(context).map_err(Error::not_sent)?;
        let now = self.now();
        let response = connection.exchange(&self.sign(request, &key, now), payload, context)?;
        if !is_gateway_failure(response.status) || response::is_from_service(&response) {
            self.reachability.response_received();
        }
        Ok((response, Signed { at: now, key: number }))
    }

    /// Acquires a key and then an open connection. Both come before the signature, which is valid for only five minutes. The
    /// key comes before the connection, which could close during a long wait for a key.
    fn acquire_key_and_connection(&self, context: &RequestContext) -> Result<(PooledConnection, NumberedKey)> {
        context.cancel.check()?;
        let key = self.keys.acquire(&|| self.now().unix_time, &context.cancel)?;
        let mut connection = self.connections.take();
        connection.open(context)?;
        self.reachability.connection_opened();
        Ok((connection, key))
    }

    /// Signs a request.
    fn sign(&self, request: &PreparedRequest, key: &Key, now: ServiceTime) -> Request {
        let mut headers = vec![("host", self.host.clone()), ("x-amz-glacier-version", API_VERSION.to_owned())];
        headers.extend(request.headers.iter().cloned());
        let payload_sha256 = headers.iter().find(|(name, _)| *name == "x-amz-content-sha256");
        let to_sign = UnsignedRequest {
            method: request.method.as_str(),
            target: &request.target,
            payload_sha256: payload_sha256.map_or(EMPTY_PAYLOAD_SHA256, |(_, hash)| hash),
            headers: headers
                .iter()
                .filter(|(name, _)| is_signed_by_default(name))
                .map(|(name, value)| (*name, value.as_str()))
                .collect(),
        };
        let signature = self.signer.sign(&to_sign, key, now.unix_time);
        headers.extend(signature);
        Request { method: request.method, target: request.target.clone(), headers, length: request.length }
    }

    /// Waits for the delay before the next attempt.
    ///
    /// # Errors
    /// `error` if the policy allows no further attempt. `Canceled`.
    pub fn wait_to_retry(
        &self,
        error: Error,
        attempts: &mut Attempts,
        label: &str,
        idle: IdleTime<'_>,
        context: &RequestContext,
    ) -> Result<()> {
        if error.kind() == Kind::Canceled {
            return Err(error);
        }
        let number = attempts.number();
        let contact = self.reachability.contact();
        let idle_before = idle.get();
        let Some(delay) = attempts.next_delay(&error, &self.policy, idle_before, contact, fastrand::f64()) else {
            return Err(match number {
                1 => error,
                // More attempts would not have helped.
                _ if contact.connected && is_permanent(&error, contact) => error,
                _ if contact.connected => error.with_hint(given_up(number)),
                _ => error.with_hint(format_args!(
                    "{} without any connection: check the network and the endpoint, which is from {}",
                    given_up(number),
                    if self.endpoint_place.is_empty() { "the program" } else { &self.endpoint_place }
                )),
            });
        };
        let count = || {
            context.retries.fetch_add(1, Ordering::Relaxed);
            *lock(&context.last_retry) = Some(error.clone());
        };
        let limit = self.policy.time_limit(contact);
        let left = limit.saturating_sub(idle_before);
        // Only a `Retry-After` can end after the limit.
        let is_beyond_limit = delay > left;
        if is_beyond_limit && !idle.may_shrink() {
            return Err(give_up_before(error, number, limit));
        }
        let next = if is_beyond_limit {
            format!("waiting up to {} ms for other parts", left.as_millis())
        } else {
            // Counted before the delay, so that progress callbacks show the first failure at once.
            count();
            format!("retrying in {} ms", delay.as_millis())
        };
        self.log.write(Level::Warn, format_args!("{label} attempt {number} failed, {next}: {error}"));
        let (start, mut waited) = (self.clock.monotonic(), Duration::ZERO);
        loop {
            let limit = self.policy.time_limit(self.reachability.contact());
            match wait_step(&error, delay, waited, limit.saturating_sub(idle.get())) {
                WaitStep::Wait(time) => {
                    self.clock.wait(time, &context.cancel)?;
                    waited = self.clock.monotonic().saturating_sub(start);
                }
                WaitStep::Retry => {
                    if is_beyond_limit {
                        count();
                    }
                    return Ok(());
                }
                WaitStep::GiveUp => return Err(give_up_before(error, number, limit)),
            }
        }
    }

    /// Sends a request without payload, with retries. The error says whether the service may have carried out an attempt.
    pub(super) fn send_with_retries<T>(
        &self,
        request: &PreparedRequest,
        context: &RequestContext,
        read: impl Fn(&Response) -> Result<T>,
    ) -> Result<T> {
        let start = self.clock.active();
        let mut attempts = Attempts::new(self.reachability.contact());
        let (mut is_maybe_done, mut is_response_lost) = (false, false);
        loop {
            let outcome = self
                .attempt(request, attempts.number(), &mut io::empty(), context)
                .and_then(|response| read(&response).map_err(|error| self.finish_error(request, error)));
            let error = match outcome {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let number = attempts.number();
            let is_first_maybe_done = !is_maybe_done && !had_no_effect(&error);
            is_maybe_done |= is_first_maybe_done;
            is_response_lost |= lost_response(&error);
            let idle = || self.clock.active().saturating_sub(start);
            let waited = match error.kind() {
                // The hash of an empty payload does not change.
                Kind::TreeHash => Err(error),
                _ => self.wait_to_retry(error, &mut attempts, &request.label(), IdleTime::OnlyGrows(&idle), context),
            };
            if is_first_maybe_done && request.operation == ServiceOperation::Initiate {
                let text = "an upload without parts may stay in the vault until it expires";
                self.log.write(
                    Level::Warn,
                    format_args!("{} attempt {number} may have been carried out: {text}", request.operation),
                );
            }
            waited.map_err(|error| error.maybe_done(is_maybe_done).response_lost(is_response_lost))?;
        }
    }
}

/// Returns how often a request was attempted, for a message.
fn given_up(number: u32) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("given up after {number} attempt{plural}")
}

/// Returns the error of a request whose `Retry-After` ends after the time limit.
fn give_up_before(error: Error, number: u32, limit: Duration) -> Error {
    let asked = error.retry_after().unwrap_or_default().as_secs_f64();
    error.with_hint(format_args!(
        "{}: the service's Retry-After of {asked} s ends after the time limit, glacier_config_set_give_up_after_ms ({} s)",
        given_up(number),
        limit.as_secs_f64()
    ))
}

/// Summarizes a response for the log.
fn summary(response: &Response) -> String {
    format!("HTTP status {}, request ID {}", response.status, response::request_id(response).unwrap_or("none"))
}
