//! How an archive is cut into parts: pure arithmetic.

use crate::decimal::parse_decimal;
use crate::error::{Error, Result};
use crate::limits::{
    ARCHIVE_SIZE_MAX, MIB, PART_SIZE_MAX, PART_SIZE_MIN, PARTS_MAX, check_archive_size, check_part_size,
};

/// The smallest part size that is chosen by default. Smaller parts are legal, but cost more requests than they help.
pub const DEFAULT_PART_SIZE_MIN: u64 = 16 * MIB;

/// The parts of an archive of known size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    archive_size: u64,
    part_size: u64,
    part_count: u32,
}

impl Plan {
    /// A plan with this part size; without one, with the smallest that keeps the number of parts allowed, but not below
    /// [`DEFAULT_PART_SIZE_MIN`].
    ///
    /// # Errors
    /// `Invalid` if the archive is empty or too large, or the part size is not legal or makes too many parts.
    pub fn new(archive_size: u64, part_size: Option<u64>) -> Result<Self> {
        let smallest = smallest_part_size(archive_size)?;
        let part_size = part_size.unwrap_or(smallest.max(DEFAULT_PART_SIZE_MIN));
        check_part_size(part_size)?;
        let parts = archive_size.div_ceil(part_size);
        match u32::try_from(parts) {
            Ok(part_count) if part_count <= PARTS_MAX => Ok(Self { archive_size, part_size, part_count }),
            _ => Err(Error::invalid(format!(
                "part size {part_size} is too small for an archive of {archive_size} bytes: it makes {parts} parts, and \
                 at most {PARTS_MAX} are allowed; the smallest that fits is {smallest}"
            ))),
        }
    }

    /// The size of the archive, in bytes.
    pub fn archive_size(&self) -> u64 {
        self.archive_size
    }

    /// The size of every part but the last, which may be smaller, in bytes.
    pub fn part_size(&self) -> u64 {
        self.part_size
    }

    /// The number of parts, from 1 to 10,000.
    pub fn part_count(&self) -> u32 {
        self.part_count
    }

    /// The number of requests of an upload in which nothing is repeated: one a part, initiate and complete.
    pub fn request_count(&self) -> u32 {
        self.part_count + 2
    }

    /// The memory limit, in bytes, at which this many workers need not read any part twice. No workers count as one.
    pub fn memory(&self, workers: u32) -> u64 {
        self.part_size.saturating_mul(workers.max(1).into()).min(self.archive_size)
    }

    /// Where a part lies; `index` counts from 0. Nothing for an index at or above the number of parts.
    pub fn range(&self, index: u32) -> Option<ByteRange> {
        if index >= self.part_count {
            return None;
        }
        let first = u64::from(index) * self.part_size;
        let end = (first + self.part_size).min(self.archive_size);
        Some(ByteRange { first, last: end - 1 })
    }
}

/// The part size of a stream of unknown length.
pub const STREAM_PART_SIZE: u64 = 64 * MIB;

/// The part of a stream of unknown length at which a warning tells that there are at most [`PARTS_MAX`]. A stream as long
/// as expected does not reach it.
pub const STREAM_WARNING_PART: u32 = 8_000;

/// The part size of a stream: the one wanted; else the one that suits its size, if that is known; else one with which a
/// stream of the size expected keeps well below the most parts.
///
/// # Errors
/// As [`Plan::new`].
pub fn stream_part_size(wanted: Option<u64>, size: Option<u64>, expected: Option<u64>) -> Result<u64> {
    if let Some(size) = size {
        return Ok(Plan::new(size, wanted)?.part_size());
    }
    let of_expected = |bytes: u64| bytes.div_ceil(STREAM_WARNING_PART.into()).next_power_of_two();
    let suits = expected.map(|bytes| of_expected(bytes).clamp(DEFAULT_PART_SIZE_MIN, PART_SIZE_MAX));
    Ok(wanted.or(suits).unwrap_or(STREAM_PART_SIZE))
}

/// Checks that a stream fits into memory: while one part is filled, another is on its way.
///
/// # Errors
/// `Invalid` names both sizes.
pub fn check_stream_memory(part_size: u64, memory_limit: u64) -> Result<()> {
    if part_size.saturating_mul(2) <= memory_limit {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "a stream in parts of {part_size} bytes needs a memory limit of twice that, {}: it is {memory_limit}; set smaller \
         parts or a larger limit",
        part_size.saturating_mul(2)
    )))
}

/// The smallest legal part size with which an archive has no more parts than are allowed.
///
/// # Errors
/// `Invalid` if the archive is empty or larger than the service takes.
pub fn smallest_part_size(archive_size: u64) -> Result<u64> {
    check_archive_size(archive_size)?;
    Ok(archive_size.div_ceil(PARTS_MAX.into()).next_power_of_two().max(PART_SIZE_MIN))
}

/// Some bytes of an archive, at least one: from `first` to `last`, which belongs to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ByteRange {
    /// The offset of the first byte.
    pub first: u64,
    /// The offset of the last byte.
    pub last: u64,
}

impl ByteRange {
    /// The number of bytes.
    pub fn length(&self) -> u64 {
        self.last - self.first + 1
    }

    /// The value of the `Content-Range` header of a part: `bytes 0-1048575/*`.
    pub fn content_range(&self) -> String {
        format!("bytes {}/*", self.in_bytes())
    }

    /// The service's `RangeInBytes`: `0-1048575`.
    pub fn in_bytes(&self) -> String {
        format!("{}-{}", self.first, self.last)
    }

    /// Reads what [`in_bytes`](Self::in_bytes) writes, and nothing else: no spaces, signs or leading zeros, no range
    /// that is reversed or leaves the largest archive.
    pub fn parse_in_bytes(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        let range = Self { first: parse_decimal(first)?, last: parse_decimal(last)? };
        let sound = range.first <= range.last && range.last < ARCHIVE_SIZE_MAX;
        (sound && range.in_bytes() == text).then_some(range)
    }
}
