//! The key that requests are signed with.
//!
//! A worker that needs another one does not ask for it: it waits here, until a thread of the caller's that is inside of a
//! working call has asked the provider. One asking serves all that wait.

use std::sync::Arc;

use super::{Credentials, CredentialsSource};
use crate::callback_loop::catch_panic;
use crate::error::{Error, Kind, Result};
use crate::sanitize::Redactor;
use crate::sign::Key;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel, canceled};
use crate::sync::{Condvar, Mutex, lock, wait_at_most};

/// A key is replaced when this much of its life is left, in seconds, or half of a life that is not twice as long: a
/// request that is signed by then still arrives in time.
const REPLACE_BEFORE: i64 = 5 * 60;

/// The keys of a client, of which one is in use at a time.
#[derive(Debug)]
pub struct Keys {
    origin: CredentialsSource,
    state: Mutex<State>,
    changed: Condvar,
    redactor: Arc<Redactor>,
}

/// A key, and its number among those of the client.
#[derive(Clone, Debug)]
pub struct NumberedKey {
    /// The key.
    pub key: Arc<Key>,
    /// From 1; each one that the provider gives has the next.
    pub number: u64,
}

#[derive(Debug, Default)]
struct State {
    /// None at first, and after the service has called it expired.
    current: Option<Arc<Key>>,
    /// How many there have been: the number of the last.
    number: u64,
    /// When the current one is to be replaced, in seconds since 1970.
    due: Option<i64>,
    asking: bool,
    /// Who waits for the provider to be asked, and was not there when it was asked last.
    waiting: usize,
    /// How often it has answered; and why it gave none, if that was its last answer.
    answers: u64,
    refusal: Option<(Kind, String)>,
}

impl Keys {
    /// Keys from there. None is asked for yet.
    pub fn new(origin: CredentialsSource) -> Self {
        Self::with_redactor(origin, Arc::default())
    }

    /// Keys whose secrets are made known to a redactor.
    pub fn with_redactor(origin: CredentialsSource, redactor: Arc<Redactor>) -> Self {
        let current = match &origin {
            CredentialsSource::Key(key) => {
                key.register(&redactor);
                Some(Arc::clone(key))
            }
            CredentialsSource::Provider(_) => None,
        };
        let state = State { number: u64::from(current.is_some()), current, ..State::default() };
        Self { origin, state: Mutex::new(state), changed: Condvar::new(), redactor }
    }

    /// Knows the secrets of all keys so far.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// The key to sign with at `now`, by the service's clock. Waits while another one is to be had.
    ///
    /// # Errors
    /// `Canceled`; `Callback`, `Credentials` and `Panic` if the provider gives none.
    pub fn acquire(&self, now: i64, cancel: &Cancel) -> Result<NumberedKey> {
        let mut state = lock(&self.state);
        let (number, answers) = (state.number, state.answers);
        // The answer that it is counted as waiting for.
        let mut waits_for = None;
        let outcome = loop {
            // One that came while it was waited for is taken as it is: to find it due would be to ask for ever.
            let is_fresh = state.number > number;
            if let Some(key) = state.current.clone().filter(|_| is_fresh || !state.is_due(now)) {
                break Ok(NumberedKey { key, number: state.number });
            }
            if let Some((kind, message)) = state.refusal.as_ref().filter(|_| state.answers > answers) {
                break Err(Error::new(*kind, message.clone()));
            }
            if cancel.is_raised() {
                break Err(canceled());
            }
            if waits_for.replace(state.answers) != Some(state.answers) {
                state.waiting += 1;
            }
            state = wait_at_most(&self.changed, state, CANCEL_POLL_INTERVAL);
        };
        if waits_for == Some(state.answers) {
            state.waiting -= 1;
        }
        outcome
    }

    /// The service called the key of that number expired. Whether there is another one, or the provider will be asked for
    /// it.
    pub fn expire(&self, number: u64) -> bool {
        let can_be_replaced = matches!(self.origin, CredentialsSource::Provider(_));
        let mut state = lock(&self.state);
        if can_be_replaced && state.number == number {
            state.current = None;
        }
        can_be_replaced
    }

    /// Whether a thread waits for the provider to be asked.
    pub fn needs_refresh(&self) -> bool {
        lock(&self.state).needs_refresh()
    }

