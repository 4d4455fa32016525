//! One part's way to the service: signed, sent, judged, and sent again where that helps.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::time::Duration;

use crate::api::Part;
use crate::error::{Error, Kind, Result};
use crate::http::RequestContext;
use crate::memory::{Buffer, BufferPool};
use crate::plan::ByteRange;
use crate::retry::{Attempts, Class, classify};
use crate::source::Source;
use crate::sync::cancel::Cancel;
use crate::treehash::{PartHasher, PartHashes};
use crate::upload::journal::{PartRecord, Record};
use crate::upload::parts::StoredPart;
use crate::upload::pipeline::limiter::SendLimiter;
use crate::upload::progress::InFlight;
use crate::upload::{Upload, lock};

/// The most bytes of a part that are hashed between two looks at the cancel.
pub(crate) const HASHED_AT_ONCE: usize = 1 << 20;

/// A part that is ready to go.
#[derive(Debug)]
pub(crate) struct ReadyPart<'a> {
    pub(crate) index: u32,
    pub(crate) range: ByteRange,
    pub(crate) hashes: PartHashes,
    pub(crate) bytes: PartBytes<'a>,
    /// Whether the source has these bytes for as long as it has its identity.
    pub(crate) trusted: bool,
}

/// Where the bytes of a part are while it is sent.
#[derive(Debug)]
pub(crate) enum PartBytes<'a> {
    /// In memory that is the caller's.
    Lent(&'a [u8]),
    /// At the beginning of a buffer, filled from the source, which may be read again if it is one that can be.
    StoredPart { buffer: Buffer, length: usize, again: Option<&'a Source> },
    /// In the source alone: what is too large to hold is read once to hash it, and once more to send it.
    ReadTwice(&'a Source, ReadWindow<'a>),
}

impl PartBytes<'_> {
    /// The bytes that are in memory: all, or none of a part that is read twice.
    pub(crate) fn in_memory(&self) -> &[u8] {
        match self {
            Self::Lent(bytes) => bytes,
            Self::StoredPart { buffer, length, .. } => &buffer[..*length],
            Self::ReadTwice(..) => &[],
        }
    }
}

/// Where the memory for reading a large part piece by piece comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadWindow<'a> {
    pub(crate) memory: &'a Arc<BufferPool>,
    pub(crate) length: usize,
}

impl Upload {
    /// Sends a part until the service holds it, or it cannot be done. `last_progress` is when the upload last got further.
    /// Without a pacer, the caller's threads decide how many parts are in flight.
    pub(crate) fn send_part(
        &self,
        part: &mut ReadyPart<'_>,
        pacer: Option<&SendLimiter<'_>>,
        last_progress: impl Fn() -> Duration,
        context: &RequestContext,
    ) -> Result<()> {
        let service = &self.client.service;
        let parts = self.known_parts(context)?;
        let label = format!("part {}", part.index);
        let mut attempts = Attempts::new(service.reachability.contact());
        // The time that the source took to come up with it was not spent in vain.
        let began = service.clock.active();
        let outcome = loop {
            let mut had_the_line = false;
            let mut attempt = || {
                let flight = InFlight::new(&self.counters);
                let sent = self.attempt_part(part, attempts.number(), context);
                had_the_line = flight.was_alone();
                sent
            };
            let attempted = match pacer {
                Some(pacer) => pacer.attempt(&context.cancel, attempt),
                None => attempt(),
            };
            let Err(error) = attempted else { break Ok(()) };
            // With the line for itself it would not be quicker the next time.
            if classify(&error) == Class::TooSlow && had_the_line {
                break Err(error);
            }
            if let Err(changed) = reread(part, &error, &context.cancel) {
                break Err(changed);
            }
            let idle = service.clock.active().saturating_sub(last_progress().max(began));
            if let Err(error) = service.wait_to_retry(error, &mut attempts, &label, idle, context) {
                break Err(error);
            }
        };
        if outcome.is_err() {
            lock(parts).failed(part.index);
            return outcome;
        }
        let held = StoredPart { length: part.range.length(), tree: part.hashes.tree };
        lock(parts).acknowledged(part.index, held);
        self.remember(part.index, held, part.trusted);
        self.counters.part_done(part.index, held.length, true);
        Ok(())
    }

