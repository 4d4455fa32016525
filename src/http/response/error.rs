//! The errors of parsing a response, and helpers for their texts.

use std::collections::TryReserveError;

use crate::limits::quoted;

/// The reason why bytes are not a response.
#[derive(Debug)]
pub enum ParseError {
    /// The bytes violate a rule of HTTP or exceed a limit.
    Malformed(String),
    /// Out of memory.
    Memory(TryReserveError),
}

impl From<TryReserveError> for ParseError {
    fn from(error: TryReserveError) -> Self {
        Self::Memory(error)
    }
}

pub(super) type Result<T> = std::result::Result<T, ParseError>;

/// Returns the error of bytes that violate HTTP.
pub(super) fn malformed(text: String) -> ParseError {
    ParseError::Malformed(text)
}

/// Quotes the start of a line for a message.
pub(super) fn quoted_start(line: &[u8]) -> String {
    let start = String::from_utf8_lossy(prefix(line, 80));
    quoted(start.trim()).to_string()
}

/// Returns the first `length` bytes, or all if there are fewer.
pub(super) fn prefix(bytes: &[u8], length: u64) -> &[u8] {
    usize::try_from(length).ok().and_then(|length| bytes.get(..length)).unwrap_or(bytes)
}