    /// Asks the provider, if a thread waits for that and no other thread is asking. `now` is the service's time, read when
    /// the provider has answered.
    pub fn refresh(&self, now: impl FnOnce() -> i64) {
        let CredentialsSource::Provider(provider) = &self.origin else { return };
        {
            let mut state = lock(&self.state);
            if !state.needs_refresh() {
                return;
            }
            state.asking = true;
        }
        // A panic counts as a refusal: whoever waits must not wait for ever.
        let answer = catch_panic(|| provider());
        if let Ok(credentials) = &answer {
            credentials.key.register(&self.redactor);
        }
        let mut state = lock(&self.state);
        state.asking = false;
        state.waiting = 0;
        state.answers += 1;
        state.refusal = answer.as_ref().err().map(|error| (error.kind(), error.message().to_owned()));
        if let Ok(credentials) = answer {
            state.replace(credentials, now());
        }
        drop(state);
        self.changed.notify_all();
    }
}

impl State {
    fn needs_refresh(&self) -> bool {
        self.waiting > 0 && !self.asking
    }

    fn is_due(&self, now: i64) -> bool {
        self.due.is_some_and(|due| now >= due)
    }

    fn replace(&mut self, credentials: Credentials, now: i64) {
        self.due = credentials.expires.and_then(|expires| due(expires, now));
        self.current = Some(Arc::new(credentials.key));
        self.number += 1;
    }
}

