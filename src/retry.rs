//! Which errors can pass by themselves, and how long to wait for that. Pure: time and chance are arguments.

use std::time::Duration;

use crate::error::{Error, Kind};

/// How often, and for how long, one request is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Attempts for one part, or one other request; 0: only time counts.
    pub max_attempts: u32,
    /// The longest time without anything achieved.
    pub give_up_after: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { max_attempts: 10, give_up_after: Duration::from_secs(30 * 60) }
    }
}

/// What an error means for the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It passes: overload, a lost connection, a slow answer.
    Passing,
    /// It may pass, but may also be meant: tried again a few times only.
    Doubtful,
    /// The payload's hash was refused, or answered differently: the part is read again before the next attempt.
    HashRefused,
    /// The same request would fail in the same way.
    Final,
}

/// How often a doubtful error, or a refused hash, is tried again.
pub const DOUBTFUL_MAX: u32 = 3;

/// The first wait is at most this long; each following one may be twice as long.
const BACKOFF_BASE: Duration = Duration::from_millis(500);
/// No wait is chosen longer than this.
const BACKOFF_CAP: Duration = Duration::from_secs(20);
/// A `Retry-After` longer than this is cut: the service may be back earlier than it thinks.
const RETRY_AFTER_CAP: Duration = Duration::from_secs(300);

/// Judges an error.
pub fn classify(error: &Error) -> Class {
    match (error.kind(), error.http_status()) {
        (Kind::TreeHash, _) => Class::HashRefused,
        (Kind::Network | Kind::Timeout | Kind::Throttled, _) => Class::Passing,
        (_, Some(408 | 429 | 500 | 502 | 503 | 504)) => Class::Passing,
        (Kind::Service, Some(400)) if error.service_code().is_none() => Class::Doubtful,
        _ => Class::Final,
    }
}

/// Whether the same call may succeed if it is made again later.
pub fn is_retryable(error: &Error) -> bool {
    classify(error) != Class::Final
}

/// How long to wait before attempt `attempt + 1`, after `attempt` attempts have failed: exponential, with full jitter.
///
/// `chance` is a random number from 0 to 1.
pub fn backoff(attempt: u32, chance: f64, asked: Option<Duration>) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    let most = BACKOFF_CAP.min(BACKOFF_BASE * (1 << doublings));
    most.mul_f64(chance.clamp(0.0, 1.0)).max(asked.unwrap_or_default().min(RETRY_AFTER_CAP))
}

/// What has been tried for one part, or one other request.
#[derive(Debug, Default)]
pub struct Attempts {
    made: u32,
    doubtful: u32,
}

impl Attempts {
    /// The number of the attempt that is being made, from 1.
    pub fn number(&self) -> u32 {
        self.made + 1
    }

    /// Takes note of a failed attempt: the wait before the next one, or `None` to give up.
    ///
    /// `idle` is the time since anything was achieved last.
    pub fn after(&mut self, error: &Error, policy: &Policy, idle: Duration, chance: f64) -> Option<Duration> {
        self.made += 1;
        let again = match classify(error) {
            Class::Passing => true,
            Class::Doubtful | Class::HashRefused => {
                self.doubtful += 1;
                self.doubtful <= DOUBTFUL_MAX
            }
            Class::Final => false,
        };
        let wait = backoff(self.made, chance, error.wait_asked());
        let in_time = idle + wait <= policy.give_up_after;
        let within_count = policy.max_attempts == 0 || self.made < policy.max_attempts;
        (again && in_time && within_count).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(kind: Kind, status: u16, code: Option<&str>) -> Error {
        Error::new(kind, "x").answered(status, None, code.map(str::to_owned))
    }

    #[test]
    fn what_can_pass_is_tried_again() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert_eq!(classify(&answered(Kind::Service, status, None)), Class::Passing, "{status}");
        }
        assert_eq!(classify(&answered(Kind::Throttled, 400, Some("ThrottlingException"))), Class::Passing);
        assert_eq!(classify(&answered(Kind::Throttled, 403, Some("ThrottlingException"))), Class::Passing);
        assert_eq!(classify(&Error::new(Kind::Network, "reset")), Class::Passing);
        assert_eq!(classify(&Error::new(Kind::Timeout, "stall")), Class::Passing);
    }

    #[test]
    fn what_cannot_pass_is_not() {
        for (status, code) in [(400, "InvalidParameterValueException"), (403, "AccessDeniedException"), (404, "x")] {
            assert_eq!(classify(&answered(Kind::Service, status, Some(code))), Class::Final, "{code}");
        }
        assert_eq!(classify(&answered(Kind::Protocol, 301, None)), Class::Final);
        assert_eq!(classify(&Error::new(Kind::Tls, "certificate")), Class::Final);
        assert_eq!(classify(&Error::new(Kind::Canceled, "canceled")), Class::Final);
    }

    #[test]
    fn doubtful_errors_are_tried_three_times_more() {
        let bare = answered(Kind::Service, 400, None);
        let policy = Policy::default();
        let mut attempts = Attempts::default();
        for _ in 0..DOUBTFUL_MAX {
            assert!(attempts.after(&bare, &policy, Duration::ZERO, 0.5).is_some());
        }
        assert_eq!(attempts.after(&bare, &policy, Duration::ZERO, 0.5), None);
    }

    #[test]
    fn attempts_and_time_end_it() {
        let lost = Error::new(Kind::Network, "reset");
        let policy = Policy { max_attempts: 3, ..Policy::default() };
        let mut attempts = Attempts::default();
        assert!(attempts.after(&lost, &policy, Duration::ZERO, 1.0).is_some());
        assert!(attempts.after(&lost, &policy, Duration::ZERO, 1.0).is_some());
        assert_eq!(attempts.after(&lost, &policy, Duration::ZERO, 1.0), None, "three attempts were made");

        let unbounded = Policy { max_attempts: 0, ..Policy::default() };
        let mut attempts = Attempts::default();
        for _ in 0..1000 {
            assert!(attempts.after(&lost, &unbounded, Duration::ZERO, 1.0).is_some());
        }
        assert_eq!(attempts.after(&lost, &unbounded, unbounded.give_up_after, 1.0), None, "time is over");
    }

    #[test]
    fn waits_grow_to_a_cap_and_honour_the_service() {
        assert_eq!(backoff(1, 1.0, None), Duration::from_millis(500));
        assert_eq!(backoff(2, 1.0, None), Duration::from_secs(1));
        assert_eq!(backoff(3, 0.5, None), Duration::from_secs(1));
        assert_eq!(backoff(60, 1.0, None), Duration::from_secs(20));
        assert_eq!(backoff(1, 0.0, None), Duration::ZERO);
        assert_eq!(backoff(1, 0.0, Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(backoff(1, 0.0, Some(Duration::from_secs(86_400))), Duration::from_secs(300));
    }
}
