//! The texts of PEM errors for messages. Those of the parser show lines of the file as lists of numbers.

use rustls::pki_types::pem::Error;

/// Describes why a file is not PEM.
pub(super) fn text(error: &Error) -> String {
    match error {
        Error::MissingSectionEnd { end_marker } => {
            format!("an entry has no line -----END {}-----", String::from_utf8_lossy(end_marker))
        }
        // The line is not shown: it can contain a part of a key.
        Error::IllegalSectionStart { .. } => "a line begins with -----BEGIN, but does not end with -----".to_owned(),
        Error::Base64Decode(_) => "an entry is not Base64".to_owned(),
        error => error.to_string(),
    }
}
