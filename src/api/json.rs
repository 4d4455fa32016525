//! The JSON documents of the service: list pages and error documents.

mod entries;

use serde::Deserialize;
use serde_json::Value;

use crate::dates;
use crate::error::{Error, Kind, Result};
use crate::limits::{DESCRIPTION_MAX, MARKER_MAX, check_part_size, check_upload_id};
use crate::plan::ByteRange;
use crate::sanitize::{escaped, quoted};
use crate::sys::emergency_memory;
use crate::treehash::Digest;

/// A stored part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedPart {
    /// Its byte range in the archive.
    pub range: ByteRange,
    /// Its tree hash.
    pub tree_hash: Digest,
}

impl ListedPart {
    /// Returns true if the part has these bytes. The service was seen to list an end that is one too large.
    pub(crate) fn covers(&self, range: ByteRange) -> bool {
        self.range.last == range.last || self.range.last == range.last + 1
    }

    /// Returns the length of the part in bytes, of an upload with this part size.
    pub(crate) fn length(&self, part_size: u64) -> u64 {
        self.range.length().min(part_size)
    }
}

/// One page of ListParts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartsPage {
    /// The description set at Initiate. `None` if it is empty.
    pub description: Option<String>,
    /// The part size set at Initiate, in bytes.
    pub part_size: u64,
    /// The parts, in the service's order.
    pub parts: Vec<ListedPart>,
    /// The opaque position of the next page. `None` on the last page.
    pub marker: Option<String>,
}

/// A multipart upload in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedUpload {
    /// The upload ID.
    pub id: String,
    /// The description set at Initiate. `None` if it is empty.
    pub description: Option<String>,
    /// The time of Initiate, as the service formats it.
    pub created: String,
    /// The same in seconds since 1970-01-01 UTC.
    pub created_unix: i64,
    /// The part size in bytes.
    pub part_size: u64,
}

/// One page of ListMultipartUploads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadsPage {
    /// The uploads, in no particular order.
    pub uploads: Vec<ListedUpload>,
    /// The opaque position of the next page. `None` on the last page.
    pub marker: Option<String>,
}

/// An error document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// The error code.
    pub code: String,
    /// The message for people.
    pub message: Option<String>,
}

/// Parses a page of ListParts.
///
/// # Errors
/// `Protocol` names what is wrong with the document.
pub fn parts_page(body: &[u8]) -> Result<PartsPage> {
    let page: RawPartsPage = parse(body)?;
    let parts = page.parts.into_iter().map(listed_part).collect::<Result<_>>()?;
    check_part_size(page.part_size).map_err(|error| invalid_document(error.message()))?;
    Ok(PartsPage {
        description: description(page.description)?,
        part_size: page.part_size,
        parts,
        marker: marker(page.marker)?,
    })
}

/// Parses a page of ListMultipartUploads.
///
/// # Errors
/// `Protocol` names what is wrong with the document.
pub fn uploads_page(body: &[u8]) -> Result<UploadsPage> {
    let page: RawUploadsPage = parse(body)?;
    let uploads = page.uploads.into_iter().map(listed_upload).collect::<Result<_>>()?;
    Ok(UploadsPage { uploads, marker: marker(page.marker)? })
}

/// Parses an error document. Returns `None` for any other body: an empty one, a truncated document, a page of a proxy.
pub fn error_body(body: &[u8]) -> Option<ErrorBody> {
    let raw: RawError = serde_json::from_slice(body).ok()?;
    // The other member names come from gateways in front of the service. A document may have several, and the SDKs of AWS use
    // them in this order.
    let code = [raw.code, raw.gateway_code, raw.type_name].iter().find_map(|code| error_code(code.as_str()?))?;
    let mut messages = [&raw.message, &raw.gateway_message].into_iter().filter_map(Value::as_str);
    Some(ErrorBody { code, message: messages.next().map(str::to_owned) })
}

/// Returns the error code of a text, which may have the form "prefix#Code:suffix". Returns `None` if it is not a code.
pub fn error_code(text: &str) -> Option<String> {
    let code = text.rsplit('#').next().unwrap_or(text);
    let code = code.split(':').next().unwrap_or(code).trim();
    let is_valid = (1..=ERROR_CODE_MAX).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_valid.then(|| code.to_owned())
}

/// The maximum length of an error code, in bytes. The longest code of the service has about 40.
const ERROR_CODE_MAX: usize = 128;
/// The maximum length of a creation date, in bytes. The usual format has 24.
const DATE_MAX: usize = 40;

