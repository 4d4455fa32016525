//! Detection of calls from inside a callback. A callback runs while its handle is in use. A working call on the same
//! handle would wait for itself, so it is rejected.

use std::cell::RefCell;
use std::mem::{self, ManuallyDrop};

use crate::error::{Error, Kind, Result};

thread_local! {
    /// The addresses of the objects whose callbacks this thread is running, innermost last. Never dropped: a program may make
    /// calls in its exit handlers, after the values with a destructor are gone.
    static ACTIVE: RefCell<ManuallyDrop<Vec<usize>>> = const { RefCell::new(ManuallyDrop::new(Vec::new())) };
}

/// A scope in which the calling thread runs a callback of an object. It ends on drop.
#[derive(Debug)]
pub(crate) struct CallbackScope(());

impl CallbackScope {
    /// Enters a callback of `object`.
    pub(crate) fn enter<T>(object: &T) -> Self {
        ACTIVE.with_borrow_mut(|active| active.push(address(object)));
        Self(())
    }
}

impl Drop for CallbackScope {
    fn drop(&mut self) {
        ACTIVE.with_borrow_mut(|active| {
            active.pop();
            // An empty list owns no memory, so that the end of the thread leaks nothing.
            if active.is_empty() {
                drop(mem::take(&mut **active));
            }
        });
    }
}

/// Fails if the calling thread is running a callback of `object`.
///
/// # Errors
/// `Busy`.
pub(crate) fn check_not_in_callback<T>(object: &T) -> Result<()> {
    if ACTIVE.with_borrow(|active| active.contains(&address(object))) {
        return Err(Error::new(Kind::Busy, "called from inside a callback of the same handle"));
    }
    Ok(())
}

fn address<T>(object: &T) -> usize {
    std::ptr::from_ref(object).addr()
}
