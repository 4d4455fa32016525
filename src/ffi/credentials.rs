//! `glacier_credentials_t`: receives the keys from a credentials provider.

use std::ffi::c_char;
use std::sync::PoisonError;

use super::args;
use super::boundary;
use super::error::glacier_error_t;
use super::result::glacier_result_t;
use crate::credentials::{self, Credentials};
use crate::error::{Error, Result};
use crate::sync::{Mutex, lock};

/// Receives the keys from a credentials provider. Valid only inside that callback.
#[derive(Debug, Default)]
pub struct glacier_credentials_t(Mutex<Option<Credentials>>);

impl glacier_credentials_t {
    /// Returns the keys that were set last.
    pub(super) fn into_credentials(self) -> Option<Credentials> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, credentials: Credentials) {
        *lock(&self.0) = Some(credentials);
    }
}

/// Passes keys from a credentials provider to the library: an access key ID, its secret key, the session token of
/// temporary credentials (NULL or empty: none), and their expiry in seconds since 1970-01-01 UTC, 0 for never.
///
/// Any thread may call it with the callback's out, until the callback returns. The last successful call counts.
///
/// Results: GLACIER_E_INVALID (the key ID or the secret is empty; a text is longer than 32,768 bytes, or has a space
/// or a character that is not printable ASCII; or expires_unix is negative). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_credentials_set(
    out: *mut glacier_credentials_t,
    key_id: *const c_char,
    secret: *const c_char,
    token_or_null: *const c_char,
    expires_unix: i64,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || {
        let out = args::borrow(out, "out")?;
        let (key_id, secret) = (args::str_arg(key_id, "key_id")?, args::str_arg(secret, "secret")?);
        let key = credentials::key(key_id, secret, args::optional_str_arg(token_or_null, "token_or_null")?)?;
        out.set(Credentials { key, expires: expiry(expires_unix)? });
        Ok(())
    })
}

fn expiry(unix: i64) -> Result<Option<i64>> {
    match unix {
        ..0 => Err(Error::invalid(format!(
            "expires_unix {unix} is not allowed: it must be seconds since 1970-01-01 UTC, or 0 for keys that do not expire"
        ))),
        0 => Ok(None),
        1.. => Ok(Some(unix)),
    }
}