#[derive(Deserialize)]
struct RawPartsPage {
    #[serde(rename = "ArchiveDescription")]
    description: Option<String>,
    #[serde(rename = "Marker")]
    marker: Option<String>,
    #[serde(rename = "PartSizeInBytes")]
    part_size: u64,
    #[serde(rename = "Parts", deserialize_with = "entries::deserialize")]
    parts: Vec<RawPart>,
}

#[derive(Deserialize)]
struct RawPart {
    #[serde(rename = "RangeInBytes")]
    range: String,
    #[serde(rename = "SHA256TreeHash")]
    tree_hash: String,
}

#[derive(Deserialize)]
struct RawUploadsPage {
    #[serde(rename = "Marker")]
    marker: Option<String>,
    #[serde(rename = "UploadsList", deserialize_with = "entries::deserialize")]
    uploads: Vec<RawUpload>,
}

#[derive(Deserialize)]
struct RawUpload {
    #[serde(rename = "ArchiveDescription")]
    description: Option<String>,
    #[serde(rename = "CreationDate")]
    created: String,
    #[serde(rename = "MultipartUploadId")]
    id: String,
    #[serde(rename = "PartSizeInBytes")]
    part_size: u64,
}

/// The members of an error document, of any type. The other members are skipped, because they may need much memory.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RawError {
    code: Value,
    #[serde(rename = "Code")]
    gateway_code: Value,
    #[serde(rename = "__type")]
    type_name: Value,
    message: Value,
    #[serde(rename = "Message")]
    gateway_message: Value,
}

/// Returns the memory in bytes that a document takes at most. Its allocations are infallible.
fn memory_to_parse(body: &[u8]) -> usize {
    // A thread for which the C library has no memory pool takes a page for each string, of which an entry has at most 3.
    const PER_ENTRY: usize = 3 * 4096;
    // The text, and its copy with escapes in a buffer that doubles.
    const PER_BYTE: usize = 4;
    let entries = body.iter().filter(|byte| **byte == b'{').count().min(entries::ENTRIES_MAX);
    body.len() * PER_BYTE + entries * PER_ENTRY
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T> {
    emergency_memory::ensure_beside(memory_to_parse(body))?;
    // The cause may contain secrets of the document, so only its escaped text is kept.
    serde_json::from_slice(body).map_err(|cause| invalid_document(&escaped(&cause.to_string(), 200)))
}

fn listed_part(raw: RawPart) -> Result<ListedPart> {
    let range = ByteRange::parse_in_bytes(&raw.range).ok_or_else(|| {
        invalid_document(&format!("RangeInBytes {} is not of the form 0-1048575", quoted(&raw.range)))
    })?;
    let tree_hash = raw.tree_hash.parse::<Digest>().map_err(|error| invalid_document(error.message()))?;
    Ok(ListedPart { range, tree_hash })
}

fn listed_upload(raw: RawUpload) -> Result<ListedUpload> {
    check_upload_id(&raw.id).map_err(|error| invalid_document(error.message()))?;
    check_part_size(raw.part_size).map_err(|error| invalid_document(error.message()))?;
    let created_unix =
        dates::parse_iso8601(&raw.created).filter(|_| raw.created.len() <= DATE_MAX).ok_or_else(|| {
            invalid_document(&format!(
                "CreationDate {} is not of the form 2012-03-20T17:03:43.221Z",
                quoted(&raw.created)
            ))
        })?;
    Ok(ListedUpload {
        id: raw.id,
        description: description(raw.description)?,
        created: raw.created,
        created_unix,
        part_size: raw.part_size,
    })
}

/// Checks an archive description. Another client may have set characters that this library rejects, but not more than the
/// service allows.
fn description(text: Option<String>) -> Result<Option<String>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.contains('\0') || text.chars().count() > DESCRIPTION_MAX {
        let rule = format!("it must have at most {DESCRIPTION_MAX} characters and no NUL");
        return Err(invalid_document(&format!("ArchiveDescription {} is not allowed: {rule}", quoted(&text))));
    }
    Ok(Some(text))
}

/// Checks a marker: it is part of the next request, whose length is limited.
fn marker(text: Option<String>) -> Result<Option<String>> {
    match text {
        Some(text) if text.len() > MARKER_MAX => Err(invalid_document(&format!(
            "Marker {} is not allowed: it must have at most {MARKER_MAX} bytes",
            quoted(&text)
        ))),
        text => Ok(text),
    }
}

