//! The parser of the response to CONNECT for the fuzz target.

use super::proxy::{ConnectError, ConnectReader};

/// Reads the response of a proxy from pieces. Returns its status and the bytes after it; `None` if it is not complete.
///
/// # Errors
/// The rule that the bytes violate.
pub fn connect_response<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<(u16, Vec<u8>)>, String> {
    let mut reader = ConnectReader::default();
    let mut pieces = pieces.into_iter();
    while let Some(piece) = pieces.next() {
        let response = reader.push(piece).map_err(|error| match error {
            ConnectError::Malformed(rule) => rule,
            ConnectError::TlsRecord => "a TLS record".to_owned(),
        })?;
        if let Some(response) = response {
            return Ok(Some((
                response.status,
                [&response.rest, pieces.collect::<Vec<_>>().concat().as_slice()].concat(),
            )));
        }
    }
    Ok(None)
}
