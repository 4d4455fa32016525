//! A working call: the work is done on threads of the library, and the caller's own thread waits and delivers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::clock::ActiveInstant;
use crate::error::{Error, Kind, Result};
use crate::sync::{Condvar, Mutex, lock};
use crate::sys::thread::{join_all, spawn_scoped};

/// How often the caller's thread delivers: well above the four times a second that are promised.
const BEAT: Duration = Duration::from_millis(100);

/// Calls the caller's thread out of its wait, when there is something that only it can do.
#[derive(Debug, Default)]
pub struct Bell {
    rung: Mutex<bool>,
    waiting: Condvar,
}

impl Bell {
    /// Has whoever waits look, now or when they wait next.
    pub fn ring(&self) {
        *lock(&self.rung) = true;
        self.waiting.notify_all();
    }

    /// Waits until the bell rings, or the time is over.
    pub fn wait(&self, time: Duration) {
        let rung = lock(&self.rung);
        let waited = self.waiting.wait_timeout_while(rung, time, |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

/// What the caller's thread does besides waiting.
pub trait Attendant {
    /// Told at every beat, and once more at the end: what there is to say.
    fn deliver(&mut self);

    /// Asked after each ring of the bell, and at every beat: what cannot wait.
    fn serve(&mut self) {}
}

impl<F: FnMut()> Attendant for F {
    fn deliver(&mut self) {
        self();
    }
}

/// Does `job` on a thread of its own; this thread attends meanwhile.
///
/// # Errors
/// What the job returns; `Panic` if it panics, `Memory` if there is no thread to be had.
pub fn while_working<T: Send>(
    bell: &Bell,
    job: impl FnOnce() -> Result<T> + Send,
    mut attendant: impl Attendant,
) -> Result<T> {
    let done = Mutex::new(None);
    std::thread::scope(|scope| {
        let worker = spawn_scoped(scope, "glacier-job", || {
            let result = guarded(job);
            *lock(&done) = Some(result);
            bell.ring();
        })?;
        let result = attend(bell, &mut attendant, || lock(&done).take());
        join_all(vec![worker]);
        result
    })
}

/// Waits for an outcome and attends meanwhile; whoever has the outcome rings.
pub fn attend<T>(bell: &Bell, attendant: &mut impl Attendant, outcome: impl Fn() -> Option<T>) -> T {
    let mut delivered = Instant::now();
    loop {
        // Keeps the active time running while every other thread is in a call that does not tick, such as a name lookup.
        ActiveInstant::now();
        if let Some(outcome) = outcome() {
            attendant.deliver();
            return outcome;
        }
        attendant.serve();
        if delivered.elapsed() >= BEAT {
            attendant.deliver();
            delivered = Instant::now();
        }
        bell.wait(BEAT.saturating_sub(delivered.elapsed()));
    }
}

/// Turns a panic into an error.
///
/// # Errors
/// What `job` returns; `Panic` with the panic's text.
pub fn guarded<T, F: FnOnce() -> Result<T>>(job: F) -> Result<T> {
    let job = || {
        #[cfg(feature = "test-panics")]
        {
            crate::panics::in_function_of::<F>();
            crate::panics::in_this_thread();
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
