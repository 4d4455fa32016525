//! Synchronization: locks, atomics, a FIFO lock, a one-shot channel and cancellation.
//!
//! With the feature `test-models`, the unit tests use the types of the model checker shuttle instead of those of the
//! standard library. The tests in `model_tests::threads` then run many thread interleavings.

pub mod cancel;
pub(crate) mod fifo;
pub(crate) mod oneshot;

#[cfg(all(test, feature = "test-models"))]
pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard, atomic};
#[cfg(not(all(test, feature = "test-models")))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, atomic};

use std::sync::PoisonError;
use std::time::Duration;

/// Locks `mutex` and ignores poisoning: every critical section in this crate is panic-safe.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a notification of `changed`, for at most `time`. Waiters use a timeout because a cancellation notifies no
/// condition variable.
pub(crate) fn wait_at_most<'a, T>(changed: &Condvar, guard: MutexGuard<'a, T>, time: Duration) -> MutexGuard<'a, T> {
    changed.wait_timeout(guard, time).unwrap_or_else(PoisonError::into_inner).0
}
