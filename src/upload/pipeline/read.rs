//! Reads and hashes parts ahead of the senders.

use crate::error::Result;
use crate::limits::MIB;
use crate::source::Source;
use crate::sync::cancel::Cancel;
use crate::treehash::Kernels;
use crate::upload::Upload;
use crate::upload::parts::StoredPart;
use crate::upload::pipeline::Pipeline;
use crate::upload::pipeline::hash::{Hashed, HashingPart, hash_step};
use crate::upload::pipeline::send::{PartBytes, ReadWindow, ReadyPart};
use crate::upload::resume::PendingPart;
use crate::upload::stream::Stream;

/// The pieces in which a part is read that is not held as a whole: large, so that a disk need not seek often.
const WINDOW_MAX: u64 = MIB;

/// How the parts of an upload get their memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BufferStrategy {
    /// Each is read into a buffer of its own.
    Hold,
    /// Each is read twice, in pieces of so many bytes.
    ReadTwice(usize),
}

impl BufferStrategy {
    /// A part is held if each worker can have one within the limit.
    pub(crate) fn choose(part_size: u64, workers: u32, memory_limit: u64) -> Self {
        let workers = u64::from(workers.max(1));
        if part_size <= memory_limit / workers {
            return Self::Hold;
        }
        let window = (memory_limit / (2 * workers)).clamp(MIB / 64, WINDOW_MAX);
        Self::ReadTwice(usize::try_from(window).unwrap_or(1 << 20))
    }
}

/// The parts that nobody has read yet, in the order of the source.
#[derive(Debug)]
pub(crate) enum Left<'a> {
    /// Of a source that can be read at any place.
    Parts(&'a Source, BufferStrategy, std::vec::IntoIter<PendingPart>),
    /// Of one that comes once.
    Stream(&'a mut Stream),
}

impl Upload {
    /// Reads one part after the other, and leaves each to be hashed.
    pub(crate) fn read_parts<'a>(&'a self, mut left: Left<'a>, transfer: &Pipeline<'a>) -> Result<()> {
        let cancel = &transfer.context.cancel;
        while let Some((todo, bytes)) = self.read_next(&mut left, cancel)? {
            transfer.hashing.put(HashingPart::new(todo, bytes), cancel)?;
        }
        Ok(())
    }

    /// Hashes parts until none is left, and hands each to `then`. Several threads do this at once.
    pub(crate) fn hash_parts<'a>(
        &self,
        transfer: &Pipeline<'a>,
        counted: impl Fn(u64),
        then: impl Fn(Hashed<'a>) -> Result<()>,
    ) -> Result<()> {
        let Pipeline { hashing, context, .. } = transfer;
        loop {
            let mut step = hashing.take(&context.cancel)?;
            if step.is_empty() {
                return Ok(());
            }
            hash_step(Kernels::best(), &mut step, &context.cancel, &counted)?;
            hashing.give_back(step).into_iter().try_for_each(&then)?;
        }
    }

    /// Leaves a part that has its hashes to be sent, unless the service holds it.
    pub(crate) fn send_or_skip<'a>(&self, part: Hashed<'a>, transfer: &Pipeline<'a>) -> Result<()> {
        let Pipeline { ready, context, .. } = transfer;
        let Hashed { todo, bytes, hashes } = part;
        let PendingPart { index, range, listed, trusted, .. } = todo;
        todo.check_unchanged(hashes.tree)?;
        if listed != Some(hashes.tree) {
            return ready.push(ReadyPart { index, range, hashes, bytes, trusted }, &context.cancel);
        }
        let held = StoredPart { length: range.length(), tree: hashes.tree };
        self.remember(index, held, trusted);
        self.is_held(index, held, context)
    }

    /// The next part, with its bytes if they are to be held.
    fn read_next<'a>(&'a self, left: &mut Left<'a>, cancel: &Cancel) -> Result<Option<(PendingPart, PartBytes<'a>)>> {
        cancel.check()?;
        let (source, way, mut todo) = match left {
            Left::Stream(stream) => {
                let next = self.next_of_stream(stream, cancel)?;
                return Ok(
                    next.map(|(todo, buffer, length)| (todo, PartBytes::StoredPart { buffer, length, again: None }))
                );
            }
            Left::Parts(source, way, parts) => {
                let Some(todo) = parts.next() else { return Ok(None) };
                (*source, *way, todo)
            }
        };
        // Before a byte of it is read.
        todo.trusted = source.is_trusted();
        if let Some(bytes) = source.slice(todo.range.first, todo.range.length()) {
            return Ok(Some((todo, PartBytes::Lent(bytes))));
        }
        let memory = &self.client.memory;
        let bytes = match way {
            BufferStrategy::ReadTwice(length) => PartBytes::ReadTwice(source, ReadWindow { memory, length }),
            BufferStrategy::Hold => {
                let length = usize::try_from(todo.range.length()).unwrap_or(usize::MAX);
                let mut buffer = memory.acquire(length, cancel)?;
                for (n, piece) in buffer.chunks_mut(1 << 20).enumerate() {
                    cancel.check()?;
                    source.read_at(todo.range.first + n as u64 * MIB, piece).map_err(|error| todo.in_part(error))?;
                }
                PartBytes::StoredPart { buffer, length, again: Some(source) }
            }
        };
        Ok(Some((todo, bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_held_where_each_worker_can_have_one() {
        assert_eq!(BufferStrategy::choose(16 * MIB, 8, 256 * MIB), BufferStrategy::Hold);
        assert_eq!(BufferStrategy::choose(32 * MIB, 8, 256 * MIB), BufferStrategy::Hold);
        assert_eq!(BufferStrategy::choose(64 * MIB, 8, 256 * MIB), BufferStrategy::ReadTwice(1 << 20));
        assert_eq!(BufferStrategy::choose(4096 * MIB, 1, 256 * MIB), BufferStrategy::ReadTwice(1 << 20));
        assert_eq!(BufferStrategy::choose(MIB, 32, MIB), BufferStrategy::ReadTwice(1 << 14));
    }
}
