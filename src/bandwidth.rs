//! The bandwidth limit: a token bucket out of which the parts take, one after the other, what they may send next.
//!
//! It counts the payload on its way to the wire, what is sent again included. An upload's bucket stands inside its
//! client's, and what is taken comes out of both.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::Result;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel};
use crate::sync::fifo::FifoLock;
use crate::sync::{Mutex, MutexGuard, lock};

/// Who waits gets so many pieces a second, all together: often enough to be smooth, seldom enough to cost nothing.
const QUANTA_PER_SECOND: u64 = 100;
/// A quantum that is worth a packet of its own. Where even this is more than half a second's worth, pieces are that.
const MIN_QUANTUM: u64 = 1024;
/// What is tokens up while nobody takes: the limit's worth of a tenth of a second.
const BURST_DIVISOR: u64 = 10;

const NANOS: u128 = 1_000_000_000;

/// A limit, for any number of threads.
#[derive(Debug)]
pub struct TokenBucket {
    clock: Arc<dyn Clock>,
    /// Applies as well.
    parent: Option<Arc<TokenBucket>>,
    queue: FifoLock,
    state: Mutex<BucketState>,
}

impl TokenBucket {
    /// A bucket of so many bytes a second; 0: no limit.
    pub fn new(limit: u64, clock: Arc<dyn Clock>) -> Self {
        let state = Mutex::new(BucketState::new(limit, clock.monotonic()));
        Self { clock, parent: None, queue: FifoLock::default(), state }
    }

    /// A bucket without a limit of its own, inside another one.
    pub fn child_of(parent: &Arc<Self>) -> Self {
        Self { parent: Some(Arc::clone(parent)), ..Self::new(0, Arc::clone(&parent.clock)) }
    }

    /// Changes the limit, in bytes a second; 0: none. Who waits is under the new one before 100 ms have passed.
    pub fn set_limit(&self, limit: u64) {
        self.state().set_limit(limit, self.clock.monotonic());
    }

    /// The bytes a second that can pass at most, by this bucket and those parent it; `None`: no limit.
    pub fn limit(&self) -> Option<u64> {
        let own = Some(self.state().limit).filter(|limit| *limit > 0);
        let parent = self.parent.as_ref().and_then(|parent| parent.limit());
        own.into_iter().chain(parent).min()
    }

    /// Takes some of `want` bytes, and returns how many: a quantum that keeps the flow smooth. Waits until there is one,
    /// in turn with all others.
    ///
    /// # Errors
    /// `Canceled`.
    pub fn take(&self, want: usize, cancel: &Cancel) -> Result<usize> {
        let taken = self.take_own(want, cancel)?;
        let Some(parent) = &self.parent else { return Ok(taken) };
        let passed = parent.take(taken, cancel)?;
        self.state().refund(taken - passed);
        Ok(passed)
    }

    /// Gives back what was taken and is not sent.
    pub fn refund(&self, bytes: usize) {
        self.state().refund(bytes);
        if let Some(parent) = &self.parent {
            parent.refund(bytes);
        }
    }

