//! Buffers aligned to cache lines.

use std::collections::TryReserveError;
use std::fmt;
use std::ops::{Deref, DerefMut, Range};

/// The size of a cache line, in bytes. The hash kernels load one line at a time; an unaligned load touches two lines.
const CACHE_LINE: usize = 64;

/// A buffer whose first byte is aligned to a cache line.
#[derive(Default)]
pub(crate) struct AlignedBytes {
    /// The buffer and the padding before it. Allocators often place a large block 16 bytes past a page boundary.
    memory: Vec<u8>,
    range: Range<usize>,
}

impl AlignedBytes {
    /// Allocates a buffer of `length` bytes.
    pub(crate) fn new(length: usize) -> Result<Self, TryReserveError> {
        let padded = length.saturating_add(CACHE_LINE - 1);
        let mut memory = Vec::new();
        memory.try_reserve_exact(padded)?;
        memory.resize(padded, 0);
        let start = memory.as_ptr().align_offset(CACHE_LINE);
        Ok(Self { memory, range: start..start + length })
    }
}

impl Deref for AlignedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[self.range.clone()]
    }
}

impl DerefMut for AlignedBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.range.clone()]
    }
}

impl fmt::Debug for AlignedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlignedBytes({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_buffers_of_every_length() {
        // Kept until the end, so that the small ones start at different addresses.
        let mut all = Vec::new();
        for length in (0..200).chain([4096, 1 << 20, (16 << 20) + 5]) {
            let mut bytes = AlignedBytes::new(length).unwrap();
            assert_eq!((bytes.len(), bytes.as_ptr().addr() % CACHE_LINE), (length, 0));
            bytes.fill(7);
            all.push(bytes);
        }
    }

    #[test]
    fn default_allocates_nothing() {
        assert_eq!(AlignedBytes::default().memory.capacity(), 0);
    }
}
