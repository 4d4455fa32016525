//! Threads with asynchronous signals blocked: the host program handles its signals on its own threads. A thread that runs
//! callbacks leaves real-time signals unblocked, with which runtimes stop the threads that run their code. Inside the library,
//! thread cancellation (pthread_cancel) is disabled: unwinding through Rust code aborts the process.

#![allow(unsafe_code)] // std has no signal masks and no thread cancellation.

use std::io;
use std::panic::resume_unwind;
use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

use super::emergency_memory;
use crate::error::{Error, Kind, Result};

/// The kind of a thread. It decides the stack size and the signal mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ThreadKind {
    /// Runs only code of the library. All asynchronous signals are blocked.
    Worker,
    /// Runs callbacks of the program. Real-time signals are blocked only if the thread that starts it blocks them: a garbage
    /// collector stops a thread with such a signal, and would wait forever for one that blocks it.
    Callbacks,
}

impl ThreadKind {
    /// Returns the stack size in bytes.
    const fn stack_size(self) -> usize {
        match self {
            // Enough for TLS, small enough for many threads.
            Self::Worker => 512 * 1024,
            // The usual size of a main thread.
            Self::Callbacks => 8 << 20,
        }
    }
}

/// Starts a scoped thread with all asynchronous signals blocked.
///
/// # Errors
/// `Memory` if the system cannot start a thread.
pub(crate) fn spawn_scoped<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    run: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    let kind = ThreadKind::Worker;
    emergency_memory::ensure_beside(kind.stack_size())?;
    // A new thread inherits the mask of its creator, so its signals are blocked from the start.
    let _blocked = BlockedSignals::now(kind);
    let run = || {
        let _cancellation = CancellationDisabled::now();
        run()
    };
    Builder::new().name(name.to_owned()).stack_size(kind.stack_size()).spawn_scoped(scope, run).map_err(no_thread)
}

/// Starts a thread that may outlive the caller.
///
/// # Errors
/// `Memory` if the system cannot start a thread.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    kind: ThreadKind,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    emergency_memory::ensure_beside(kind.stack_size())?;
    let _blocked = BlockedSignals::now(kind);
    let run = || {
        let _cancellation = CancellationDisabled::now();
        run()
    };
    Builder::new().name(name.to_owned()).stack_size(kind.stack_size()).spawn(run).map_err(no_thread)
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

/// A scope in which the calling thread has the signal mask of a thread that it starts.
struct BlockedSignals {
    before: libc::sigset_t,
}

/// Signals that stay unblocked: they report crashes of the thread itself.
const SYNCHRONOUS: [libc::c_int; 6] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT];

impl BlockedSignals {
    fn now(kind: ThreadKind) -> Self {
        let mut before = empty_set();
        // SAFETY: a null pointer changes no mask, and `before` is valid for the output.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut before) };
        let mut blocked = empty_set();
        // SAFETY: `blocked` is a valid, exclusively borrowed signal set.
        unsafe { libc::sigfillset(&raw mut blocked) };
        // SAFETY: `before` is a valid signal set; the signal number is valid.
        let is_unblocked = |signal: &libc::c_int| unsafe { libc::sigismember(&raw const before, *signal) } == 0;
        let real_time = match kind {
            ThreadKind::Worker => 0..0,
            ThreadKind::Callbacks => libc::SIGRTMIN()..libc::SIGRTMAX() + 1,
        };
        for signal in real_time.filter(is_unblocked).chain(SYNCHRONOUS) {
            // SAFETY: `blocked` is a valid, exclusively borrowed signal set; the signal number is valid.
            unsafe { libc::sigdelset(&raw mut blocked, signal) };
        }
        // SAFETY: the set is valid; only the mask of this thread changes; a null pointer requests no old mask.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const blocked, std::ptr::null_mut()) };
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
