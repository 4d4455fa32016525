use super::super::key::Credentials;
use super::*;
use crate::error::Kind;
use crate::sign::Key;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

const NOW: i64 = 1_700_000_000;

fn key(id: &str) -> Key {
    Key::new(id, "secret", Some("token".to_owned()))
}

fn keys_from(provider: impl Fn() -> Result<Credentials> + Send + Sync + 'static) -> Keys {
    Keys::new(CredentialsSource::Callback(Arc::new(Box::new(provider))))
}

/// Keys that expire `lifetime` seconds after NOW, and a counter of them.
fn expiring(lifetime: Option<i64>) -> (Keys, Arc<AtomicU64>) {
    let calls = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&calls);
    let keys = keys_from(move || {
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Credentials { key: key(&format!("AK{number}")), expires: lifetime.map(|lifetime| NOW + lifetime) })
    });
    (keys, calls)
}

/// Acquires a key while this thread calls the provider, at most three times. Returns the number of the key.
fn acquire(keys: &Keys, now: i64) -> std::result::Result<u64, Kind> {
    let (cancel, refreshes) = (Arc::<Cancel>::default(), lock(&keys.state).refreshes);
    thread::scope(|scope| {
        let acquiring = scope.spawn(|| keys.acquire(&|| now, &cancel));
        while !acquiring.is_finished() {
            if catch_unwind(AssertUnwindSafe(|| keys.refresh(|| NOW))).is_err()
                || lock(&keys.state).refreshes > refreshes + 3
            {
                cancel.raise();
            }
            thread::yield_now();
        }
        let acquired = acquiring.join().unwrap().map_err(|error| error.kind())?;
        assert_eq!(acquired.number, lock(&keys.state).number);
        Ok(acquired.number)
    })
}

#[test]
fn permanent_key_is_available_at_once_and_never_replaced() {
    let keys = Keys::new(CredentialsSource::Key(Arc::new(key("AK"))));
    let first = keys.acquire(&|| NOW, &Arc::default()).unwrap();
    assert_eq!(first.key.access_key_id(), "AK");
    assert!(!keys.expire(first.number));
    assert_eq!(keys.acquire(&|| i64::MAX, &Arc::default()).unwrap().number, first.number);
    assert!(!keys.needs_refresh());
}

#[test]
fn one_call_of_the_provider_serves_all_waiters() {
    let (keys, calls) = expiring(None);
    keys.refresh(|| NOW);
    assert_eq!(calls.load(Ordering::Relaxed), 0, "no thread waits");
    thread::scope(|scope| {
        let acquiring: Vec<_> = (0..8).map(|_| scope.spawn(|| keys.acquire(&|| NOW, &Arc::default()))).collect();
        while lock(&keys.state).waiters < 8 {
            thread::yield_now();
        }
        assert!(keys.needs_refresh());
        keys.refresh(|| NOW);
        keys.refresh(|| NOW);
        assert!(acquiring.into_iter().all(|acquiring| acquiring.join().unwrap().unwrap().number == 1));
    });
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    assert!(!keys.needs_refresh());
}

#[test]
fn replaces_a_key_once_for_several_reports_of_expiry() {
    let (keys, calls) = expiring(None);
    assert_eq!(acquire(&keys, NOW), Ok(1));
    assert!(keys.expire(1) && keys.expire(1));
    assert_eq!(acquire(&keys, NOW), Ok(2));
    assert!(keys.expire(1), "a late report: the key is already replaced");
    assert_eq!(acquire(&keys, NOW), Ok(2));
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[test]
fn replaces_a_key_before_it_expires() {
    // The lifetime, the last second of use, and the first second with another key.
    for (lifetime, last, due) in [(3600, 3299, 3300), (600, 299, 300), (100, 49, 50), (1, 0, 1)] {
        let (keys, _) = expiring(Some(lifetime));
        assert_eq!(acquire(&keys, NOW), Ok(1), "{lifetime}");
        assert_eq!(acquire(&keys, NOW + last), Ok(1), "{lifetime}");
        assert_eq!(acquire(&keys, NOW + due), Ok(2), "{lifetime}");
    }
}

#[test]
fn uses_an_expired_key_until_the_service_rejects_it() {
    for lifetime in [Some(0), Some(-3600), None] {
        let (keys, _) = expiring(lifetime);
        assert_eq!(acquire(&keys, NOW), Ok(1));
        assert_eq!(acquire(&keys, i64::MAX), Ok(1), "{lifetime:?}");
    }
    // The clock is set back by an hour during the wait: at the requested time the key is already due.
    let (keys, calls) = expiring(Some(600));
    assert_eq!(acquire(&keys, NOW + 3600), Ok(1));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn failure_reaches_all_waiters_and_the_next_one_calls_again() {
    let calls = AtomicU64::new(0);
    let keys = keys_from(move || match calls.fetch_add(1, Ordering::Relaxed) {
        0 => Err(Error::new(Kind::Callback, "no")),
        1 => panic!("in the provider"),
        _ => Ok(Credentials { key: key("AK"), expires: None }),
    });
    thread::scope(|scope| {
        let acquiring: Vec<_> = (0..3).map(|_| scope.spawn(|| keys.acquire(&|| NOW, &Arc::default()))).collect();
        while lock(&keys.state).waiters < 3 {
            thread::yield_now();
        }
        keys.refresh(|| NOW);
        for acquiring in acquiring {
            let error = acquiring.join().unwrap().unwrap_err();
            assert_eq!((error.kind(), error.message()), (Kind::Callback, "no"));
        }
    });
    assert_eq!(acquire(&keys, NOW), Err(Kind::Panic));
    assert_eq!(acquire(&keys, NOW), Ok(1));
}

#[test]
fn waiter_can_be_canceled_while_the_provider_blocks() {
    let (entered, inside) = mpsc::channel::<()>();
    let (leave, left) = mpsc::channel::<()>();
    let (entered, left) = (Mutex::new(entered), Mutex::new(Some(left)));
    let keys = keys_from(move || {
        // Only the first call blocks.
        let left = left.lock().unwrap().take();
        entered.lock().unwrap().send(()).unwrap();
        if let Some(left) = left {
            left.recv().unwrap();
        }
        Ok(Credentials { key: key("AK"), expires: None })
    });
    let (one, other) = (Arc::<Cancel>::default(), Arc::<Cancel>::default());
    thread::scope(|scope| {
        // Dropped if an assertion fails, so that the provider returns.
        let leave = leave;
        let stays = scope.spawn(|| keys.acquire(&|| NOW, &one));
        let goes = scope.spawn(|| keys.acquire(&|| NOW, &other));
        while lock(&keys.state).waiters < 2 {
            thread::yield_now();
        }
        scope.spawn(|| keys.refresh(|| NOW));
        inside.recv().unwrap();
        keys.refresh(|| NOW);
        assert!(inside.try_recv().is_err(), "one thread at a time calls the provider");
        other.raise();
        assert_eq!(goes.join().unwrap().unwrap_err().kind(), Kind::Canceled);
        leave.send(()).unwrap();
        assert_eq!(stays.join().unwrap().unwrap().number, 1);
    });
}

#[test]
fn debug_output_contains_no_secret() {
    let (keys, _) = expiring(Some(600));
    acquire(&keys, NOW).unwrap();
    let shown = format!("{keys:?} {:?}", Keys::new(CredentialsSource::Key(Arc::new(key("AK")))));
    assert!(shown.contains("AK1") && !shown.contains("secret") && !shown.contains("token"), "{shown}");
}
