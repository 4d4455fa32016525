//! The bandwidth limit: a token bucket. A sender takes tokens, one for each byte, before it writes to the connection.
//!
//! The limit counts payload bytes, including those sent again. The bucket of an upload is a child of its client's bucket:
//! each token comes out of both.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::Result;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel};
use crate::sync::fifo::FifoLock;
use crate::sync::{Mutex, MutexGuard, lock};

/// The number of quanta per second, for all senders together: frequent enough for an even flow, rare enough to cost
/// little.
const QUANTA_PER_SECOND: u64 = 100;
/// The smallest quantum in bytes, so that packets do not become tiny. At very low limits, a quantum is the bytes of half
/// a second instead.
const MIN_QUANTUM: u64 = 1024;
/// The burst size is the limit divided by this: unused bandwidth accumulates for a tenth of a second.
const BURST_DIVISOR: u64 = 10;

const NANOS: u128 = 1_000_000_000;

/// A token bucket for any number of threads.
#[derive(Debug)]
pub struct TokenBucket {
    clock: Arc<dyn Clock>,
    /// A bucket whose limit applies as well.
    parent: Option<Arc<TokenBucket>>,
    queue: FifoLock,
    state: Mutex<BucketState>,
}

impl TokenBucket {
    /// Creates a bucket with a limit in bytes per second. 0 means no limit.
    pub fn new(limit: u64, clock: Arc<dyn Clock>) -> Self {
        let state = Mutex::new(BucketState::new(limit, clock.monotonic()));
        Self { clock, parent: None, queue: FifoLock::default(), state }
    }

    /// Creates a bucket that is limited only by `parent`.
    pub fn child_of(parent: &Arc<Self>) -> Self {
        Self { parent: Some(Arc::clone(parent)), ..Self::new(0, Arc::clone(&parent.clock)) }
    }

    /// Changes the limit, in bytes per second. 0 means no limit. Waiting senders see the new limit within 100 ms.
    pub fn set_limit(&self, limit: u64) {
        self.state().set_limit(limit, self.clock.monotonic());
    }

    /// Returns the lowest limit of this bucket and its parents, in bytes per second; `None` if there is no limit.
    pub fn limit(&self) -> Option<u64> {
        let own = Some(self.state().limit).filter(|limit| *limit > 0);
        let parent = self.parent.as_ref().and_then(|parent| parent.limit());
        own.into_iter().chain(parent).min()
    }

    /// Takes at most one quantum of `want` tokens and returns their number. Waits in FIFO order until the bucket has
    /// enough.
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

    /// Returns tokens that were taken and not used.
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
                // Waits in short steps, because the limit may change meanwhile.
                Err(wait) => self.clock.wait(wait.min(CANCEL_POLL_INTERVAL), cancel)?,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, BucketState> {
        lock(&self.state)
    }
}

/// The state of a bucket. Pure: time is an argument.
#[derive(Debug)]
struct BucketState {
    /// In bytes per second; 0 means no limit.
    limit: u64,
    /// In billionths of a byte: a limit in bytes per second times nanoseconds needs no rounding.
    tokens: u128,
    /// The time at which `tokens` was computed.
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

    /// Takes at most one quantum of `want` tokens. If there are too few, returns how long to wait for them.
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
        // Two threads may read the clock in one order and get here in the other.
        self.refilled_at = self.refilled_at.max(now);
    }

    /// Returns the largest number of bytes taken at once.
    fn quantum(&self) -> u64 {
        (self.limit / QUANTA_PER_SECOND).max(MIN_QUANTUM.min(self.limit / 2)).max(self.limit.min(1))
    }

    /// Returns the burst size, in billionths of a byte.
    fn capacity(&self) -> u128 {
        u128::from((self.limit / BURST_DIVISOR).max(self.quantum())) * NANOS
    }
}

#[cfg(test)]
mod tests;
