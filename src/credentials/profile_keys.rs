//! Keys in a profile: of the credentials file or of the config file, never mixed.

use std::path::Path;

use super::key::{Credentials, named_key};
use super::provider::{Configured, LoadContext, Loaded, Provider, failure};
use crate::error::Result;
use crate::profile::{KeySettings, Profile, Section};
use crate::sanitize::quoted;
use crate::sign::Key;

const KEY_ID: &str = "aws_access_key_id";
const SECRET: &str = "aws_secret_access_key";

struct ProfileKeys {
    key: Key,
    /// The profile and its file.
    source: String,
}

/// Configures the provider for one file. `section` is the profile's part of it.
///
/// # Errors
/// `Credentials` without a secret key. `Invalid` for an invalid key.
pub(super) fn configure(profile: &Profile, section: Option<&Section>) -> Result<Configured> {
    let Some(section) = section else { return Ok(Configured::No("it has no keys".to_owned())) };
    let KeySettings { access_key_id, secret_access_key, session_token } = section.keys();
    let missing = |set: &str, missing: &str| {
        let place = place(profile, section.file());
        let error = failure(format!("{place} has {set} but no {missing}"));
        match section.absorbed(missing) {
            Some(absorbed) => error.with_hint(absorbed),
            None => error.with_hint(format_args!("add {missing} to this file, or remove {set}")),
        }
    };
    let (id, secret) = match (access_key_id, secret_access_key) {
        (Some(id), Some(secret)) => (id, secret),
        (Some(_), None) => return Err(missing(KEY_ID, SECRET)),
        (None, Some(_)) => return Ok(Configured::Partial(missing(SECRET, KEY_ID))),
        (None, None) => return Ok(Configured::No("it has no keys".to_owned())),
    };
    let token_name = session_token.map(|token| token.to_string()).unwrap_or_default();
    let names = [id.to_string(), secret.to_string(), token_name];
    let key = named_key(names, id.value, secret.value, session_token.map(|token| token.value)).map_err(|error| {
        let parts = [Some(id), Some(secret), session_token];
        match parts.into_iter().flatten().find_map(|part| part.continuation()) {
            Some(continuation) => error.with_hint(continuation),
            None => error,
        }
    })?;
    Ok(Configured::provider(ProfileKeys { key, source: place(profile, section.file()) }))
}

fn place(profile: &Profile, file: &Path) -> String {
    format!("profile {} in {}", quoted(profile.name()), file.display())
}

impl Provider for ProfileKeys {
    fn source(&self) -> String {
        self.source.clone()
    }

    fn is_of_profile(&self) -> bool {
        true
    }

    fn load(&self, _: &LoadContext<'_>) -> Result<Loaded> {
        Ok(Loaded::Keys(Credentials { key: self.key.clone(), expires: None }))
    }
}