    /// Keeps for a resume what the service holds, and the source has.
    pub(crate) fn remember(&self, index: u32, part: StoredPart, trusted: bool) {
        let mut known = lock(&self.known);
        known.note(index, part, trusted);
        // The journal has the identity of a file, which says nothing of memory.
        let trusted = trusted && known.has_identity();
        drop(known);
        self.note(&Record::Part(PartRecord { index, part, trusted }));
    }

    fn attempt_part(&self, part: &mut ReadyPart<'_>, attempt: u32, context: &RequestContext) -> Result<()> {
        let ReadyPart { index, range, hashes, bytes, .. } = part;
        let facts = Part { index: *index, range: *range, hashes, attempt };
        let send = |body: &mut dyn BufRead| self.client.service.upload_part(self.name()?, &facts, body, context);
        match bytes {
            PartBytes::ReadTwice(source, windows) => {
                let window = windows.memory.acquire(windows.length, &context.cancel)?;
                send(&mut WindowReader { source, next: range.first, end: range.last + 1, window, unread: 0..0 })
            }
            _ => send(&mut bytes.in_memory()),
        }
    }
}

/// After the service found other bytes than were hashed, reads and hashes the part again: were it the same bytes, the way
/// damaged them, and they can be sent again; if not, the source changed.
fn reread(part: &mut ReadyPart<'_>, error: &Error, cancel: &Cancel) -> Result<()> {
    if error.kind() != Kind::TreeHash {
        return Ok(());
    }
    if let PartBytes::StoredPart { buffer, length, again: Some(source) } = &mut part.bytes {
        source.read_at(part.range.first, &mut buffer[..*length])?;
    }
    let now = match &part.bytes {
        PartBytes::ReadTwice(source, windows) => hash_by_windows(source, part.range, *windows, cancel, |_| ())?,
        bytes => hash_in_memory(bytes.in_memory(), |_| cancel.check())?,
    };
    if now == part.hashes {
        return Ok(());
    }
    Err(Error::new(
        Kind::SourceChanged,
        format!("the bytes of part {} ({}) changed while they were being sent", part.index, part.range.in_bytes()),
    ))
}

/// Both hashes of a part that is in memory. `hashed` is told the length of each piece, and can end it with an error.
pub(crate) fn hash_in_memory(bytes: &[u8], mut hashed: impl FnMut(u64) -> Result<()>) -> Result<PartHashes> {
    let mut hasher = PartHasher::new();
    for piece in bytes.chunks(HASHED_AT_ONCE) {
        hasher.update(piece);
        hashed(piece.len() as u64)?;
    }
    Ok(hasher.finish())
}

/// Both hashes of a part that is not held, read in pieces. `hashed` is told the length of each.
pub(crate) fn hash_by_windows(
    source: &Source,
    range: ByteRange,
    windows: ReadWindow<'_>,
    cancel: &Cancel,
    hashed: impl Fn(u64),
) -> Result<PartHashes> {
    let mut window = windows.memory.acquire(windows.length, cancel)?;
    let mut hasher = PartHasher::new();
    let mut next = range.first;
    while next <= range.last {
        cancel.check()?;
        let piece = piece(&mut window, range.last + 1 - next);
        source.read_sequential(next, piece, range.last + 1)?;
        hasher.update(piece);
        hashed(piece.len() as u64);
        next += piece.len() as u64;
    }
    Ok(hasher.finish())
}

/// As much of a window as there are bytes left.
fn piece(window: &mut [u8], left: u64) -> &mut [u8] {
    let length = usize::try_from(left).unwrap_or(usize::MAX).min(window.len());
    &mut window[..length]
}

/// The bytes of a range as a stream, read from the source in large pieces.
struct WindowReader<'a> {
    source: &'a Source,
    next: u64,
    end: u64,
    window: Buffer,
    unread: std::ops::Range<usize>,
}

impl BufRead for WindowReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.unread.is_empty() && self.next < self.end {
            let piece = piece(&mut self.window, self.end - self.next);
            self.source.read_sequential(self.next, piece, self.end).map_err(io::Error::other)?;
            self.unread = 0..piece.len();
            self.next += piece.len() as u64;
        }
        Ok(&self.window[self.unread.clone()])
    }

    fn consume(&mut self, length: usize) {
        self.unread.start += length;
    }
}

impl Read for WindowReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(into)?;
        self.consume(length);
        Ok(length)
    }
}
