//! The callback loop of a working call. Worker threads of the library do the work; the caller's thread waits for the
//! result and runs the callbacks meanwhile.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::active_time::ActiveInstant;
use crate::error::{Error, Kind, Result};
use crate::sync::{Condvar, Mutex, lock};
use crate::sys::thread::{join_all, spawn_scoped};

/// The interval between deliveries. The header promises progress at least four times a second.
const PUMP_INTERVAL: Duration = Duration::from_millis(100);

/// An auto-reset event. It wakes the caller's thread when there is work that only this thread may do.
#[derive(Debug, Default)]
pub(crate) struct WakeEvent {
    notified: Mutex<bool>,
    waiting: Condvar,
}

impl WakeEvent {
    /// Wakes the waiter, or makes its next wait return at once.
    pub(crate) fn notify(&self) {
        *lock(&self.notified) = true;
        self.waiting.notify_all();
    }

    /// Waits for a notification, for at most `time`.
    pub(crate) fn wait(&self, time: Duration) {
        let notified = lock(&self.notified);
        let waited = self.waiting.wait_timeout_while(notified, time, |notified| !*notified);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

/// The callbacks that the caller's thread runs while it waits.
pub(crate) trait CallbackPump {
    /// Delivers what has accumulated, such as progress and log lines. Runs once in each [`PUMP_INTERVAL`] and once at
    /// the end.
    fn deliver(&mut self);

    /// Does what cannot wait, such as reading from the caller's source. Runs after each notification and in each
    /// [`PUMP_INTERVAL`].
    fn on_wake(&mut self) {}
}

impl<F: FnMut()> CallbackPump for F {
    fn deliver(&mut self) {
        self();
    }
}

/// Runs `job` on a worker thread. The calling thread runs `pump` until the job ends.
///
/// # Errors
/// The error of `job`; `Panic` if it panics; `Memory` if the system cannot start a thread.
pub(crate) fn run_on_worker<T: Send>(
    wake: &WakeEvent,
    job: impl FnOnce() -> Result<T> + Send,
    mut pump: impl CallbackPump,
) -> Result<T> {
    let done = Mutex::new(None);
    std::thread::scope(|scope| {
        let worker = spawn_scoped(scope, "glacier-job", || {
            let result = catch_panic(job);
            *lock(&done) = Some(result);
            wake.notify();
        })?;
        let result = pump_until(wake, &mut pump, || lock(&done).take());
        join_all(vec![worker]);
        result
    })
}

/// Runs `pump` until `outcome` returns a value. The thread that produces the outcome must notify `wake`.
pub(crate) fn pump_until<T>(wake: &WakeEvent, pump: &mut impl CallbackPump, outcome: impl Fn() -> Option<T>) -> T {
    let mut delivered = Instant::now();
    loop {
        // Keeps the active time running while every other thread is in a call that does not tick, such as a name lookup.
        ActiveInstant::now();
        if let Some(outcome) = outcome() {
            pump.deliver();
            return outcome;
        }
        pump.on_wake();
        if delivered.elapsed() >= PUMP_INTERVAL {
            pump.deliver();
            delivered = Instant::now();
        }
        wake.wait(PUMP_INTERVAL.saturating_sub(delivered.elapsed()));
    }
}

/// Runs `job` and converts a panic into an error.
///
/// # Errors
/// The error of `job`; `Panic` with the message of the panic.
pub(crate) fn catch_panic<T, F: FnOnce() -> Result<T>>(job: F) -> Result<T> {
    let job = || {
        #[cfg(feature = "test-panics")]
        {
            crate::test_panics::panic_in_function_of::<F>();
            crate::test_panics::panic_in_this_thread();
        }
        job()
    };
    // After a panic, only data behind locks and atomics is used again. See `sync::lock`.
    catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|payload| {
        let text =
            payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Err(Error::new(Kind::Panic, format!("internal panic: {}", text.unwrap_or("no message"))))
    })
}
