use super::*;
use proptest::prelude::*;

/// The contact of a client before an outage.
const REACHED: Contact = Contact { connected: true, responses: 0 };

fn response_error(kind: Kind, status: u16, code: Option<&str>) -> Error {
    Error::new(kind, "x").with_response(status, None, code.map(str::to_owned))
}

fn identified_error(kind: Kind, status: u16) -> Error {
    Error::new(kind, "x").with_response(status, Some("request".to_owned()), None)
}

#[test]
fn retries_transient_failures() {
    for status in [408, 429, 500, 502, 503, 504] {
        assert_eq!(classify(&response_error(Kind::Service, status, None)), Class::Transient, "{status}");
    }
    assert_eq!(classify(&response_error(Kind::Throttled, 400, Some("ThrottlingException"))), Class::Transient);
    assert_eq!(classify(&response_error(Kind::Throttled, 403, Some("ThrottlingException"))), Class::Transient);
    assert_eq!(classify(&Error::new(Kind::Network, "reset")), Class::Transient);
    assert_eq!(classify(&Error::new(Kind::Timeout, "stall")), Class::Transient);
}

#[test]
fn transient_error_codes_count_with_each_status() {
    for code in ["RequestTimeoutException", "RequestTimeout", "PriorRequestNotComplete", "ServiceUnavailableException"]
    {
        for status in [400, 403, 500] {
            let error = response_error(Kind::Service, status, Some(code));
            assert_eq!(classify(&error), Class::Transient, "{status} {code}");
            assert!(is_throttling(&error), "{status} {code}");
            assert!(!had_no_effect(&error), "{status} {code}");
            assert!(!rejected_parts(&error), "{status} {code}");
        }
    }
}

#[test]
fn does_not_retry_permanent_failures() {
    for (status, code) in [(400, "InvalidParameterValueException"), (403, "AccessDeniedException"), (404, "x")] {
        assert_eq!(classify(&response_error(Kind::Service, status, Some(code))), Class::Permanent, "{code}");
    }
    assert_eq!(classify(&response_error(Kind::Service, 400, Some("BadRequest"))), Class::Permanent);
    for status in [301, 401, 404, 405, 501] {
        let error = identified_error(Kind::Service, status);
        assert_eq!(classify(&error), Class::Permanent, "{status}");
    }
    assert_eq!(classify(&Error::new(Kind::Tls, "certificate")), Class::Permanent);
    assert_eq!(classify(&Error::new(Kind::TreeHash, "the program's own hash differs")), Class::Permanent);
    assert_eq!(classify(&Error::new(Kind::Canceled, "canceled")), Class::Permanent);
}

#[test]
fn retries_responses_of_a_proxy() {
    assert_eq!(classify(&response_error(Kind::Service, 404, None)), Class::Transient);
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
        assert_eq!(classify(&response_error(kind, status, None)), Class::Ambiguous, "{status}");
    }
    assert_eq!(classify(&identified_error(Kind::Protocol, 204)), Class::Ambiguous, "a success without its tree hash");
    for (kind, status) in [(Kind::Service, 400), (Kind::Access, 403)] {
        assert_eq!(classify(&identified_error(kind, status)), Class::Ambiguous, "{status} without an error code");
    }
}

#[test]
fn only_a_rejection_by_the_service_has_no_effect() {
    assert!(had_no_effect(&Error::new(Kind::Network, "refused").not_sent()));
    assert!(had_no_effect(&identified_error(Kind::Access, 403)));
    assert!(had_no_effect(&response_error(Kind::Service, 400, Some("BadRequest"))));
    for status in [201, 400, 403, 404] {
        assert!(!had_no_effect(&response_error(Kind::Service, status, None)), "{status} of a proxy");
    }
    for status in [408, 500, 503] {
        assert!(!had_no_effect(&identified_error(Kind::Service, status)), "{status}");
    }
    assert!(!had_no_effect(&Error::new(Kind::Timeout, "stall")));
}

#[test]
fn a_400_with_an_error_code_may_reject_the_parts() {
    for kind in [Kind::Service, Kind::TreeHash, Kind::Incomplete] {
        assert!(rejected_parts(&response_error(kind, 400, Some("InvalidParameterValueException"))), "{kind:?}");
        assert!(!rejected_parts(&response_error(kind, 400, None)), "{kind:?} without an error code");
        assert!(
            !rejected_parts(&response_error(kind, 403, Some("InvalidParameterValueException"))),
            "{kind:?} with 403"
        );
    }
    assert!(!rejected_parts(&response_error(Kind::Throttled, 400, Some("ThrottlingException"))));
}

