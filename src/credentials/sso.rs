//! Keys of IAM Identity Center (SSO), with the token that `aws sso login` has cached.
//!
//! The library does not refresh the token: AWS CLI and library would both replace the cached refresh token, which is valid
//! once. Errors name the command to run.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use sha1::{Digest, Sha1};

use super::aws_cli;
use super::documents::{self, JsonSecret};
use super::fetch::{Fetch, describe_status, is_transient};
use super::files;
use super::limits;
use super::provider::{Configured, LoadContext, Loaded, Provider, failure};
use super::retries::retry;
use super::settings::Settings;
use super::transports::Route;
use crate::dates;
use crate::error::{Error, Kind, Result};
use crate::http::{Endpoint, Method};
use crate::percent;
use crate::profile::Profile;
use crate::retry::backoff;
use crate::sanitize::{TEXT_MAX, escaped, quoted};
use crate::secret::Secret;

const ACCOUNT_ID: &str = "sso_account_id";
const ROLE_NAME: &str = "sso_role_name";
const REGION: &str = "sso_region";
const START_URL: &str = "sso_start_url";
const SESSION: &str = "sso_session";
const ATTEMPTS: u32 = 3;
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// A role of SSO and the cached token.
pub(super) struct Sso {
    endpoint: Endpoint,
    account_id: String,
    role_name: String,
    cache_file: PathBuf,
    profile: String,
}

/// The cached token.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CachedToken {
    access_token: JsonSecret,
    expires_at: String,
}

/// The error document of SSO.
#[derive(Deserialize)]
struct SsoError {
    message: Option<String>,
}

/// Configures the provider.
///
/// # Errors
/// `Invalid` for a missing setting.
pub(super) fn configure(profile: &Profile, settings: &Settings<'_>) -> Result<Configured> {
    // These two select the provider, as in the AWS CLI.
    if profile.get(ACCOUNT_ID).is_none() && profile.get(ROLE_NAME).is_none() {
        return Ok(Configured::No(format!("it has no {ACCOUNT_ID}")));
    }
    let name = quoted(profile.name());
    let session = match profile.setting(SESSION)? {
        None => None,
        Some(setting) => Some(settings.profiles.sso_session(setting.value).ok_or_else(|| {
            Error::invalid(format!(
                "profile {name}, {setting}: the section [sso-session {}] does not exist",
                setting.value
            ))
        })?),
    };
    let get = |key: &str| -> Result<String> {
        let of_session = session.map(|session| session.setting(key)).transpose()?.flatten();
        let of_profile = profile.setting(key)?;
        match (of_session.map(|setting| setting.value), of_profile.map(|setting| setting.value)) {
            (Some(one), Some(other)) if one != other => Err(Error::invalid(format!(
                "profile {name} and its sso-session have different values of {key}: remove the one of the profile"
            ))),
            (Some(value), _) | (None, Some(value)) => Ok(value.to_owned()),
            (None, None) => Err(Error::invalid(format!("profile {name} uses SSO, but {key} is missing"))),
        }
    };
    let (account_id, role_name, region, start_url) = (get(ACCOUNT_ID)?, get(ROLE_NAME)?, get(REGION)?, get(START_URL)?);
    for (key, value) in [(ACCOUNT_ID, &account_id), (ROLE_NAME, &role_name)] {
        limits::check_name(format_args!("{key} of profile {name}"), value)?;
    }
    let cache_key = profile.get(SESSION).unwrap_or(&start_url);
    let Some(home) = settings.environment.home() else {
        return Err(Error::invalid(format!(
            "profile {name} uses SSO, but HOME is not set: the token is in ~/.aws/sso/cache"
        )));
    };
    let file = format!("{}.json", hex::encode(Sha1::digest(cache_key)));
    Ok(Configured::provider(Sso {
        endpoint: settings.sso_portal(&region)?,
        account_id,
        role_name,
        cache_file: home.join(".aws/sso/cache").join(file),
        profile: profile.name().to_owned(),
    }))
}

impl Provider for Sso {
    fn source(&self) -> String {
        format!(
            "SSO (profile {}, account {}, role {})",
            quoted(&self.profile),
            self.account_id,
            quoted(&self.role_name)
        )
    }

