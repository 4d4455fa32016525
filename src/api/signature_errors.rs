//! Recovery from signatures that the service rejects as out of date. A wrong clock is corrected by the `Date` header of the
//! response, and an expired key is replaced, so that the request can be signed again.

use super::clock_skew::ServiceTime;
use super::error_codes::{self, SignatureTime};
use super::service::Service;
use crate::dates;
use crate::error::{Error, Kind, SignatureExpired};
use crate::log::Level;

/// The largest clock difference that counts as no skew, in seconds. A signature is valid for 5 minutes before and after its
/// time. With a smaller difference than this, only a request that took minutes is rejected.
const TOLERANCE: u64 = 60;

/// The time and the key of a signature.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signed {
    pub(super) at: ServiceTime,
    /// The number of the key, see [`crate::credentials::Keys`].
    pub(super) key: u64,
}

impl Service {
    /// Returns the current time of the service's clock, as far as the skew is known. All signatures use this time.
    pub(crate) fn now(&self) -> ServiceTime {
        self.skew.service_time(self.clock.unix_time())
    }

    /// Corrects the clock or replaces the key if an error requires it. Marks the error if the request can be signed again.
    pub(super) fn recover_signature_error(&self, error: Error, signed: Signed) -> Error {
        let code = error.service_code().unwrap_or_default();
        if error_codes::is_expired_token(code) {
            return self.replace_expired_key(error, signed.key);
        }
        match error_codes::signature_time(code, error.service_message().unwrap_or_default()) {
            Some(time) => self.handle_clock_skew(error, time, signed.at),
            None if error.kind() == Kind::Credentials => self.name_keys(error),
            None => error,
        }
    }

    /// Adds the origin of the keys and the region to the error of a request whose keys or signature the service rejects.
    fn name_keys(&self, error: Error) -> Error {
        let (source, region) = (self.keys.source(), self.signer.region());
        error.with_hint(format_args!("the keys came from {source}; the region of the signature is {region}"))
    }

    fn replace_expired_key(&self, error: Error, key: u64) -> Error {
        if self.keys.expire(key) {
            let error = error.with_signature_expired(SignatureExpired::KeyExpired);
            return error.with_hint(format_args!("the expired session token came from {}", self.keys.source()));
        }
        error.with_hint(format_args!(
            "the session token has expired, and its source ({}) has no newer one: create a client with fresh credentials or \
             with a credentials provider",
            self.keys.source()
        ))
    }

    fn handle_clock_skew(&self, error: Error, time: SignatureTime, signed: ServiceTime) -> Error {
        let Some(date) = error.date().and_then(dates::parse_http) else {
            return error.with_hint("this machine's clock may be wrong; the response has no Date header to correct it");
        };
        let skew = date.saturating_sub(self.clock.unix_time());
        if skew.abs_diff(signed.skew) > TOLERANCE {
            self.set_skew(skew);
            return error.with_signature_expired(SignatureExpired::ClockSkew);
        }
        match time {
            SignatureTime::TooOld => {
                error.with_kind(Kind::Timeout).with_signature_expired(SignatureExpired::TooSlow).with_hint(
                    "the clock is correct, so the request outlived its 5-minute signature: use fewer workers or smaller \
                     parts",
                )
            }
            SignatureTime::InFuture => {
                error.with_hint("this machine's clock agrees with the Date header of the response, so the signature cannot be corrected")
            }
        }
    }

    /// Stores the skew. Several requests in flight can find the same skew, but only the first logs it.
    fn set_skew(&self, skew: i64) {
        let before = self.skew.replace(skew);
        if before.abs_diff(skew) > TOLERANCE {
            self.log.write(
                Level::Warn,
                format_args!(
                    "this machine's clock differs from the service's clock: signatures are corrected by {skew:+} s"
                ),
            );
        }
    }
}
