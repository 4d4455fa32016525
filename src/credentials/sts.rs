//! STS: exchanges an identity for the keys of a role.

use std::cell::Cell;
use std::time::Duration;

use super::documents;
use super::fetch::{Fetch, Fetched, describe_status, is_transient};
use super::key::Credentials;
use super::limits;
use super::provider::{LoadContext, failure};
use super::retries::retry;
use super::sts_document::{self, StsError};
use super::transports::Route;
use crate::error::{Error, Kind, Result};
use crate::http::{Endpoint, Method};
use crate::profile::Profile;
use crate::retry::backoff;
use crate::sanitize::{NAME_MAX, TEXT_MAX, escaped, quoted};
use crate::secret::Secret;
use crate::sign::{Key, Signer, UnsignedRequest};
use crate::{dates, percent};

/// STS's name in signatures.
const SERVICE: &str = "sts";
const VERSION: &str = "2011-06-15";
const ATTEMPTS: u32 = 3;
/// The time limit of one attempt.
const TIME_LIMIT: Duration = Duration::from_secs(20);
const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";
/// A larger difference than this between the clocks makes STS reject signatures.
const SKEW_TOLERANCE: u64 = 60;

/// The endpoint and the region of STS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sts {
    pub(super) endpoint: Endpoint,
    pub(super) region: String,
}

/// A role and the name of its session.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) arn: String,
    /// `None`: a generated name.
    pub(super) session_name: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) duration_seconds: Option<u32>,
}

/// Returns a setting of a role in a profile.
///
/// # Errors
/// `Invalid` if it is too long.
pub(super) fn role_setting(profile: &Profile, key: &str) -> Result<Option<String>> {
    let Some(setting) = profile.setting(key)? else { return Ok(None) };
    limits::check_name(format_args!("profile {}, {setting}", quoted(profile.name())), setting.value)?;
    Ok(Some(setting.value.to_owned()))
}

impl Role {
    fn form(&self, action: &str, now: i64) -> Vec<(&'static str, String)> {
        let session_name = self.session_name.clone().unwrap_or_else(|| format!("libglacier_mp-{now}"));
        let mut form = vec![
            ("Action", action.to_owned()),
            ("Version", VERSION.to_owned()),
            ("RoleArn", self.arn.clone()),
            ("RoleSessionName", session_name),
        ];
        form.extend(self.external_id.clone().map(|id| ("ExternalId", id)));
        form.extend(self.duration_seconds.map(|seconds| ("DurationSeconds", seconds.to_string())));
        form
    }
}

impl Sts {
    /// Returns the keys of a role, requested with another key. The request is signed.
    ///
    /// # Errors
    /// See [`Sts::request`].
    pub(super) fn assume_role(&self, role: &Role, key: &Key, context: &LoadContext<'_>) -> Result<Credentials> {
        let form = encode(&role.form("AssumeRole", (context.now)()), None);
        self.request("AssumeRole", role, &form, Some(key), context)
    }

    /// Returns the keys of a role, requested with the token of an identity provider. The request is not signed.
    ///
    /// # Errors
    /// See [`Sts::request`].
    pub(super) fn assume_role_with_web_identity(
        &self,
        role: &Role,
        token: &Secret,
        context: &LoadContext<'_>,
    ) -> Result<Credentials> {
        let action = "AssumeRoleWithWebIdentity";
        let form = encode(&role.form(action, (context.now)()), Some(("WebIdentityToken", token)));
        self.request(action, role, &form, None, context)
    }

    /// Sends a request, with retries.
    ///
    /// # Errors
    /// `Credentials` if STS refuses; `Network`, `Timeout`, `Service` or `Throttled` if it cannot be reached or is overloaded;
    /// `Canceled`.
    fn request(
        &self,
        action: &str,
        role: &Role,
        form: &Secret,
        key: Option<&Key>,
        context: &LoadContext<'_>,
    ) -> Result<Credentials> {
        let clock_skew = Cell::new(0);
        let send = || {
            let now = (context.now)().saturating_add(clock_skew.get());
            let response = self.fetch(form, key, now).send(context)?;
            self.read(action, role, &response, context).inspect_err(|error| {
                if key.is_some() && clock_skew.get() == 0 && is_signature_error(error) {
                    clock_skew.set(skew(&response, now));
                }
            })
        };
        retry(action, ATTEMPTS, context, send, |failed, error| {
            if clock_skew.get() != 0 && is_signature_error(error) {
                return Some(Duration::ZERO);
            }
            // STS could not reach the identity provider.
            let is_transient = is_transient(error) || error.service_code() == Some("IDPCommunicationError");
            is_transient.then(|| backoff(failed, fastrand::f64(), error.retry_after()))
        })
        .map_err(finish)
    }

