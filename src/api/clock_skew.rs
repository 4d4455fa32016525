//! Signatures that the service calls out of date: the clock is corrected where it was wrong, and the key replaced where it
//! has expired, so that the same request, signed again, may pass.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Service;
use crate::error::{Error, Kind, SignatureExpired};
use crate::log::Level;

/// A signature holds for 5 minutes before and after its time. A clock that differs by less than this, in seconds, is
/// right: signatures made by it are refused only if they are minutes on their way.
const TOLERANCE: u64 = 60;

/// How far the service's clock is ahead of the machine's, in seconds. Learnt from its answers, and kept for all requests.
#[derive(Debug, Default)]
pub struct ClockSkew(AtomicI64);

/// A moment by the service's clock, and the skew that it rests on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServiceTime {
    pub(crate) unix_time: i64,
    skew: i64,
}

/// What a signature was made with: when, and the number of the key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signed {
    pub(super) at: ServiceTime,
    pub(super) key: u64,
}

impl Service {
    /// Now by the service's clock, as far as that is known: the time of all signatures.
    pub(crate) fn now(&self) -> ServiceTime {
        let skew = self.skew.0.load(Ordering::Relaxed);
        ServiceTime { unix_time: self.clock.unix_time().saturating_add(skew), skew }
    }

    /// What a refusal means for a signature: what can be repaired has been afterwards.
    pub(super) fn recover_signature_error(&self, error: Error, signed: Signed) -> Error {
        match error.service_code() {
            Some("InvalidSignatureException" | "InvalidSignature" | "SignatureDoesNotMatch") => self.handle_clock_skew(error, signed.at),
            Some("ExpiredTokenException" | "ExpiredToken") if self.keys.expired(signed.key) => {
                error.expired(SignatureExpired::KeyExpired).with_hint("the key was given by the credentials provider")
            }
            Some("ExpiredTokenException" | "ExpiredToken") => error.with_hint(
                "the session token has expired, and there is no credentials provider to ask for another: a client with fresh \
                 credentials is needed, and a new handle made with it carries on from the upload ID",
            ),
            _ => error,
        }
    }

    /// The text tells whether it is a matter of time, and the answer's date how much.
    fn handle_clock_skew(&self, error: Error, signed: ServiceTime) -> Error {
        let is_late = error.message().contains("Signature expired");
        if !is_late && !error.message().contains("Signature not yet current") {
            return error;
        }
        let Some(date) = error.date().and_then(unix_time) else {
            return error.with_hint(
                "the clock of this machine may be wrong, as these times tell, and the answer has no Date to correct it by",
            );
        };
        let skew = date.saturating_sub(self.clock.unix_time());
        if skew.abs_diff(signed.skew) > TOLERANCE {
            self.correct(skew);
            return error.expired(SignatureExpired::ClockSkew);
        }
        if is_late {
            return error.with_kind(Kind::Timeout).expired(SignatureExpired::TooSlow).with_hint(
                "the clock is right, so the request took longer than a signature lives, 5 minutes: fewer parts at once, or \
                 an upload with smaller parts, would keep within it",
            );
        }
        error.with_hint("but by the answer's Date the clock of this machine is right")
    }

    /// All requests in flight may find the same skew; it is told once.
    fn correct(&self, skew: i64) {
        let before = self.skew.0.swap(skew, Ordering::Relaxed);
        if before.abs_diff(skew) > TOLERANCE {
            let text = "the clock of this machine is not that of the service: signatures are corrected by";
            self.log.write(Level::Warn, format_args!("{text} {skew:+} s"));
        }
    }
}

fn unix_time(date: &str) -> Option<i64> {
    let time: SystemTime = httpdate::parse_http_date(date).ok()?;
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}
