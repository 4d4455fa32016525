//! The ways in which a profile itself supplies keys, in their order.

use super::provider::{Configured, Provider, failure};
use super::settings::Settings;
use super::{aws_cli, process, profile_keys, sso, web_identity};
use crate::error::{Error, Result};
use crate::limits::quoted;
use crate::profile::Profile;

/// What a profile supplies.
pub(super) enum Outcome {
    Provider(Box<dyn Provider>),
    Nothing {
        reason: String,
        /// The error of a key without its access key ID.
        partial: Option<Error>,
    },
}

/// Returns whether a profile has a key, complete or not, in one of its files.
pub(super) fn has_keys(profile: &Profile) -> bool {
    let keys = [profile.credentials_file_keys(), profile.config_file_keys()];
    keys.iter().any(|keys| keys.access_key_id.is_some() || keys.secret_access_key.is_some())
}

/// Configures the provider of a source profile: its web identity, else its other providers.
///
/// # Errors
/// `Invalid`, `Credentials`.
pub(super) fn configure(profile: &Profile, settings: &Settings<'_>) -> Result<Outcome> {
    match web_identity::configure(settings, profile, false)? {
        Configured::Yes(provider) => Ok(Outcome::Provider(provider)),
        Configured::No(_) | Configured::Partial(_) => configure_own(profile, settings),
    }
}

/// Configures the provider of a profile without web identity.
///
/// # Errors
/// `Invalid`, `Credentials`.
pub(super) fn configure_own(profile: &Profile, settings: &Settings<'_>) -> Result<Outcome> {
    let mut partial = None;
    let steps: [&dyn Fn() -> Result<Configured>; 5] = [
        &|| sso::configure(profile, settings),
        &|| profile_keys::configure(profile, profile.credentials_section()),
        &|| refuse_login_session(profile),
        &|| process::configure(profile),
        &|| profile_keys::configure(profile, profile.config_section()),
    ];
    for step in steps {
        match step()? {
            Configured::Yes(provider) => return Ok(Outcome::Provider(provider)),
            Configured::Partial(error) => partial = partial.or(Some(error)),
            Configured::No(_) => {}
        }
    }
    let reason = match profile.credentials_section().or(profile.config_section()) {
        None => settings.profiles.files_summary(),
        Some(_) => "it has no keys, credential_process, role_arn or sso_account_id".to_owned(),
    };
    Ok(Outcome::Nothing { reason, partial })
}

fn refuse_login_session(profile: &Profile) -> Result<Configured> {
    match profile.setting("login_session")? {
        None => Ok(Configured::No(String::new())),
        Some(setting) => Err(failure(format!(
            "profile {}, {setting}: login sessions are not supported: add a profile with {} (AWS CLI 2) and select it",
            quoted(profile.name()),
            aws_cli::export_credentials(profile.name())
        ))),
    }
}
