use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::*;
use crate::error::Kind;

const SECOND: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_millis(100);
const LIMITS: [u64; 13] =
    [1, 2, 3, 999, 1024, 2047, 5001, 50_000, 1_000_000, 12_345_678, 1_000_000_007, 1 << 60, u64::MAX];

/// Returns what `takers` senders get in turn, and when.
fn taken(limit: u64, takers: usize, over: Duration) -> Vec<(Duration, u64)> {
    const WANTS: [usize; 7] = [131_072, 1, 65_537, 333, 4096, 17, 1_000_003];
    let (mut bucket, mut now, mut grants) = (BucketState::new(limit, Duration::ZERO), Duration::ZERO, Vec::new());
    let mut wants = (0..takers).map(|taker| WANTS[taker % WANTS.len()]).cycle().peekable();
    while let Some(want) = wants.peek().copied() {
        match bucket.take(want, now) {
            Ok(taken) => {
                assert!((1..=want).contains(&taken), "{taken} of {want}");
                grants.push((now, taken as u64));
                wants.next();
            }
            Err(wait) if now + wait > over => break,
            Err(wait) => now += wait,
        }
    }
    grants
}

#[test]
fn grants_the_limit_over_ten_seconds() {
    for limit in LIMITS.into_iter().filter(|limit| *limit < 1 << 30) {
        for takers in 1..=32 {
            let total: u64 = taken(limit, takers, 10 * SECOND).iter().map(|(_, bytes)| bytes).sum();
            let whole = 10 * limit;
            assert!(total <= whole, "{total} of {whole} by {takers}");
            assert!(whole - total <= (whole / 20).max(1), "{total} of {whole} by {takers}");
        }
    }
}

#[test]
fn bounds_each_100_ms_by_limit_and_burst() {
    for limit in LIMITS.into_iter().filter(|limit| *limit < 1 << 30) {
        for takers in [1, 3, 32] {
            let (mut window, mut inside) = (VecDeque::new(), 0);
            for (at, bytes) in taken(limit, takers, 10 * SECOND) {
                window.push_back((at, bytes));
                inside += bytes;
                while let Some((_, old)) = window.front().filter(|(then, _)| *then + WINDOW <= at) {
                    inside -= old;
                    window.pop_front();
                }
                let most = limit.div_ceil(10) + (limit / 10).max(MIN_QUANTUM);
                assert!(inside <= most, "{inside} bytes of at most {most} up to {at:?} by {takers}");
            }
        }
    }
}

#[test]
fn accumulates_at_most_one_burst() {
    for limit in LIMITS {
        let mut bucket = BucketState::new(limit, Duration::ZERO);
        let (mut at_once, hour) = (0, 3600 * SECOND);
        while let Ok(taken) = bucket.take(usize::MAX, hour) {
            at_once += taken as u64;
        }
        assert!(at_once <= (limit / 10).max(MIN_QUANTUM), "{at_once} at {limit}");
    }
}

#[test]
fn applies_new_limit_from_the_moment_it_is_set() {
    let mut bucket = BucketState::new(1, Duration::ZERO);
    assert_eq!(bucket.take(5000, Duration::ZERO), Err(SECOND));
    bucket.set_limit(1_000_000, SECOND / 2);
    let wait = bucket.take(5000, SECOND / 2).unwrap_err();
    assert!(wait <= Duration::from_millis(5), "{wait:?}");
    assert_eq!(bucket.take(5000, SECOND / 2 + wait), Ok(5000));

    bucket.set_limit(2000, SECOND);
    while bucket.take(5000, SECOND).is_ok() {}
    assert_eq!(bucket.take(5000, 2 * SECOND), Ok(1000), "tokens above the new burst size are dropped");

    bucket.set_limit(0, 2 * SECOND);
    assert_eq!(bucket.take(5000, 2 * SECOND), Ok(5000));
    bucket.set_limit(1000, 9 * SECOND);
    assert_eq!(bucket.take(500, 9 * SECOND), Err(SECOND / 2), "no tokens accumulate without a limit");
}

/// A clock that moves forward with each wait, or stands still.
#[derive(Debug, Default)]
struct TestClock {
    now: Mutex<Duration>,
    still: bool,
    longest_wait: Mutex<Duration>,
}

impl Clock for TestClock {
    fn unix_time(&self) -> i64 {
        0
    }

    fn monotonic(&self) -> Duration {
        *self.now.lock().unwrap()
    }

    fn wait(&self, time: Duration, cancel: &Cancel) -> Result<()> {
        let mut longest = self.longest_wait.lock().unwrap();
        *longest = time.max(*longest);
        if self.still {
            thread::yield_now();
        } else {
            *self.now.lock().unwrap() += time;
        }
        cancel.check()
    }
}

