//! Which errors can pass by themselves, and how long to wait for that. Pure: time and chance are arguments.

use std::time::Duration;

use crate::error::{Error, Kind, Outdated};

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
    /// The request took longer than a signature lives: it passes if fewer are on their way at once.
    TooSlow,
    /// The signature had the time of a wrong clock, which is corrected: the request is signed again at once, a few times.
    ClockCorrected,
    /// The key has expired, and another one is to be had: the request is signed again at once, a few times.
    KeyExpired,
    /// It may pass, but may also be meant: tried again a few times only.
    Doubtful,
    /// The payload's hash was refused, or answered differently: the part is read again before the next attempt.
    HashRefused,
    /// The same request would fail in the same way.
    Final,
}

/// How often a doubtful error, or a refused hash, is tried again.
pub const DOUBTFUL_MAX: u32 = 3;
/// How often a request is signed again because the clock was corrected.
pub const CORRECTIONS_MAX: u32 = 2;
/// How often a request is signed again because its key has expired: a provider may give one that has expired as well.
pub const KEYS_MAX: u32 = 3;

/// The first wait is at most this long; each following one may be twice as long.
const BACKOFF_BASE: Duration = Duration::from_millis(500);
/// No wait is chosen longer than this.
const BACKOFF_CAP: Duration = Duration::from_secs(20);
/// A `Retry-After` longer than this is cut: the service may be back earlier than it thinks.
const RETRY_AFTER_CAP: Duration = Duration::from_secs(300);

/// Judges an error.
pub fn classify(error: &Error) -> Class {
    match error.why_outdated() {
        Some(Outdated::Clock) => return Class::ClockCorrected,
        Some(Outdated::Key) => return Class::KeyExpired,
        Some(Outdated::TooSlow) => return Class::TooSlow,
        None => {}
    }
    match (error.kind(), error.http_status()) {
        (Kind::TreeHash, _) => Class::HashRefused,
        (Kind::Network | Kind::Timeout | Kind::Throttled, _) => Class::Passing,
        (_, Some(408 | 429 | 500 | 502 | 503 | 504)) => Class::Passing,
        (Kind::Service, Some(400)) if error.service_code().is_none() => Class::Doubtful,
        // What came instead of an answer, or of its document, was damaged on the way, or comes from another server.
        (Kind::Protocol, None) => Class::Doubtful,
        _ => Class::Final,
    }
}

/// Whether an error asks for fewer parts at once: the service, or the line to it, has more to do than it can.
pub fn is_push_back(error: &Error) -> bool {
    let overloaded = error.kind() == Kind::Throttled || matches!(error.http_status(), Some(408 | 429 | 500 | 503));
    overloaded || classify(error) == Class::TooSlow
}

