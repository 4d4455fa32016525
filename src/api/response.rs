//! From an answer of the service to what it means: an error of the right kind, or the headers that were promised.

use std::time::{Duration, SystemTime};

use crate::api::json;
use crate::decimal::parse_decimal;
use crate::error::{Error, Kind, Result};
use crate::http::Response;
use crate::limits::check_upload_id;
use crate::sanitize::{NAME_MAX, escaped, quoted};
use crate::treehash::Digest;

const TREE_HASH: &str = "x-amz-sha256-tree-hash";
/// The most characters of a service's message that are shown.
const SHOWN_MAX: usize = 500;

/// Fails unless the answer has the status that the operation succeeds with.
///
/// # Errors
/// What the service said, as a kind, with status, request ID and error code.
pub fn expect_status(response: &Response, status: u16) -> Result<()> {
    if response.status == status { Ok(()) } else { Err(refusal(response)) }
}

/// The service's ID of the request.
pub fn request_id(response: &Response) -> Option<&str> {
    response.header("x-amzn-requestid").or_else(|| response.header("x-amzn-request-id"))
}

/// Returns a header that the operation requires.
///
/// # Errors
/// `Protocol` if it is missing, repeated with another value, or not printable ASCII.
pub fn required_header<'a>(response: &'a Response, name: &str) -> Result<&'a str> {
    header(response, name)?.ok_or_else(|| invalid(format!("the service's response has no {name} header"), response))
}

/// Returns a header that a result depends on; an empty one counts as missing.
///
/// # Errors
/// `Protocol` if it is repeated with another value, or has other bytes than printable ASCII: what was read would not be what
/// was sent.
fn header<'a>(response: &'a Response, name: &str) -> Result<Option<&'a str>> {
    let mut values = response.headers.iter().filter(|(have, _)| have == name).map(|(_, value)| value.as_str());
    let Some(value) = values.next() else { return Ok(None) };
    if let Some(other) = values.find(|other| *other != value) {
        let text = format!("the service's response has two {name} headers: {} and {}", quoted(value), quoted(other));
        return Err(invalid(text, response));
    }
    if !value.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
        let text = format!("the {name} header {} is not allowed: it must be printable ASCII", quoted(value));
        return Err(invalid(text, response));
    }
    Ok(Some(value).filter(|value| !value.is_empty()))
}

/// Returns the upload ID of a response to Initiate.
///
/// # Errors
/// `Protocol` if there is none, or one that could not be used again.
pub fn upload_id(response: &Response) -> Result<&str> {
    let id = required_header(response, "x-amz-multipart-upload-id")?;
    check_upload_id(id).map_err(|error| invalid(format!("the service's response has a bad ID: {error}"), response))?;
    Ok(id)
}

/// Returns the tree hash that the service computed. Without it a success acknowledges nothing.
///
/// # Errors
/// `Protocol` if there is none, or it is not a hash.
pub fn tree_hash(response: &Response) -> Result<Digest> {
    required_header(response, TREE_HASH)?.parse().map_err(|error: Error| invalid(error.message(), response))
}

/// Compares the tree hash that the service computed with ours.
///
/// # Errors
/// `TreeHash` if it differs; as [`tree_hash`].
pub fn compare_tree_hash(response: &Response, ours: Digest) -> Result<()> {
    let theirs = tree_hash(response)?;
    if theirs == ours {
        return Ok(());
    }
    let message = format!("the service computed the tree hash {theirs}, but what was sent has {ours}");
    Err(of_answer(Kind::TreeHash, message, response))
}

fn invalid(message: impl Into<String>, response: &Response) -> Error {
    of_answer(Kind::Protocol, message, response)
}

