//! One request on its way: the headers that every request has, the signature, the log line, and the wait before another try.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::clock_skew::{ServiceTime, Signed};
use super::{Operation, Service, response};
use crate::credentials::NumberedKey;
use crate::error::{Error, Kind, Result};
use crate::http::{Connection, Method, Payload, PooledConnection, Request, RequestContext, Response};
use crate::log::Level;
use crate::retry::Attempts;
use crate::sign::{EMPTY_PAYLOAD_SHA256, Key, UnsignedRequest, is_signed_by_default};

/// The only version of the API there is.
const API_VERSION: &str = "2012-06-01";

/// One request of an operation, before it is signed.
#[derive(Debug)]
pub(super) struct PreparedRequest {
    pub(super) operation: Operation,
    part: Option<u32>,
    method: Method,
    target: String,
    headers: Vec<(&'static str, String)>,
    success: u16,
}

impl PreparedRequest {
    pub(super) fn new(operation: Operation, method: Method, target: String, success: u16) -> Self {
        Self { operation, part: None, method, target, headers: Vec::new(), success }
    }

    pub(super) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn part(mut self, index: u32) -> Self {
        self.part = Some(index);
        self
    }

    /// How log lines and errors name it.
    pub(super) fn label(&self) -> String {
        match self.part {
            None => self.operation.name().to_owned(),
            Some(index) => format!("{} part {index}", self.operation),
        }
    }

    fn name_error(&self, error: Error) -> Error {
        match error.kind() {
            Kind::Canceled => error,
            _ => error.with_context(self.label()).during(self.operation.name()),
        }
    }
}

impl Service {
    /// Sends a request once, signed as it goes out, and judges the status of its answer.
    pub(super) fn attempt(
        &self,
        call: &PreparedRequest,
        number: u32,
        payload: Payload<'_>,
        context: &RequestContext,
    ) -> Result<Response> {
        let start = self.clock.monotonic();
        let outcome = self.exchange(call, payload, context);
        if self.log.is_enabled(Level::Debug) {
            let took = self.clock.monotonic().saturating_sub(start).as_millis();
            let told = match &outcome {
                Ok((response, _)) => answered(response),
                Err(error) => error.to_string(),
            };
            self.log.write(Level::Debug, format_args!("{} attempt {number}: {told}, {took} ms", call.label()));
        }
        outcome
            .and_then(|(response, signed)| match response::expect_status(&response, call.success) {
                Ok(()) => Ok(response),
                Err(error) => Err(self.recover_signature_error(error, signed)),
            })
            .map_err(|error| self.named(call, error))
    }

    /// An error of a call, without the secrets that the service may have echoed.
    pub(super) fn named(&self, call: &PreparedRequest, error: Error) -> Error {
        call.name_error(error.redacted(self.keys.redactor()))
    }

    /// The answer to a request, and what that was signed with.
    fn exchange(
        &self,
        call: &PreparedRequest,
        payload: Payload<'_>,
        context: &RequestContext,
    ) -> Result<(Response, Signed)> {
        let (mut connection, NumberedKey { key, number }) = self.ready(context).map_err(Error::not_sent)?;
        let now = self.now();
        let response = connection.exchange(&self.signed(call, &key, now), payload, context)?;
        self.reachability.response_received();
        Ok((response, Signed { at: now, key: number }))
    }

    /// What there must be before a request is signed, so that its signature, which lives five minutes, waits for nothing
    /// but sending. A key may be long in coming, and an open connection would be closed meanwhile.
    fn ready(&self, context: &RequestContext) -> Result<(PooledConnection, NumberedKey)> {
        context.cancel.check()?;
        let key = self.keys.acquire(self.now().unix_time, &context.cancel)?;
        let mut connection = self.connections.take();
        connection.open(context)?;
        self.reachability.connection_opened();
        Ok((connection, key))
    }

    fn signed(&self, call: &PreparedRequest, key: &Key, now: ServiceTime) -> Request {
        let mut headers = vec![("host", self.host.clone()), ("x-amz-glacier-version", API_VERSION.to_owned())];
        headers.extend(call.headers.iter().cloned());
        let payload_sha256 = headers.iter().find(|(name, _)| *name == "x-amz-content-sha256");
        let to_sign = UnsignedRequest {
            method: call.method.as_str(),
            target: &call.target,
            payload_sha256: payload_sha256.map_or(EMPTY_PAYLOAD_SHA256, |(_, hash)| hash),
            headers: headers
                .iter()
                .filter(|(name, _)| is_signed_by_default(name))
                .map(|(name, value)| (*name, value.as_str()))
                .collect(),
        };
        let signature = self.signer.sign(&to_sign, key, now.unix_time);
        headers.extend(signature);
        Request { method: call.method, target: call.target.clone(), headers }
    }

    /// Waits until the next attempt may be made, or fails with the error if there is to be none. `idle` is the active time
    /// since the last progress.
    ///
    /// # Errors
    /// `error`, or `Canceled`.
    pub fn wait_to_retry(
        &self,
        error: Error,
        attempts: &mut Attempts,
        label: &str,
        idle: Duration,
        context: &RequestContext,
    ) -> Result<()> {
        if error.kind() == Kind::Canceled {
            return Err(error);
        }
        let number = attempts.number();
        let contact = self.reachability.contact();
        let Some(wait) = attempts.next_delay(&error, &self.policy, idle, contact, fastrand::f64()) else {
            return Err(match number {
                1 => error,
                _ if contact.connected => error.with_hint(format_args!("given up after {number} attempts")),
                _ => error.with_hint(format_args!(
                    "given up after {number} attempts, none of which made a connection: check region, endpoint and network"
                )),
            });
        };
        // Before the wait, so that progress callbacks show the first failure at once.
        context.retries.fetch_add(1, Ordering::Relaxed);
        self.log.write(
            Level::Warn,
            format_args!("{label} attempt {number} failed, the next follows in {} ms: {error}", wait.as_millis()),
        );
        self.clock.wait(wait, &context.cancel)
    }
}

fn answered(response: &Response) -> String {
    format!("HTTP status {}, request ID {}", response.status, response::request_id(response).unwrap_or("none"))
}
