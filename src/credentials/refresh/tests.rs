use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use super::super::keys::Keys;
use super::super::provider::{Loaded, Provider};
use super::super::source::CredentialsSource;
use super::*;
use crate::error::Error;
use crate::log::Log;
use crate::sign::Key;
use crate::sync::Mutex;

const NOW: i64 = 1_700_000_000;

/// A provider that runs a function.
struct FromFunction<F>(F);

impl<F: Fn(&Arc<Cancel>) -> Result<Credentials> + Send + Sync> Provider for FromFunction<F> {
    fn source(&self) -> String {
        "the test".to_owned()
    }

    fn load(&self, context: &LoadContext<'_>) -> Result<Loaded> {
        (self.0)(context.cancel).map(Loaded::Keys)
    }
}

/// Returns keys from a chain that runs `load`.
pub(crate) fn keys_from(load: impl Fn(&Arc<Cancel>) -> Result<Credentials> + Send + Sync + 'static) -> Keys {
    keys_with_log(load, Arc::new(Log::off()))
}

fn keys_with_log(load: impl Fn(&Arc<Cancel>) -> Result<Credentials> + Send + Sync + 'static, log: Arc<Log>) -> Keys {
    let chain = Chain::of_provider(Box::new(FromFunction(load)));
    let services = KeyServices { log, ..KeyServices::default() };
    Keys::with_services(CredentialsSource::Chain(Arc::new(chain)), services)
}

fn credentials(number: u64, expires: Option<i64>) -> Credentials {
    Credentials { key: Key::new(format!("AK{number}"), "secret-of-the-test", None), expires }
}

/// Keys that expire `lifetime` seconds after the last load, and counters.
struct Expiring {
    keys: Keys,
    now: Arc<AtomicI64>,
    calls: Arc<AtomicU64>,
    /// The number of the call from which on calls fail.
    fails_from: Arc<AtomicU64>,
}

fn expiring(lifetime: i64) -> Expiring {
    let (now, calls, fails_from) =
        (Arc::new(AtomicI64::new(NOW)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(u64::MAX)));
    let (time, count, fails) = (Arc::clone(&now), Arc::clone(&calls), Arc::clone(&fails_from));
    let keys = keys_from(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        if number >= fails.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::Network, "no network"));
        }
        Ok(credentials(number, Some(time.load(Ordering::SeqCst) + lifetime)))
    });
    Expiring { keys, now, calls, fails_from }
}

impl Expiring {
    /// Acquires a key at `NOW + seconds`. Returns the number of the key.
    fn at(&self, seconds: i64) -> std::result::Result<u64, Kind> {
        self.now.store(NOW + seconds, Ordering::SeqCst);
        let acquired = self.keys.acquire(&|| self.now.load(Ordering::SeqCst), &Arc::default());
        acquired.map(|key| key.number).map_err(|error| error.kind())
    }

    fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }
}

#[test]
fn replaces_keys_five_minutes_before_expiry_or_at_half_of_a_short_life() {
    for (lifetime, last, due) in [(3600, 3299, 3300), (600, 299, 300), (100, 49, 50)] {
        let test = expiring(lifetime);
        assert_eq!((test.at(0), test.at(last), test.at(due)), (Ok(1), Ok(1), Ok(2)), "{lifetime}");
        assert_eq!(test.calls(), 2);
    }
}

#[test]
fn failed_replacement_is_repeated_after_growing_delays_and_keeps_the_keys() {
    let test = expiring(3600);
    assert_eq!(test.at(0), Ok(1));
    test.fails_from.store(2, Ordering::SeqCst);
    // The calls of the provider by second, from the time when the keys are due.
    let mut called_at = Vec::new();
    for second in 3300..3300 + 400 {
        let before = test.calls();
        assert_eq!(test.at(second), Ok(1), "the keys stay in use, even after their expiry");
        if test.calls() > before {
            called_at.push(second - 3300);
        }
    }
    assert_eq!(called_at, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303, 363]);
    test.fails_from.store(u64::MAX, Ordering::SeqCst);
    assert_eq!(test.at(3800), Ok(2));
}

#[test]
fn failure_without_keys_fails_the_request_and_the_next_one_tries_again() {
    let test = expiring(3600);
    test.fails_from.store(1, Ordering::SeqCst);
    assert_eq!((test.at(0), test.at(0)), (Err(Kind::Network), Err(Kind::Network)));
    test.fails_from.store(u64::MAX, Ordering::SeqCst);
    assert_eq!(test.at(0), Ok(1));
}

