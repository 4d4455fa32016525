//! Which failures are transient, how long to wait before a retry, and when to give up. Pure: time, chance and what the
//! requests of the client have reached are arguments.
//!
//! # Classes
//!
//! A response is *identified* if it has a request ID or a Glacier error document. Any other may come from a proxy, a
//! captive portal or a load balancer, and says little about the upload.
//!
//! | failure | identified | not identified |
//! |---|---|---|
//! | no connection, no name, connection lost, stall, cut response | – | transient |
//! | not HTTP, or a document that cannot be read | – | ambiguous |
//! | the expected 2xx without the headers it must have (tree hash, ID, location) | ambiguous | ambiguous |
//! | another 2xx | ambiguous | ambiguous |
//! | 3xx | permanent | ambiguous |
//! | 408, 429, 500, 502, 503, 504, 509, throttling codes | transient | transient |
//! | 404 | permanent: not found | transient |
//! | 400, 403 without an error code: no document, or a cut one | ambiguous: it may not come again | ambiguous |
//! | any other 4xx or 5xx | permanent | ambiguous |
//! | certificate or TLS version refused | – | permanent |
//! | signature expired, clock wrong | signed again with the corrected clock | – |
//! | signature expired, clock right | transient, unless the part was alone in flight | – |
//! | token expired | signed again with new keys, if a provider gives them | – |
//! | hash rejected, or another hash in the response | the part is read again, then ambiguous | – |
//!
//! # Budget
//!
//! Transient failures are retried until the attempts or `give_up_after` are used up; ambiguous ones at most
//! [`AMBIGUOUS_MAX`] times. By default an attempt that does not reach the service counts only if another request of the
//! client was answered since the attempt before it: in an outage nothing reaches the service, and time alone counts.
//! A number of attempts that the caller set always counts. Until the client has opened its first connection, the time is
//! [`FIRST_CONTACT_MAX`], and a host name that does not exist is final after [`UNKNOWN_NAME_ATTEMPTS`] attempts: an
//! endpoint that was never reached is more likely wrong than down.

use std::time::Duration;

use crate::error::{ConnectFailure, Error, Kind, SignatureExpired};
use crate::reachability::Contact;

/// How often, and for how long, one request is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Attempts for one request, as the caller set it; 0: only time counts. `None`: [`ATTEMPTS_DEFAULT`], outages excluded.
    pub max_attempts: Option<u32>,
    /// The longest active time without progress.
    pub give_up_after: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { max_attempts: None, give_up_after: Duration::from_secs(30 * 60) }
    }
}

/// What an error means for the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Overload, a lost connection, a slow response: retried.
    Transient,
    /// The request outlived its signature: retried, with fewer parts in flight.
    TooSlow,
    /// The signature had the time of a wrong clock, now corrected: signed again at once, [`CORRECTIONS_MAX`] times.
    ClockCorrected,
    /// The key has expired, and another one is available: signed again at once, [`KEYS_MAX`] times.
    KeyExpired,
    /// Damage in transit, or a permanent failure: retried [`AMBIGUOUS_MAX`] times.
    Ambiguous,
    /// The payload's hash was rejected, or another one came back: as `Ambiguous`, after the part was read again.
    HashMismatch,
    /// The same request would fail in the same way.
    Permanent,
}

/// The attempts for one request unless the caller sets another number.
pub const ATTEMPTS_DEFAULT: u32 = 10;
/// The longest time of one request while the client has not opened any connection.
pub const FIRST_CONTACT_MAX: Duration = Duration::from_secs(45);
/// The attempts for a host name that does not exist while the client has not opened any connection.
pub const UNKNOWN_NAME_ATTEMPTS: u32 = 3;
/// How often a request is retried after ambiguous failures and hash mismatches.
pub const AMBIGUOUS_MAX: u32 = 3;
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

