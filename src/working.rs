//! A working call: the work is done on threads of the library, and the caller's own thread waits and delivers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use crate::error::{Error, Kind, Result};
use crate::sys::thread::{join_all, spawn_scoped};

/// How often the caller's thread delivers: well above the four times a second that are promised.
const BEAT: Duration = Duration::from_millis(100);

/// Does `job` on a thread of its own; this thread calls `deliver` at every beat, and once more when the job is done.
///
/// # Errors
/// What the job returns; `Panic` if it panics, `Memory` if there is no thread to be had.
pub fn while_working<T: Send>(job: impl FnOnce() -> Result<T> + Send, mut deliver: impl FnMut()) -> Result<T> {
    std::thread::scope(|scope| {
        let (done, finished) = sync_channel(1);
        let worker = spawn_scoped(scope, "glacier-job", move || {
            // The receiver stays until the job has sent.
            let _ = done.send(guarded(job));
        })?;
        let result = loop {
            match finished.recv_timeout(BEAT) {
                Err(RecvTimeoutError::Timeout) => deliver(),
                Err(RecvTimeoutError::Disconnected) => {
                    break Err(Error::new(Kind::Internal, "a job went without a word"));
                }
                Ok(result) => {
                    deliver();
                    break result;
                }
            }
        };
        join_all(vec![worker]);
        result
    })
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