/// The error that a response other than success stands for.
fn refusal(response: &Response) -> Error {
    let status = response.status;
    let body = json::error_body(&response.body);
    let named = response.header("x-amzn-errortype").and_then(json::error_code);
    let has_id = named.is_some() || request_id(response).is_some();
    let code = named.or_else(|| body.as_ref().map(|body| body.code.clone()));
    // A proxy or another server may have error documents of a similar form.
    let code = code.filter(|code| status != 404 || has_id || code == NOT_FOUND);
    let said = match (&code, body.and_then(|body| body.message)) {
        (Some(code), Some(message)) => format!("{}: {}", escaped(code, NAME_MAX), escaped(&message, SHOWN_MAX)),
        (Some(code), None) => escaped(code, NAME_MAX),
        (None, _) => not_a_document(response),
    };
    let kind = kind_of(status, code.as_deref(), has_id, &said);
    of_answer(kind, format!("HTTP status {status}, {said}"), response).answered(
        status,
        request_id(response).map(str::to_owned),
        code,
    )
}

/// The code of a vault or upload that does not exist.
const NOT_FOUND: &str = "ResourceNotFoundException";

/// The kind of an error response. `has_id`: it has the headers of the service.
fn kind_of(status: u16, code: Option<&str>, has_id: bool, said: &str) -> Kind {
    let named = code.and_then(kind_of_code);
    match (status, code) {
        _ if is_hash_refusal(code, said) => Kind::TreeHash,
        _ if named.is_some() => named.unwrap_or(Kind::Service),
        (429, _) => Kind::Throttled,
        (401 | 403 | 407, None) => Kind::Access,
        (404, None) if has_id => Kind::NotFound,
        (400.., _) => Kind::Service,
        (..400, _) => Kind::Protocol,
    }
}

/// The kind that an error code means, whatever the status. Glacier's own codes, and those of AWS gateways in front of it.
fn kind_of_code(code: &str) -> Option<Kind> {
    Some(match code {
        "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "RequestThrottledException"
        | "RequestThrottled"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "SlowDown" => Kind::Throttled,
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" | "OptInRequired" | "NotSignedUp" => {
            Kind::Access
        }
        "ExpiredTokenException"
        | "ExpiredToken"
        | "TokenRefreshRequired"
        | "InvalidToken"
        | "InvalidTokenException"
        | "InvalidSignatureException"
        | "InvalidSignature"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "RequestExpired"
        | "RequestTimeTooSkewed"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "UnrecognizedClient"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidAccessKeyIdException"
        | "AuthFailure" => Kind::Credentials,
        NOT_FOUND => Kind::NotFound,
        "LimitExceededException" => Kind::Limit,
        "NoLongerSupportedException" => Kind::NoLongerSupported,
        _ => return None,
    })
}

/// Whether the service found other bytes than the hashes in the headers speak of.
fn is_hash_refusal(code: Option<&str>, said: &str) -> bool {
    match code {
        Some("InvalidParameterValueException") => {
            said.contains("Checksum mismatch") || said.contains("x-amz-sha256-tree-hash")
        }
        Some("InvalidSignatureException" | "InvalidSignature" | "SignatureDoesNotMatch") => {
            said.contains("x-amz-content-sha256 does not match")
        }
        _ => false,
    }
}

fn not_a_document(response: &Response) -> String {
    if let Some(target) = response.header("location").filter(|_| (300..400).contains(&response.status)) {
        return format!("a redirect to {}, which is not followed", quoted(target));
    }
    let body = match response.body.len() {
        0 => "without a body".to_owned(),
        length => {
            let start = String::from_utf8_lossy(response.body.get(..200).unwrap_or(&response.body));
            format!("with a body of {length} bytes that is not a Glacier error: {}", quoted(start.trim()))
        }
    };
    match request_id(response) {
        Some(_) => body,
        None => format!("{body}; it has no request ID, so a proxy or another server may have sent it"),
    }
}

/// An error that stands on an answer, with all that the answer tells about itself.
fn of_answer(kind: Kind, message: impl Into<String>, response: &Response) -> Error {
    Error::new(kind, message)
        .answered(response.status, request_id(response).map(str::to_owned), None)
        .dated(response.header("date").map(str::to_owned))
        .retry_after(retry_after(response))
}

/// `Retry-After` (RFC 9110, 10.2.3): a number of seconds in digits, or a date, which is relative to that of the response.
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.header("retry-after")?;
    if let Some(seconds) = parse_decimal(value) {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = response.header("date").and_then(|date| httpdate::parse_http_date(date).ok());
    until.duration_since(now.unwrap_or_else(SystemTime::now)).ok()
}
