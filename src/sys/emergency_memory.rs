//! A reserve of memory for small allocations, which Rust cannot report as failed: it aborts the process.
//!
//! Whatever is large and depends on input is allocated fallibly: buffers, stacks, lists. When such an allocation fails,
//! hardly anything may be left for the small ones that reporting it takes. So a block is set aside. The allocator gives
//! it up for the first small allocation that fails, and from then on [`ensure`] refuses more work until the block can be
//! set aside again.

#![allow(unsafe_code)] // std has no face for mmap, and an allocator is unsafe by its nature.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Kind, Result};

/// Enough for the small allocations of the threads of a few uploads. It is address space: nothing is written to it.
const SIZE: usize = 2 << 20;
/// Larger allocations are made fallibly. Lists of 10,000 parts are smaller.
const SMALL_MAX: usize = (1 << 20) - 1;
/// For a few allocations of a page each, in bytes.
const MARGIN: usize = 256 << 10;
/// How long a small allocation waits for others to free memory, in steps.
const WAIT_STEP: Duration = Duration::from_millis(5);
const WAIT_STEPS: u32 = 400;

/// The block; null while it is not set aside.
static BLOCK: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

/// Fails unless there is memory in reserve.
///
/// # Errors
/// `Memory`.
pub(crate) fn ensure() -> Result<()> {
    if !BLOCK.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    let block = map(SIZE).ok_or_else(|| short_of(SIZE))?;
    if BLOCK.compare_exchange(ptr::null_mut(), block.as_ptr(), Ordering::AcqRel, Ordering::Acquire).is_err() {
        // Another thread was quicker.
        unmap(block, SIZE);
    }
    Ok(())
}

/// Makes a large allocation, with memory in reserve before and after it: otherwise it might get the very memory that a
/// small allocation just freed for itself.
///
/// # Errors
/// `Memory`, also that of `allocate`.
pub(crate) fn allocate_large<T>(allocate: impl FnOnce() -> Result<T>) -> Result<T> {
    ensure()?;
    let memory = allocate()?;
    ensure_beside(0)?;
    Ok(memory)
}

/// Fails unless there is memory in reserve, and beside it so much and a margin for what does not come to this allocator:
/// the standard library and the C library set up threads by themselves, and abort if a few bytes are missing.
///
/// # Errors
/// `Memory`.
pub(crate) fn ensure_beside(size: usize) -> Result<()> {
    ensure()?;
    let size = size.saturating_add(MARGIN);
    match map(size) {
        Some(probe) => unmap(probe, size),
        None => return Err(short_of(size)),
    }
    Ok(())
}

fn short_of(size: usize) -> Error {
    Error::new(Kind::Memory, format!("memory is short: {size} bytes cannot be allocated"))
}

/// Gives the block back to the system. Whether there was one.
fn release() -> bool {
    NonNull::new(BLOCK.swap(ptr::null_mut(), Ordering::AcqRel)).map(|block| unmap(block, SIZE)).is_some()
}

fn map(size: usize) -> Option<NonNull<u8>> {
    let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new private mapping at an address that the system chooses touches no other memory.
    let block = unsafe { libc::mmap(ptr::null_mut(), size, access, flags, -1, 0) };
    if block == libc::MAP_FAILED { None } else { NonNull::new(block.cast()) }
}

fn unmap(block: NonNull<u8>, size: usize) {
    // SAFETY: the block came from `map` with this size, and the caller is the only one who has it.
    unsafe { libc::munmap(block.as_ptr().cast(), size) };
}

/// The system's allocator. Small allocations that fail get the reserve, and then wait for other threads to free memory.
pub(crate) struct RetryingAllocator;

#[global_allocator]
static ALLOCATOR: RetryingAllocator = RetryingAllocator;

// SAFETY: all memory comes from `System`, by the caller's own arguments, as often as it takes.
unsafe impl GlobalAlloc for RetryingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`, which is that of `System`.
        allocate_or_retry(layout.size(), || unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        allocate_or_retry(layout.size(), || unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above; the memory came from `System`.
        unsafe { System.dealloc(memory, layout) };
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above; after a failure the memory is unchanged, so it may be tried again.
        allocate_or_retry(size, || unsafe { System.realloc(memory, layout, size) })
    }
}

#[inline]
fn allocate_or_retry(size: usize, allocate: impl Fn() -> *mut u8) -> *mut u8 {
    let memory = allocate();
    if !memory.is_null() || size > SMALL_MAX { memory } else { retry_allocation(&allocate) }
}

#[cold]
#[inline(never)]
fn retry_allocation(allocate: &dyn Fn() -> *mut u8) -> *mut u8 {
    for _ in 0..WAIT_STEPS {
        if !release() {
            thread::sleep(WAIT_STEP);
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
    fn small_allocation_gets_the_reserve() {
        ensure().unwrap();
        let mut byte = 0u8;
        let memory = &raw mut byte;
        let tries = Cell::new(0);
        let fails_once = || {
            tries.set(tries.get() + 1);
            if tries.get() == 1 { ptr::null_mut() } else { memory }
        };
        assert!(!allocate_or_retry(8, fails_once).is_null());
        assert_eq!(tries.get(), 2);
        ensure().unwrap();
    }

    #[test]
    fn large_allocation_fails_at_once() {
        let tries = Cell::new(0);
        let fails = || {
            tries.set(tries.get() + 1);
            ptr::null_mut()
        };
        assert!(allocate_or_retry(SMALL_MAX + 1, fails).is_null());
        assert_eq!(tries.get(), 1);
    }
}
