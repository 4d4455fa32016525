//! The JSON documents of the service: pages of the two lists, and errors.

use serde::Deserialize;

use crate::dates;
use crate::error::{Error, Kind, Result};
use crate::limits::{DESCRIPTION_MAX, MARKER_MAX, check_part_size, check_upload_id};
use crate::plan::ByteRange;
use crate::sanitize::{escaped, quoted};
use crate::treehash::Digest;

/// A part that the service holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPart {
    /// The archive's bytes that it covers.
    pub range: ByteRange,
    /// Its tree hash.
    pub tree_hash: Digest,
}

/// One page of the parts of an upload, with the upload's own facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartsPage {
    /// The description given at Initiate; empty and absent are the same.
    pub description: Option<String>,
    /// The part size given at Initiate, in bytes.
    pub part_size: u64,
    /// The parts, in the service's order.
    pub parts: Vec<ListedPart>,
    /// Where the next page begins; opaque. `None` on the last page.
    pub marker: Option<String>,
}

/// An upload that is open in a vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedUpload {
    /// The upload ID.
    pub id: String,
    /// The description given at Initiate; empty and absent are the same.
    pub description: Option<String>,
    /// When it was initiated, as the service writes it.
    pub created: String,
    /// The same in seconds since 1970-01-01 UTC.
    pub created_unix: i64,
    /// The part size in bytes.
    pub part_size: u64,
}

/// One page of the open uploads of a vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadsPage {
    /// The uploads; no order is promised.
    pub uploads: Vec<ListedUpload>,
    /// Where the next page begins; opaque. `None` on the last page.
    pub marker: Option<String>,
}

/// What an error body says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// The service's name for the error.
    pub code: String,
    /// Its text for people.
    pub message: Option<String>,
}

/// Reads a page of parts.
///
/// # Errors
/// `Protocol`, naming what is wrong with the document.
pub fn parts_page(body: &[u8]) -> Result<PartsPage> {
    let page: RawPartsPage = document(body)?;
    let parts = page.parts.into_iter().map(part_entry).collect::<Result<_>>()?;
    check_part_size(page.part_size).map_err(|error| broken(error.message()))?;
    Ok(PartsPage {
        description: description(page.description)?,
        part_size: page.part_size,
        parts,
        marker: marker(page.marker)?,
    })
}

/// Reads a page of uploads.
///
/// # Errors
/// `Protocol`, naming what is wrong with the document.
pub fn uploads_page(body: &[u8]) -> Result<UploadsPage> {
    let page: RawUploadsPage = document(body)?;
    let uploads = page.uploads.into_iter().map(upload_entry).collect::<Result<_>>()?;
    Ok(UploadsPage { uploads, marker: marker(page.marker)? })
}

/// Reads an error body; `None` if it is no Glacier error document: empty, cut, or a proxy's page.
pub fn error_body(body: &[u8]) -> Option<ErrorBody> {
    let raw: RawError = serde_json::from_slice(body).ok()?;
    let code = raw.code?;
    // The other names come from gateways in front of the service, some as "prefix#Code:suffix".
    Some(ErrorBody { code: error_code(&code)?, message: raw.message })
}

/// Returns the error code in a text that may have the form "prefix#Code:suffix"; `None` if it cannot be one.
pub fn error_code(text: &str) -> Option<String> {
    let code = text.rsplit('#').next().unwrap_or(text);
    let code = code.split(':').next().unwrap_or(code).trim();
    let legal = (1..=ERROR_CODE_MAX).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    legal.then(|| code.to_owned())
}

/// The longest error code, in bytes. The service's have up to some 40 letters.
const ERROR_CODE_MAX: usize = 128;
/// The longest creation date, in bytes: the form has 24.
const DATE_MAX: usize = 40;

#[derive(Deserialize)]
struct RawPartsPage {
    #[serde(rename = "ArchiveDescription")]
    description: Option<String>,
    #[serde(rename = "Marker")]
    marker: Option<String>,
    #[serde(rename = "PartSizeInBytes")]
    part_size: u64,
    #[serde(rename = "Parts")]
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
    #[serde(rename = "UploadsList")]
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

#[derive(Deserialize)]
struct RawError {
    #[serde(alias = "Code", alias = "__type")]
    code: Option<String>,
    #[serde(alias = "Message")]
    message: Option<String>,
}

fn document<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T> {
    // The cause repeats values of the document, whatever they are: its text is shown, cut, and it is not kept.
    serde_json::from_slice(body).map_err(|cause| broken(&escaped(&cause.to_string(), 200)))
}

fn part_entry(raw: RawPart) -> Result<ListedPart> {
    let range = ByteRange::parse_in_bytes(&raw.range)
        .ok_or_else(|| broken(&format!("RangeInBytes {} is not of the form 0-1048575", quoted(&raw.range))))?;
    let tree_hash = raw.tree_hash.parse::<Digest>().map_err(|error| broken(error.message()))?;
    Ok(ListedPart { range, tree_hash })
}

fn upload_entry(raw: RawUpload) -> Result<ListedUpload> {
    check_upload_id(&raw.id).map_err(|error| broken(error.message()))?;
    let created_unix =
        dates::parse_iso8601(&raw.created).filter(|_| raw.created.len() <= DATE_MAX).ok_or_else(|| {
            broken(&format!("CreationDate {} is not of the form 2012-03-20T17:03:43.221Z", quoted(&raw.created)))
        })?;
    Ok(ListedUpload {
        id: raw.id,
        description: description(raw.description)?,
        created: raw.created,
        created_unix,
        part_size: raw.part_size,
    })
}

/// An archive description of the service. Another client may have set what this one would not, within the service's limit.
fn description(text: Option<String>) -> Result<Option<String>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.contains('\0') || text.chars().count() > DESCRIPTION_MAX {
        let rule = format!("it must have at most {DESCRIPTION_MAX} characters and no NUL");
        return Err(broken(&format!("ArchiveDescription {} is not allowed: {rule}", quoted(&text))));
    }
    Ok(Some(text))
}

/// A marker goes back to the service in the next request, which has a limit.
fn marker(text: Option<String>) -> Result<Option<String>> {
    match text {
        Some(text) if text.len() > MARKER_MAX => {
            Err(broken(&format!("Marker {} is not allowed: it must have at most {MARKER_MAX} bytes", quoted(&text))))
        }
        text => Ok(text),
    }
}

fn broken(what: &str) -> Error {
    Error::new(Kind::Protocol, format!("the service's answer cannot be read: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_bodies() {
        let body = error_body(br#"{"message":"Rate exceeded","code":"ThrottlingException","type":"Client"}"#).unwrap();
        assert_eq!((body.code.as_str(), body.message.as_deref()), ("ThrottlingException", Some("Rate exceeded")));
        assert_eq!(
            error_body(br#"{"__type":"com.amazon#AccessDeniedException:x"}"#).unwrap().code,
            "AccessDeniedException"
        );
        for bad in [&b""[..], b"{}", b"[]", b"null", b"<html>", br#"{"code":"#, br#"{"code":1}"#, b"\xff\xfe"] {
            assert_eq!(error_body(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn pages_that_cannot_be_read_say_why() {
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
}
