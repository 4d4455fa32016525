//! Where keys come from: the caller, who gives one or is asked for each, or the environment.

mod keys;

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

pub use self::keys::{Keys, NumberedKey};
use crate::error::{Error, Kind, Result};
use crate::sign::Key;

/// A key that may expire.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// What requests are signed with.
    pub key: Key,
    /// Until when, in seconds since 1970-01-01 UTC; `None`: for good.
    pub expires: Option<i64>,
}

/// Is asked for credentials, on a thread of the caller's: see [`Keys`].
pub type Provider = Box<dyn Fn() -> Result<Credentials> + Send + Sync>;

/// Where the keys of a client come from.
#[derive(Clone)]
pub enum CredentialsSource {
    /// One key for good.
    Key(Arc<Key>),
    /// Whom to ask.
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

/// The variables that hold a key, as the AWS tools name them.
const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN: &str = "AWS_SESSION_TOKEN";

/// The key that the environment holds; `variable` reads it. `None` if it holds none.
///
/// # Errors
/// `Credentials` if only half of a key is there, `Invalid` if what is there cannot be a key.
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

/// A key from its parts. An empty token is none.
///
/// # Errors
/// `Invalid` names the part and the rule, never the value of a secret.
pub fn key(id: &str, secret: &str, token: Option<&str>) -> Result<Key> {
    named_key(["the access key ID", "the secret access key", "the session token"], id, secret, token)
}

/// A key from its parts, which errors call by these names.
fn named_key(names: [&str; 3], id: &str, secret: &str, token: Option<&str>) -> Result<Key> {
    let token = token.filter(|token| !token.is_empty());
    for (name, value) in names.into_iter().zip([id, secret, token.unwrap_or("-")]) {
        check_part(name, value)?;
    }
    Ok(Key::new(id, secret, token.map(str::to_owned)))
}

/// The longest part of a key, in bytes. Session tokens have up to some thousand; a request whose headers are much larger is
/// refused everywhere.
const KEY_PART_MAX: usize = 32 << 10;

/// Each part goes into headers, where a line break would end the header.
fn check_part(name: &str, value: &str) -> Result<()> {
    if value.is_empty() {
        return Err(Error::invalid(format!("{name} is empty")));
    }
    if value.len() > KEY_PART_MAX {
        return Err(Error::invalid(format!("{name} has {} bytes: it must have at most {KEY_PART_MAX}", value.len())));
    }
    let Some((at, bad)) = value.char_indices().find(|(_, c)| !c.is_ascii_graphic()) else { return Ok(()) };
    let what = match bad {
        ' ' => "a space",
        '\t' => "a tab",
        '\n' => "a line feed",
        '\r' => "a carriage return",
        _ if bad.is_ascii() => "a control character",
        _ => "a character that is not ASCII",
    };
    // The rest of the value is as bad to the end, as "\r\n" is, or it goes on behind it.
    let place = match at {
        0 => "at its start".to_owned(),
        _ if !value[at..].contains(|c: char| c.is_ascii_graphic()) => "at its end".to_owned(),
        _ => format!("at offset {at}"),
    };
    Err(Error::invalid(format!("{name} has {what} {place}: it must be printable ASCII characters without spaces")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &'static [(&str, &str)]) -> Result<Option<Key>> {
        from_environment(|name| pairs.iter().find(|(have, _)| *have == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn whole_keys_half_keys_and_none() {
        assert!(environment(&[]).unwrap().is_none());
        assert!(environment(&[(KEY_ID, "AK"), (SECRET, "s3cr3t")]).unwrap().is_some());
        assert!(environment(&[(KEY_ID, "AK"), (SECRET, "s3cr3t"), (TOKEN, "to ken")]).is_err(), "the token is read");
        let half = environment(&[(KEY_ID, "AK")]).unwrap_err();
        assert_eq!(half.kind(), Kind::Credentials);
        assert!(half.message().contains(SECRET));
    }

    #[test]
    fn error_names_part_and_place_but_no_value() {
        for (id, secret, token, expected) in [
            ("AK", "se cret", None, "the secret access key has a space at offset 2"),
            ("AK", "secret\r", None, "the secret access key has a carriage return at its end"),
            ("AK", "secret\r\n", None, "the secret access key has a carriage return at its end"),
            ("AK", "secret", Some("\tto-ken"), "the session token has a tab at its start"),
            ("AK", "secret", Some("to\u{fffd}ken"), "the session token has a character that is not ASCII at offset 2"),
            ("A\x1bK", "secret", None, "the access key ID has a control character at offset 1"),
            ("AK", "", None, "the secret access key is empty"),
        ] {
            let told = key(id, secret, token).unwrap_err().to_string();
            assert!(told.starts_with(expected), "{told}");
            assert!(!told.contains("cret\\") && !told.contains("se cret") && !told.contains("ken:"), "{told}");
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