/// Returns the class of an error: the table above.
pub fn classify(error: &Error) -> Class {
    match error.signature_expired() {
        Some(SignatureExpired::ClockSkew) => return Class::ClockCorrected,
        Some(SignatureExpired::KeyExpired) => return Class::KeyExpired,
        Some(SignatureExpired::TooSlow) => return Class::TooSlow,
        None => {}
    }
    match (error.kind(), error.http_status()) {
        (Kind::TreeHash, _) => Class::HashMismatch,
        (Kind::Network | Kind::Timeout | Kind::Throttled, _) => Class::Transient,
        (_, Some(408 | 429 | 500 | 502 | 503 | 504 | 509)) => Class::Transient,
        (_, Some(404)) if !error.is_from_service() => Class::Transient,
        (Kind::Protocol, None | Some(200..=299)) => Class::Ambiguous,
        // A code that was lost with the end of the response may be one that a new signature or new keys answer.
        (_, Some(400 | 403)) if error.service_code().is_none() => Class::Ambiguous,
        (_, Some(_)) if !error.is_from_service() => Class::Ambiguous,
        _ => Class::Permanent,
    }
}

/// Whether an attempt failed without reaching the service: no connection, connection lost, stall, cut response.
fn is_unreached(error: &Error) -> bool {
    matches!(error.kind(), Kind::Network | Kind::Timeout) && error.http_status().is_none()
}

/// Whether an error asks for fewer parts in flight: throttling, an overloaded service, or a slow network.
pub fn is_throttling(error: &Error) -> bool {
    let overloaded = error.kind() == Kind::Throttled || matches!(error.http_status(), Some(408 | 429 | 500 | 503));
    overloaded || classify(error) == Class::TooSlow
}

/// Whether the same call may succeed if it is made again later.
pub fn is_retryable(error: &Error) -> bool {
    match classify(error) {
        Class::Transient | Class::TooSlow | Class::Ambiguous | Class::HashMismatch => true,
        // The request was signed again, and rejected again.
        Class::ClockCorrected | Class::KeyExpired | Class::Permanent => false,
    }
}

/// Whether a request certainly had no effect: nothing of it was sent, or the service itself rejected it. A request that
/// timed out or failed inside the service, and one that a proxy responded to, may have been carried out.
pub fn had_no_effect(error: &Error) -> bool {
    let rejected = error.http_status().is_some_and(|status| (400..500).contains(&status) && status != 408);
    error.is_not_sent() || (rejected && error.is_from_service())
}

/// How long to wait before attempt `attempt + 1`, after `attempt` attempts have failed: exponential, with full jitter.
///
/// `chance` is a random number from 0 to 1.
pub fn backoff(attempt: u32, chance: f64, asked: Option<Duration>) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    let most = BACKOFF_CAP.min(BACKOFF_BASE * (1 << doublings));
    most.mul_f64(chance.clamp(0.0, 1.0)).max(asked.unwrap_or_default().min(RETRY_AFTER_CAP))
}

/// The attempts made for one request.
#[derive(Debug)]
pub struct Attempts {
    made: u32,
    /// Those that failed, without those that were signed again.
    failed: u32,
    /// Those of them that count against the policy.
    counted: u32,
    ambiguous: u32,
    corrected: u32,
    expired: u32,
    unknown_name: u32,
    /// The responses of the client when the last attempt failed, or the first began.
    responses: u64,
}

impl Attempts {
    /// No attempts yet, of a request that begins now.
    pub fn new(contact: Contact) -> Self {
        Self {
            made: 0,
            failed: 0,
            counted: 0,
            ambiguous: 0,
            corrected: 0,
            expired: 0,
            unknown_name: 0,
            responses: contact.responses,
        }
    }

    /// The number of the attempt that is being made, from 1.
    pub fn number(&self) -> u32 {
        self.made + 1
    }

