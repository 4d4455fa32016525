//! Wiping of freed memory. While a thread holds [`WipedFrees`], the allocator of the C library clears every block that this
//! thread frees. Secrets pass through buffers of other crates, which free them without clearing them.
//!
//! Without the feature `global-allocator`, the guard has no effect.

#[cfg(feature = "global-allocator")]
use std::cell::Cell;
use std::marker::PhantomData;

#[cfg(feature = "global-allocator")]
thread_local! {
    /// The number of guards of this thread.
    static GUARDS: Cell<u32> = const { Cell::new(0) };
}

/// A scope in which the memory that this thread frees is cleared.
#[derive(Debug)]
pub(crate) struct WipedFrees {
    /// The guard belongs to its thread.
    _not_send: PhantomData<*const ()>,
}

impl WipedFrees {
    /// Begins the scope.
    pub(crate) fn begin() -> Self {
        #[cfg(feature = "global-allocator")]
        GUARDS.with(|guards| guards.set(guards.get().saturating_add(1)));
        Self { _not_send: PhantomData }
    }
}

impl Drop for WipedFrees {
    fn drop(&mut self) {
        #[cfg(feature = "global-allocator")]
        GUARDS.with(|guards| guards.set(guards.get().saturating_sub(1)));
    }
}

/// Returns whether this thread clears the memory that it frees.
#[cfg(feature = "global-allocator")]
#[inline]
pub(super) fn is_active() -> bool {
    GUARDS.try_with(Cell::get).is_ok_and(|guards| guards > 0)
}

#[cfg(all(test, feature = "global-allocator"))]
mod tests {
    use super::*;

    #[test]
    fn guards_nest_and_belong_to_their_thread() {
        assert!(!is_active());
        let outer = WipedFrees::begin();
        drop(WipedFrees::begin());
        assert!(is_active());
        assert!(!std::thread::spawn(is_active).join().unwrap());
        drop(outer);
        assert!(!is_active());
    }
}