#[test]
fn expired_token_forces_a_replacement_despite_earlier_failures() {
    let test = expiring(3600);
    assert_eq!(test.at(0), Ok(1));
    test.fails_from.store(2, Ordering::SeqCst);
    assert_eq!(test.at(3300), Ok(1));
    test.fails_from.store(u64::MAX, Ordering::SeqCst);
    assert!(test.keys.expire(1));
    assert_eq!(test.at(3300), Ok(2));
    assert!(test.keys.expire(1), "a late report");
    assert_eq!((test.at(3300), test.calls()), (Ok(2), 3));
}

#[test]
fn same_keys_after_an_expired_token_are_an_error() {
    let keys = keys_from(|_| Ok(credentials(1, None)));
    let acquire = || keys.acquire(&|| NOW, &Arc::default());
    assert!(keys.expire(acquire().unwrap().number));
    let error = acquire().unwrap_err();
    assert_eq!(error.kind(), Kind::Credentials);
    assert!(error.message().contains("still supplies the keys that the service rejected as expired"), "{error}");
}

#[test]
fn others_use_valid_keys_while_one_thread_replaces_them() {
    let (entered, inside) = mpsc::channel::<()>();
    let (leave, left) = mpsc::channel::<()>();
    let (entered, left) = (Mutex::new(entered), Mutex::new(left));
    let calls = AtomicU64::new(0);
    let keys = keys_from(move |_| {
        let number = calls.fetch_add(1, Ordering::SeqCst) + 1;
        if number == 2 {
            entered.lock().unwrap().send(()).unwrap();
            left.lock().unwrap().recv().unwrap();
        }
        Ok(credentials(number, Some(NOW + 3600 * i64::try_from(number).unwrap())))
    });
    let at = |seconds: i64| keys.acquire(&|| NOW + seconds, &Arc::default()).unwrap().number;
    assert_eq!(at(0), 1);
    thread::scope(|scope| {
        let replaces = scope.spawn(|| at(3400));
        inside.recv().unwrap();
        assert_eq!((at(3400), at(3599)), (1, 1), "no wait while the keys are valid");
        let waits = scope.spawn(|| at(3600));
        leave.send(()).unwrap();
        assert_eq!((replaces.join().unwrap(), waits.join().unwrap()), (2, 2));
    });
}

#[test]
fn waiter_takes_over_from_a_canceled_thread() {
    let (entered, inside) = mpsc::channel::<()>();
    let entered = Mutex::new(entered);
    let keys = keys_from(move |cancel| {
        entered.lock().unwrap().send(()).unwrap();
        while !cancel.is_raised() {
            thread::yield_now();
        }
        Err(canceled())
    });
    let (one, other) = (Arc::<Cancel>::default(), Arc::<Cancel>::default());
    thread::scope(|scope| {
        let first = scope.spawn(|| keys.acquire(&|| NOW, &one).map(|key| key.number));
        inside.recv().unwrap();
        let second = scope.spawn(|| keys.acquire(&|| NOW, &other).map(|key| key.number));
        one.raise();
        assert_eq!(first.join().unwrap().unwrap_err().kind(), Kind::Canceled);
        inside.recv().unwrap();
        other.raise();
        assert_eq!(second.join().unwrap().unwrap_err().kind(), Kind::Canceled);
    });
}

#[test]
fn panic_of_a_provider_is_an_error() {
    let keys = keys_from(|_| panic!("in the provider"));
    for _ in 0..2 {
        assert_eq!(keys.acquire(&|| NOW, &Arc::default()).unwrap_err().kind(), Kind::Panic);
    }
}

#[test]
fn logs_the_source_and_failures_but_no_secret() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&lines);
    let sink = move |_, line: &std::ffi::CStr| into.lock().unwrap().push(line.to_str().unwrap().to_owned());
    let log = Arc::new(Log::new(Level::Info, Some(Box::new(sink))));
    let calls = AtomicU64::new(0);
    let keys = keys_with_log(
        move |_| match calls.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(credentials(1, Some(NOW + 3600))),
            _ => Err(Error::new(Kind::Network, "no network; echo secret-of-the-test")),
        },
        Arc::clone(&log),
    );
    keys.acquire(&|| NOW, &Arc::default()).unwrap();
    keys.acquire(&|| NOW + 3500, &Arc::default()).unwrap();
    log.deliver();
    let lines = lines.lock().unwrap();
    let [info, warning] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(info.contains("the test supplies the keys: access key ID AK1, expiry 20231114T231320Z"), "{info}");
    assert!(warning.contains("the present ones stay in use: no network; echo [redacted]"), "{warning}");
}
