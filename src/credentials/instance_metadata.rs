//! Keys of the role of an EC2 instance, from the instance metadata service, version 2. Version 1 is never used: it has no
//! session token, so that any page that makes a server send a request can read the keys.

use std::time::Duration;

use super::documents;
use super::fetch::{Fetch, Fetched, describe_status};
use super::limits::METADATA_TEXT_MAX;
use super::provider::{Configured, LoadContext, Loaded, Provider, failure};
use super::transports::Route;
use crate::environment::Environment;
use crate::error::{Error, Kind, Result};
use crate::http::{Endpoint, Method};
use crate::percent;
use crate::profile::Profile;
use crate::retry::backoff;
use crate::sanitize::quoted;
use crate::secret::Secret;

const IPV4_ENDPOINT: &str = "http://169.254.169.254";
const IPV6_ENDPOINT: &str = "http://[fd00:ec2::254]";
const DISABLED: &str = "AWS_EC2_METADATA_DISABLED";
const TOKEN_PATH: &str = "/latest/api/token";
const ROLE_PATH: &str = "/latest/meta-data/iam/security-credentials/";
/// The time limit of one request. The service is on the same host. If it does not respond in this time, a longer wait does not
/// help.
const TIME_LIMIT: Duration = Duration::from_secs(1);
/// The number of attempts for 5xx, and for 401, which means that the session token has expired.
const ATTEMPTS: u32 = 4;
/// The lifetime of a session token, in seconds. The service allows at most 6 hours.
const TOKEN_LIFETIME: &str = "21600";

/// The metadata service.
pub(super) struct InstanceMetadata {
    endpoint: Endpoint,
}

/// A failed request.
enum Failure {
    /// The service is absent, or has no role. The text says why.
    Nothing(String),
    /// The session token has expired.
    TokenExpired,
    /// Another error.
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Configures the provider.
///
/// # Errors
/// `Invalid` for an endpoint or a mode that is not allowed.
pub(super) fn configure(environment: &Environment, profile: &Profile) -> Result<Configured> {
    if environment.get(DISABLED).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(Configured::No(format!("{DISABLED} is set to true")));
    }
    Ok(Configured::provider(InstanceMetadata { endpoint: endpoint(environment, profile)? }))
}

fn endpoint(environment: &Environment, profile: &Profile) -> Result<Endpoint> {
    let setting = |variable: &str, key: &str| -> Result<Option<(String, String)>> {
        if let Some(value) = environment.get(variable) {
            return Ok(Some((value.to_owned(), variable.to_owned())));
        }
        Ok(profile.setting(key)?.map(|setting| (setting.value.to_owned(), setting.to_string())))
    };
    let mode = setting("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode")?;
    let default = match &mode {
        None => IPV4_ENDPOINT,
        Some((mode, _)) if mode.eq_ignore_ascii_case("ipv4") => IPV4_ENDPOINT,
        Some((mode, _)) if mode.eq_ignore_ascii_case("ipv6") => IPV6_ENDPOINT,
        Some((mode, place)) => {
            return Err(Error::invalid(format!(
                "the endpoint mode {} of the instance metadata service is not allowed ({place}): it must be IPv4 or IPv6",
                quoted(mode)
            )));
        }
    };
    match setting("AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint")? {
        None => Endpoint::parse(default),
        Some((url, place)) => Endpoint::parse(&url)
            .map_err(|error| error.with_context(format_args!("the instance metadata service ({place})"))),
    }
}

impl Provider for InstanceMetadata {
    fn source(&self) -> String {
        format!("instance metadata at {}", self.endpoint)
    }

    fn load(&self, context: &LoadContext<'_>) -> Result<Loaded> {
        let mut attempt = 1;
        loop {
            match self.load_once(context) {
                Ok(loaded) => return Ok(loaded),
                Err(Failure::Nothing(reason)) => return Ok(Loaded::Nothing(reason)),
                Err(Failure::TokenExpired) if attempt < ATTEMPTS => {}
                Err(Failure::TokenExpired) => {
                    return Err(failure(format!("{} rejects its own session token (HTTP status 401)", self.source())));
                }
                Err(Failure::Error(error)) if error.kind() == Kind::Service && attempt < ATTEMPTS => {}
                Err(Failure::Error(error)) => return Err(error),
            }
            context.clock.wait(backoff(attempt, fastrand::f64(), None), context.cancel)?;
            attempt += 1;
        }
    }
}

