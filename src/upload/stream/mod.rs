//! A source that can be read only once, from its first byte to its last: read from a callback, or written by the caller. Each
//! part is kept in memory until the service has acknowledged it.

pub(crate) mod compare;
pub(crate) mod pipe;
pub(crate) mod write;

use std::collections::BTreeMap;

use self::pipe::Pipe;
use super::call::Call;
use super::pipeline::part::PartBytes;
use super::pipeline::source::PartSource;
use super::session::resume::{PendingPart, check_end};
use crate::api::ListedPart;
use crate::error::{Error, Kind, Result};
use crate::limits::{MIB, PARTS_MAX};
use crate::log::{Level, Log};
use crate::memory::{Buffer, Reservation};
use crate::plan::{ByteRange, STREAM_WARNING_PART};
use crate::sync::cancel::Cancel;

/// A stream, cut into parts while it is read.
#[derive(Debug)]
pub(crate) struct Stream<'a> {
    pipe: &'a Pipe,
    log: &'a Log,
    memory: Reservation,
    part_size: u64,
    /// The size that the stream must have, if it was announced.
    announced: Option<u64>,
    /// The parts that the service holds.
    listed: BTreeMap<u32, ListedPart>,
    /// The first part, which is read before the upload is initiated.
    first: Option<(Buffer, usize)>,
    next: u32,
    size: u64,
    has_ended: bool,
}

impl<'a> Stream<'a> {
    /// Creates the stream, and waits for its first part or its end, so that an empty stream initiates no upload.
    ///
    /// # Errors
    /// `Invalid` if the stream is empty; `Canceled`, `Memory`.
    pub(crate) fn begin(
        pipe: &'a Pipe,
        log: &'a Log,
        memory: Reservation,
        part_size: u64,
        announced: Option<u64>,
        listed: BTreeMap<u32, ListedPart>,
        cancel: &Cancel,
    ) -> Result<Self> {
        let (buffer, length) = pipe.fill(memory.acquire(cancel)?, cancel)?;
        if length == 0 {
            return Err(Error::invalid("the stream is empty: an archive has at least 1 byte"));
        }
        let first = Some((buffer, length));
        Ok(Self { pipe, log, memory, part_size, announced, listed, first, next: 0, size: 0, has_ended: false })
    }

    /// Returns the number of bytes that were read.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    fn next_buffer(&mut self, cancel: &Cancel) -> Result<(Buffer, usize)> {
        match self.first.take() {
            Some(first) => Ok(first),
            None => self.pipe.fill(self.memory.acquire(cancel)?, cancel),
        }
    }

    /// Fails if the stream has more bytes than announced, or ended with fewer.
    fn check_size(&self) -> Result<()> {
        match self.announced {
            Some(announced) if self.size > announced => Err(Error::new(
                Kind::SourceChanged,
                format!("the stream has more than the {announced} bytes that were announced"),
            )),
            Some(announced) if self.has_ended && self.size < announced => Err(ended_early(self.size, announced)),
            _ => Ok(()),
        }
    }

    fn too_long(&self) -> Error {
        Error::new(
            Kind::Limit,
            format!(
                "the stream is longer than {PARTS_MAX} parts of {} MiB, {} bytes: set a larger part size or expected size",
                self.part_size / MIB,
                u64::from(PARTS_MAX) * self.part_size
            ),
        )
    }

    fn warn_of_end(&self) {
        self.log.write(
            Level::Warn,
            format_args!(
                "the stream has reached part {STREAM_WARNING_PART} of at most {PARTS_MAX}: it fails if it is longer than {} bytes; for a \
                 longer stream, start a new upload with a larger expected size or part size",
                u64::from(PARTS_MAX) * self.part_size
            ),
        );
    }
}

impl<'a> PartSource<'a> for Stream<'_> {
    fn next(&mut self, cancel: &Cancel) -> Result<Option<(PendingPart, PartBytes<'a>)>> {
        if self.has_ended {
            return Ok(None);
        }
        let (buffer, length) = self.next_buffer(cancel)?;
        self.has_ended = length < buffer.len();
        self.size += length as u64;
        self.check_size()?;
        if self.has_ended {
            // Before its short last part replaces a part of a longer upload.
            check_end(&self.listed, self.size)?;
        }
        if length == 0 {
            return Ok(None);
        }
        let index = self.next;
        if index == PARTS_MAX {
            return Err(self.too_long());
        }
        if index == STREAM_WARNING_PART && self.announced.is_none() {
            self.warn_of_end();
        }
        self.next += 1;
        let range = ByteRange { first: self.size - length as u64, last: self.size - 1 };
        let listed = self.listed.get(&index).filter(|part| part.covers(range)).map(|part| part.tree_hash);
        let pending = PendingPart { listed, ..PendingPart::new(index, range) };
        Ok(Some((pending, PartBytes::Buffered { buffer, length, source: None })))
    }
}

/// Returns the size that a stream must have: that of the source, or the archive size that was set.
///
/// # Errors
/// `Invalid`, `SourceChanged` if the source has another size than the archive.
pub(crate) fn announced_size(call: &Call<'_>, of_source: Option<u64>) -> Result<Option<u64>> {
    if let Some(size) = of_source {
        call.check_size(size)?;
    }
    Ok(of_source.or(call.settings.archive_size))
}

/// Returns the error of a stream that has fewer bytes than announced.
pub(crate) fn ended_early(size: u64, announced: u64) -> Error {
    Error::new(Kind::SourceShort, format!("the stream ended after {size} bytes, of {announced} that were announced"))
}