    fn take_own(&self, want: usize, cancel: &Cancel) -> Result<usize> {
        if self.state().limit == 0 {
            return Ok(want);
        }
        let _place = self.queue.acquire(cancel)?;
        loop {
            let taken = self.state().take(want, self.clock.monotonic());
            match taken {
                Ok(taken) => return Ok(taken),
                // No longer at once, for the limit may change.
                Err(wait) => self.clock.wait(wait.min(CANCEL_POLL_INTERVAL), cancel)?,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, BucketState> {
        lock(&self.state)
    }
}

/// What is in the bucket. Pure: time is an argument.
#[derive(Debug)]
struct BucketState {
    /// Bytes a second; 0: no limit.
    limit: u64,
    /// What may be taken, in billionths of a byte: with a limit in bytes and a time in nanoseconds nothing is rounded.
    tokens: u128,
    /// When `tokens` was right.
    refilled_at: Duration,
}

impl BucketState {
    fn new(limit: u64, now: Duration) -> Self {
        Self { limit, tokens: 0, refilled_at: now }
    }

    fn set_limit(&mut self, limit: u64, now: Duration) {
        self.refill(now);
        self.limit = limit;
    }

    /// Takes a quantum of `want` bytes, or says how long to wait for it.
    fn take(&mut self, want: usize, now: Duration) -> std::result::Result<usize, Duration> {
        if self.limit == 0 {
            return Ok(want);
        }
        self.refill(now);
        let quantum = want.min(usize::try_from(self.quantum()).unwrap_or(usize::MAX));
        let price = quantum as u128 * NANOS;
        let Some(left) = self.tokens.checked_sub(price) else {
            let wait = (price - self.tokens).div_ceil(self.limit.into());
            return Err(Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX)));
        };
        self.tokens = left;
        Ok(quantum)
    }

    fn refund(&mut self, bytes: usize) {
        self.tokens = (self.tokens + bytes as u128 * NANOS).min(self.capacity());
    }

    fn refill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.refilled_at).as_nanos();
        self.tokens = passed.saturating_mul(self.limit.into()).saturating_add(self.tokens).min(self.capacity());
        // Two threads may have looked at the clock in one order, and come here in the other.
        self.refilled_at = self.refilled_at.max(now);
    }

    /// The most that is taken at once, in bytes.
    fn quantum(&self) -> u64 {
        (self.limit / QUANTA_PER_SECOND).max(MIN_QUANTUM.min(self.limit / 2)).max(self.limit.min(1))
    }

    fn capacity(&self) -> u128 {
        u128::from((self.limit / BURST_DIVISOR).max(self.quantum())) * NANOS
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use super::*;
    use crate::error::Kind;

    const SECOND: Duration = Duration::from_secs(1);
    const WINDOW: Duration = Duration::from_millis(100);
    const LIMITS: [u64; 13] =
        [1, 2, 3, 999, 1024, 2047, 5001, 50_000, 1_000_000, 12_345_678, 1_000_000_007, 1 << 60, u64::MAX];

    /// What so many takers get in turn, and when.
    fn taken(limit: u64, takers: usize, over: Duration) -> Vec<(Duration, u64)> {
        const WANTS: [usize; 7] = [131_072, 1, 65_537, 333, 4096, 17, 1_000_003];
        let (mut tokens, mut now, mut grants) = (BucketState::new(limit, Duration::ZERO), Duration::ZERO, Vec::new());
        let mut wants = (0..takers).map(|taker| WANTS[taker % WANTS.len()]).cycle().peekable();
        while let Some(want) = wants.peek().copied() {
            match tokens.take(want, now) {
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
    fn ten_seconds_give_what_the_limit_says() {
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
    fn no_tenth_of_a_second_gives_more_than_its_share_and_what_was_saved() {
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
    fn no_more_than_a_tenth_of_a_second_is_saved_up() {
        for limit in LIMITS {
            let mut tokens = BucketState::new(limit, Duration::ZERO);
            let (mut at_once, hour) = (0, 3600 * SECOND);
            while let Ok(taken) = tokens.take(usize::MAX, hour) {
                at_once += taken as u64;
            }
            assert!(at_once <= (limit / 10).max(MIN_QUANTUM), "{at_once} at {limit}");
        }
    }

    #[test]
    fn who_waits_is_under_the_new_limit_from_the_moment_it_is_set() {
        let mut tokens = BucketState::new(1, Duration::ZERO);
        assert_eq!(tokens.take(5000, Duration::ZERO), Err(SECOND));
        tokens.set_limit(1_000_000, SECOND / 2);
        let wait = tokens.take(5000, SECOND / 2).unwrap_err();
        assert!(wait <= Duration::from_millis(5), "{wait:?}");
        assert_eq!(tokens.take(5000, SECOND / 2 + wait), Ok(5000));

        tokens.set_limit(2000, SECOND);
        while tokens.take(5000, SECOND).is_ok() {}
        assert_eq!(tokens.take(5000, 2 * SECOND), Ok(1000), "what was tokens under the old limit is forgotten");

        tokens.set_limit(0, 2 * SECOND);
        assert_eq!(tokens.take(5000, 2 * SECOND), Ok(5000));
        tokens.set_limit(1000, 9 * SECOND);
        assert_eq!(tokens.take(500, 9 * SECOND), Err(SECOND / 2), "nothing was tokens while there was no limit");
    }

    /// A time that is moved by waiting, or stands still.
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

    /// Bytes that so many threads get out of the buckets in 10 s.
    fn by_threads(buckets: &[&TokenBucket], clock: &TestClock, threads: usize) -> u64 {
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
            assert_near(by_threads(&[&bucket], &clock, threads), 2_000_000);
        }
    }

    #[test]
    fn buckets_share_the_one_around_them() {
        for (own, parent, whole) in [(0, 150_000, 1_500_000), (100_000, 50_000, 500_000)] {
            let clock = Arc::new(TestClock::default());
            let outer = Arc::new(TokenBucket::new(parent, clock.clone()));
            let (a, b) = (TokenBucket::child_of(&outer), TokenBucket::child_of(&outer));
            a.set_limit(own);
            b.set_limit(own);
            assert_near(by_threads(&[&a, &b], &clock, 8), whole);
        }
    }

    #[test]
    fn the_lower_limit_counts() {
        for (own, parent) in [(50_000, 0), (50_000, 150_000), (150_000, 50_000)] {
            let clock = Arc::new(TestClock::default());
            let inner = TokenBucket::child_of(&Arc::new(TokenBucket::new(parent, clock.clone())));
            inner.set_limit(own);
            assert_eq!(inner.limit(), Some(50_000));
            assert_near(by_threads(&[&inner], &clock, 8), 500_000);
        }
    }

    #[test]
    fn what_the_one_around_does_not_pass_is_given_back() {
        let clock = Arc::new(TestClock::default());
        let outer = Arc::new(TokenBucket::new(2000, clock.clone()));
        let inner = TokenBucket::child_of(&outer);
        inner.set_limit(500_000);
        assert_eq!(inner.take(9000, &Cancel::default()).unwrap(), 1000);
        assert_eq!(inner.state().tokens, 4000 * NANOS);
        inner.refund(1000);
        assert_eq!(inner.state().tokens, 5000 * NANOS);
        assert_eq!(outer.take(1000, &Cancel::default()).unwrap(), 1000);
        assert_eq!(clock.monotonic(), SECOND / 2, "the second quantum was there already");
    }

    #[test]
    fn who_waits_looks_up_often() {
        let clock = Arc::new(TestClock::default());
        let bucket = TokenBucket::new(1, clock.clone());
        assert_eq!(bucket.take(1000, &Cancel::default()).unwrap(), 1);
        assert_eq!(clock.monotonic(), SECOND);
        assert_eq!(*clock.longest_wait.lock().unwrap(), CANCEL_POLL_INTERVAL);
    }

    #[test]
    fn lifting_the_limit_lets_all_go_who_wait() {
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
    fn cancel_ends_the_wait_of_those_whom_it_concerns() {
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
            canceled
                .into_iter()
                .for_each(|thread| assert_eq!(thread.join().unwrap().unwrap_err().kind(), Kind::Canceled));
            assert_eq!(outer.queue.len(), 1);
            outer.set_limit(0);
            assert_eq!(waiting.join().unwrap().unwrap(), 1000);
        });
    }
}