impl InstanceMetadata {
    fn load_once(&self, context: &LoadContext<'_>) -> std::result::Result<Loaded, Failure> {
        let token = self.token(context)?;
        context.redactor.add(token.expose());
        let list = self.get(ROLE_PATH, &token, context)?;
        let role = text(&list).ok_or_else(|| failure(format!("{} returned an invalid role name", self.source())))?;
        if role.is_empty() {
            return Err(Failure::Nothing("the instance has no IAM role: attach an instance profile".to_owned()));
        }
        let path = format!("{ROLE_PATH}{}", percent::encode(role.as_bytes()));
        let keys = self.get(&path, &token, context)?;
        let source = format!("{} (role {})", self.source(), quoted(role));
        Ok(Loaded::Keys(documents::metadata_credentials(&source, &keys.body, context.redactor)?))
    }

    /// Requests a session token.
    fn token(&self, context: &LoadContext<'_>) -> std::result::Result<Secret, Failure> {
        let headers = vec![("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_LIFETIME.to_owned())];
        let fetch = self.fetch(Method::Put, TOKEN_PATH, headers);
        let name = fetch.name();
        let response = match fetch.send(context) {
            Ok(response) => response,
            Err(error) => return Err(self.unreachable(error, context)),
        };
        match response.status {
            200 => {}
            500.. => return Err(server_error(&name, &response).into()),
            status => return Err(Failure::Nothing(format!("{name}: {}", describe_status(status)))),
        }
        let token = text(&response).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| failure(format!("{name} returned an invalid session token")))?;
        Ok(Secret::from(token))
    }

    /// Requests a document.
    fn get(&self, path: &str, token: &Secret, context: &LoadContext<'_>) -> std::result::Result<Fetched, Failure> {
        let fetch = self.fetch(Method::Get, path, vec![("x-aws-ec2-metadata-token", token.expose().to_owned())]);
        let name = fetch.name();
        let response = match fetch.send(context) {
            Ok(response) => response,
            Err(error) => return Err(self.unreachable(error, context)),
        };
        match response.status {
            200 => Ok(response),
            401 => Err(Failure::TokenExpired),
            500.. => Err(server_error(&name, &response).into()),
            404 => Err(Failure::Nothing(format!(
                "{name}: HTTP status 404: the instance has no IAM role: attach an instance profile"
            ))),
            status => Err(failure(format!("{name} failed: {}", describe_status(status))).into()),
        }
    }

    fn fetch<'a>(&'a self, method: Method, target: &'a str, headers: Vec<(&'static str, String)>) -> Fetch<'a> {
        Fetch {
            endpoint: &self.endpoint,
            route: Route::Direct,
            time_limit: TIME_LIMIT,
            method,
            target,
            headers,
            body: None,
        }
    }

    /// Without an earlier success, this machine is probably no instance.
    fn unreachable(&self, error: Error, context: &LoadContext<'_>) -> Failure {
        if !matches!(error.kind(), Kind::Network | Kind::Timeout) || context.is_refresh {
            return Failure::Error(error);
        }
        let mut reason = error.message().to_owned();
        if error.kind() == Kind::Timeout {
            reason += " (not an EC2 instance, or a container that needs hop limit 2: aws ec2 modify-instance-metadata-options \
                       --http-put-response-hop-limit 2)";
        }
        Failure::Nothing(reason)
    }
}

fn server_error(name: &str, response: &Fetched) -> Error {
    let text = format!("{name} failed: {}", describe_status(response.status));
    Error::new(Kind::Service, text).with_response(response.status, None, None)
}

/// Returns the body as one line of printable ASCII characters. Only the first line counts.
fn text(response: &Fetched) -> Option<&str> {
    let text = std::str::from_utf8(&response.body).ok()?;
    let line = text.lines().next().unwrap_or_default().trim();
    (line.len() <= METADATA_TEXT_MAX && line.bytes().all(|byte| byte.is_ascii_graphic())).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chooses_the_endpoint() {
        for (pairs, expected) in [
            (vec![], Some(IPV4_ENDPOINT)),
            (vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "iPv6")], Some(IPV6_ENDPOINT)),
            (vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv7")], None),
            (vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:8/")], Some("http://127.0.0.1:8")),
            (vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", "127.0.0.1")], None),
        ] {
            let environment = Environment::from_pairs(pairs.clone());
            let profiles = crate::profile::Profiles::load(&Environment::isolated(), None).unwrap();
            let endpoint = endpoint(&environment, profiles.selected()).ok().map(|endpoint| endpoint.to_string());
            assert_eq!(endpoint.as_deref(), expected, "{pairs:?}");
        }
    }
}
