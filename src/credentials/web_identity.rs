//! Keys of a role for the token of an identity provider, as in pods of EKS: AssumeRoleWithWebIdentity.

use std::path::PathBuf;

use super::files;
use super::limits;
use super::provider::{Configured, LoadContext, Loaded, Provider, failure};
use super::settings::Settings;
use super::sts::{Role, Sts, role_setting};
use crate::error::{Error, Result};
use crate::profile::Profile;
use crate::sanitize::quoted;
use crate::secret::Secret;

const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
const ROLE_ARN: &str = "AWS_ROLE_ARN";
const SESSION_NAME: &str = "AWS_ROLE_SESSION_NAME";

/// A role and the file with the token.
pub(super) struct WebIdentity {
    sts: Sts,
    role: Role,
    token_file: PathBuf,
}

/// Configures the provider from a profile and, if `uses_variables`, from the environment. Each variable overrides a key.
///
/// # Errors
/// `Invalid` for a token file without a role.
pub(super) fn configure(settings: &Settings<'_>, profile: &Profile, uses_variables: bool) -> Result<Configured> {
    let environment = settings.environment;
    let get = |variable: &str, key: &str| -> Result<Option<String>> {
        if let Some(value) = environment.get(variable).filter(|_| uses_variables) {
            limits::check_name(variable, value)?;
            return Ok(Some(value.to_owned()));
        }
        role_setting(profile, key)
    };
    let variable = environment.raw(TOKEN_FILE).filter(|path| uses_variables && !path.is_empty()).map(PathBuf::from);
    let token_file = match variable {
        Some(path) => Some(path),
        None => profile.setting("web_identity_token_file")?.map(|setting| PathBuf::from(setting.value)),
    };
    let Some(token_file) = token_file else {
        return Ok(Configured::No(match uses_variables {
            true => format!("{TOKEN_FILE} is not set"),
            false => "the profile has no web_identity_token_file".to_owned(),
        }));
    };
    let Some(arn) = get(ROLE_ARN, "role_arn")? else {
        return Err(Error::invalid(format!(
            "no role is set for the web identity token file {}: set {ROLE_ARN}, or role_arn in profile {}",
            token_file.display(),
            quoted(profile.name())
        )));
    };
    let role =
        Role { arn, session_name: get(SESSION_NAME, "role_session_name")?, external_id: None, duration_seconds: None };
    Ok(Configured::provider(WebIdentity { sts: settings.sts()?, role, token_file }))
}

impl Provider for WebIdentity {
    fn source(&self) -> String {
        format!("web identity (role {}, token file {})", self.role.arn, self.token_file.display())
    }

    fn load(&self, context: &LoadContext<'_>) -> Result<Loaded> {
        let what = format!("the web identity token file {}", self.token_file.display());
        // Read at each call: the file is replaced before its token expires.
        let token = Secret::from(files::read_secret(&self.token_file, &what)?.expose().trim());
        if token.expose().is_empty() {
            return Err(failure(format!("{what} is empty")));
        }
        limits::check_token(&what, token.expose())?;
        context.redactor.add(token.expose());
        let hint = format!("the token is from {}", self.token_file.display());
        let credentials = self.sts.assume_role_with_web_identity(&self.role, &token, context);
        Ok(Loaded::Keys(credentials.map_err(|error| error.with_hint(hint))?))
    }
}