/// When a key is to be replaced. Of one that has expired already, the service says when: this clock may be wrong.
fn due(expires: i64, now: i64) -> Option<i64> {
    let life = expires.saturating_sub(now);
    (life > 0).then(|| expires - (life / 2).min(REPLACE_BEFORE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc;
    use std::thread;

    const NOW: i64 = 1_700_000_000;

    fn key(id: &str) -> Key {
        Key::new(id, "secret", Some("token".to_owned()))
    }

    fn provided(provider: impl Fn() -> Result<Credentials> + Send + Sync + 'static) -> Keys {
        Keys::new(CredentialsSource::Provider(Arc::new(Box::new(provider))))
    }

    /// Keys that have so many seconds to live at NOW, and a count of them.
    fn living(life: Option<i64>) -> (Keys, Arc<AtomicU64>) {
        let given = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&given);
        let keys = provided(move || {
            let number = count.fetch_add(1, Ordering::Relaxed) + 1;
            Ok(Credentials { key: key(&format!("AK{number}")), expires: life.map(|life| NOW + life) })
        });
        (keys, given)
    }

    /// Takes a key, while this thread asks at NOW, three times at most; the key's number, or why there is none.
    fn taken(keys: &Keys, now: i64) -> std::result::Result<u64, Kind> {
        let (cancel, answers) = (Cancel::default(), lock(&keys.state).answers);
        thread::scope(|scope| {
            let taking = scope.spawn(|| keys.acquire(now, &cancel));
            while !taking.is_finished() {
                if catch_unwind(AssertUnwindSafe(|| keys.refresh(|| NOW))).is_err()
                    || lock(&keys.state).answers > answers + 3
                {
                    cancel.raise();
                }
                thread::yield_now();
            }
            let taken = taking.join().unwrap().map_err(|error| error.kind())?;
            assert_eq!(taken.number, lock(&keys.state).number);
            Ok(taken.number)
        })
    }

    #[test]
    fn a_key_for_good_is_there_at_once_and_has_no_other() {
        let keys = Keys::new(CredentialsSource::Key(Arc::new(key("AK"))));
        let first = keys.acquire(NOW, &Cancel::default()).unwrap();
        assert_eq!(first.key.access_key_id(), "AK");
        assert!(!keys.expire(first.number));
        assert_eq!(keys.acquire(i64::MAX, &Cancel::default()).unwrap().number, first.number);
        assert!(!keys.needs_refresh());
    }

    #[test]
    fn one_asking_serves_all_that_wait() {
        let (keys, given) = living(None);
        keys.refresh(|| NOW);
        assert_eq!(given.load(Ordering::Relaxed), 0, "nobody waits");
        thread::scope(|scope| {
            let taking: Vec<_> = (0..8).map(|_| scope.spawn(|| keys.acquire(NOW, &Cancel::default()))).collect();
            while lock(&keys.state).waiting < 8 {
                thread::yield_now();
            }
            assert!(keys.needs_refresh());
            keys.refresh(|| NOW);
            keys.refresh(|| NOW);
            assert!(taking.into_iter().all(|taking| taking.join().unwrap().unwrap().number == 1));
        });
        assert_eq!(given.load(Ordering::Relaxed), 1);
        assert!(!keys.needs_refresh());
    }

    #[test]
    fn a_key_is_replaced_once_however_many_say_that_it_has_expired() {
        let (keys, given) = living(None);
        assert_eq!(taken(&keys, NOW), Ok(1));
        assert!(keys.expire(1) && keys.expire(1));
        assert_eq!(taken(&keys, NOW), Ok(2));
        assert!(keys.expire(1), "a request that was long on its way: there is another key");
        assert_eq!(taken(&keys, NOW), Ok(2));
        assert_eq!(given.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_key_is_replaced_before_it_expires() {
        // Its life, how long it is used, and from when on not any more.
        for (life, good, due) in [(3600, 3299, 3300), (600, 299, 300), (100, 49, 50), (1, 0, 1)] {
            let (keys, _) = living(Some(life));
            assert_eq!(taken(&keys, NOW), Ok(1), "{life}");
            assert_eq!(taken(&keys, NOW + good), Ok(1), "{life}");
            assert_eq!(taken(&keys, NOW + due), Ok(2), "{life}");
        }
    }

    #[test]
    fn the_service_decides_what_has_expired_and_not_the_clock() {
        for life in [Some(0), Some(-3600), None] {
            let (keys, _) = living(life);
            assert_eq!(taken(&keys, NOW), Ok(1));
            assert_eq!(taken(&keys, i64::MAX), Ok(1), "{life:?}");
        }
        // The clock is set back by an hour while the key is awaited: by the time of the wish it is due already.
        let (keys, given) = living(Some(600));
        assert_eq!(taken(&keys, NOW + 3600), Ok(1));
        assert_eq!(given.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_refusal_reaches_all_that_wait_and_the_next_one_asks_again() {
        let refusals = AtomicU64::new(0);
        let keys = provided(move || match refusals.fetch_add(1, Ordering::Relaxed) {
            0 => Err(Error::new(Kind::Callback, "no")),
            1 => panic!("in the provider"),
            _ => Ok(Credentials { key: key("AK"), expires: None }),
        });
        thread::scope(|scope| {
            let taking: Vec<_> = (0..3).map(|_| scope.spawn(|| keys.acquire(NOW, &Cancel::default()))).collect();
            while lock(&keys.state).waiting < 3 {
                thread::yield_now();
            }
            keys.refresh(|| NOW);
            for taking in taking {
                let error = taking.join().unwrap().unwrap_err();
                assert_eq!((error.kind(), error.message()), (Kind::Callback, "no"));
            }
        });
        assert_eq!(taken(&keys, NOW), Err(Kind::Panic));
        assert_eq!(taken(&keys, NOW), Ok(1));
    }

    #[test]
    fn who_waits_can_be_canceled_while_the_provider_is_slow() {
        let (entered, inside) = mpsc::channel::<()>();
        let (leave, left) = mpsc::channel::<()>();
        let (entered, left) = (Mutex::new(entered), Mutex::new(Some(left)));
        let keys = provided(move || {
            // The first one is slow.
            let left = left.lock().unwrap().take();
            entered.lock().unwrap().send(()).unwrap();
            if let Some(left) = left {
                left.recv().unwrap();
            }
            Ok(Credentials { key: key("AK"), expires: None })
        });
        let (one, other) = (Cancel::default(), Cancel::default());
        thread::scope(|scope| {
            // Dropped if this fails, so that nobody stays inside.
            let leave = leave;
            let stays = scope.spawn(|| keys.acquire(NOW, &one));
            let goes = scope.spawn(|| keys.acquire(NOW, &other));
            while lock(&keys.state).waiting < 2 {
                thread::yield_now();
            }
            scope.spawn(|| keys.refresh(|| NOW));
            inside.recv().unwrap();
            keys.refresh(|| NOW);
            assert!(inside.try_recv().is_err(), "it is asked by one thread at a time");
            other.raise();
            assert_eq!(goes.join().unwrap().unwrap_err().kind(), Kind::Canceled);
            leave.send(()).unwrap();
            assert_eq!(stays.join().unwrap().unwrap().number, 1);
        });
    }

    #[test]
    fn nothing_shows_a_secret() {
        let (keys, _) = living(Some(600));
        taken(&keys, NOW).unwrap();
        let shown = format!("{keys:?} {:?}", Keys::new(CredentialsSource::Key(Arc::new(key("AK")))));
        assert!(shown.contains("AK1") && !shown.contains("secret") && !shown.contains("token"), "{shown}");
    }
}
