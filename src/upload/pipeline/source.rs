//! Part sources: where a pipeline gets its next part from.

use std::sync::Arc;
use std::vec;

use super::part::{PartBytes, ReadWindow};
use crate::error::Result;
use crate::limits::MIB;
use crate::memory::BufferPool;
use crate::source::Source;
use crate::sync::cancel::Cancel;
use crate::upload::session::resume::PendingPart;

/// The parts that a pipeline reads, in the order of the source.
pub(crate) trait PartSource<'a>: Send {
    /// Returns the next part with its bytes, or where to read them; `None` after the last part.
    ///
    /// # Errors
    /// `Canceled`, `Memory`; those of the source.
    fn next(&mut self, cancel: &Cancel) -> Result<Option<(PendingPart, PartBytes<'a>)>>;
}

/// The largest piece in which a part is read that has no buffer of its own: large enough that a disk seldom seeks.
const WINDOW_MAX: u64 = MIB;

/// How the bytes of parts are kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BufferStrategy {
    /// Each part is read into a buffer of its own.
    Buffered,
    /// Each part is read twice, to hash and to send it, in pieces of this many bytes.
    ReadTwice(usize),
}

impl BufferStrategy {
    /// Chooses `Buffered` if each worker can have a buffer within the memory limit.
    pub(crate) fn choose(part_size: u64, workers: u32, memory_limit: u64) -> Self {
        let workers = u64::from(workers.max(1));
        if part_size <= memory_limit / workers {
            return Self::Buffered;
        }
        let window = (memory_limit / (2 * workers)).clamp(MIB / 64, WINDOW_MAX);
        Self::ReadTwice(usize::try_from(window).unwrap_or(1 << 20))
    }
}

/// Parts of a source that can be read at any offset: a file, or memory.
#[derive(Debug)]
pub(crate) struct SeekableParts<'a> {
    source: &'a Source,
    memory: &'a Arc<BufferPool>,
    strategy: BufferStrategy,
    parts: vec::IntoIter<PendingPart>,
}

impl<'a> SeekableParts<'a> {
    pub(crate) fn new(
        source: &'a Source,
        memory: &'a Arc<BufferPool>,
        strategy: BufferStrategy,
        parts: Vec<PendingPart>,
    ) -> Self {
        Self { source, memory, strategy, parts: parts.into_iter() }
    }
}

impl<'a> PartSource<'a> for SeekableParts<'a> {
    fn next(&mut self, cancel: &Cancel) -> Result<Option<(PendingPart, PartBytes<'a>)>> {
        let Some(mut part) = self.parts.next() else { return Ok(None) };
        let (source, memory) = (self.source, self.memory);
        // Before any byte of the part is read.
        part.trusted = source.is_trusted();
        if let Some(bytes) = source.slice(part.range.first, part.range.length()) {
            return Ok(Some((part, PartBytes::Lent(bytes))));
        }
        let bytes = match self.strategy {
            BufferStrategy::ReadTwice(length) => PartBytes::ReadTwice(source, ReadWindow { memory, length }),
            BufferStrategy::Buffered => {
                let length = usize::try_from(part.range.length()).unwrap_or(usize::MAX);
                let mut buffer = memory.acquire(length, cancel)?;
                for (n, piece) in buffer.chunks_mut(1 << 20).enumerate() {
                    cancel.check()?;
                    source.read_at(part.range.first + n as u64 * MIB, piece).map_err(|error| part.in_part(error))?;
                }
                PartBytes::Buffered { buffer, length, source: Some(source) }
            }
        };
        Ok(Some((part, bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_parts_if_each_worker_can_have_a_buffer() {
        assert_eq!(BufferStrategy::choose(16 * MIB, 8, 256 * MIB), BufferStrategy::Buffered);
        assert_eq!(BufferStrategy::choose(32 * MIB, 8, 256 * MIB), BufferStrategy::Buffered);
        assert_eq!(BufferStrategy::choose(64 * MIB, 8, 256 * MIB), BufferStrategy::ReadTwice(1 << 20));
        assert_eq!(BufferStrategy::choose(4096 * MIB, 1, 256 * MIB), BufferStrategy::ReadTwice(1 << 20));
        assert_eq!(BufferStrategy::choose(MIB, 32, MIB), BufferStrategy::ReadTwice(1 << 14));
    }
}
