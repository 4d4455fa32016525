//! Where keys come from: the caller, who gives one or is asked for each, or the environment.

mod keys;

use std::fmt;
use std::sync::Arc;

pub use self::keys::{InUse, Keys};
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
pub enum Origin {
    /// One key for good.
    Key(Arc<Key>),
    /// Whom to ask.
    Provider(Arc<Provider>),
}

impl fmt::Debug for Origin {
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
        (Some(id), Some(secret)) => key(&id, &secret, variable(TOKEN).as_deref()).map(Some),
        (id, _) => {
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
    let token = token.filter(|token| !token.is_empty());
    for (name, value) in [("access key ID", id), ("secret access key", secret), ("session token", token.unwrap_or("-"))]
    {
        if value.is_empty() {
            return Err(Error::invalid(format!("the {name} is empty")));
        }
        // What is signed goes into headers; a line break there would end them.
        if !value.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
            return Err(Error::invalid(format!("the {name} has a character that is not printable ASCII, or a space")));
        }
    }
    Ok(Key::new(id, secret, token.map(str::to_owned)))
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
    fn no_error_tells_a_secret() {
        for (id, secret, token) in [("AK", "se cret", None), ("AK", "secret\n", None), ("AK", "secret", Some("to ken"))]
        {
            let error = key(id, secret, token).unwrap_err();
            let told = error.to_string();
            assert!(!told.contains("cret\n") && !told.contains("se cret") && !told.contains("to ken"), "{told}");
        }
    }
}
