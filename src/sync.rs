//! What threads share, and how it is locked. A model checker puts its own types in place of those of the standard library:
//! with `--cfg shuttle` the tests named `models` try the orders in which threads can meet.

#[cfg(shuttle)]
pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard, atomic};
#[cfg(not(shuttle))]
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