#[test]
fn only_overload_is_throttling() {
    for status in [408, 429, 500, 503] {
        assert!(is_throttling(&response_error(Kind::Service, status, None)), "{status}");
    }
    for status in [400, 403] {
        assert!(is_throttling(&response_error(Kind::Throttled, status, Some("ThrottlingException"))), "{status}");
        assert!(!is_throttling(&response_error(Kind::Service, status, Some("x"))), "{status}");
    }
    for status in [404, 502, 504] {
        assert!(!is_throttling(&response_error(Kind::Service, status, None)), "{status}");
    }
    assert!(is_throttling(&of(Class::TooSlow)));
    for kind in [Kind::Network, Kind::Timeout, Kind::TreeHash, Kind::Canceled] {
        assert!(!is_throttling(&Error::new(kind, "x")), "{kind:?}");
    }
}

#[test]
fn hash_that_differs_without_a_response_is_permanent() {
    let local = Error::new(Kind::TreeHash, "the data has another hash than the caller gave");
    assert_eq!((classify(&local), is_retryable(&local)), (Class::Permanent, false));
    let received = response_error(Kind::TreeHash, 204, None);
    assert_eq!((classify(&received), is_retryable(&received)), (Class::HashMismatch, true));
}

#[test]
fn retries_ambiguous_failures_three_times() {
    let without_document = response_error(Kind::Service, 400, None);
    let not_http = Error::new(Kind::Protocol, "garbage");
    let wrong_hash = response_error(Kind::TreeHash, 204, None);
    let policy = Policy::default();
    for error in [without_document, not_http, wrong_hash] {
        let mut attempts = Attempts::new(REACHED);
        for _ in 0..AMBIGUOUS_MAX {
            assert!(attempts.next_delay(&error, &policy, Duration::ZERO, REACHED, 0.5).is_some(), "{:?}", error.kind());
        }
        assert_eq!(attempts.next_delay(&error, &policy, Duration::ZERO, REACHED, 0.5), None, "{:?}", error.kind());
    }
}

#[test]
fn signs_again_at_once_with_any_policy() {
    let strict = Policy { max_attempts: Some(1), give_up_after: Duration::ZERO };
    for (class, max) in [(Class::ClockCorrected, CORRECTIONS_MAX), (Class::KeyExpired, KEYS_MAX)] {
        let mut attempts = Attempts::new(REACHED);
        for number in 1..=max {
            assert_eq!(attempts.number(), number);
            let delay = attempts.next_delay(&of(class), &strict, Duration::from_secs(1), REACHED, 1.0);
            assert_eq!(delay, Some(Duration::ZERO));
        }
        assert_eq!(attempts.next_delay(&of(class), &strict, Duration::ZERO, REACHED, 1.0), None);
        assert!(!is_retryable(&of(class)));
    }
}

#[test]
fn gives_up_after_the_attempts_or_the_time() {
    let lost = Error::new(Kind::Network, "reset");
    let policy = Policy { max_attempts: Some(3), ..Policy::default() };
    let mut attempts = Attempts::new(REACHED);
    assert!(attempts.next_delay(&lost, &policy, Duration::ZERO, REACHED, 1.0).is_some());
    assert!(attempts.next_delay(&lost, &policy, Duration::ZERO, REACHED, 1.0).is_some());
    assert_eq!(attempts.next_delay(&lost, &policy, Duration::ZERO, REACHED, 1.0), None, "three attempts failed");

    let unbounded = Policy { max_attempts: Some(0), ..Policy::default() };
    let mut attempts = Attempts::new(REACHED);
    for _ in 0..1000 {
        assert!(attempts.next_delay(&lost, &unbounded, Duration::ZERO, REACHED, 1.0).is_some());
    }
    assert_eq!(attempts.next_delay(&lost, &unbounded, unbounded.give_up_after, REACHED, 1.0), None, "the time is over");
}

