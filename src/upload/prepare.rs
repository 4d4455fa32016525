//! Reads and hashes parts ahead of the senders.

use super::events::add;
use super::parts::Held;
use super::resume::Todo;
use super::transfer::{Left, Transfer};
use super::worker::{Outgoing, PartBytes, Windows, hash_by_windows};
use super::{Upload, lock};
use crate::error::Result;
use crate::limits::MIB;
use crate::treehash::{PartHashes, part_hashes};

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

impl Upload {
    /// Prepares parts until none is left. Several threads do this at once; each reads alone, in the order of the source.
    pub(super) fn prepare_parts<'a>(&'a self, transfer: &Transfer<'a>) -> Result<()> {
        while let Some((todo, bytes)) = self.read_next(transfer)? {
            let hashes = self.hash(transfer, todo, &bytes)?;
            todo.check_unchanged(hashes.tree)?;
            if todo.listed == Some(hashes.tree) {
                let held = Held { length: todo.range.length(), tree: hashes.tree };
                self.remember(todo.index, held);
                self.is_held(todo.index, held, &transfer.watch)?;
                continue;
            }
            let part = Outgoing { index: todo.index, range: todo.range, hashes, bytes };
            transfer.ready.push(part, &transfer.watch.cancel)?;
        }
        Ok(())
    }

    /// Takes the next part, with its bytes if they are to be held.
    fn read_next<'a>(&'a self, transfer: &Transfer<'a>) -> Result<Option<(Todo, PartBytes<'a>)>> {
        // Held while memory is waited for and bytes are read: what comes next in the source is read next.
        let mut left = lock(&transfer.left);
        transfer.watch.cancel.check()?;
        let (source, way, todo) = match &mut *left {
            Left::Stream(stream) => {
                let next = self.next_of_stream(stream, &transfer.watch.cancel)?;
                return Ok(next.map(|(todo, buffer, length)| (todo, PartBytes::Held { buffer, length, again: None })));
            }
            Left::Parts(source, way, parts) => {
                let Some(todo) = parts.next() else { return Ok(None) };
                (*source, *way, todo)
            }
        };
        if let Some(bytes) = source.borrowed(todo.range.first, todo.range.length()) {
            return Ok(Some((todo, PartBytes::Lent(bytes))));
        }
        let memory = &self.client.memory;
        let bytes = match way {
            Way::ReadTwice(length) => PartBytes::ReadTwice(source, Windows { memory, length }),
            Way::Hold => {
                let length = usize::try_from(todo.range.length()).unwrap_or(usize::MAX);
                let mut buffer = memory.take(length, &transfer.watch.cancel)?;
                for (n, piece) in buffer.chunks_mut(1 << 20).enumerate() {
                    transfer.watch.cancel.check()?;
                    source.read_at(todo.range.first + n as u64 * MIB, piece)?;
                }
                PartBytes::Held { buffer, length, again: Some(source) }
            }
        };
        Ok(Some((todo, bytes)))
    }

    fn hash(&self, transfer: &Transfer<'_>, todo: Todo, bytes: &PartBytes<'_>) -> Result<PartHashes> {
        let hashed = |length| add(&self.counters.bytes_hashed, length);
        let whole = |bytes: &[u8]| {
            let hashes = part_hashes(bytes);
            hashed(bytes.len() as u64);
            hashes
        };
        match bytes {
            PartBytes::Lent(bytes) => Ok(whole(bytes)),
            PartBytes::Held { buffer, length, .. } => Ok(whole(&buffer[..*length])),
            PartBytes::ReadTwice(source, windows) => {
                hash_by_windows(source, todo.range, *windows, &transfer.watch.cancel, hashed)
            }
        }
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
