//! The bytes of a part on their way through the pipeline, in memory or read piece by piece.

use std::io::{self, BufRead, Read};
use std::ops::Range;
use std::sync::Arc;

use crate::error::Result;
use crate::memory::{Buffer, BufferPool};
use crate::plan::ByteRange;
use crate::source::Source;
use crate::sync::cancel::Cancel;
use crate::treehash::{PartHasher, PartHashes};
use crate::upload::session::resume::PendingPart;

/// The most bytes of a part that are hashed between two checks of the cancel token.
pub(crate) const HASH_STEP: usize = 1 << 20;

/// A part with its hashes, ready to be sent.
#[derive(Debug)]
pub(crate) struct HashedPart<'a> {
    pub(crate) pending: PendingPart,
    pub(crate) bytes: PartBytes<'a>,
    pub(crate) hashes: PartHashes,
}

/// The place of the bytes of a part.
#[derive(Debug)]
pub(crate) enum PartBytes<'a> {
    /// Memory of the caller.
    Lent(&'a [u8]),
    /// The start of a buffer. `source`: where the bytes can be read again.
    Buffered { buffer: Buffer, length: usize, source: Option<&'a Source> },
    /// The source alone: a part that is too large for a buffer is read once to hash it, and once to send it.
    ReadTwice(&'a Source, ReadWindow<'a>),
}

impl PartBytes<'_> {
    /// Returns the bytes that are in memory: all of them, or none of a part that is read twice.
    pub(crate) fn in_memory(&self) -> &[u8] {
        match self {
            Self::Lent(bytes) => bytes,
            Self::Buffered { buffer, length, .. } => &buffer[..*length],
            Self::ReadTwice(..) => &[],
        }
    }

    /// Reads the bytes again and hashes them.
    ///
    /// # Errors
    /// `Canceled`, `Memory`; those of the source.
    pub(crate) fn hash_again(&mut self, range: ByteRange, cancel: &Cancel) -> Result<PartHashes> {
        if let Self::Buffered { buffer, length, source: Some(source) } = self {
            source.read_at(range.first, &mut buffer[..*length])?;
        }
        match self {
            Self::ReadTwice(source, window) => hash_by_window(source, range, *window, cancel, |_| ()),
            bytes => hash_in_memory(bytes.in_memory(), |_| cancel.check()),
        }
    }
}

/// The buffer that a large part is read through, piece by piece.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadWindow<'a> {
    pub(crate) memory: &'a Arc<BufferPool>,
    /// In bytes.
    pub(crate) length: usize,
}

/// Returns both hashes of bytes in memory. `hashed` gets the length of each piece, and can stop with an error.
pub(crate) fn hash_in_memory(bytes: &[u8], mut hashed: impl FnMut(u64) -> Result<()>) -> Result<PartHashes> {
    let mut hasher = PartHasher::new();
    for piece in bytes.chunks(HASH_STEP) {
        hasher.update(piece);
        hashed(piece.len() as u64)?;
    }
    Ok(hasher.finish())
}

/// Returns both hashes of a range of a source that is read piece by piece. `hashed` gets the length of each piece.
pub(crate) fn hash_by_window(
    source: &Source,
    range: ByteRange,
    window: ReadWindow<'_>,
    cancel: &Cancel,
    hashed: impl Fn(u64),
) -> Result<PartHashes> {
    let mut buffer = window.memory.acquire(window.length, cancel)?;
    let mut hasher = PartHasher::new();
    let mut next = range.first;
    while next <= range.last {
        cancel.check()?;
        let piece = piece(&mut buffer, range.last + 1 - next);
        source.read_sequential(next, piece, range.last + 1)?;
        hasher.update(piece);
        hashed(piece.len() as u64);
        next += piece.len() as u64;
    }
    Ok(hasher.finish())
}

/// Returns the start of a buffer, at most `left` bytes.
fn piece(buffer: &mut [u8], left: u64) -> &mut [u8] {
    let length = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
    &mut buffer[..length]
}

/// A range of a source as a stream, read piece by piece.
pub(crate) struct RangeReader<'a> {
    source: &'a Source,
    next: u64,
    end: u64,
    buffer: Buffer,
    unread: Range<usize>,
}

impl<'a> RangeReader<'a> {
    pub(crate) fn new(source: &'a Source, range: ByteRange, window: ReadWindow<'_>, cancel: &Cancel) -> Result<Self> {
        let buffer = window.memory.acquire(window.length, cancel)?;
        Ok(Self { source, next: range.first, end: range.last + 1, buffer, unread: 0..0 })
    }
}

impl BufRead for RangeReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.unread.is_empty() && self.next < self.end {
            let piece = piece(&mut self.buffer, self.end - self.next);
            self.source.read_sequential(self.next, piece, self.end).map_err(io::Error::other)?;
            self.unread = 0..piece.len();
            self.next += piece.len() as u64;
        }
        Ok(&self.buffer[self.unread.clone()])
    }

    fn consume(&mut self, length: usize) {
        self.unread.start += length;
    }
}

impl Read for RangeReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(into)?;
        self.consume(length);
        Ok(length)
    }
}
