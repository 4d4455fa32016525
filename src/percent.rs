//! Percent-encoding (RFC 3986), as request targets and canonical requests need it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// The characters to encode: all but the unreserved ones (RFC 3986 §2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Encodes one path segment or one query value.
pub(crate) fn encode(bytes: &[u8]) -> String {
    percent_encode(bytes, RESERVED).to_string()
}
