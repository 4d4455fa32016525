//! Memory to read many bytes into, and to hash them from.

use std::collections::TryReserveError;
use std::fmt;
use std::ops::{Deref, DerefMut, Range};

/// The bytes of a line of the processor's cache. HashQueue loads a line at a time; what begins within one is loaded as
/// two halves.
const CACHE_LINE: usize = 64;

/// Bytes that begin on a line.
#[derive(Default)]
pub(crate) struct AlignedBytes {
    /// The lines, and less than one line of slack: an allocation begins anywhere, a large one often 16 bytes off.
    memory: Vec<u8>,
    range: Range<usize>,
}

impl AlignedBytes {
    /// So many bytes, of any content.
    pub(crate) fn new(length: usize) -> Result<Self, TryReserveError> {
        let room = length.saturating_add(CACHE_LINE - 1);
        let mut memory = Vec::new();
        memory.try_reserve_exact(room)?;
        memory.resize(room, 0);
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
    fn any_length_begins_on_a_line() {
        // StoredPart all at once, so that small ones begin at many places.
        let mut all = Vec::new();
        for length in (0..200).chain([4096, 1 << 20, (16 << 20) + 5]) {
            let mut bytes = AlignedBytes::new(length).unwrap();
            assert_eq!((bytes.len(), bytes.as_ptr().addr() % CACHE_LINE), (length, 0));
            bytes.fill(7);
            all.push(bytes);
        }
    }

    #[test]
    fn no_bytes_are_no_memory() {
        assert_eq!(AlignedBytes::default().memory.capacity(), 0);
    }
}
