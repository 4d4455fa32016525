//! The signal that stops the emulator, and the lock function for all its mutexes.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A signal that is raised once, when the emulator stops.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Raises the signal.
    pub(crate) fn raise(&self) {
        *lock(&self.raised) = true;
        self.changed.notify_all();
    }

    /// Whether the signal is raised.
    pub(crate) fn is_raised(&self) -> bool {
        *lock(&self.raised)
    }

    /// Waits for this time, or until the signal is raised. Returns whether it is raised.
    pub(crate) fn wait(&self, at_most: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(lock(&self.raised), at_most, |raised| !*raised);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Locks a mutex and ignores poisoning. A thread that panics fails its own request; other requests continue.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
