//! The limits of texts from outside that become parts of requests for keys: settings, tokens and role names. A longer text
//! would be rejected by the service or by a server before it, or would not fit in a URL or a header.

use std::fmt;

use crate::error::{Error, Kind, Result};

/// The maximum length of a part of a key and of other tokens, in bytes. Session tokens have up to a few thousand. Servers reject
/// requests with much larger headers.
pub(super) const TOKEN_MAX: usize = 32 << 10;
/// The maximum length of a name in a setting, in bytes: a role, an account, a session, an external ID. The longest that AWS
/// allows is a role ARN with 2048.
const NAME_MAX: usize = 2048;
/// The maximum length of a URL in a setting, in bytes.
const URL_MAX: usize = 8 << 10;
/// The maximum length of a session token or a role name that the instance metadata service returns, in bytes.
pub(super) const METADATA_TEXT_MAX: usize = 4096;

/// Checks the length of a name. `place` is the setting.
///
/// # Errors
/// `Invalid` names the setting and the rule.
pub(super) fn check_name(place: impl fmt::Display, name: &str) -> Result<()> {
    too_long(place, name, NAME_MAX).map_or(Ok(()), |text| Err(Error::invalid(text)))
}

/// Checks the length of a URL, or of its path. `place` is the setting.
///
/// # Errors
/// `Invalid` names the setting and the rule.
pub(super) fn check_url(place: impl fmt::Display, url: &str) -> Result<()> {
    too_long(place, url, URL_MAX).map_or(Ok(()), |text| Err(Error::invalid(text)))
}

/// Checks the length of a token. `what` names it and its place.
///
/// # Errors
/// `Credentials` names the place and the rule.
pub(super) fn check_token(what: impl fmt::Display, token: &str) -> Result<()> {
    too_long(what, token, TOKEN_MAX).map_or(Ok(()), |text| Err(Error::new(Kind::Credentials, text)))
}

/// Returns the message for a text that is too long. It does not contain the text, which may be a secret.
pub(super) fn too_long(what: impl fmt::Display, text: &str, max: usize) -> Option<String> {
    let length = text.len();
    (length > max).then(|| format!("{what} has {length} bytes: it must have at most {max}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_long_texts_without_showing_them() {
        type Check = fn(&str) -> Result<()>;
        let checks: [(Check, usize, Kind); 3] = [
            (|text| check_name("sso_role_name", text), NAME_MAX, Kind::Invalid),
            (|text| check_url("the URI", text), URL_MAX, Kind::Invalid),
            (|text| check_token("the token", text), TOKEN_MAX, Kind::Credentials),
        ];
        for (check, max, kind) in checks {
            check(&"s".repeat(max)).unwrap();
            let error = check(&"s".repeat(max + 1)).unwrap_err();
            assert_eq!(error.kind(), kind);
            assert!(
                error.message().ends_with(&format!("has {} bytes: it must have at most {max}", max + 1)),
                "{error}"
            );
            assert!(!error.message().contains("sssss"), "{error}");
        }
    }
}
