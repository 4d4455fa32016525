//! The body of a response: framing by length, chunks or the end of the connection (RFC 9112 §6 and §7).

use httparse::Status;

use super::error::{Result, malformed, prefix, quoted_start};
use crate::decimal::parse_decimal;
use crate::http::message::BODY_MAX;
use crate::limits::quoted;

/// The maximum size of an error body, in bytes. The rest is dropped.
pub const ERROR_BODY_MAX: usize = 64 << 10;
/// The maximum length of a chunk size line with its extensions, in bytes.
pub(super) const CHUNK_LINE_MAX: usize = 1 << 10;
/// The maximum size of the trailer section, in bytes.
const TRAILERS_MAX: usize = 16 << 10;

/// The framing, which determines the end of a body (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug)]
pub(super) enum Framing {
    /// The number of remaining bytes.
    Length(u64),
    Chunked(Chunk),
    /// The body ends with the connection.
    Close,
}

impl Framing {
    /// A chunked body of which nothing was received.
    pub(super) const CHUNKED: Self = Self::Chunked(Chunk::Size);
}

/// The part of a chunked body that the next byte belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Chunk {
    Size,
    /// The number of remaining bytes.
    Data(u64),
    DataEnd,
    Trailers {
        read: usize,
    },
}

/// Reads one body.
#[derive(Debug)]
pub(super) struct BodyReader {
    /// `None`: the body is complete.
    framing: Option<Framing>,
    /// The incomplete chunk size line or trailer line.
    line: Vec<u8>,
    bytes: Vec<u8>,
    /// Whether the body is not needed. Such a body ends at its limit.
    is_optional: bool,
    is_cut: bool,
}

impl Default for BodyReader {
    fn default() -> Self {
        Self::new(Framing::Close, false)
    }
}

impl BodyReader {
    pub(super) fn new(framing: Framing, is_optional: bool) -> Self {
        Self { framing: Some(framing), line: Vec::new(), bytes: Vec::new(), is_optional, is_cut: false }
    }

    /// Processes bytes of the body. Returns the number of bytes processed.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<usize> {
        let Some(framing) = self.framing else { return Ok(0) };
        let (used, next) = match framing {
            Framing::Close => (self.keep(bytes)?, Some(Framing::Close)),
            Framing::Length(left) => {
                let used = self.keep(prefix(bytes, left))?;
                (used, Some(left - used as u64).filter(|left| *left > 0).map(Framing::Length))
            }
            Framing::Chunked(chunk) => {
                let (used, chunk) = self.push_chunk(chunk, bytes)?;
                (used, chunk.map(Framing::Chunked))
            }
        };
        self.framing = next.filter(|_| !self.is_cut);
        Ok(used)
    }

    /// Returns the bytes of the body so far, decoded.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn is_complete(&self) -> bool {
        self.framing.is_none()
    }

    /// Returns true if an optional body was longer than its limit.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    pub(super) fn ends_with_connection(&self) -> bool {
        matches!(self.framing, Some(Framing::Close))
    }

    /// Processes bytes of a chunked body. Returns the number of bytes processed and the next part, or `None` at the end of the
    /// body.
    fn push_chunk(&mut self, chunk: Chunk, bytes: &[u8]) -> Result<(usize, Option<Chunk>)> {
        let (limit, what) = match chunk {
            Chunk::Data(left) => {
                let used = self.keep(prefix(bytes, left))?;
                let left = left - used as u64;
                return Ok((used, Some(if left > 0 { Chunk::Data(left) } else { Chunk::DataEnd })));
            }
            Chunk::Size => (CHUNK_LINE_MAX, "a chunk size line"),
            Chunk::DataEnd => (2, "the end of a chunk"),
            Chunk::Trailers { read } => (TRAILERS_MAX.saturating_sub(read), "the trailer section"),
        };
        let end = bytes.iter().position(|byte| *byte == b'\n').map(|position| position + 1);
        let used = end.unwrap_or(bytes.len());
        if self.line.len() + used > limit {
            return Err(malformed(format!("{what} of the response is longer than {limit} bytes")));
        }
        self.line.try_reserve(used)?;
        self.line.extend_from_slice(prefix(bytes, used as u64));
        if end.is_none() {
            return Ok((used, Some(chunk)));
        }
        let line = std::mem::take(&mut self.line);
        let next = match chunk {
            Chunk::Size => match chunk_size(&line)? {
                0 => Some(Chunk::Trailers { read: 0 }),
                size => Some(Chunk::Data(size)),
            },
            Chunk::Trailers { .. } if line.trim_ascii().is_empty() => None,
            Chunk::Trailers { read } => Some(Chunk::Trailers { read: read + line.len() }),
            _ if line == b"\r\n" => Some(Chunk::Size),
            _ => return Err(malformed("a chunk of the response is longer than its announced size".to_owned())),
        };
        Ok((used, next))
    }

    /// Appends bytes to the body. Returns the number of bytes appended. An optional body ends at its limit.
    fn keep(&mut self, bytes: &[u8]) -> Result<usize> {
        let capacity = if self.is_optional { ERROR_BODY_MAX } else { BODY_MAX } - self.bytes.len();
        let kept = bytes.get(..capacity).unwrap_or(bytes);
        if kept.len() < bytes.len() && !self.is_optional {
            return Err(malformed(format!("the body of the response is longer than {BODY_MAX} bytes")));
        }
        self.bytes.try_reserve(kept.len())?;
        self.bytes.extend_from_slice(kept);
        self.is_cut |= kept.len() < bytes.len();
        Ok(kept.len())
    }
}

/// Returns the length that all `content-length` values announce, or `None` without any.
pub(super) fn content_length<'a>(values: impl Iterator<Item = &'a [u8]>) -> Result<Option<u64>> {
    let mut length = None;
    for value in values {
        let announced: u64 = std::str::from_utf8(value).ok().and_then(parse_decimal).ok_or_else(|| {
            malformed(format!(
                "content-length {} of the response is not a number",
                quoted(&String::from_utf8_lossy(value))
            ))
        })?;
        if *length.get_or_insert(announced) != announced {
            return Err(malformed("the response has content-length twice, with different values".to_owned()));
        }
    }
    Ok(length)
}

fn chunk_size(line: &[u8]) -> Result<u64> {
    let starts_with_digit = line.first().is_some_and(u8::is_ascii_hexdigit);
    match httparse::parse_chunk_size(line) {
        Ok(Status::Complete((_, size))) if starts_with_digit => Ok(size),
        _ => Err(malformed(format!("the response has a bad chunk size line: {}", quoted_start(line)))),
    }
}