    fn is_of_profile(&self) -> bool {
        true
    }

    fn load(&self, context: &LoadContext<'_>) -> Result<Loaded> {
        let token = self.token(context)?;
        context.redactor.add(token.expose());
        let load = || self.load_once(&token, context);
        retry("SSO", ATTEMPTS, context, load, |failed, error| {
            is_transient(error).then(|| backoff(failed, fastrand::f64(), None))
        })
    }
}

impl Sso {
    /// Reads the cached token.
    fn token(&self, context: &LoadContext<'_>) -> Result<Secret> {
        let what = format!("the SSO token file {}", self.cache_file.display());
        let text = files::read_secret(&self.cache_file, &what).map_err(|error| self.unreadable(error))?;
        let token: CachedToken =
            documents::parse(&what, text.expose().as_bytes()).map_err(|error| self.needs_login(error.message()))?;
        let invalid = || self.needs_login(&format!("{what} has the invalid expiresAt {}", quoted(&token.expires_at)));
        // Older versions of the AWS CLI write "UTC" for "Z".
        let date = token.expires_at.replace("UTC", "Z");
        let expires = dates::parse_iso8601_with_offset(&date).ok_or_else(invalid)?;
        if expires <= (context.now)() {
            return Err(self.needs_login(&format!("the token in {} expired at {date}", self.cache_file.display())));
        }
        if token.access_token.0.expose().bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(self.needs_login(&format!("{what} has an invalid accessToken")));
        }
        limits::check_token(format_args!("accessToken in {what}"), token.access_token.0.expose())
            .map_err(|error| self.needs_login(error.message()))?;
        Ok(token.access_token.0)
    }

    /// Calls GetRoleCredentials.
    fn load_once(&self, token: &Secret, context: &LoadContext<'_>) -> Result<Loaded> {
        let target = format!(
            "/federation/credentials?role_name={}&account_id={}",
            percent::encode(self.role_name.as_bytes()),
            percent::encode(self.account_id.as_bytes())
        );
        let fetch = Fetch {
            endpoint: &self.endpoint,
            route: Route::Proxied,
            time_limit: TIME_LIMIT,
            method: Method::Get,
            target: &target,
            headers: vec![("x-amz-sso_bearer_token", token.expose().to_owned())],
            body: None,
        };
        let (name, source) = (fetch.name(), self.source());
        let response = fetch.send(context)?;
        if response.status == 200 {
            if !documents::is_of_sso(&response.body) && !response.has_request_id() {
                return Err(response.not_from_service(&format!("{source}: {name}"), "SSO"));
            }
            return documents::sso_credentials(&source, &response.body, context.redactor).map(Loaded::Keys);
        }
        let message = serde_json::from_slice::<SsoError>(&response.body).ok().and_then(|error| error.message);
        if message.is_none() && !response.has_request_id() {
            return Err(response.not_from_service(&format!("{source}: {name}"), "SSO"));
        }
        let message = escaped(&message.unwrap_or_else(|| describe_status(response.status)), TEXT_MAX);
        match response.status {
            401 => Err(self.needs_login(&format!("{name} rejects the token: {message}"))),
            status @ (429 | 500..) => {
                let kind = if status == 429 { Kind::Throttled } else { Kind::Service };
                Err(Error::new(kind, format!("{source}: {name} failed: {message}")).with_response(status, None, None))
            }
            _ => Err(failure(format!("{source}: {name} failed: {message}"))),
        }
    }

    /// Returns the error if the token file cannot be read. Only a login creates the file, but it gives no descriptors.
    fn unreadable(&self, error: Error) -> Error {
        if error.kind() == Kind::Memory { error } else { self.needs_login(error.message()) }
    }

    /// Returns the error if there is no valid token.
    fn needs_login(&self, reason: &str) -> Error {
        failure(format!(
            "profile {} needs a login at SSO: {reason}; run {}, or select a profile with {}, which refreshes the token",
            quoted(&self.profile),
            aws_cli::login(&self.profile),
            aws_cli::export_credentials(&self.profile)
        ))
    }
}