    fn fetch<'a>(&'a self, form: &'a Secret, key: Option<&Key>, now: i64) -> Fetch<'a> {
        let mut headers = vec![("content-type", CONTENT_TYPE.to_owned())];
        if let Some(key) = key {
            let host = self.endpoint.authority_for_host_header();
            let unsigned = UnsignedRequest {
                method: Method::Post.as_str(),
                target: "/",
                headers: vec![("content-type", CONTENT_TYPE), ("host", &host)],
                payload_sha256: &sha256(form.expose()),
            };
            headers.extend(Signer::for_service(SERVICE, &self.region).sign(&unsigned, key, now));
        }
        Fetch {
            endpoint: &self.endpoint,
            route: Route::Proxied,
            time_limit: TIME_LIMIT,
            method: Method::Post,
            target: "/",
            headers,
            body: Some(form),
        }
    }

    /// Reads a response.
    fn read(&self, action: &str, role: &Role, response: &Fetched, context: &LoadContext<'_>) -> Result<Credentials> {
        let source = format!("{action} for role {} at {}", escaped(&role.arn, TEXT_MAX), self.endpoint);
        if response.status == 200 {
            let keys = sts_document::keys(&response.body).map_err(|problem| match response.has_request_id() {
                true => failure(format!("{source}: the response is not a document of STS: {problem}")),
                false => response.not_from_service(&source, "STS"),
            })?;
            documents::register(context.redactor, Some(&keys.secret_access_key), Some(&keys.session_token));
            return documents::credentials(
                &source,
                &keys.access_key_id,
                &keys.secret_access_key,
                Some(&keys.session_token),
                Some(&keys.expiration),
            );
        }
        let document = sts_document::error(&response.body);
        if document.is_none() && !response.has_request_id() {
            return Err(response.not_from_service(&source, "STS"));
        }
        let StsError { code, message } = document.unwrap_or_default();
        let text = match code.as_str() {
            "" => format!("{source} failed: {}", describe_status(response.status)),
            _ => format!(
                "{source} failed: HTTP status {}, {}: {}",
                response.status,
                escaped(&code, NAME_MAX),
                escaped(&message, TEXT_MAX)
            ),
        };
        let kind = match response.status {
            _ if is_throttling(&code) || response.status == 429 => Kind::Throttled,
            500.. => Kind::Service,
            _ => Kind::Credentials,
        };
        Err(Error::new(kind, text).with_response(response.status, None, Some(code)))
    }
}

/// Encodes a form, with a secret field at the end.
fn encode(fields: &[(&'static str, String)], secret: Option<(&str, &Secret)>) -> Secret {
    let encoded: Vec<_> = fields.iter().map(|(name, value)| (*name, percent::encode(value.as_bytes()))).collect();
    let secret = secret.map(|(name, secret)| (name, Secret::new(percent::encode(secret.expose().as_bytes()))));
    let pairs = encoded.iter().map(|(name, value)| (*name, value.as_str()));
    let pairs: Vec<_> = pairs.chain(secret.iter().map(|(name, secret)| (*name, secret.expose()))).collect();
    // Allocated at full size: a growing text would leave copies of the secret.
    let mut form = String::with_capacity(pairs.iter().map(|(name, value)| name.len() + value.len() + 2).sum());
    for (name, value) in pairs {
        if !form.is_empty() {
            form.push('&');
        }
        form.push_str(name);
        form.push('=');
        form.push_str(value);
    }
    Secret::new(form)
}

fn sha256(text: &str) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(text))
}

fn is_throttling(code: &str) -> bool {
    [
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "TooManyRequestsException",
        "SlowDown",
    ]
    .contains(&code)
}

/// Returns whether the clock may be the reason of an error.
fn is_signature_error(error: &Error) -> bool {
    matches!(error.service_code(), Some("SignatureDoesNotMatch" | "RequestExpired" | "RequestInTheFuture"))
}

/// Returns the time of STS minus `now`, or 0 if the clock is not the reason.
fn skew(response: &Fetched, now: i64) -> i64 {
    let date = response.header("date").and_then(dates::parse_http);
    date.map(|date| date.saturating_sub(now)).filter(|skew| skew.unsigned_abs() > SKEW_TOLERANCE).unwrap_or_default()
}

/// Removes the fields of the response: those of an error belong to Glacier's own response. The status stays if it makes the
/// error transient.
fn finish(error: Error) -> Error {
    let finished = Error::new(error.kind(), error.message());
    match (error.kind(), error.http_status(), error.connect_failure()) {
        (Kind::Service | Kind::Protocol, Some(status), _) => finished.with_response(status, None, None),
        (_, _, Some(failure)) => finished.not_connected(failure),
        _ => finished,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_forms() {
        let role = Role {
            arn: "arn:aws:iam::1:role/x y".to_owned(),
            session_name: None,
            external_id: Some("x&y=1".to_owned()),
            duration_seconds: Some(900),
        };
        let form = encode(&role.form("AssumeRole", 7), Some(("WebIdentityToken", &Secret::from("a+b"))));
        assert_eq!(
            form.expose(),
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fx%20y&RoleSessionName=libglacier_mp-7\
             &ExternalId=x%26y%3D1&DurationSeconds=900&WebIdentityToken=a%2Bb"
        );
    }
}