    /// Records a failed attempt and returns the wait before the next one; `None`: give up.
    ///
    /// `idle` is the active time since the last progress, `contact` what the client has reached by now.
    pub fn next_delay(
        &mut self,
        error: &Error,
        policy: &Policy,
        idle: Duration,
        contact: Contact,
        chance: f64,
    ) -> Option<Duration> {
        self.made += 1;
        let others_reached = std::mem::replace(&mut self.responses, contact.responses) != contact.responses;
        let again = match classify(error) {
            Class::Permanent => false,
            // Nothing has to pass first, and the network is not to blame.
            Class::ClockCorrected => {
                self.corrected += 1;
                return (self.corrected <= CORRECTIONS_MAX).then_some(Duration::ZERO);
            }
            Class::KeyExpired => {
                self.expired += 1;
                return (self.expired <= KEYS_MAX).then_some(Duration::ZERO);
            }
            Class::Transient | Class::TooSlow => true,
            Class::Ambiguous | Class::HashMismatch => {
                self.ambiguous += 1;
                self.ambiguous <= AMBIGUOUS_MAX
            }
        };
        if error.connect_failure() == Some(ConnectFailure::NameNotFound) && !contact.connected {
            self.unknown_name += 1;
        }
        self.failed += 1;
        if policy.max_attempts.is_some() || others_reached || !is_unreached(error) {
            self.counted += 1;
        }
        let wait = backoff(self.failed, chance, error.retry_delay());
        let most = if contact.connected { policy.give_up_after } else { policy.give_up_after.min(FIRST_CONTACT_MAX) };
        let max_attempts = policy.max_attempts.unwrap_or(ATTEMPTS_DEFAULT);
        let within_count = max_attempts == 0 || self.counted < max_attempts;
        let name_may_exist = self.unknown_name < UNKNOWN_NAME_ATTEMPTS;
        (again && within_count && name_may_exist && idle + wait <= most).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a client has reached before an outage.
    const REACHED: Contact = Contact { connected: true, responses: 0 };

    fn answered(kind: Kind, status: u16, code: Option<&str>) -> Error {
        Error::new(kind, "x").answered(status, None, code.map(str::to_owned))
    }

    fn identified(kind: Kind, status: u16) -> Error {
        Error::new(kind, "x").answered(status, Some("request".to_owned()), None)
    }

    #[test]
    fn retries_transient_failures() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert_eq!(classify(&answered(Kind::Service, status, None)), Class::Transient, "{status}");
        }
        assert_eq!(classify(&answered(Kind::Throttled, 400, Some("ThrottlingException"))), Class::Transient);
        assert_eq!(classify(&answered(Kind::Throttled, 403, Some("ThrottlingException"))), Class::Transient);
        assert_eq!(classify(&Error::new(Kind::Network, "reset")), Class::Transient);
        assert_eq!(classify(&Error::new(Kind::Timeout, "stall")), Class::Transient);
    }

    #[test]
    fn does_not_retry_permanent_failures() {
        for (status, code) in [(400, "InvalidParameterValueException"), (403, "AccessDeniedException"), (404, "x")] {
            assert_eq!(classify(&answered(Kind::Service, status, Some(code))), Class::Permanent, "{code}");
        }
        assert_eq!(classify(&answered(Kind::Service, 400, Some("BadRequest"))), Class::Permanent);
        for status in [301, 401, 404, 405, 501] {
            let error = identified(Kind::Service, status);
            assert_eq!(classify(&error), Class::Permanent, "{status}");
        }
        assert_eq!(classify(&Error::new(Kind::Tls, "certificate")), Class::Permanent);
        assert_eq!(classify(&Error::new(Kind::Canceled, "canceled")), Class::Permanent);
    }

    #[test]
    fn retries_what_a_proxy_responds() {
        assert_eq!(classify(&answered(Kind::Service, 404, None)), Class::Transient);
        for (kind, status) in [
            (Kind::Protocol, 204),
            (Kind::Protocol, 200),
            (Kind::Protocol, 302),
            (Kind::Service, 400),
            (Kind::Access, 401),
            (Kind::Access, 403),
            (Kind::Access, 407),
            (Kind::Service, 413),
            (Kind::Service, 501),
            (Kind::Service, 520),
        ] {
            assert_eq!(classify(&answered(kind, status, None)), Class::Ambiguous, "{status}");
        }
        assert_eq!(classify(&identified(Kind::Protocol, 204)), Class::Ambiguous, "a success without its hash");
        for (kind, status) in [(Kind::Service, 400), (Kind::Access, 403)] {
            assert_eq!(classify(&identified(kind, status)), Class::Ambiguous, "{status} without an error code");
        }
    }

    #[test]
    fn only_the_service_itself_rejects_a_request() {
        assert!(had_no_effect(&Error::new(Kind::Network, "refused").not_sent()));
        assert!(had_no_effect(&identified(Kind::Access, 403)));
        assert!(had_no_effect(&answered(Kind::Service, 400, Some("BadRequest"))));
        for status in [201, 400, 403, 404] {
            assert!(!had_no_effect(&answered(Kind::Service, status, None)), "{status} of a proxy");
        }
        for status in [408, 500, 503] {
            assert!(!had_no_effect(&identified(Kind::Service, status)), "{status}");
        }
        assert!(!had_no_effect(&Error::new(Kind::Timeout, "stall")));
    }

    #[test]
    fn only_overload_is_throttling() {
        for status in [408, 429, 500, 503] {
            assert!(is_throttling(&answered(Kind::Service, status, None)), "{status}");
        }
        for status in [400, 403] {
            assert!(is_throttling(&answered(Kind::Throttled, status, Some("ThrottlingException"))), "{status}");
            assert!(!is_throttling(&answered(Kind::Service, status, Some("x"))), "{status}");
        }
        for status in [404, 502, 504] {
            assert!(!is_throttling(&answered(Kind::Service, status, None)), "{status}");
        }
        assert!(is_throttling(&of(Class::TooSlow)));
        for kind in [Kind::Network, Kind::Timeout, Kind::TreeHash, Kind::Canceled] {
            assert!(!is_throttling(&Error::new(kind, "x")), "{kind:?}");
        }
    }

    #[test]
    fn retries_ambiguous_failures_three_times() {
        let no_document = answered(Kind::Service, 400, None);
        let no_http = Error::new(Kind::Protocol, "garbage");
        let wrong_hash = answered(Kind::TreeHash, 204, None);
        let policy = Policy::default();
        for error in [no_document, no_http, wrong_hash] {
            let mut attempts = Attempts::new(REACHED);
            for _ in 0..AMBIGUOUS_MAX {
                assert!(
                    attempts.next_delay(&error, &policy, Duration::ZERO, REACHED, 0.5).is_some(),
                    "{:?}",
                    error.kind()
                );
            }
            assert_eq!(attempts.next_delay(&error, &policy, Duration::ZERO, REACHED, 0.5), None, "{:?}", error.kind());
        }
    }

    #[test]
    fn signs_again_at_once_whatever_the_policy() {
        let strict = Policy { max_attempts: Some(1), give_up_after: Duration::ZERO };
        for (class, most) in [(Class::ClockCorrected, CORRECTIONS_MAX), (Class::KeyExpired, KEYS_MAX)] {
            let mut attempts = Attempts::new(REACHED);
            for number in 1..=most {
                assert_eq!(attempts.number(), number);
                let wait = attempts.next_delay(&of(class), &strict, Duration::from_secs(1), REACHED, 1.0);
                assert_eq!(wait, Some(Duration::ZERO));
            }
            assert_eq!(attempts.next_delay(&of(class), &strict, Duration::ZERO, REACHED, 1.0), None);
            assert!(!is_retryable(&of(class)));
        }
    }

    #[test]
    fn attempts_and_time_end_the_retries() {
        let lost = Error::new(Kind::Network, "reset");
        let policy = Policy { max_attempts: Some(3), ..Policy::default() };
        let mut attempts = Attempts::new(REACHED);
        assert!(attempts.next_delay(&lost, &policy, Duration::ZERO, REACHED, 1.0).is_some());
        assert!(attempts.next_delay(&lost, &policy, Duration::ZERO, REACHED, 1.0).is_some());
        assert_eq!(attempts.next_delay(&lost, &policy, Duration::ZERO, REACHED, 1.0), None, "three attempts were made");

        let unbounded = Policy { max_attempts: Some(0), ..Policy::default() };
        let mut attempts = Attempts::new(REACHED);
        for _ in 0..1000 {
            assert!(attempts.next_delay(&lost, &unbounded, Duration::ZERO, REACHED, 1.0).is_some());
        }
        assert_eq!(attempts.next_delay(&lost, &unbounded, unbounded.give_up_after, REACHED, 1.0), None, "time is over");
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

    fn lost() -> Error {
        Error::new(Kind::Network, "reset")
    }

    /// Attempts that take `cost` each, while the service cannot be reached for `outage`, after the client has `contact`.
    /// Returns the time of the first attempt after the outage, or when the request is given up.
    fn through_outage(
        policy: &Policy,
        contact: Contact,
        outage: Duration,
        cost: Duration,
        mut chance: impl FnMut() -> f64,
    ) -> std::result::Result<Duration, Duration> {
        let (mut attempts, mut now) = (Attempts::new(contact), Duration::ZERO);
        while now < outage {
            now += cost;
            now += attempts.next_delay(&lost(), policy, now, contact, chance()).ok_or(now)?;
        }
        Ok(now)
    }

    #[test]
    fn an_outage_ends_by_time_and_not_by_attempts() {
        let policy = Policy::default();
        for outage in [60, 150, 600, 1700] {
            let end = through_outage(&policy, REACHED, Duration::from_secs(outage), Duration::ZERO, || 1.0);
            assert!(end.is_ok_and(|end| end < Duration::from_secs(outage + 20)), "{outage} s: {end:?}");
        }
        let end = through_outage(&policy, REACHED, Duration::from_secs(3600), Duration::ZERO, || 1.0).unwrap_err();
        assert!(end > policy.give_up_after - BACKOFF_CAP && end <= policy.give_up_after, "{end:?}");
    }

    #[test]
    fn attempts_count_while_others_reach_the_service() {
        let mut attempts = Attempts::new(REACHED);
        let mut made = 0;
        for responses in 1.. {
            made += 1;
            let contact = Contact { responses, ..REACHED };
            if attempts.next_delay(&lost(), &Policy::default(), Duration::ZERO, contact, 1.0).is_none() {
                break;
            }
        }
        assert_eq!(made, ATTEMPTS_DEFAULT);
    }

    #[test]
    fn responses_count_as_attempts_in_an_outage_too() {
        let mut attempts = Attempts::new(REACHED);
        let error = answered(Kind::Service, 503, None);
        let delay = |_| attempts.next_delay(&error, &Policy::default(), Duration::ZERO, REACHED, 1.0);
        assert_eq!((0..100).map_while(delay).count() + 1, ATTEMPTS_DEFAULT as usize);
    }

    #[test]
    fn a_number_of_attempts_that_was_set_always_counts() {
        let policy = Policy { max_attempts: Some(ATTEMPTS_DEFAULT), ..Policy::default() };
        let mut attempts = Attempts::new(REACHED);
        let delay = |_| attempts.next_delay(&lost(), &policy, Duration::ZERO, REACHED, 1.0);
        assert_eq!((0..100).map_while(delay).count() + 1, ATTEMPTS_DEFAULT as usize);
    }

    #[test]
    fn a_client_that_never_connected_gives_up_after_45_seconds() {
        let never = Contact::default();
        for chance in [0.1, 0.5, 1.0] {
            let end = through_outage(&Policy::default(), never, Duration::MAX, Duration::ZERO, || chance).unwrap_err();
            assert!(end > Duration::from_secs(25) && end <= FIRST_CONTACT_MAX, "{end:?}");
        }
        let soon = Policy { give_up_after: Duration::from_secs(5), ..Policy::default() };
        let end = through_outage(&soon, never, Duration::MAX, Duration::ZERO, || 1.0).unwrap_err();
        assert!(end <= soon.give_up_after, "{end:?}");
    }

    #[test]
    fn a_name_that_does_not_exist_is_final_before_the_first_connection() {
        let unknown = Error::new(Kind::Network, "no such name").not_connected(ConnectFailure::NameNotFound);
        let attempts = |contact| {
            let (mut attempts, mut waited) = (Attempts::new(contact), Duration::ZERO);
            let delay = |_| attempts.next_delay(&unknown, &Policy::default(), Duration::ZERO, contact, 1.0);
            let count = (0..100).map_while(delay).inspect(|wait| waited += *wait).count() + 1;
            (count, waited)
        };
        assert_eq!(attempts(Contact::default()), (3, Duration::from_millis(1500)));
        assert_eq!(attempts(REACHED).0, 101, "a resolver that fails later is an outage");
    }

    const SIGNATURE: &str = "InvalidSignatureException";

    /// An error of each class.
    fn of(class: Class) -> Error {
        match class {
            Class::Transient => Error::new(Kind::Network, "reset"),
            Class::TooSlow => answered(Kind::Timeout, 403, Some(SIGNATURE)).expired(SignatureExpired::TooSlow),
            Class::ClockCorrected => {
                answered(Kind::Credentials, 403, Some(SIGNATURE)).expired(SignatureExpired::ClockSkew)
            }
            Class::KeyExpired => {
                answered(Kind::Credentials, 403, Some("ExpiredTokenException")).expired(SignatureExpired::KeyExpired)
            }
            Class::Ambiguous => answered(Kind::Service, 400, None),
            Class::HashMismatch => answered(Kind::TreeHash, 204, None),
            Class::Permanent => answered(Kind::Access, 403, Some("AccessDeniedException")),
        }
    }

    fn classes() -> impl Strategy<Value = Vec<Class>> {
        let transient_mostly = prop_oneof![
            20 => Just(Class::Transient),
            2 => Just(Class::TooSlow),
            2 => Just(Class::ClockCorrected),
            2 => Just(Class::KeyExpired),
            4 => Just(Class::Ambiguous),
            4 => Just(Class::HashMismatch),
            1 => Just(Class::Permanent),
        ];
        prop::collection::vec(transient_mostly, 0..24)
    }

    /// Whether all these errors, one after the other, leave another attempt.
    fn survives(policy: &Policy, errors: &[Class]) -> bool {
        let mut attempts = Attempts::new(REACHED);
        errors.iter().all(|class| attempts.next_delay(&of(*class), policy, Duration::ZERO, REACHED, 1.0).is_some())
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
            let policy = Policy { max_attempts: Some(max_attempts), ..Policy::default() };
            let count = |of: &[Class]| u32::try_from(errors.iter().filter(|class| of.contains(class)).count()).unwrap();
            let failed = count(&[Class::Transient, Class::TooSlow, Class::Ambiguous, Class::HashMismatch]);
            let within = count(&[Class::Permanent]) == 0
                && count(&[Class::Ambiguous, Class::HashMismatch]) <= AMBIGUOUS_MAX
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
            let policy = Policy { max_attempts: Some(max_attempts), ..Policy::default() };
            prop_assert_eq!(survives(&policy, &errors), survives(&policy, &shuffled));
        }

        #[test]
        fn every_outage_shorter_than_the_time_to_give_up_is_survived(
            outage in 1u64..1700, cost in 0u64..30, chances in prop::collection::vec(0.0..=1.0, 32),
        ) {
            let mut chances = chances.into_iter().cycle();
            let (outage, cost) = (Duration::from_secs(outage), Duration::from_secs(cost.max(1)));
            let end = through_outage(&Policy::default(), REACHED, outage, cost, || chances.next().unwrap_or(1.0));
            prop_assert!(end.is_ok(), "{:?}", end);
        }

        /// Time ends it, whatever is left of the attempts: no wait goes beyond the time to give up.
        #[test]
        fn no_wait_goes_beyond_the_time_to_give_up(
            idle in 0u64..2400, asked in 0u64..1000, chance in 0.0..=1.0, max_attempts in prop_oneof![Just(0u32), 2u32..5],
        ) {
            let (idle, asked) = (Duration::from_secs(idle), Duration::from_secs(asked));
            let policy = Policy { max_attempts: Some(max_attempts), ..Policy::default() };
            let wait = backoff(1, chance, Some(asked));
            let error = of(Class::Transient).retry_after(Some(asked));
            let allowed = Attempts::new(REACHED).next_delay(&error, &policy, idle, REACHED, chance);
            prop_assert_eq!(allowed, (idle + wait <= policy.give_up_after).then_some(wait));
        }

        /// Each part has its own attempts: ten thousand with a fault each, or with several, are not too many.
        #[test]
        fn a_long_upload_with_many_faults_goes_on(faults in prop::collection::vec(0u32..9, 1000)) {
            let policy = Policy::default();
            for faults in faults {
                let mut attempts = Attempts::new(REACHED);
                for _ in 0..faults {
                    prop_assert!(attempts.next_delay(&of(Class::Transient), &policy, Duration::from_secs(600), REACHED, 1.0).is_some());
                }
            }
        }
    }
}
