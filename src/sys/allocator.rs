//! The global allocator of the C library: the system's allocator, with retries for small allocations.
//!
//! Rust aborts the process when a small allocation fails, and a library must not abort its host program. So a small
//! allocation that fails releases the emergency memory and tries again, then waits for other threads to free memory.
//!
//! A thread that handles secrets can request that the memory it frees is cleared (`wiping.rs`).
//!
//! The feature `global-allocator` is enabled by default. A Rust program disables it to choose its own allocator: a
//! program has only one.

#![allow(unsafe_code)] // GlobalAlloc is an unsafe trait.

use std::alloc::{GlobalAlloc, Layout, System};
use std::mem::MaybeUninit;
use std::ptr;
use std::thread;
use std::time::Duration;

use zeroize::Zeroize;

use super::{emergency_memory, wiping};

/// The largest small allocation, in bytes. Larger ones are fallible. A list of 10,000 parts is smaller.
const SMALL_MAX: usize = (1 << 20) - 1;
/// The interval between retries.
const RETRY_INTERVAL: Duration = Duration::from_millis(5);
/// The number of retries: about 2 s.
const RETRIES: u32 = 400;

struct RetryingAllocator;

#[global_allocator]
static ALLOCATOR: RetryingAllocator = RetryingAllocator;

// Link-time optimization would copy these functions to each of the several thousand places that allocate or free, which makes
// the library a quarter larger.
// SAFETY: all memory comes from `System`, called with the caller's arguments.
unsafe impl GlobalAlloc for RetryingAllocator {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`, which is that of `System`.
        allocate_or_retry(layout.size(), || unsafe { System.alloc(layout) })
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        allocate_or_retry(layout.size(), || unsafe { System.alloc_zeroed(layout) })
    }

    #[inline(never)]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if wiping::is_active() {
            // SAFETY: the caller owns the memory, which has the size of the layout.
            unsafe { wipe(memory, layout.size()) };
        }
        // SAFETY: as above; the memory came from `System`.
        unsafe { System.dealloc(memory, layout) };
    }

    #[inline(never)]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if wiping::is_active() {
            // SAFETY: the caller keeps the contract of `realloc`.
            return unsafe { self.move_and_wipe(memory, layout, size) };
        }
        // SAFETY: as above; a failed call leaves the memory unchanged, so it can be repeated.
        allocate_or_retry(size, || unsafe { System.realloc(memory, layout, size) })
    }
}

impl RetryingAllocator {
    /// As `realloc`, but always moves: the system's allocator does not clear the old block.
    ///
    /// # Safety
    /// As `realloc`.
    unsafe fn move_and_wipe(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller guarantees that the size is valid for this alignment.
        let new_layout = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: as above; the size is not 0.
        let new = unsafe { self.alloc(new_layout) };
        if !new.is_null() {
            // SAFETY: both blocks have this size, and a new block overlaps no other.
            unsafe { ptr::copy_nonoverlapping(memory, new, layout.size().min(size)) };
            // SAFETY: the memory was allocated with this layout.
            unsafe { self.dealloc(memory, layout) };
        }
        new
    }
}

/// Clears a block.
///
/// # Safety
/// The block has `size` bytes, and nothing else uses it.
unsafe fn wipe(memory: *mut u8, size: usize) {
    // SAFETY: the caller's contract; the element type allows memory without a value.
    let block = unsafe { std::slice::from_raw_parts_mut(memory.cast::<MaybeUninit<u8>>(), size) };
    block.zeroize();
}

#[inline]
fn allocate_or_retry(size: usize, allocate: impl Fn() -> *mut u8) -> *mut u8 {
    let memory = allocate();
    if !memory.is_null() || size > SMALL_MAX { memory } else { retry(&allocate) }
}

#[cold]
#[inline(never)]
fn retry(allocate: &dyn Fn() -> *mut u8) -> *mut u8 {
    for _ in 0..RETRIES {
        if !emergency_memory::release() {
            thread::sleep(RETRY_INTERVAL);
        }
        let memory = allocate();
        if !memory.is_null() {
            return memory;
        }
    }
    ptr::null_mut()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn small_allocation_uses_emergency_memory() {
        emergency_memory::ensure().unwrap();
        let mut byte = 0u8;
        let memory = &raw mut byte;
        let attempts = Cell::new(0);
        let fails_once = || {
            attempts.set(attempts.get() + 1);
            if attempts.get() == 1 { ptr::null_mut() } else { memory }
        };
        assert!(!allocate_or_retry(8, fails_once).is_null());
        assert_eq!(attempts.get(), 2);
        emergency_memory::ensure().unwrap();
    }

    #[test]
    fn clears_a_block_completely() {
        let mut block = *b"secret";
        // SAFETY: the block is exclusively borrowed and has this size.
        unsafe { wipe(block.as_mut_ptr(), block.len()) };
        assert_eq!(block, [0; 6]);
    }

    #[test]
    fn growth_under_a_guard_keeps_the_content() {
        let _wiped = crate::sys::wiping::WipedFrees::begin();
        let mut bytes = Vec::with_capacity(1);
        for byte in 0..=255 {
            bytes.push(byte);
        }
        bytes.shrink_to_fit();
        assert!(bytes.iter().copied().eq(0..=255));
    }

    #[test]
    fn large_allocation_fails_at_once() {
        let attempts = Cell::new(0);
        let fails = || {
            attempts.set(attempts.get() + 1);
            ptr::null_mut()
        };
        assert!(allocate_or_retry(SMALL_MAX + 1, fails).is_null());
        assert_eq!(attempts.get(), 1);
    }
}
