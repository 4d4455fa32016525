//! Reads and hashes parts ahead of the senders.

use super::Upload;
use super::hashing::{Hashed, Unhashed, hash_step};
use super::parts::Held;
use super::resume::Todo;
use super::stream::Stream;
use super::transfer::Transfer;
use super::worker::{Outgoing, PartBytes, Windows};
use crate::cancel::Cancel;
use crate::error::Result;
use crate::limits::MIB;
use crate::source::Source;
use crate::treehash::Kernels;

/// The pieces in which a part is read that is not held as a whole: large, so that a disk need not seek often.
const WINDOW_MAX: u64 = MIB;

/// How the parts of an upload get their memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Each is read into a buffer of its own.
    Hold,
    /// Each is read twice, in pieces of so many bytes.
    ReadTwice(usize),
}

impl Way {
    /// A part is held if each worker can have one within the limit.
    pub(super) fn choose(part_size: u64, workers: u32, memory_limit: u64) -> Self {
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
pub(super) enum Left<'a> {
    /// Of a source that can be read at any place.
    Parts(&'a Source, Way, std::vec::IntoIter<Todo>),
    /// Of one that comes once.
    Stream(&'a mut Stream),
}

impl Upload {
    /// Reads one part after the other, and leaves each to be hashed.
    pub(super) fn read_parts<'a>(&'a self, mut left: Left<'a>, transfer: &Transfer<'a>) -> Result<()> {
        let cancel = &transfer.watch.cancel;
        while let Some((todo, bytes)) = self.read_next(&mut left, cancel)? {
            transfer.hashing.put(Unhashed::new(todo, bytes), cancel)?;
        }
        Ok(())
    }

    /// Hashes parts until none is left, and hands each to `then`. Several threads do this at once.
    pub(super) fn hash_parts<'a>(
        &self,
        transfer: &Transfer<'a>,
        counted: impl Fn(u64),
        then: impl Fn(Hashed<'a>) -> Result<()>,
    ) -> Result<()> {
        let Transfer { hashing, watch, .. } = transfer;
        loop {
            let mut step = hashing.take(&watch.cancel)?;
            if step.is_empty() {
                return Ok(());
            }
            hash_step(Kernels::best(), &mut step, &watch.cancel, &counted)?;
            hashing.give_back(step).into_iter().try_for_each(&then)?;
        }
    }

    /// Leaves a part that has its hashes to be sent, unless the service holds it.
    pub(super) fn send_or_skip<'a>(&self, part: Hashed<'a>, transfer: &Transfer<'a>) -> Result<()> {
        let Transfer { ready, watch, .. } = transfer;
        let Hashed { todo, bytes, hashes } = part;
        let Todo { index, range, listed, trusted, .. } = todo;
        todo.check_unchanged(hashes.tree)?;
        if listed != Some(hashes.tree) {
            return ready.push(Outgoing { index, range, hashes, bytes, trusted }, &watch.cancel);
        }
        let held = Held { length: range.length(), tree: hashes.tree };
        self.remember(index, held, trusted);
        self.is_held(index, held, watch)
    }

    /// The next part, with its bytes if they are to be held.
    fn read_next<'a>(&'a self, left: &mut Left<'a>, cancel: &Cancel) -> Result<Option<(Todo, PartBytes<'a>)>> {
        cancel.check()?;
        let (source, way, mut todo) = match left {
            Left::Stream(stream) => {
                let next = self.next_of_stream(stream, cancel)?;
                return Ok(next.map(|(todo, buffer, length)| (todo, PartBytes::Held { buffer, length, again: None })));
            }
            Left::Parts(source, way, parts) => {
                let Some(todo) = parts.next() else { return Ok(None) };
                (*source, *way, todo)
            }
        };
        // Before a byte of it is read.
        todo.trusted = source.is_settled();
        if let Some(bytes) = source.borrowed(todo.range.first, todo.range.length()) {
            return Ok(Some((todo, PartBytes::Lent(bytes))));
        }
        let memory = &self.client.memory;
        let bytes = match way {
            Way::ReadTwice(length) => PartBytes::ReadTwice(source, Windows { memory, length }),
            Way::Hold => {
                let length = usize::try_from(todo.range.length()).unwrap_or(usize::MAX);
                let mut buffer = memory.take(length, cancel)?;
                for (n, piece) in buffer.chunks_mut(1 << 20).enumerate() {
                    cancel.check()?;
                    source.read_at(todo.range.first + n as u64 * MIB, piece).map_err(|error| todo.in_part(error))?;
                }
                PartBytes::Held { buffer, length, again: Some(source) }
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
        assert_eq!(Way::choose(16 * MIB, 8, 256 * MIB), Way::Hold);
        assert_eq!(Way::choose(32 * MIB, 8, 256 * MIB), Way::Hold);
        assert_eq!(Way::choose(64 * MIB, 8, 256 * MIB), Way::ReadTwice(1 << 20));
        assert_eq!(Way::choose(4096 * MIB, 1, 256 * MIB), Way::ReadTwice(1 << 20));
        assert_eq!(Way::choose(MIB, 32, MIB), Way::ReadTwice(1 << 14));
    }
}