#[test]
fn backoff_grows_to_a_cap_and_honors_retry_after() {
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

/// Makes attempts that take `cost` each during an outage of that length. Returns the time of the first attempt after the
/// outage, or the time of giving up as the error.
fn survive_outage(
    policy: &Policy,
    contact: Contact,
    outage: Duration,
    cost: Duration,
    mut random: impl FnMut() -> f64,
) -> std::result::Result<Duration, Duration> {
    let (mut attempts, mut now) = (Attempts::new(contact), Duration::ZERO);
    while now < outage {
        now += cost;
        now += attempts.next_delay(&lost(), policy, now, contact, random()).ok_or(now)?;
    }
    Ok(now)
}

#[test]
fn limits_an_outage_by_time_not_by_attempts() {
    let policy = Policy::default();
    for outage in [60, 150, 600, 1700] {
        let end = survive_outage(&policy, REACHED, Duration::from_secs(outage), Duration::ZERO, || 1.0);
        assert!(end.is_ok_and(|end| end < Duration::from_secs(outage + 20)), "{outage} s: {end:?}");
    }
    let end = survive_outage(&policy, REACHED, Duration::from_secs(3600), Duration::ZERO, || 1.0).unwrap_err();
    assert!(end > policy.give_up_after - BACKOFF_CAP && end <= policy.give_up_after, "{end:?}");
}

#[test]
fn progress_of_other_requests_extends_a_wait() {
    let second = Duration::from_secs;
    let error = lost().with_retry_after(Some(second(20)));
    assert_eq!(wait_step(&error, second(20), second(0), second(8)), WaitStep::Wait(second(8)));
    assert_eq!(wait_step(&error, second(20), second(8), second(5)), WaitStep::Wait(second(5)));
    assert_eq!(wait_step(&error, second(20), second(13), second(8)), WaitStep::Wait(second(7)));
    assert_eq!(wait_step(&error, second(20), second(20), second(1)), WaitStep::Retry);
    assert_eq!(wait_step(&error, second(20), second(13), second(0)), WaitStep::GiveUp);
}

#[test]
fn counts_attempts_while_other_requests_get_responses() {
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
fn counts_attempts_that_get_a_response_in_an_outage() {
    let mut attempts = Attempts::new(REACHED);
    let error = response_error(Kind::Service, 503, None);
    let delay = |_| attempts.next_delay(&error, &Policy::default(), Duration::ZERO, REACHED, 1.0);
    assert_eq!((0..100).map_while(delay).count() + 1, ATTEMPTS_DEFAULT as usize);
}

#[test]
fn a_gateway_that_does_not_reach_the_service_is_an_outage() {
    let count = |error: &Error| {
        let mut attempts = Attempts::new(REACHED);
        let delay = |_| attempts.next_delay(error, &Policy::default(), Duration::ZERO, REACHED, 1.0);
        (0..100).map_while(delay).count() + 1
    };
    for status in [502, 504] {
        assert_eq!(count(&response_error(Kind::Service, status, None)), 101, "{status}");
        assert_eq!(count(&identified_error(Kind::Service, status)), ATTEMPTS_DEFAULT as usize, "{status}");
    }
}

#[test]
fn failed_tls_handshake_is_transient_after_the_first_connection() {
    let refused = Error::new(Kind::Tls, "an alert").not_connected(ConnectFailure::TlsRefused);
    let certificate = Error::new(Kind::Tls, "expired").not_connected(ConnectFailure::CertificateRefused);
    let is_retried = |error: &Error, contact| {
        let mut attempts = Attempts::new(contact);
        (0..100).all(|_| attempts.next_delay(error, &Policy::default(), Duration::ZERO, contact, 1.0).is_some())
    };
    assert!(is_retried(&refused, REACHED));
    assert!(!is_retried(&refused, Contact::default()), "the endpoint may not speak TLS at all");
    assert!(!is_retried(&certificate, REACHED));
    assert!(!is_permanent(&refused, REACHED) && is_permanent(&refused, Contact::default()));
    let unreadable = Error::new(Kind::SourceChanged, "unmapped");
    assert!(is_permanent(&certificate, REACHED) && is_permanent(&unreadable, REACHED));
}

/// With TLS 1.3 the client has opened the connection when the server rejects it.
#[test]
fn rejection_after_the_handshake_is_transient_after_the_first_response() {
    let rejected = Error::new(Kind::Tls, "certificate_required").not_connected(ConnectFailure::ClientRefused);
    let is_retried = |contact| {
        let mut attempts = Attempts::new(contact);
        (0..100).all(|_| attempts.next_delay(&rejected, &Policy::default(), Duration::ZERO, contact, 1.0).is_some())
    };
    assert!(!is_retried(REACHED), "the client may never have been accepted");
    assert!(is_retried(Contact { responses: 1, ..REACHED }));
    assert!(had_no_effect(&rejected), "the server processes no request of a client that it rejects");
    assert!(!lost_response(&rejected));
}

#[test]
fn only_an_attempt_that_was_sent_can_lose_its_response() {
    assert!(lost_response(&lost()));
    assert!(!lost_response(&lost().not_sent()));
    for status in [408, 502, 504] {
        assert!(lost_response(&response_error(Kind::Service, status, None)), "{status}");
    }
    for status in [204, 404, 429, 500, 503] {
        assert!(!lost_response(&response_error(Kind::Service, status, None)), "{status}");
    }
    for status in [502, 503, 504] {
        assert!(!lost_response(&identified_error(Kind::Service, status)), "{status}");
    }
}

#[test]
fn counts_all_attempts_if_the_caller_set_the_maximum() {
    let policy = Policy { max_attempts: Some(ATTEMPTS_DEFAULT), ..Policy::default() };
    let mut attempts = Attempts::new(REACHED);
    let delay = |_| attempts.next_delay(&lost(), &policy, Duration::ZERO, REACHED, 1.0);
    assert_eq!((0..100).map_while(delay).count() + 1, ATTEMPTS_DEFAULT as usize);
}

#[test]
fn gives_up_after_45_seconds_without_any_connection() {
    let never = Contact::default();
    for random in [0.1, 0.5, 1.0] {
        let end = survive_outage(&Policy::default(), never, Duration::MAX, Duration::ZERO, || random).unwrap_err();
        assert!(end > Duration::from_secs(25) && end <= FIRST_CONTACT_MAX, "{end:?}");
    }
    let soon = Policy { give_up_after: Duration::from_secs(5), ..Policy::default() };
    let end = survive_outage(&soon, never, Duration::MAX, Duration::ZERO, || 1.0).unwrap_err();
    assert!(end <= soon.give_up_after, "{end:?}");
}

#[test]
fn gives_up_an_unknown_host_name_before_the_first_connection() {
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

/// Returns an error of a class.
fn of(class: Class) -> Error {
    match class {
        Class::Transient => Error::new(Kind::Network, "reset"),
        Class::TooSlow => {
            response_error(Kind::Timeout, 403, Some(SIGNATURE)).with_signature_expired(SignatureExpired::TooSlow)
        }
        Class::ClockCorrected => {
            response_error(Kind::Credentials, 403, Some(SIGNATURE)).with_signature_expired(SignatureExpired::ClockSkew)
        }
        Class::KeyExpired => response_error(Kind::Credentials, 403, Some("ExpiredTokenException"))
            .with_signature_expired(SignatureExpired::KeyExpired),
        Class::Ambiguous => response_error(Kind::Service, 400, None),
        Class::HashMismatch => response_error(Kind::TreeHash, 204, None),
        Class::Permanent => response_error(Kind::Access, 403, Some("AccessDeniedException")),
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

/// Returns true if another attempt is allowed after all these errors.
fn allows_retry(policy: &Policy, errors: &[Class]) -> bool {
    let mut attempts = Attempts::new(REACHED);
    errors.iter().all(|class| attempts.next_delay(&of(*class), policy, Duration::ZERO, REACHED, 1.0).is_some())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn delay_is_within_its_bounds(attempt in 0u32.., random in 0.0..=1.0, retry_after in prop::option::of(0u64..100_000)) {
        let retry_after = retry_after.map(Duration::from_secs);
        let min = retry_after.unwrap_or_default().min(RETRY_AFTER_CAP);
        let delay = backoff(attempt, random, retry_after);
        prop_assert!(delay >= min);
        prop_assert!(delay <= min.max(BACKOFF_CAP));
        prop_assert!(delay <= min.max(BACKOFF_BASE * 2u32.saturating_pow(attempt.saturating_sub(1))));
        prop_assert!(delay <= backoff(attempt, 1.0, retry_after));
        prop_assert!(delay <= backoff(attempt.saturating_add(1), random, retry_after));
    }

    /// The jitter covers the whole range from 0 to the bound.
    #[test]
    fn jitter_is_full(attempt in 1u32.., random in 0.0..=1.0) {
        let max = backoff(attempt, 1.0, None);
        prop_assert!(max >= BACKOFF_BASE);
        prop_assert_eq!(backoff(attempt, random, None), max.mul_f64(random));
    }

    #[test]
    fn gives_up_exactly_when_a_limit_is_exceeded(errors in classes(), max_attempts in 0u32..20) {
        let policy = Policy { max_attempts: Some(max_attempts), ..Policy::default() };
        let count = |of: &[Class]| u32::try_from(errors.iter().filter(|class| of.contains(class)).count()).unwrap();
        let failed = count(&[Class::Transient, Class::TooSlow, Class::Ambiguous, Class::HashMismatch]);
        let is_within_limits = count(&[Class::Permanent]) == 0
            && count(&[Class::Ambiguous, Class::HashMismatch]) <= AMBIGUOUS_MAX
            && count(&[Class::ClockCorrected]) <= CORRECTIONS_MAX
            && count(&[Class::KeyExpired]) <= KEYS_MAX
            && (max_attempts == 0 || failed == 0 || failed < max_attempts);
        prop_assert_eq!(allows_retry(&policy, &errors), is_within_limits);
    }

    #[test]
    fn order_of_errors_does_not_matter(
        (errors, shuffled) in classes().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        max_attempts in 0u32..20,
    ) {
        let policy = Policy { max_attempts: Some(max_attempts), ..Policy::default() };
        prop_assert_eq!(allows_retry(&policy, &errors), allows_retry(&policy, &shuffled));
    }

    #[test]
    fn survives_any_outage_shorter_than_give_up_after(
        outage in 1u64..1700, cost in 0u64..30, randoms in prop::collection::vec(0.0..=1.0, 32),
    ) {
        let mut randoms = randoms.into_iter().cycle();
        let (outage, cost) = (Duration::from_secs(outage), Duration::from_secs(cost.max(1)));
        let end = survive_outage(&Policy::default(), REACHED, outage, cost, || randoms.next().unwrap_or(1.0));
        prop_assert!(end.is_ok(), "{:?}", end);
    }

    /// The time limit applies to any number of attempts: a delay ends at it, unless the service asked for a longer one.
    #[test]
    fn backoff_is_shortened_to_give_up_after(
        idle in 0u64..2400, retry_after in 0u64..1000, random in 0.0..=1.0, max_attempts in prop_oneof![Just(0u32), 2u32..5],
    ) {
        let (idle, retry_after) = (Duration::from_secs(idle), Duration::from_secs(retry_after));
        let policy = Policy { max_attempts: Some(max_attempts), ..Policy::default() };
        let left = policy.give_up_after.saturating_sub(idle);
        let delay = backoff(1, random, None).min(left).max(retry_after.min(RETRY_AFTER_CAP));
        let error = of(Class::Transient).with_retry_after(Some(retry_after));
        let allowed = Attempts::new(REACHED).next_delay(&error, &policy, idle, REACHED, random);
        prop_assert_eq!(allowed, (!left.is_zero()).then_some(delay));
    }

    /// No attempt precedes the time of `Retry-After`, and no wait exceeds the time limit.
    #[test]
    fn wait_ends_at_the_delay_or_at_the_limit(
        delay in 0u64..400, retry_after in prop::option::of(0u64..400), waited in 0u64..400, left in 0u64..400,
    ) {
        let [delay, waited, left] = [delay, waited, left].map(Duration::from_secs);
        let retry_after = retry_after.map(Duration::from_secs);
        let delay = delay.max(min_delay(retry_after));
        match wait_step(&lost().with_retry_after(retry_after), delay, waited, left) {
            WaitStep::Wait(time) => prop_assert!(!time.is_zero() && waited + time <= delay && time <= left),
            WaitStep::Retry => prop_assert!(waited >= min_delay(retry_after) && (waited >= delay || left.is_zero())),
            WaitStep::GiveUp => prop_assert!(left.is_zero() && waited < min_delay(retry_after)),
        }
    }

    /// Each part has its own attempts, so the number of parts with faults is not limited.
    #[test]
    fn faults_of_different_parts_do_not_add_up(faults in prop::collection::vec(0u32..9, 1000)) {
        let policy = Policy::default();
        for faults in faults {
            let mut attempts = Attempts::new(REACHED);
            for _ in 0..faults {
                prop_assert!(attempts.next_delay(&of(Class::Transient), &policy, Duration::from_secs(600), REACHED, 1.0).is_some());
            }
        }
    }
}
