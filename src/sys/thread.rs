//! Threads that take no signals: those are the host program's, and are meant for its own threads. And no thread is
//! canceled by pthread_cancel inside the library: it would unwind through Rust code, which aborts the process.

#![allow(unsafe_code)] // std has no face for signal masks and cancelability.

use std::io;
use std::panic::resume_unwind;
use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

use super::emergency_memory;
use crate::error::{Error, Kind, Result};

/// Deep enough for TLS, small enough for many. In bytes.
pub(crate) const WORKER_STACK_SIZE: usize = 512 * 1024;
/// As deep as that of a main thread, for the caller's own code. In bytes.
pub(crate) const CALLBACK_STACK_SIZE: usize = 8 << 20;

/// Starts a thread of a scope, with all asynchronous signals blocked.
///
/// # Errors
/// `Memory` if the system has no thread to give.
pub(crate) fn spawn_scoped<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    run: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    emergency_memory::ensure_beside(WORKER_STACK_SIZE)?;
    // A thread inherits the mask: blocked here for a moment, a signal can never meet it unblocked.
    let _blocked = BlockedSignals::now();
    let run = || {
        let _cancellation = CancellationDisabled::now();
        run()
    };
    Builder::new().name(name.to_owned()).stack_size(WORKER_STACK_SIZE).spawn_scoped(scope, run).map_err(no_thread)
}

/// Starts a thread that outlives the call, with all asynchronous signals blocked.
///
/// # Errors
/// `Memory` if the system has no thread to give.
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

/// Waits until threads are gone, and passes on a panic.
///
/// A scope by itself waits only until their work is done: their last moments would then outlive the call they were
/// started for, into a fork or the end of the process.
pub(crate) fn join_all<T>(threads: Vec<ScopedJoinHandle<'_, T>>) {
    for thread in threads {
        if let Err(payload) = thread.join() {
            resume_unwind(payload);
        }
    }
}

fn no_thread(cause: io::Error) -> Error {
    Error::new(Kind::Memory, format!("no thread can be started: {cause}")).caused_by(cause)
}

/// Cancellation of the calling thread by pthread_cancel, disabled until this is dropped. A request that came meanwhile
/// takes effect at the thread's next cancellation point.
pub(crate) struct CancellationDisabled {
    before: libc::c_int,
}

/// The value on Linux, for glibc and musl alike.
const PTHREAD_CANCEL_DISABLE: libc::c_int = 1;

unsafe extern "C" {
    /// The libc crate has it for other systems only.
    fn pthread_setcancelstate(state: libc::c_int, before: *mut libc::c_int) -> libc::c_int;
}

impl CancellationDisabled {
    pub(crate) fn now() -> Self {
        let mut before = PTHREAD_CANCEL_DISABLE;
        // SAFETY: the state is one that the function knows, and `before` is valid for its output.
        unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut before) };
        Self { before }
    }
}

impl Drop for CancellationDisabled {
    fn drop(&mut self) {
        // SAFETY: `before` is what the function stored; the old state goes nowhere.
        unsafe { pthread_setcancelstate(self.before, &raw mut self.before) };
    }
}

/// The calling thread's signals, blocked until this is dropped.
struct BlockedSignals {
    before: libc::sigset_t,
}

/// A program that blocks these loses its own crashes.
const SYNCHRONOUS: [libc::c_int; 6] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT];

impl BlockedSignals {
    fn now() -> Self {
        let mut all = empty_set();
        // SAFETY: `all` is a valid, exclusively borrowed signal set.
        unsafe { libc::sigfillset(&raw mut all) };
        for signal in SYNCHRONOUS {
            // SAFETY: as above, and the number is one of libc's own.
            unsafe { libc::sigdelset(&raw mut all, signal) };
        }
        let mut before = empty_set();
        // SAFETY: both sets are valid; the mask of this thread alone is changed.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before) };
        Self { before }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: `before` is the mask that pthread_sigmask stored; no old mask is asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) };
    }
}

fn empty_set() -> libc::sigset_t {
    // SAFETY: sigset_t is plain data, for which all zeros is a valid value.
    unsafe { std::mem::zeroed() }
}
