//! The sources of keys: a key or a provider set by the caller, or the environment.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};
use crate::sign::Key;

/// A key that may expire.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The key that requests are signed with.
    pub key: Key,
    /// The expiry, in seconds since 1970-01-01 UTC. `None`: the key does not expire.
    pub expires: Option<i64>,
}

/// Returns credentials. It is called on a caller's thread, see [`Keys`](super::Keys).
pub type Provider = Box<dyn Fn() -> Result<Credentials> + Send + Sync>;

/// The source of the keys of a client.
#[derive(Clone)]
pub enum CredentialsSource {
    /// One permanent key.
    Key(Arc<Key>),
    /// A provider of keys.
    Provider(Arc<Provider>),
}

impl fmt::Debug for CredentialsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.debug_tuple("Key").field(key).finish(),
            Self::Provider(_) => f.write_str("Provider(..)"),
        }
    }
}

/// The environment variables of a key, as in the AWS tools.
const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN: &str = "AWS_SESSION_TOKEN";

/// Returns the key in the environment, or `None` without one. `variable` reads an environment variable.
///
/// # Errors
/// `Credentials` if only one part of the key is set, `Invalid` if a part is invalid.
pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Key>> {
    match (variable(KEY_ID), variable(SECRET)) {
        (None, None) => Ok(None),
        (Some(id), Some(secret)) => {
            let (secret, token) = (Zeroizing::new(secret), variable(TOKEN).map(Zeroizing::new));
            named_key([KEY_ID, SECRET, TOKEN], &id, &secret, token.as_deref().map(String::as_str)).map(Some)
        }
        (id, secret) => {
            drop(secret.map(Zeroizing::new));
            let (set, missing) = if id.is_some() { (KEY_ID, SECRET) } else { (SECRET, KEY_ID) };
            Err(Error::new(Kind::Credentials, format!("{set} is set in the environment, but {missing} is not")))
        }
    }
}

/// Creates a key from its parts. An empty token counts as none.
///
/// # Errors
/// `Invalid` names the part and the rule, never the value of a secret.
pub fn key(id: &str, secret: &str, token: Option<&str>) -> Result<Key> {
    named_key(["the access key ID", "the secret access key", "the session token"], id, secret, token)
}

/// Creates a key from its parts. Errors refer to the parts by `names`.
fn named_key(names: [&str; 3], id: &str, secret: &str, token: Option<&str>) -> Result<Key> {
    let token = token.filter(|token| !token.is_empty());
    for (name, value) in names.into_iter().zip([id, secret, token.unwrap_or("-")]) {
        check_part(name, value)?;
    }
    Ok(Key::new(id, secret, token.map(str::to_owned)))
}

/// The maximum length of a part of a key, in bytes. Session tokens have up to a few thousand. Servers reject requests with much
/// larger headers.
const KEY_PART_MAX: usize = 32 << 10;

/// Checks a part of a key. Each part is used in headers, which a line break would end.
fn check_part(name: &str, value: &str) -> Result<()> {
    if value.is_empty() {
        return Err(Error::invalid(format!("{name} is empty")));
    }
    if value.len() > KEY_PART_MAX {
        return Err(Error::invalid(format!("{name} has {} bytes: it must have at most {KEY_PART_MAX}", value.len())));
    }
    let Some((offset, invalid)) = value.char_indices().find(|(_, c)| !c.is_ascii_graphic()) else { return Ok(()) };
    let what = match invalid {
        ' ' => "a space",
        '\t' => "a tab",
        '\n' => "a line feed",
        '\r' => "a carriage return",
        _ if invalid.is_ascii() => "a control character",
        _ => "a character that is not ASCII",
    };
    // "At its end" if no printable character follows, as with "\r\n".
    let place = match offset {
        0 => "at its start".to_owned(),
        _ if !value[offset..].contains(|c: char| c.is_ascii_graphic()) => "at its end".to_owned(),
        _ => format!("at offset {offset}"),
    };
    Err(Error::invalid(format!(
        "{name} has {what} {place}: it must consist of printable ASCII characters without spaces"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &'static [(&str, &str)]) -> Result<Option<Key>> {
        from_environment(|name| pairs.iter().find(|(have, _)| *have == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn reads_complete_and_partial_keys_from_the_environment() {
        assert!(environment(&[]).unwrap().is_none());
        assert!(environment(&[(KEY_ID, "AK"), (SECRET, "s3cr3t")]).unwrap().is_some());
        assert!(environment(&[(KEY_ID, "AK"), (SECRET, "s3cr3t"), (TOKEN, "to ken")]).is_err(), "the token is read");
        let partial = environment(&[(KEY_ID, "AK")]).unwrap_err();
        assert_eq!(partial.kind(), Kind::Credentials);
        assert!(partial.message().contains(SECRET));
    }

    #[test]
    fn error_names_part_and_position_but_no_value() {
        for (id, secret, token, expected) in [
            ("AK", "se cret", None, "the secret access key has a space at offset 2"),
            ("AK", "secret\r", None, "the secret access key has a carriage return at its end"),
            ("AK", "secret\r\n", None, "the secret access key has a carriage return at its end"),
            ("AK", "secret", Some("\tto-ken"), "the session token has a tab at its start"),
            ("AK", "secret", Some("to\u{fffd}ken"), "the session token has a character that is not ASCII at offset 2"),
            ("A\x1bK", "secret", None, "the access key ID has a control character at offset 1"),
            ("AK", "", None, "the secret access key is empty"),
        ] {
            let message = key(id, secret, token).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message}");
            assert!(
                !message.contains("cret\\") && !message.contains("se cret") && !message.contains("ken:"),
                "{message}"
            );
        }
    }

    #[test]
    fn error_names_environment_variable() {
        for (pairs, expected) in [
            (
                [(KEY_ID, "AK\r"), (SECRET, "s3cr3t"), (TOKEN, "t")],
                "AWS_ACCESS_KEY_ID has a carriage return at its end",
            ),
            ([(KEY_ID, "AK"), (SECRET, "s3cr3t\n"), (TOKEN, "t")], "AWS_SECRET_ACCESS_KEY has a line feed at its end"),
            ([(KEY_ID, "AK"), (SECRET, "s3cr3t"), (TOKEN, " t")], "AWS_SESSION_TOKEN has a space at its start"),
        ] {
            let variable = |name: &str| pairs.iter().find(|(have, _)| *have == name).map(|(_, v)| (*v).to_owned());
            let error = from_environment(variable).unwrap_err();
            assert!(error.message().starts_with(expected), "{error}");
            assert!(!error.message().contains("s3cr3t"), "{error}");
        }
    }
}