/// Whether the same call may succeed if it is made again later.
pub fn is_retryable(error: &Error) -> bool {
    match classify(error) {
        Class::Passing | Class::TooSlow | Class::Doubtful | Class::HashRefused => true,
        // What was signed again has been refused again.
        Class::ClockCorrected | Class::KeyExpired | Class::Final => false,
    }
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
    /// Those of them that count against the policy.
    failed: u32,
    doubtful: u32,
    corrected: u32,
    expired: u32,
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
            Class::Final => false,
            // Nothing has to pass first, and the way to the service is not to blame.
            Class::ClockCorrected => {
                self.corrected += 1;
                return (self.corrected <= CORRECTIONS_MAX).then_some(Duration::ZERO);
            }
            Class::KeyExpired => {
                self.expired += 1;
                return (self.expired <= KEYS_MAX).then_some(Duration::ZERO);
            }
            Class::Passing | Class::TooSlow => true,
            Class::Doubtful | Class::HashRefused => {
                self.doubtful += 1;
                self.doubtful <= DOUBTFUL_MAX
            }
        };
        self.failed += 1;
        let wait = backoff(self.failed, chance, error.wait_asked());
        let in_time = idle + wait <= policy.give_up_after;
        let within_count = policy.max_attempts == 0 || self.failed < policy.max_attempts;
        (again && in_time && within_count).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        assert_eq!(classify(&answered(Kind::Service, 400, Some("BadRequest"))), Class::Final);
        assert_eq!(classify(&answered(Kind::Protocol, 301, None)), Class::Final);
        assert_eq!(classify(&Error::new(Kind::Tls, "certificate")), Class::Final);
        assert_eq!(classify(&Error::new(Kind::Canceled, "canceled")), Class::Final);
    }

    #[test]
    fn only_overload_pushes_back() {
        for status in [408, 429, 500, 503] {
            assert!(is_push_back(&answered(Kind::Service, status, None)), "{status}");
        }
        for status in [400, 403] {
            assert!(is_push_back(&answered(Kind::Throttled, status, Some("ThrottlingException"))), "{status}");
            assert!(!is_push_back(&answered(Kind::Service, status, Some("x"))), "{status}");
        }
        for status in [404, 502, 504] {
            assert!(!is_push_back(&answered(Kind::Service, status, None)), "{status}");
        }
        assert!(is_push_back(&of(Class::TooSlow)));
        for kind in [Kind::Network, Kind::Timeout, Kind::TreeHash, Kind::Canceled] {
            assert!(!is_push_back(&Error::new(kind, "x")), "{kind:?}");
        }
    }

    #[test]
    fn doubtful_errors_are_tried_three_times_more() {
        let no_document = answered(Kind::Service, 400, None);
        let no_http = Error::new(Kind::Protocol, "garbage");
        let wrong_hash = answered(Kind::TreeHash, 204, None);
        let policy = Policy::default();
        for error in [no_document, no_http, wrong_hash] {
            let mut attempts = Attempts::default();
            for _ in 0..DOUBTFUL_MAX {
                assert!(attempts.after(&error, &policy, Duration::ZERO, 0.5).is_some(), "{:?}", error.kind());
            }
            assert_eq!(attempts.after(&error, &policy, Duration::ZERO, 0.5), None, "{:?}", error.kind());
        }
    }

    #[test]
    fn what_is_mended_is_tried_at_once_even_where_nothing_else_is() {
        let strict = Policy { max_attempts: 1, give_up_after: Duration::ZERO };
        for (class, most) in [(Class::ClockCorrected, CORRECTIONS_MAX), (Class::KeyExpired, KEYS_MAX)] {
            let mut attempts = Attempts::default();
            for number in 1..=most {
                assert_eq!(attempts.number(), number);
                let wait = attempts.after(&of(class), &strict, Duration::from_secs(1), 1.0);
                assert_eq!(wait, Some(Duration::ZERO));
            }
            assert_eq!(attempts.after(&of(class), &strict, Duration::ZERO, 1.0), None);
            assert!(!is_retryable(&of(class)));
        }
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

    const SIGNATURE: &str = "InvalidSignatureException";

    /// An error of each class.
    fn of(class: Class) -> Error {
        match class {
            Class::Passing => Error::new(Kind::Network, "reset"),
            Class::TooSlow => answered(Kind::Timeout, 403, Some(SIGNATURE)).outdated(Outdated::TooSlow),
            Class::ClockCorrected => answered(Kind::Credentials, 403, Some(SIGNATURE)).outdated(Outdated::Clock),
            Class::KeyExpired => {
                answered(Kind::Credentials, 403, Some("ExpiredTokenException")).outdated(Outdated::Key)
            }
            Class::Doubtful => answered(Kind::Service, 400, None),
            Class::HashRefused => answered(Kind::TreeHash, 204, None),
            Class::Final => answered(Kind::Access, 403, Some("AccessDeniedException")),
        }
    }

    fn classes() -> impl Strategy<Value = Vec<Class>> {
        let passing_mostly = prop_oneof![
            20 => Just(Class::Passing),
            2 => Just(Class::TooSlow),
            2 => Just(Class::ClockCorrected),
            2 => Just(Class::KeyExpired),
            4 => Just(Class::Doubtful),
            4 => Just(Class::HashRefused),
            1 => Just(Class::Final),
        ];
        prop::collection::vec(passing_mostly, 0..24)
    }

    /// Whether all these errors, one after the other, leave another attempt.
    fn survives(policy: &Policy, errors: &[Class]) -> bool {
        let mut attempts = Attempts::default();
        errors.iter().all(|class| attempts.after(&of(*class), policy, Duration::ZERO, 1.0).is_some())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_wait_is_within_its_bounds(attempt in 0u32.., chance in 0.0..=1.0, asked in prop::option::of(0u64..100_000)) {
            let asked = asked.map(Duration::from_secs);
            let honoured = asked.unwrap_or_default().min(RETRY_AFTER_CAP);
            let wait = backoff(attempt, chance, asked);
            prop_assert!(wait >= honoured);
            prop_assert!(wait <= honoured.max(BACKOFF_CAP));
            prop_assert!(wait <= honoured.max(BACKOFF_BASE * 2u32.saturating_pow(attempt.saturating_sub(1))));
            prop_assert!(wait <= backoff(attempt, 1.0, asked) && wait <= backoff(attempt.saturating_add(1), chance, asked));
        }

        /// All of the time up to the bound is used, and not only some of it.
        #[test]
        fn the_jitter_is_full(attempt in 1u32.., chance in 0.0..=1.0) {
            let most = backoff(attempt, 1.0, None);
            prop_assert!(most >= BACKOFF_BASE);
            prop_assert_eq!(backoff(attempt, chance, None), most.mul_f64(chance));
        }

        #[test]
        fn the_end_comes_with_the_budgets_and_not_before(errors in classes(), max_attempts in 0u32..20) {
            let policy = Policy { max_attempts, ..Policy::default() };
            let count = |of: &[Class]| u32::try_from(errors.iter().filter(|class| of.contains(class)).count()).unwrap();
            let failed = count(&[Class::Passing, Class::TooSlow, Class::Doubtful, Class::HashRefused]);
            let within = count(&[Class::Final]) == 0
                && count(&[Class::Doubtful, Class::HashRefused]) <= DOUBTFUL_MAX
                && count(&[Class::ClockCorrected]) <= CORRECTIONS_MAX
                && count(&[Class::KeyExpired]) <= KEYS_MAX
                && (max_attempts == 0 || failed == 0 || failed < max_attempts);
            prop_assert_eq!(survives(&policy, &errors), within);
        }

        #[test]
        fn the_order_of_errors_does_not_matter(
            (errors, shuffled) in classes().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
            max_attempts in 0u32..20,
        ) {
            let policy = Policy { max_attempts, ..Policy::default() };
            prop_assert_eq!(survives(&policy, &errors), survives(&policy, &shuffled));
        }

        /// Time ends it, whatever is left of the attempts: no wait goes beyond the time to give up.
        #[test]
        fn no_wait_goes_beyond_the_time_to_give_up(
            idle in 0u64..2400, asked in 0u64..1000, chance in 0.0..=1.0, max_attempts in prop_oneof![Just(0u32), 2u32..5],
        ) {
            let (idle, asked) = (Duration::from_secs(idle), Duration::from_secs(asked));
            let policy = Policy { max_attempts, ..Policy::default() };
            let wait = backoff(1, chance, Some(asked));
            let error = of(Class::Passing).retry_after(Some(asked));
            let allowed = Attempts::default().after(&error, &policy, idle, chance);
            prop_assert_eq!(allowed, (idle + wait <= policy.give_up_after).then_some(wait));
        }

        /// Each part has its own attempts: ten thousand with a fault each, or with several, are not too many.
        #[test]
        fn a_long_upload_with_many_faults_goes_on(faults in prop::collection::vec(0u32..9, 1000)) {
            let policy = Policy::default();
            for faults in faults {
                let mut attempts = Attempts::default();
                for _ in 0..faults {
                    prop_assert!(attempts.after(&of(Class::Passing), &policy, Duration::from_secs(600), 1.0).is_some());
                }
            }
        }
    }
}