fn still() -> Arc<TestClock> {
    Arc::new(TestClock { still: true, ..TestClock::default() })
}

/// Returns the bytes that `threads` threads take from the buckets in 10 s.
fn taken_by_threads(buckets: &[&TokenBucket], clock: &TestClock, threads: usize) -> u64 {
    let (cancel, total) = (Cancel::default(), AtomicU64::new(0));
    thread::scope(|scope| {
        for thread in 0..threads {
            let (bucket, cancel, total) = (buckets[thread % buckets.len()], &cancel, &total);
            scope.spawn(move || {
                while clock.monotonic() < 10 * SECOND {
                    total.fetch_add(bucket.take(9000 + thread, cancel).unwrap() as u64, Ordering::Relaxed);
                }
            });
        }
    });
    total.load(Ordering::Relaxed)
}

#[track_caller]
fn assert_near(total: u64, whole: u64) {
    assert!(total.abs_diff(whole) <= whole / 20, "{total} of {whole}");
}

#[test]
fn threads_share_a_bucket() {
    for threads in [1, 2, 8, 32] {
        let clock = Arc::new(TestClock::default());
        let bucket = TokenBucket::new(200_000, clock.clone());
        assert_near(taken_by_threads(&[&bucket], &clock, threads), 2_000_000);
    }
}

#[test]
fn children_share_the_limit_of_their_parent() {
    for (own, parent, whole) in [(0, 150_000, 1_500_000), (100_000, 50_000, 500_000)] {
        let clock = Arc::new(TestClock::default());
        let outer = Arc::new(TokenBucket::new(parent, clock.clone()));
        let (a, b) = (TokenBucket::child_of(&outer), TokenBucket::child_of(&outer));
        a.set_limit(own);
        b.set_limit(own);
        assert_near(taken_by_threads(&[&a, &b], &clock, 8), whole);
    }
}

#[test]
fn lower_limit_of_child_and_parent_applies() {
    for (own, parent) in [(50_000, 0), (50_000, 150_000), (150_000, 50_000)] {
        let clock = Arc::new(TestClock::default());
        let inner = TokenBucket::child_of(&Arc::new(TokenBucket::new(parent, clock.clone())));
        inner.set_limit(own);
        assert_eq!(inner.limit(), Some(50_000));
        assert_near(taken_by_threads(&[&inner], &clock, 8), 500_000);
    }
}

#[test]
fn refunds_what_the_parent_does_not_grant() {
    let clock = Arc::new(TestClock::default());
    let outer = Arc::new(TokenBucket::new(2000, clock.clone()));
    let inner = TokenBucket::child_of(&outer);
    inner.set_limit(500_000);
    assert_eq!(inner.take(9000, &Cancel::default()).unwrap(), 1000);
    assert_eq!(inner.state().tokens, 4000 * NANOS);
    inner.refund(1000);
    assert_eq!(inner.state().tokens, 5000 * NANOS);
    assert_eq!(outer.take(1000, &Cancel::default()).unwrap(), 1000);
    assert_eq!(clock.monotonic(), SECOND / 2, "the parent had the second quantum already");
}

#[test]
fn waits_no_longer_than_the_poll_interval() {
    let clock = Arc::new(TestClock::default());
    let bucket = TokenBucket::new(1, clock.clone());
    assert_eq!(bucket.take(1000, &Cancel::default()).unwrap(), 1);
    assert_eq!(clock.monotonic(), SECOND);
    assert_eq!(*clock.longest_wait.lock().unwrap(), CANCEL_POLL_INTERVAL);
}

#[test]
fn removing_the_limit_releases_all_waiters() {
    let bucket = TokenBucket::new(1, still());
    let cancel = Cancel::default();
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..4).map(|_| scope.spawn(|| bucket.take(1000, &cancel))).collect();
        while bucket.queue.len() < 4 {
            thread::yield_now();
        }
        bucket.set_limit(0);
        waiting.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap().unwrap(), 1000));
    });
    assert_eq!(bucket.limit(), None);
}

#[test]
fn cancellation_ends_only_the_waits_of_its_token() {
    let outer = Arc::new(TokenBucket::new(1, still()));
    let inner = TokenBucket::child_of(&outer);
    let (cancel, another) = (Cancel::default(), Cancel::default());
    thread::scope(|scope| {
        let canceled: Vec<_> = (0..4).map(|_| scope.spawn(|| inner.take(1000, &cancel))).collect();
        let waiting = scope.spawn(|| outer.take(1000, &another));
        while outer.queue.len() < 5 {
            thread::yield_now();
        }
        cancel.raise();
        canceled.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap().unwrap_err().kind(), Kind::Canceled));
        assert_eq!(outer.queue.len(), 1);
        outer.set_limit(0);
        assert_eq!(waiting.join().unwrap().unwrap(), 1000);
    });
}
