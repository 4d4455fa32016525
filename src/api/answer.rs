//! From an answer of the service to what it means: an error of the right kind, or the headers that were promised.

use std::time::{Duration, SystemTime};

use crate::api::json;
use crate::error::{Error, Kind, Result};
use crate::http::Response;
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

/// A header that the operation cannot do without.
///
/// # Errors
/// `Protocol`.
pub fn required_header<'a>(response: &'a Response, name: &str) -> Result<&'a str> {
    let missing = || of_answer(Kind::Protocol, format!("the service's answer has no {name} header"), response);
    response.header(name).filter(|value| !value.is_empty()).ok_or_else(missing)
}

/// The tree hash that the service computed. Not every answer has one.
///
/// # Errors
/// `Protocol` if it is no hash.
pub fn tree_hash(response: &Response) -> Result<Option<Digest>> {
    let parse = |text: &str| text.parse().map_err(|error: Error| of_answer(Kind::Protocol, error.message(), response));
    response.header(TREE_HASH).map(parse).transpose()
}

/// Compares the tree hash that the service computed with ours.
///
/// # Errors
/// `TreeHash` if it differs, `Protocol` if it is no hash.
pub fn compare_tree_hash(response: &Response, ours: Digest) -> Result<()> {
    match tree_hash(response)? {
        Some(theirs) if theirs != ours => {
            let message = format!("the service computed the tree hash {theirs}, but what was sent has {ours}");
            Err(of_answer(Kind::TreeHash, message, response))
        }
        _ => Ok(()),
    }
}

/// The error that an answer other than success stands for.
fn refusal(response: &Response) -> Error {
    let status = response.status;
    let body = json::error_body(&response.body);
    let code = response
        .header("x-amzn-errortype")
        .map(|value| value.split(':').next().unwrap_or(value).to_owned())
        .or_else(|| body.as_ref().map(|body| body.code.clone()));
    let said = match (&code, body.and_then(|body| body.message)) {
        (Some(code), Some(message)) => format!("{}: {}", escaped(code, NAME_MAX), escaped(&message, SHOWN_MAX)),
        (Some(code), None) => escaped(code, NAME_MAX),
        (None, _) => not_a_document(response),
    };
    let kind = kind_of(status, code.as_deref(), &said);
    of_answer(kind, format!("HTTP status {status}, {said}"), response).answered(
        status,
        request_id(response).map(str::to_owned),
        code,
    )
}

fn kind_of(status: u16, code: Option<&str>, said: &str) -> Kind {
    match (status, code) {
        _ if is_hash_refusal(code, said) => Kind::TreeHash,
        (_, Some("ThrottlingException")) | (429, _) => Kind::Throttled,
        (_, Some("AccessDeniedException")) => Kind::Access,
        (
            _,
            Some(
                "ExpiredTokenException"
                | "InvalidSignatureException"
                | "MissingAuthenticationTokenException"
                | "UnrecognizedClientException",
            ),
        ) => Kind::Credentials,
        (_, Some("ResourceNotFoundException")) => Kind::NotFound,
        (_, Some("LimitExceededException")) => Kind::Limit,
        (_, Some("NoLongerSupportedException")) => Kind::NoLongerSupported,
        (401 | 403, None) => Kind::Access,
        (404, None) => Kind::NotFound,
        (400.., _) => Kind::Service,
        (..400, _) => Kind::Protocol,
    }
}

/// Whether the service found other bytes than the hashes in the headers speak of.
fn is_hash_refusal(code: Option<&str>, said: &str) -> bool {
    match code {
        Some("InvalidParameterValueException") => {
            said.contains("Checksum mismatch") || said.contains("x-amz-sha256-tree-hash")
        }
        Some("InvalidSignatureException") => said.contains("x-amz-content-sha256 does not match"),
        _ => false,
    }
}

fn not_a_document(response: &Response) -> String {
    if let Some(target) = response.header("location").filter(|_| (300..400).contains(&response.status)) {
        return format!("a redirect to {}, which is not followed", quoted(target));
    }
    match response.body.len() {
        0 => "without a body".to_owned(),
        length => {
            let start = String::from_utf8_lossy(response.body.get(..200).unwrap_or(&response.body));
            format!("with a body of {length} bytes that is not a Glacier error: {}", quoted(start.trim()))
        }
    }
}

/// An error that stands on an answer, with all that the answer tells about itself.
fn of_answer(kind: Kind, message: impl Into<String>, response: &Response) -> Error {
    Error::new(kind, message)
        .answered(response.status, request_id(response).map(str::to_owned), None)
        .dated(response.header("date").map(str::to_owned))
        .retry_after(retry_after(response))
}

/// `Retry-After`, in seconds or as a date relative to the answer's own.
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.header("retry-after")?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = response.header("date").and_then(|date| httpdate::parse_http_date(date).ok());
    until.duration_since(now.unwrap_or_else(SystemTime::now)).ok()
}
