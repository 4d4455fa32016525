//! The results of a response: the headers that an operation promises, or an error with all fields of the response.

use std::time::Duration;

use super::error_codes::{is_service_code, kind_of};
use super::json;
use crate::clock::{Clock, SystemClock};
use crate::dates;
use crate::decimal::{is_decimal, parse_decimal};
use crate::error::{Error, Kind, Result};
use crate::http::{Response, shown_url};
use crate::limits::check_upload_id;
use crate::request_id;
use crate::sanitize::{NAME_MAX, escaped, quoted};
use crate::treehash::Digest;

const TREE_HASH: &str = "x-amz-sha256-tree-hash";
/// The maximum length of a service message in an error message, in characters.
const SHOWN_MAX: usize = 500;

/// Checks that the response has the status of success.
///
/// # Errors
/// The error that the response reports, with status, request ID, error code and message.
pub fn expect_status(response: &Response, status: u16) -> Result<()> {
    if response.status == status { Ok(()) } else { Err(reported_error(response)) }
}

/// Returns the request ID that the service assigned.
pub fn request_id(response: &Response) -> Option<&str> {
    request_id::request_id(&response.headers)
}

/// Returns true if the service, or an AWS gateway in front of it, sent the response. A proxy has no request IDs, and other
/// error codes.
pub fn is_from_service(response: &Response) -> bool {
    let has_service_code = || json::error_body(&response.body).is_some_and(|document| is_service_code(&document.code));
    is_identified(response) || has_service_code()
}

/// Returns true if the response has a header of the service.
fn is_identified(response: &Response) -> bool {
    header_code(response).is_some() || request_id(response).is_some()
}

/// Returns the error code in the header of an error response.
fn header_code(response: &Response) -> Option<String> {
    response.header("x-amzn-errortype").and_then(json::error_code)
}

/// Returns a header that the operation requires.
///
/// # Errors
/// `Protocol` if it is missing, repeated with another value, or not printable ASCII.
pub fn required_header<'a>(response: &'a Response, name: &str) -> Result<&'a str> {
    header(response, name)?.ok_or_else(|| invalid(format!("the service's response has no {name} header"), response))
}

/// Returns a header on which a result depends. An empty one counts as missing.
///
/// # Errors
/// `Protocol` if it is repeated with another value, or not printable ASCII: the transport replaces other bytes.
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
/// `Protocol` if it is missing, or could not be used in a request.
pub fn upload_id(response: &Response) -> Result<&str> {
    let id = required_header(response, "x-amz-multipart-upload-id")?;
    check_upload_id(id)
        .map_err(|error| invalid(format!("the service's response has an invalid upload ID: {error}"), response))?;
    Ok(id)
}

/// Returns the tree hash that the service computed. A success without it acknowledges nothing.
///
/// # Errors
/// `Protocol` if it is missing, or not a hash.
pub fn tree_hash(response: &Response) -> Result<Digest> {
    required_header(response, TREE_HASH)?.parse().map_err(|error: Error| invalid(error.message(), response))
}

/// Compares the tree hash that the service computed with the expected one.
///
/// # Errors
/// `TreeHash` if it differs. Otherwise as [`tree_hash`].
pub fn compare_tree_hash(response: &Response, expected: Digest) -> Result<()> {
    let computed = tree_hash(response)?;
    if computed == expected {
        return Ok(());
    }
    let message = format!("the service computed the tree hash {computed}, but the data sent has {expected}");
    Err(error_of(Kind::TreeHash, message, response))
}

fn invalid(message: impl Into<String>, response: &Response) -> Error {
    error_of(Kind::Protocol, message, response)
}

/// Returns the error that a response other than success reports.
fn reported_error(response: &Response) -> Error {
    let status = response.status;
    let document = json::error_body(&response.body);
    let is_identified = is_identified(response);
    let code = header_code(response).or_else(|| document.as_ref().map(|document| document.code.clone()));
    // Proxies and other servers may send error documents of a similar form.
    let code = code.filter(|code| is_identified || is_service_code(code));
    let message = document.and_then(|document| document.message);
    let description = match (&code, &message) {
        (Some(code), Some(message)) => format!("{}: {}", escaped(code, NAME_MAX), escaped(message, SHOWN_MAX)),
        (Some(code), None) => escaped(code, NAME_MAX),
        (None, _) => describe_without_code(response),
    };
    let kind = kind_of(status, code.as_deref(), message.as_deref(), is_identified);
    error_of(kind, format!("HTTP status {status}, {description}"), response)
        .with_response(status, request_id(response).map(str::to_owned), code)
        .with_service_message(message)
}

/// Describes a response that has no error code.
fn describe_without_code(response: &Response) -> String {
    if let Some(target) = response.header("location").filter(|_| (300..400).contains(&response.status)) {
        return format!("a redirect to {}, which is not followed", shown_url(target));
    }
    let body = match response.body.len() {
        0 => "without a body".to_owned(),
        length => {
            let start = String::from_utf8_lossy(response.body.get(..200).unwrap_or(&response.body));
            format!("with a body of {length} bytes that is not a Glacier error document: {}", quoted(start.trim()))
        }
    };
    match request_id(response) {
        Some(_) => body,
        None => format!("{body}; {}", request_id::MISSING),
    }
}

/// Creates an error with the fields of a response, except those of the error document.
fn error_of(kind: Kind, message: impl Into<String>, response: &Response) -> Error {
    Error::new(kind, message)
        .with_response(response.status, request_id(response).map(str::to_owned), None)
        .with_date(response.header("date").map(str::to_owned))
        .with_retry_after(retry_after(response))
}

/// Returns the delay of `Retry-After` (RFC 9110 §10.2.3): a number of seconds, or a date, which is relative to the `Date`
/// header.
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.header("retry-after")?;
    if is_decimal(value) {
        // A longer number is a longer time, which the retry policy limits.
        return Some(Duration::from_secs(parse_decimal(value).unwrap_or(u64::MAX)));
    }
    let until = dates::parse_http(value)?;
    let now = response.header("date").and_then(dates::parse_http).unwrap_or_else(|| SystemClock::new().unix_time());
    u64::try_from(until.saturating_sub(now)).ok().map(Duration::from_secs)
}
