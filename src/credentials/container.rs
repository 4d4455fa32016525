//! Keys of a container: from the endpoint that ECS, or the Pod Identity agent of EKS, offers to its containers.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::documents;
use super::fetch::{Fetch, Fetched, describe_status, is_transient};
use super::files;
use super::key::Credentials;
use super::limits;
use super::provider::{Configured, LoadContext, Loaded, Provider, failure};
use super::retries::retry;
use super::transports::Route;
use crate::environment::Environment;
use crate::error::{Error, Kind, Result};
use crate::http::{Endpoint, Method, shown_url};
use crate::limits::quoted;
use crate::secret::Secret;

pub(super) const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
pub(super) const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
/// The endpoint of ECS, to which the relative URI belongs.
const ECS_ENDPOINT: &str = "http://169.254.170.2";
/// The addresses, apart from loopback, to which a request may be sent without encryption: ECS, and EKS in IPv4 and IPv6.
const UNENCRYPTED_HOSTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];
const ATTEMPTS: u32 = 3;
const DELAY: Duration = Duration::from_secs(1);
/// The time limit of one attempt.
const TIME_LIMIT: Duration = Duration::from_secs(2);

/// The endpoint of a container.
#[derive(Debug)]
pub(super) struct Container {
    endpoint: Endpoint,
    /// Path and query.
    target: String,
    authorization: Authorization,
}

/// The source of the `Authorization` header.
enum Authorization {
    None,
    /// The value of the environment variable.
    Token(Secret),
    /// The file of the environment variable, which is read at each load.
    File(PathBuf),
}

impl std::fmt::Debug for Authorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Token(_) => "Token(..)",
            Self::File(_) => "File(..)",
        })
    }
}

/// Configures the provider.
///
/// # Errors
/// `Invalid` for a URI that is not allowed.
pub(super) fn configure(environment: &Environment) -> Result<Configured> {
    let (relative, full) = (environment.get(RELATIVE_URI), environment.get(FULL_URI));
    limits::check_url(RELATIVE_URI, relative.unwrap_or_default())?;
    limits::check_url(FULL_URI, full.filter(|_| relative.is_none()).unwrap_or_default())?;
    let (variable, uri) = match (relative, full) {
        (Some(path), _) if path.starts_with('/') => (RELATIVE_URI, format!("{ECS_ENDPOINT}{path}")),
        (Some(path), _) => {
            return Err(Error::invalid(format!(
                "{RELATIVE_URI} {} is not allowed: it must begin with /",
                shown_url(path)
            )));
        }
        (None, Some(uri)) => (FULL_URI, uri.to_owned()),
        (None, None) => return Ok(Configured::No(format!("neither {RELATIVE_URI} nor {FULL_URI} is set"))),
    };
    let (endpoint, target) = split(&uri).map_err(|error| error.with_context(variable))?;
    check_host(&endpoint).map_err(|error| error.with_context(variable))?;
    let authorization = match (environment.raw(TOKEN_FILE).filter(|path| !path.is_empty()), environment.get(TOKEN)) {
        (Some(path), _) => Authorization::File(Path::new(path).to_owned()),
        (None, Some(token)) => Authorization::Token(Secret::from(token)),
        (None, None) => Authorization::None,
    };
    Ok(Configured::provider(Container { endpoint, target, authorization }))
}

/// Splits a URL into the endpoint, and path and query.
fn split(uri: &str) -> Result<(Endpoint, String)> {
    let after_scheme = uri.find("://").map_or(0, |at| at + 3);
    let rest = uri.get(after_scheme..).unwrap_or_default();
    let end = rest.find(['/', '?', '#']).map_or(uri.len(), |at| after_scheme + at);
    let (endpoint, target) = uri.split_at(end);
    let endpoint = Endpoint::parse(endpoint)?;
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    // The message does not show the target, which can have a token.
    match target.bytes().enumerate().find(|(_, byte)| !byte.is_ascii_graphic() || *byte == b'#') {
        Some((at, byte)) => Err(Error::invalid(format!(
            "the path has byte 0x{byte:02X} at offset {at}: it must consist of printable ASCII characters without # and spaces"
        ))),
        None => Ok((endpoint, target)),
    }
}

/// Checks that the keys do not cross a network without encryption.
fn check_host(endpoint: &Endpoint) -> Result<()> {
    let host = endpoint.host();
    let is_allowed = match host.parse::<IpAddr>() {
        Ok(address) => {
            address.is_loopback()
                || UNENCRYPTED_HOSTS
                    .iter()
                    .any(|allowed| allowed.parse::<IpAddr>().is_ok_and(|allowed| allowed == address))
        }
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    };
    if endpoint.is_tls() || is_allowed {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the host {} is not allowed without encryption: use https, a loopback address, localhost, or one of {}",
        quoted(host),
        UNENCRYPTED_HOSTS.join(", ")
    )))
}

impl Provider for Container {
    fn source(&self) -> String {
        format!("container endpoint {}", self.endpoint)
    }

