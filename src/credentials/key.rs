//! A key with its expiry, and the rules for its parts.

use super::limits::{TOKEN_MAX, too_long};
use crate::error::{Error, Result};
use crate::sanitize::non_graphic;
use crate::sign::Key;

/// A key that may expire.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The key that requests are signed with.
    pub key: Key,
    /// The expiry, in seconds since 1970-01-01 UTC. `None`: the key does not expire.
    pub expires: Option<i64>,
}

/// Creates a key from its parts. An empty token counts as none.
///
/// # Errors
/// `Invalid` names the part and the rule, never the value of a secret.
pub fn key(id: &str, secret: &str, token: Option<&str>) -> Result<Key> {
    named_key(["the access key ID", "the secret access key", "the session token"], id, secret, token)
}

/// Creates a key from its parts. Errors refer to the parts by `names`.
///
/// # Errors
/// `Invalid` names the part and the rule, never the value of a secret.
pub(super) fn named_key(names: [impl AsRef<str>; 3], id: &str, secret: &str, token: Option<&str>) -> Result<Key> {
    let token = token.filter(|token| !token.is_empty());
    for (name, value) in names.iter().zip([id, secret, token.unwrap_or("-")]) {
        check_part(name.as_ref(), value)?;
    }
    Ok(Key::new(id, secret, token.map(str::to_owned)))
}

/// Checks a part of a key. Each part is used in headers, which a line break would end.
fn check_part(name: &str, value: &str) -> Result<()> {
    if value.is_empty() {
        return Err(Error::invalid(format!("{name} is empty")));
    }
    if let Some(text) = too_long(name, value, TOKEN_MAX) {
        return Err(Error::invalid(text));
    }
    let Some(found) = non_graphic(value) else { return Ok(()) };
    Err(Error::invalid(format!("{name} has {found}: it must consist of printable ASCII characters without spaces")))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
