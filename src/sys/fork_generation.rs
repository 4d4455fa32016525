//! A number that differs between a process and its forks, also those by a raw `clone`, which runs no handlers of
//! `pthread_atfork`.
//!
//! The number is in a page that the kernel clears in a forked child (Linux 4.14, `MADV_WIPEONFORK`). The child then takes the
//! next number. Without such a page, all processes have the number 0. The page is never unmapped.
#![allow(unsafe_code)] // std has neither mmap nor madvise.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The last number that was taken. A forked child has a copy.
static LAST: AtomicU64 = AtomicU64::new(0);

/// Returns the number of the current process. Allocates nothing after the first call.
pub(crate) fn current() -> u64 {
    static NUMBER: OnceLock<Option<&AtomicU64>> = OnceLock::new();
    let Some(number) = NUMBER.get_or_init(cleared_on_fork) else { return 0 };
    match number.load(Ordering::Acquire) {
        0 => {
            let next = LAST.fetch_add(1, Ordering::Relaxed) + 1;
            // Another thread may have been faster.
            number.compare_exchange(0, next, Ordering::AcqRel, Ordering::Acquire).map_or_else(|other| other, |_| next)
        }
        number => number,
    }
}

/// Returns a number, 0, that the kernel sets to 0 in forked children.
#[cfg(target_os = "linux")]
fn cleared_on_fork() -> Option<&'static AtomicU64> {
    // SAFETY: sysconf only returns a number.
    let size = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping, which overlaps no other memory.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), size, access, kind, -1, 0) };
    if page == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the page was mapped above.
    if unsafe { libc::madvise(page, size, libc::MADV_WIPEONFORK) } != 0 {
        // SAFETY: the page was mapped above, and nothing refers to it.
        unsafe { libc::munmap(page, size) };
        return None;
    }
    // SAFETY: the page is aligned and zeroed, which is a valid number, and is never unmapped.
    Some(unsafe { &*page.cast::<AtomicU64>() })
}

#[cfg(not(target_os = "linux"))]
fn cleared_on_fork() -> Option<&'static AtomicU64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// Runs a function in a forked child and returns its exit status, or 1 if a signal ended it. The function must not allocate: other threads may have
    /// held locks.
    fn in_child(run: impl FnOnce() -> i32) -> i32 {
        // SAFETY: the child only calls `run`, which allocates nothing, and ends.
        match unsafe { libc::fork() } {
            0 => {
                let status = run();
                // SAFETY: ends the child without handlers.
                unsafe { libc::_exit(status) }
            }
            child => {
                assert!(child > 0, "{}", std::io::Error::last_os_error());
                let mut status = 0;
                // SAFETY: the status is a number of this function.
                assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
                if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 1 }
            }
        }
    }

    #[test]
    fn child_that_a_signal_ends_is_a_failure() {
        // SAFETY: ends only the child.
        let status = in_child(|| unsafe { libc::raise(libc::SIGKILL) });
        assert_ne!(status, 0);
    }

    #[test]
    fn differs_between_a_process_and_its_forks() {
        let parent = current();
        if parent == 0 {
            return; // The kernel is older than 4.14.
        }
        assert_eq!(current(), parent);
        let in_grandchild = in_child(|| {
            let child = current();
            if child == parent || child != current() {
                return 1;
            }
            in_child(|| i32::from(current() == child || current() == parent))
        });
        assert_eq!(in_grandchild, 0);
        let without_own_call = in_child(|| in_child(|| i32::from(current() == parent)));
        assert_eq!(without_own_call, 0);
        assert_eq!(current(), parent, "the child does not change it");
    }

    /// Skipped without the privilege to create namespaces.
    #[test]
    fn differs_between_first_processes_of_nested_pid_namespaces() {
        // SAFETY: unshare changes only the namespaces of a child that runs one thread.
        let unshare = |flags| unsafe { libc::unshare(flags) } == 0;
        let is_same = in_child(|| {
            if !unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWPID) {
                return 0;
            }
            in_child(|| {
                let (pid, number) = (std::process::id(), current());
                if number == 0 || !unshare(libc::CLONE_NEWPID) {
                    return 0;
                }
                in_child(|| i32::from(std::process::id() != pid || current() == number))
            })
        });
        assert_eq!(is_same, 0);
    }
}
