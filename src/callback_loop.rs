//! A working call: the work is done on threads of the library, and the caller's own thread waits and delivers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::clock::ActiveInstant;
use crate::error::{Error, Kind, Result};
use crate::sync::{Condvar, Mutex, lock};
use crate::sys::thread::{join_all, spawn_scoped};

/// How often the caller's thread delivers: well above the four times a second that are promised.
const PUMP_INTERVAL: Duration = Duration::from_millis(100);

/// Calls the caller's thread out of its wait, when there is something that only it can do.
#[derive(Debug, Default)]
pub struct WakeEvent {
    notified: Mutex<bool>,
    waiting: Condvar,
}

impl WakeEvent {
    /// Has whoever waits look, now or when they wait next.
    pub fn notify(&self) {
        *lock(&self.notified) = true;
        self.waiting.notify_all();
    }

    /// Waits until the bell rings, or the time is over.
    pub fn wait(&self, time: Duration) {
        let notified = lock(&self.notified);
        let waited = self.waiting.wait_timeout_while(notified, time, |notified| !*notified);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

/// What the caller's thread does besides waiting.
pub trait CallbackPump {
    /// Told at every beat, and once more at the end: what there is to say.
    fn deliver(&mut self);

    /// Asked after each ring of the bell, and at every beat: what cannot wait.
    fn on_wake(&mut self) {}
}

impl<F: FnMut()> CallbackPump for F {
    fn deliver(&mut self) {
        self();
    }
}

/// Does `job` on a thread of its own; this thread attends meanwhile.
///
/// # Errors
/// What the job returns; `Panic` if it panics, `Memory` if there is no thread to be had.
pub fn run_on_worker<T: Send>(
    bell: &WakeEvent,
    job: impl FnOnce() -> Result<T> + Send,
    mut pump: impl CallbackPump,
) -> Result<T> {
    let done = Mutex::new(None);
    std::thread::scope(|scope| {
        let worker = spawn_scoped(scope, "glacier-job", || {
            let result = catch_panic(job);
            *lock(&done) = Some(result);
            bell.notify();
        })?;
        let result = pump_until(bell, &mut pump, || lock(&done).take());
        join_all(vec![worker]);
        result
    })
}

/// Waits for an outcome and attends meanwhile; whoever has the outcome rings.
pub fn pump_until<T>(bell: &WakeEvent, pump: &mut impl CallbackPump, outcome: impl Fn() -> Option<T>) -> T {
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
        bell.wait(PUMP_INTERVAL.saturating_sub(delivered.elapsed()));
    }
}

/// FifoLock a panic into an error.
///
/// # Errors
/// What `job` returns; `Panic` with the panic's text.
pub fn catch_panic<T, F: FnOnce() -> Result<T>>(job: F) -> Result<T> {
    let job = || {
        #[cfg(feature = "test-panics")]
        {
            crate::test_panics::in_function_of::<F>();
            crate::test_panics::in_this_thread();
        }
        job()
    };
    // After a panic nothing of the job is used any more but what locks and atomics protect.
    catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|payload| {
        let text =
            payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Err(Error::new(Kind::Panic, format!("a defect in the library: {}", text.unwrap_or("a panic without a text"))))
    })
}