    fn load(&self, context: &LoadContext<'_>) -> Result<Loaded> {
        // Read once: a missing or invalid token stays so.
        let token = self.authorization.read()?;
        let load = || self.load_once(token.as_ref(), context);
        // A JSON document without keys stays so.
        retry(&self.source(), ATTEMPTS, context, load, |_, error| is_transient(error).then_some(DELAY))
            .map(Loaded::Keys)
            .map_err(|error| finish(error, context.is_refresh))
    }
}

impl Container {
    fn load_once(&self, token: Option<&Secret>, context: &LoadContext<'_>) -> Result<Credentials> {
        let mut headers = vec![("accept", "application/json".to_owned())];
        if let Some(token) = token {
            context.redactor.add(token.expose());
            headers.push(("authorization", token.expose().to_owned()));
        }
        let fetch = Fetch {
            endpoint: &self.endpoint,
            route: Route::Direct,
            time_limit: TIME_LIMIT,
            method: Method::Get,
            target: &self.target,
            headers,
            body: None,
        };
        let name = fetch.name();
        let response: Fetched = fetch.send(context)?;
        if response.status != 200 {
            let text = format!("{name} failed: {}", describe_status(response.status));
            return Err(Error::new(Kind::Service, text).with_response(response.status, None, None));
        }
        documents::check_json(&name, &response.body)?;
        documents::metadata_credentials(&self.source(), &response.body, context.redactor)
    }
}

/// Returns the error of the last attempt. It is permanent at the first use, and if the endpoint refuses, but not if the process
/// lacks descriptors or memory.
fn finish(error: Error, is_refresh: bool) -> Error {
    let is_refusal = error.http_status().is_some_and(|status| status < 500);
    let is_of_endpoint = !matches!(error.kind(), Kind::Canceled | Kind::Memory);
    if is_of_endpoint && (is_refusal || !is_refresh) { failure(error.message()) } else { error }
}

impl Authorization {
    /// Returns the value of the header.
    fn read(&self) -> Result<Option<Secret>> {
        let (token, place) = match self {
            Self::None => return Ok(None),
            Self::Token(token) => (token.clone(), TOKEN.to_owned()),
            Self::File(path) => {
                let place = format!("{} ({TOKEN_FILE})", path.display());
                (files::read_secret(path, &format!("the authorization token file {place}"))?, place)
            }
        };
        limits::check_token(format_args!("the authorization token in {place}"), token.expose())?;
        let is_valid = |byte: u8| byte.is_ascii_graphic() || byte == b' ' || byte == b'\t';
        match token.expose().bytes().position(|byte| !is_valid(byte)) {
            None => Ok(Some(token)),
            Some(offset) => Err(failure(format!(
                "the authorization token in {place} has a character that is not allowed in a header, such as a line break, at \
                 offset {offset}: remove it"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(uri: &str) -> Result<(String, String)> {
        let (endpoint, target) = split(uri)?;
        check_host(&endpoint)?;
        Ok((endpoint.to_string(), target))
    }

    #[test]
    fn allows_unencrypted_requests_to_this_machine_only() {
        for uri in [
            "http://127.0.0.1:80/a",
            "http://127.7.7.7/",
            "http://[::1]/",
            "http://localhost/",
            "http://LOCALHOST:8/",
            "http://169.254.170.2/v2",
            "http://169.254.170.23/v1",
            "http://[fd00:ec2::23]/v1",
            "http://[fd00:ec2:0:0:0:0:0:23]/v1",
            "https://vault.example/v1",
        ] {
            parsed(uri).unwrap_or_else(|error| panic!("{uri}: {error}"));
        }
        for uri in [
            "http://192.0.2.1/",
            "http://169.254.169.254/",
            "http://localhost.example/",
            "http://127.0.0.1.example/",
            "http://[::ffff:10.0.0.1]/",
            "http://vault.example/",
            "ftp://127.0.0.1/",
            "http://user:password@127.0.0.1/",
            "http://127.0.0.1@192.0.2.1/",
            "http:///",
            "",
        ] {
            assert!(parsed(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn splits_path_and_query() {
        let target = |uri| parsed(uri).unwrap().1;
        assert_eq!(target("http://127.0.0.1/v2/a?x=1"), "/v2/a?x=1");
        assert_eq!(target("http://127.0.0.1?x=1"), "/?x=1");
        assert_eq!(target("http://127.0.0.1"), "/");
        assert!(parsed("http://127.0.0.1/a b").is_err());
        assert!(parsed("http://127.0.0.1/a\r\nx: y").is_err());
    }

    #[test]
    fn does_not_repeat_a_password_or_a_token() {
        for (variable, uri) in [
            (FULL_URI, "http://user:hunter2%40127.0.0.1"),
            (FULL_URI, "http://127.0.0.1/a b?token=hunter2"),
            (FULL_URI, "ftp://127.0.0.1?token=hunter2"),
            (RELATIVE_URI, "v1?token=hunter2"),
        ] {
            let error = configure(&Environment::from_pairs([(variable, uri)])).err().unwrap();
            assert_eq!(error.kind(), Kind::Invalid);
            assert!(error.message().contains(variable) && !error.message().contains("hunter2"), "{error}");
        }
    }
}
