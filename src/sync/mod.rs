//! The locks and atomics of this crate. With the feature `test-models`, the unit tests use the types of a model checker
//! instead of those of the standard library, and the tests in `model_tests::threads` try many thread interleavings.

pub mod cancel;
pub(crate) mod fifo;

#[cfg(all(test, feature = "test-models"))]
pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard, atomic};
#[cfg(not(all(test, feature = "test-models")))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, atomic};

use std::sync::PoisonError;
use std::time::Duration;

/// Locks what no panic can leave half done: each change under the locks of this crate is a single assignment, or one whose
/// half is as good as none.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until somebody tells that things changed, but no longer than that: a cancel tells nobody.
pub(crate) fn wait_at_most<'a, T>(changed: &Condvar, guard: MutexGuard<'a, T>, time: Duration) -> MutexGuard<'a, T> {
    changed.wait_timeout(guard, time).unwrap_or_else(PoisonError::into_inner).0
}
