//! Plans: part size, part count, byte ranges and memory of an upload. Pure arithmetic.

use crate::decimal::parse_decimal;
use crate::error::{Error, Result};
use crate::limits::{
    ARCHIVE_SIZE_MAX, MIB, PART_SIZE_MAX, PART_SIZE_MIN, PARTS_MAX, check_archive_size, check_part_size,
};

/// The smallest default part size, in bytes. Smaller parts are valid, but need more requests without a benefit.
pub const DEFAULT_PART_SIZE_MIN: u64 = 16 * MIB;

/// The parts of an archive of known size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    archive_size: u64,
    part_size: u64,
    part_count: u32,
}

impl Plan {
    /// Creates a plan. The default part size is the smallest one that keeps the part count within the limit, and at least
    /// [`DEFAULT_PART_SIZE_MIN`].
    ///
    /// # Errors
    /// `Invalid` if the archive is empty or too large, or if the part size is invalid or makes too many parts.
    pub fn new(archive_size: u64, part_size: Option<u64>) -> Result<Self> {
        let smallest = smallest_part_size(archive_size)?;
        let part_size = part_size.unwrap_or(smallest.max(DEFAULT_PART_SIZE_MIN));
        check_part_size(part_size)?;
        let parts = archive_size.div_ceil(part_size);
        match u32::try_from(parts) {
            Ok(part_count) if part_count <= PARTS_MAX => Ok(Self { archive_size, part_size, part_count }),
            _ => Err(Error::invalid(format!(
                "part size {part_size} is too small for an archive of {archive_size} bytes: it makes {parts} parts, at \
                 most {PARTS_MAX} are allowed; use at least {smallest}"
            ))),
        }
    }

    /// Returns the archive size in bytes.
    pub fn archive_size(&self) -> u64 {
        self.archive_size
    }

    /// Returns the part size in bytes. Only the last part may be smaller.
    pub fn part_size(&self) -> u64 {
        self.part_size
    }

    /// Returns the number of parts, 1 to 10,000.
    pub fn part_count(&self) -> u32 {
        self.part_count
    }

    /// Returns the number of requests without retries: initiate, one per part, and complete.
    pub fn request_count(&self) -> u32 {
        self.part_count + 2
    }

    /// Returns the smallest memory limit, in bytes, with which `workers` workers read no part twice. 0 workers count as 1.
    pub fn memory(&self, workers: u32) -> u64 {
        self.part_size.saturating_mul(workers.max(1).into()).min(self.archive_size)
    }

    /// Returns the byte range of a part; `None` if there is no such part. Indexes start at 0.
    pub fn range(&self, index: u32) -> Option<ByteRange> {
        if index >= self.part_count {
            return None;
        }
        let first = u64::from(index) * self.part_size;
        let end = (first + self.part_size).min(self.archive_size);
        Some(ByteRange { first, last: end - 1 })
    }
}

/// The part size of a stream of unknown length, in bytes.
pub const STREAM_PART_SIZE: u64 = 64 * MIB;

/// The part index of a stream of unknown length at which a warning is logged: an upload has at most [`PARTS_MAX`] parts. A
/// stream of the expected size does not reach it.
pub(crate) const STREAM_WARNING_PART: u32 = 8_000;

/// Returns the part size of an upload: the requested one, otherwise the default for its size. If only the expected size is
/// known, a stream of that size has at most 8,000 parts. If no size is known, it is `default`.
///
/// # Errors
/// As [`Plan::new`].
pub fn part_size(requested: Option<u64>, size: Option<u64>, expected: Option<u64>, default: u64) -> Result<u64> {
    if let Some(size) = size {
        return Ok(Plan::new(size, requested)?.part_size());
    }
    let smallest = |bytes: u64| bytes.div_ceil(STREAM_WARNING_PART.into()).next_power_of_two();
    let selected = expected.map(|bytes| smallest(bytes).clamp(DEFAULT_PART_SIZE_MIN, PART_SIZE_MAX));
    Ok(requested.or(selected).unwrap_or(default))
}

/// Checks that two parts of a stream fit in the memory limit: one is filled while another is sent.
///
/// # Errors
/// `Invalid` names both sizes.
pub fn check_stream_memory(part_size: u64, memory_limit: u64) -> Result<()> {
    if part_size.saturating_mul(2) <= memory_limit {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "a stream with part size {part_size} needs a memory limit of at least {} (twice the part size), not \
         {memory_limit}: set a smaller part size or a larger memory limit",
        part_size.saturating_mul(2)
    )))
}

/// Returns the smallest valid part size, in bytes, that keeps the part count of an archive within the limit.
///
/// # Errors
/// `Invalid` if the archive is empty or larger than the service accepts.
pub fn smallest_part_size(archive_size: u64) -> Result<u64> {
    check_archive_size(archive_size)?;
    Ok(archive_size.div_ceil(PARTS_MAX.into()).next_power_of_two().max(PART_SIZE_MIN))
}

/// A byte range of an archive, from `first` to `last` inclusive: at least one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ByteRange {
    /// The offset of the first byte.
    pub first: u64,
    /// The offset of the last byte.
    pub last: u64,
}

impl ByteRange {
    /// Returns the number of bytes.
    pub fn length(&self) -> u64 {
        self.last - self.first + 1
    }

    /// Returns the value of the `Content-Range` header of a part, such as `bytes 0-1048575/*`.
    pub fn content_range(&self) -> String {
        format!("bytes {}/*", self.in_bytes())
    }

    /// Returns the service's `RangeInBytes`, such as `0-1048575`.
    pub fn in_bytes(&self) -> String {
        format!("{}-{}", self.first, self.last)
    }

    /// Parses the format of [`in_bytes`](Self::in_bytes). Rejects spaces, signs, leading zeros, reversed ranges and ranges
    /// beyond the largest archive.
    pub fn parse_in_bytes(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        let range = Self { first: parse_decimal(first)?, last: parse_decimal(last)? };
        let valid = range.first <= range.last && range.last < ARCHIVE_SIZE_MAX;
        (valid && range.in_bytes() == text).then_some(range)
    }
}
