//! Threads with asynchronous signals blocked: the host program handles its signals on its own threads. Inside the library,
//! thread cancellation (pthread_cancel) is disabled: unwinding through Rust code aborts the process.

#![allow(unsafe_code)] // std has no signal masks and no thread cancellation.

use std::io;
use std::panic::resume_unwind;
use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

use super::emergency_memory;
use crate::error::{Error, Kind, Result};

/// The stack size of worker threads, in bytes: enough for TLS, small enough for many threads.
pub(crate) const WORKER_STACK_SIZE: usize = 512 * 1024;
/// The stack size of threads that run callbacks, in bytes: the usual size of a main thread.
pub(crate) const CALLBACK_STACK_SIZE: usize = 8 << 20;

/// Starts a scoped thread with all asynchronous signals blocked.
///
/// # Errors
/// `Memory` if the system cannot start a thread.
pub(crate) fn spawn_scoped<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    run: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    emergency_memory::ensure_beside(WORKER_STACK_SIZE)?;
    // A new thread inherits the mask of its creator, so its signals are blocked from the start.
    let _blocked = BlockedSignals::now();
    let run = || {
        let _cancellation = CancellationDisabled::now();
        run()
    };
    Builder::new().name(name.to_owned()).stack_size(WORKER_STACK_SIZE).spawn_scoped(scope, run).map_err(no_thread)
}

/// Starts a thread that may outlive the caller, with all asynchronous signals blocked.
///
/// # Errors
/// `Memory` if the system cannot start a thread.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    stack: usize,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    emergency_memory::ensure_beside(stack)?;
    let _blocked = BlockedSignals::now();
    let run = || {
        let _cancellation = CancellationDisabled::now();
        run()
    };
    Builder::new().name(name.to_owned()).stack_size(stack).spawn(run).map_err(no_thread)
}

/// Joins threads and resumes their panics.
///
/// A scope alone waits only until the closures return: a thread could still be exiting after the call, during a fork or
/// at the end of the process.
pub(crate) fn join_all<T>(threads: Vec<ScopedJoinHandle<'_, T>>) {
    for thread in threads {
        if let Err(payload) = thread.join() {
            resume_unwind(payload);
        }
    }
}

fn no_thread(cause: io::Error) -> Error {
    Error::new(Kind::Memory, format!("cannot start a thread: {cause}")).caused_by(cause)
}

/// A scope in which the calling thread cannot be canceled by pthread_cancel. A request made meanwhile takes effect at the
/// first cancellation point after the scope.
pub(crate) struct CancellationDisabled {
    before: libc::c_int,
}

/// The value on Linux, in glibc and musl.
const PTHREAD_CANCEL_DISABLE: libc::c_int = 1;

unsafe extern "C" {
    /// The libc crate declares it for other systems only.
    fn pthread_setcancelstate(state: libc::c_int, before: *mut libc::c_int) -> libc::c_int;
}

impl CancellationDisabled {
    pub(crate) fn now() -> Self {
        let mut before = PTHREAD_CANCEL_DISABLE;
        // SAFETY: the state is valid, and `before` is valid for the output.
        unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut before) };
        Self { before }
    }
}

impl Drop for CancellationDisabled {
    fn drop(&mut self) {
        // SAFETY: `before` was stored by the same function, and is valid for the output.
        unsafe { pthread_setcancelstate(self.before, &raw mut self.before) };
    }
}

/// A scope in which the calling thread's asynchronous signals are blocked.
struct BlockedSignals {
    before: libc::sigset_t,
}

/// Signals that stay unblocked: they report crashes of the thread itself.
const SYNCHRONOUS: [libc::c_int; 6] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT];

impl BlockedSignals {
    fn now() -> Self {
        let mut all = empty_set();
        // SAFETY: `all` is a valid, exclusively borrowed signal set.
        unsafe { libc::sigfillset(&raw mut all) };
        for signal in SYNCHRONOUS {
            // SAFETY: as above; the signal number is valid.
            unsafe { libc::sigdelset(&raw mut all, signal) };
        }
        let mut before = empty_set();
        // SAFETY: both sets are valid; only the mask of this thread changes.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before) };
        Self { before }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: `before` was stored by pthread_sigmask; a null pointer requests no old mask.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) };
    }
}

fn empty_set() -> libc::sigset_t {
    // SAFETY: sigset_t is plain data; all zeros is a valid value.
    unsafe { std::mem::zeroed() }
}
