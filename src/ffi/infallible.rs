//! The boundary of functions that return no result: a fallback value replaces a NULL handle and a panic.

use crate::callback_loop::catch_panic;
use crate::sys::thread::CancellationDisabled;

/// Runs the body of a function. Returns `fallback` after a panic.
pub(super) fn run<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    let _cancellation = CancellationDisabled::now();
    catch_panic(|| Ok(body())).unwrap_or(fallback)
}

/// Reads from a handle. Returns `fallback` if the handle is NULL, and after a panic.
///
/// It allocates nothing and makes no system call, because the caller may be a signal handler.
pub(super) fn read<'a, H: 'a, T>(handle: *const H, fallback: T, body: impl FnOnce(&'a H) -> T) -> T {
    // SAFETY: the handle is NULL or, by the contract of the header, not freed.
    match unsafe { handle.as_ref() } {
        Some(handle) => catch_panic(|| Ok(body(handle))).unwrap_or(fallback),
        None => fallback,
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    #[test]
    fn returns_fallback_after_panic() {
        assert_eq!(run(3, || panic!("in a function")), 3);
        assert_eq!(read(ptr::from_ref(&0u8), 3, |_| panic!("in a getter")), 3);
    }

    #[test]
    fn returns_fallback_for_null() {
        assert_eq!(read(ptr::null::<u8>(), 3, |_| 4), 3);
    }
}
