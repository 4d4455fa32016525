//! Keys in environment variables.

use super::key::{Credentials, named_key};
use super::provider::{Configured, LoadContext, Loaded, Provider, failure};
use crate::environment::Environment;
use crate::error::Result;
use crate::sign::Key;

const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN: &str = "AWS_SESSION_TOKEN";
/// The old name of the token.
const SECURITY_TOKEN: &str = "AWS_SECURITY_TOKEN";

struct EnvironmentKeys(Key);

/// Configures the provider.
///
/// # Errors
/// `Credentials` without a secret key. `Invalid` for an invalid key.
pub(super) fn configure(environment: &Environment) -> Result<Configured> {
    let (id, secret) = match (environment.get(KEY_ID), environment.get(SECRET)) {
        (Some(id), Some(secret)) => (id, secret),
        (Some(_), None) => return Err(failure(format!("{KEY_ID} is set in the environment, but {SECRET} is not"))),
        (None, Some(_)) => {
            let text = format!("{SECRET} is set in the environment, but {KEY_ID} is not");
            return Ok(Configured::Partial(failure(text)));
        }
        (None, None) => return Ok(Configured::No(format!("{KEY_ID} is not set"))),
    };
    let token = [TOKEN, SECURITY_TOKEN].into_iter().find_map(|name| environment.get(name).map(|value| (name, value)));
    let token_name = token.map_or(TOKEN, |(name, _)| name);
    let key = named_key([KEY_ID, SECRET, token_name], id, secret, token.map(|(_, value)| value))?;
    Ok(Configured::provider(EnvironmentKeys(key)))
}

impl Provider for EnvironmentKeys {
    fn source(&self) -> String {
        format!("the environment variable {KEY_ID}")
    }

    fn is_constant(&self) -> bool {
        true
    }

    fn load(&self, _: &LoadContext<'_>) -> Result<Loaded> {
        Ok(Loaded::Keys(Credentials { key: self.0.clone(), expires: None }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn configured(pairs: &[(&str, &str)]) -> Result<Configured> {
        configure(&Environment::from_pairs(pairs.iter().copied()))
    }

    #[test]
    fn needs_both_halves_of_a_key() {
        assert!(matches!(configured(&[]), Ok(Configured::No(_))));
        assert!(matches!(configured(&[(KEY_ID, "AK"), (SECRET, "s3cr3t")]), Ok(Configured::Yes(_))));
        let partial = configured(&[(KEY_ID, "AK")]).err().unwrap();
        assert_eq!(partial.kind(), Kind::Credentials);
        assert!(partial.message().contains(SECRET));
        let Ok(Configured::Partial(partial)) = configured(&[(SECRET, "s3cr3t")]) else { panic!() };
        assert!(partial.message().contains(KEY_ID));
    }

    #[test]
    fn error_names_environment_variable() {
        for (name, value, expected) in [
            (KEY_ID, "AK\r", "AWS_ACCESS_KEY_ID has a carriage return at its end"),
            (SECRET, "s3cr3t\n", "AWS_SECRET_ACCESS_KEY has a line feed at its end"),
            (TOKEN, " t", "AWS_SESSION_TOKEN has a space at its start"),
            (SECURITY_TOKEN, "t t", "AWS_SECURITY_TOKEN has a space at offset 1"),
        ] {
            let error = configured(&[(name, value), (KEY_ID, "AK"), (SECRET, "s3cr3t")]).err().unwrap();
            assert!(error.message().starts_with(expected), "{error}");
            assert!(!error.message().contains("s3cr3t"), "{error}");
        }
    }
}
