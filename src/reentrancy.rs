//! Notices calls from inside a callback. A callback runs while its handle is at work: calling into the same handle again could
//! only wait for itself, so it is refused.

use std::cell::RefCell;

use crate::error::{Error, Kind, Result};

thread_local! {
    /// What this thread is inside a callback of, innermost last.
    static INSIDE: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Marks this thread as being inside a callback of `object`, until the mark is dropped.
#[derive(Debug)]
pub struct CallbackScope(());

impl CallbackScope {
    /// Sets the mark.
    pub fn enter<T>(object: &T) -> Self {
        INSIDE.with_borrow_mut(|inside| inside.push(address(object)));
        Self(())
    }
}

impl Drop for CallbackScope {
    fn drop(&mut self) {
        INSIDE.with_borrow_mut(|inside| inside.pop());
    }
}

/// Fails if this thread is inside a callback of `object`.
///
/// # Errors
/// `Busy`.
pub fn check_not_in_callback<T>(object: &T) -> Result<()> {
    if INSIDE.with_borrow(|inside| inside.contains(&address(object))) {
        return Err(Error::new(Kind::Busy, "called from inside a callback of the same handle"));
    }
    Ok(())
}

fn address<T>(object: &T) -> usize {
    std::ptr::from_ref(object).addr()
}
