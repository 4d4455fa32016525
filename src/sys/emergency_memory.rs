//! Emergency memory: one block that is set aside while memory is available.
//!
//! Rust aborts the process when a small allocation fails. Large allocations, such as part buffers, thread stacks and
//! lists, are fallible and report `Memory`. After one of them has failed, too little memory may be left for the small
//! allocations that report the error. The allocator of the C library then releases the block (`allocator.rs`), and
//! [`ensure`] rejects new work until a block can be set aside again.

#![allow(unsafe_code)] // std has no mmap.

use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::error::{Error, Kind, Result};

/// The size of the block: enough for the small allocations of the threads of a few uploads. The block is never written,
/// so it uses address space only.
const SIZE: usize = 2 << 20;
/// Room for a few allocations of one page each, in bytes.
const MARGIN: usize = 256 << 10;

/// The block; null after it was released.
static BLOCK: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

/// Sets the block aside, unless it already is.
///
/// # Errors
/// `Memory`.
pub(crate) fn ensure() -> Result<()> {
    if !BLOCK.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    let block = map(SIZE).ok_or_else(|| out_of_memory(SIZE))?;
    if BLOCK.compare_exchange(ptr::null_mut(), block.as_ptr(), Ordering::AcqRel, Ordering::Acquire).is_err() {
        // Another thread set one aside first.
        unmap(block, SIZE);
    }
    Ok(())
}

/// Makes a large allocation. The block is set aside before and after it: otherwise the allocation could take the memory
/// that was just released for small ones.
///
/// # Errors
/// `Memory`, and the errors of `allocate`.
pub(crate) fn allocate_large<T>(allocate: impl FnOnce() -> Result<T>) -> Result<T> {
    ensure()?;
    let memory = allocate()?;
    ensure_beside(0)?;
    Ok(memory)
}

/// Sets the block aside, and checks that `size` bytes and a margin are available besides. The margin is for allocations
/// outside Rust: to start a thread, the standard library and the C library allocate a few bytes and abort on failure.
///
/// # Errors
/// `Memory`.
pub(crate) fn ensure_beside(size: usize) -> Result<()> {
    ensure()?;
    let size = size.saturating_add(MARGIN);
    match map(size) {
        Some(probe) => unmap(probe, size),
        None => return Err(out_of_memory(size)),
    }
    Ok(())
}

fn out_of_memory(size: usize) -> Error {
    Error::new(Kind::Memory, format!("out of memory: cannot allocate {size} bytes"))
}

/// Releases the block to the system. Returns whether there was one.
#[cfg(feature = "global-allocator")]
pub(super) fn release() -> bool {
    NonNull::new(BLOCK.swap(ptr::null_mut(), Ordering::AcqRel)).map(|block| unmap(block, SIZE)).is_some()
}

fn map(size: usize) -> Option<NonNull<u8>> {
    let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new private mapping at an address chosen by the system overlaps no other memory.
    let block = unsafe { libc::mmap(ptr::null_mut(), size, access, flags, -1, 0) };
    if block == libc::MAP_FAILED { None } else { NonNull::new(block.cast()) }
}

fn unmap(block: NonNull<u8>, size: usize) {
    // SAFETY: the block came from `map` with this size, and the caller owns it.
    unsafe { libc::munmap(block.as_ptr().cast(), size) };
}
