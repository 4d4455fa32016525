//! The parsers of documents with keys for the fuzz target.

use super::{documents, sts_document};
use crate::error::Result;
use crate::sanitize::Redactor;
use crate::sign::Key;

/// Reads a document with each parser of JSON: of metadata, of a process, of SSO.
pub fn json(body: &[u8]) -> [Result<(Key, Option<i64>)>; 3] {
    [documents::metadata_credentials, documents::process_credentials, documents::sso_credentials].map(|parse| {
        parse("the source", body, &Redactor::default()).map(|credentials| (credentials.key, credentials.expires))
    })
}

/// Reads a document of STS as keys, and as an error. Returns the secret key, or the problem; and code and message.
pub fn sts(body: &[u8]) -> (std::result::Result<String, String>, Option<(String, String)>) {
    let keys = sts_document::keys(body).map(|keys| keys.secret_access_key.expose().to_owned());
    (keys, sts_document::error(body).map(|error| (error.code, error.message)))
}