fn invalid_document(what: &str) -> Error {
    Error::new(Kind::Protocol, format!("the service's response is invalid: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_error_documents() {
        let body = error_body(br#"{"message":"Rate exceeded","code":"ThrottlingException","type":"Client"}"#).unwrap();
        assert_eq!((body.code.as_str(), body.message.as_deref()), ("ThrottlingException", Some("Rate exceeded")));
        assert_eq!(
            error_body(br#"{"__type":"com.amazon#AccessDeniedException:x"}"#).unwrap().code,
            "AccessDeniedException"
        );
        for (document, code, message) in [
            (r#"{"__type":"x#First","code":"Second","Code":"Third","Message":"b","message":"a"}"#, "Second", Some("a")),
            (r#"{"__type":"First","Code":"Third","Message":"b"}"#, "Third", Some("b")),
            (r#"{"code":7,"__type":"First","message":null,"Message":"b"}"#, "First", Some("b")),
            (r#"{"code":"not a code","Code":"Third","message":["a"]}"#, "Third", None),
        ] {
            let body = error_body(document.as_bytes()).unwrap();
            assert_eq!((body.code.as_str(), body.message.as_deref()), (code, message), "{document}");
        }
        for bad in [&b""[..], b"{}", b"[]", b"null", b"<html>", br#"{"code":"#, br#"{"code":1}"#, b"\xff\xfe"] {
            assert_eq!(error_body(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn names_what_is_wrong_with_a_page() {
        for (body, word) in [
            ("", "EOF"),
            ("{}", "PartSizeInBytes"),
            (r#"{"PartSizeInBytes":1048576}"#, "Parts"),
            (r#"{"PartSizeInBytes":3,"Parts":[]}"#, "part size 3"),
            (r#"{"PartSizeInBytes":1048576,"Parts":[{"RangeInBytes":"5-2","SHA256TreeHash":""}]}"#, "5-2"),
            (r#"{"PartSizeInBytes":1048576,"Parts":[{"RangeInBytes":"0-2","SHA256TreeHash":"xy"}]}"#, "xy"),
        ] {
            let error = parts_page(body.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), Kind::Protocol);
            assert!(error.message().contains(word), "{word:?} is not in {:?}", error.message());
        }
    }

    #[test]
    fn rejects_invalid_uploads() {
        let page = |created: &str, part_size: &str| {
            let upload =
                format!(r#"{{"CreationDate":"{created}","MultipartUploadId":"id","PartSizeInBytes":{part_size}}}"#);
            uploads_page(format!(r#"{{"UploadsList":[{upload}]}}"#).as_bytes())
        };
        for created in ["2012-03-20T17:03:43.221Z", "2012-03-20T17:03:43Z"] {
            assert_eq!(page(created, "1048576").unwrap().uploads[0].created_unix, 1_332_263_023);
        }
        for (created, part_size) in [
            ("2012-03-20 17:03:43Z", "1048576"),
            ("2012-03-20t17:03:43Z", "1048576"),
            ("0000-03-20T17:03:43Z", "1048576"),
            ("2012-03-20T17:03:43Z", "0"),
            ("2012-03-20T17:03:43Z", "3"),
            ("2012-03-20T17:03:43Z", "18446744073709551615"),
        ] {
            let error = page(created, part_size).unwrap_err();
            let value = if part_size == "1048576" { created.to_owned() } else { format!("part size {part_size}") };
            assert_eq!(error.kind(), Kind::Protocol);
            assert!(error.message().contains(&value), "{value:?} is not in {:?}", error.message());
        }
    }

    #[test]
    fn rejects_page_with_too_many_entries() {
        let hash = "a".repeat(64);
        let part = format!(r#"{{"RangeInBytes":"0-1048575","SHA256TreeHash":"{hash}"}}"#);
        let parts =
            |count| format!(r#"{{"PartSizeInBytes":1048576,"Parts":[{}]}}"#, vec![part.as_str(); count].join(","));
        let upload = r#"{"CreationDate":"2012-03-20T17:03:43Z","MultipartUploadId":"a","PartSizeInBytes":1048576}"#;
        let uploads = |count| format!(r#"{{"UploadsList":[{}]}}"#, vec![upload; count].join(","));
        assert_eq!(parts_page(parts(1000).as_bytes()).unwrap().parts.len(), 1000);
        assert_eq!(uploads_page(uploads(1000).as_bytes()).unwrap().uploads.len(), 1000);
        for error in
            [parts_page(parts(1001).as_bytes()).unwrap_err(), uploads_page(uploads(1001).as_bytes()).unwrap_err()]
        {
            assert_eq!(error.kind(), Kind::Protocol);
            assert!(error.message().contains("more than 1000 entries"), "{error}");
        }
    }
}
