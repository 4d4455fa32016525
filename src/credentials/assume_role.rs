//! Keys of a role in a profile: AssumeRole with the keys of another source.

use super::provider::{Configured, LoadContext, Loaded, Provider, failure};
use super::settings::Settings;
use super::sts::{Role, Sts, role_setting};
use super::{aws_cli, container, environment_keys, instance_metadata, profile_steps};
use crate::decimal::parse_decimal;
use crate::error::{Error, Kind, Result};
use crate::limits::quoted;
use crate::profile::Profile;

/// A role, and the source of the keys that may assume it.
struct AssumeRole {
    sts: Sts,
    role: Role,
    source: Box<dyn Provider>,
    profile: String,
}

/// The maximum number of profiles in a chain of source profiles. Each uses some of the stack, and one request to STS.
const CHAIN_MAX: usize = 32;

/// Configures the provider for the selected profile.
///
/// # Errors
/// `Invalid`, `Credentials`.
pub(super) fn configure(settings: &Settings<'_>) -> Result<Configured> {
    let profile = settings.profiles.selected();
    if !has_role(profile) {
        return Ok(Configured::No("it has no role_arn".to_owned()));
    }
    role_of(profile, settings, &mut vec![profile.name().to_owned()]).map(Configured::Yes)
}

/// Returns whether a profile has a role that is assumed with keys. A role with a web identity token file is assumed with the
/// token, by another provider.
fn has_role(profile: &Profile) -> bool {
    profile.get("role_arn").is_some() && profile.get("web_identity_token_file").is_none()
}

/// Returns the provider of a profile with a role. `visited` has the names of the profiles that need its keys, and its own.
fn role_of(profile: &Profile, settings: &Settings<'_>, visited: &mut Vec<String>) -> Result<Box<dyn Provider>> {
    let name = quoted(profile.name());
    let (source_profile, credential_source) =
        (profile.setting("source_profile")?, profile.setting("credential_source")?);
    let source: Box<dyn Provider> = match (source_profile, credential_source) {
        (Some(_), Some(_)) => {
            return Err(Error::invalid(format!(
                "profile {name} has both source_profile and credential_source: remove one of them"
            )));
        }
        (None, None) => {
            return Err(failure(format!(
                "profile {name} has role_arn without a source of keys: add source_profile, credential_source or \
                 web_identity_token_file"
            )));
        }
        (None, Some(source)) => named_source(source.value, settings, profile)
            .map_err(|error| error.with_context(format_args!("profile {name}, {source}")))?,
        (Some(source), None) => {
            let Some(source_profile) = settings.profiles.profile(source.value) else {
                return Err(Error::invalid(format!(
                    "profile {name}, {source}: profile {} does not exist",
                    quoted(source.value)
                )));
            };
            source_of(source_profile, profile, settings, visited)?
        }
    };
    let role = role(profile)?;
    if let Some(mfa) = profile.setting("mfa_serial")? {
        return Err(failure(format!(
            "profile {name} needs a code of the MFA device {} ({mfa}), which this library cannot ask for: add a profile with {} \
             (AWS CLI 2) and select it",
            quoted(mfa.value),
            aws_cli::export_credentials(profile.name())
        )));
    }
    Ok(Box::new(AssumeRole { sts: settings.sts()?, role, source, profile: profile.name().to_owned() }))
}

fn role(profile: &Profile) -> Result<Role> {
    let duration = profile.setting("duration_seconds")?.map(|setting| {
        parse_decimal(setting.value).ok_or_else(|| {
            Error::invalid(format!(
                "profile {}, {setting}: {} is not a number of seconds, such as 3600",
                quoted(profile.name()),
                quoted(setting.value)
            ))
        })
    });
    Ok(Role {
        arn: role_setting(profile, "role_arn")?.unwrap_or_default(),
        session_name: role_setting(profile, "role_session_name")?,
        external_id: role_setting(profile, "external_id")?,
        duration_seconds: duration.transpose()?,
    })
}

/// Returns the provider of a source profile. Its keys precede its role.
fn source_of(
    source: &Profile,
    user: &Profile,
    settings: &Settings<'_>,
    visited: &mut Vec<String>,
) -> Result<Box<dyn Provider>> {
    let has_keys = profile_steps::has_keys(source);
    if visited.iter().any(|name| name == source.name()) && !(source.name() == user.name() && has_keys) {
        visited.push(source.name().to_owned());
        return Err(Error::invalid(format!(
            "the profiles assume each other's roles in a loop ({}): give one of them keys, or another source_profile",
            visited.join(" -> ")
        )));
    }
    if visited.len() == CHAIN_MAX {
        return Err(Error::invalid(format!(
            "the chain of source profiles, which begins with profile {}, has more than {CHAIN_MAX} profiles: select a later \
             profile of the chain",
            visited.first().map(|name| quoted(name)).unwrap_or_default()
        )));
    }
    visited.push(source.name().to_owned());
    if has_role(source) && !has_keys {
        return role_of(source, settings, visited);
    }
    match profile_steps::configure(source, settings)? {
        profile_steps::Outcome::Provider(provider) => Ok(provider),
        profile_steps::Outcome::Nothing { reason, partial } => Err(partial.unwrap_or_else(|| {
            Error::invalid(format!(
                "the source profile {} of profile {} has no credentials: {reason}",
                quoted(source.name()),
                quoted(user.name())
            ))
        })),
    }
}

/// Returns the provider of a `credential_source`.
fn named_source(name: &str, settings: &Settings<'_>, profile: &Profile) -> Result<Box<dyn Provider>> {
    let configured = match name {
        "Environment" => environment_keys::configure(settings.environment)?,
        "EcsContainer" => container::configure(settings.environment)?,
        "Ec2InstanceMetadata" => instance_metadata::configure(settings.environment, profile)?,
        _ => {
            return Err(Error::invalid(format!(
                "{} is not allowed: it must be Environment, Ec2InstanceMetadata or EcsContainer (case-sensitive)",
                quoted(name)
            )));
        }
    };
    let reason = match configured {
        Configured::Yes(provider) => return Ok(provider),
        Configured::No(reason) => reason,
        Configured::Partial(error) => error.message().to_owned(),
    };
    Err(failure(format!("{name} has no credentials: {reason}")))
}

impl Provider for AssumeRole {
    fn source(&self) -> String {
        format!("role {} of profile {}, assumed with {}", self.role.arn, quoted(&self.profile), self.source.source())
    }

    fn is_of_profile(&self) -> bool {
        true
    }

    fn load(&self, context: &LoadContext<'_>) -> Result<Loaded> {
        let source = match self.source.load(context)? {
            Loaded::Keys(credentials) => credentials,
            Loaded::Nothing(reason) => {
                let text =
                    format!("profile {}: {} has no credentials: {reason}", quoted(&self.profile), self.source.source());
                return Err(Error::new(Kind::Credentials, text));
            }
        };
        source.key.register(context.redactor);
        let credentials = self.sts.assume_role(&self.role, &source.key, context);
        let context_of_error = format!("profile {}", quoted(&self.profile));
        Ok(Loaded::Keys(credentials.map_err(|error| match error.kind() {
            Kind::Canceled => error,
            _ => error.with_context(context_of_error),
        })?))
    }
}
