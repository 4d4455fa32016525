//! The service's error responses, with the texts of the live service where they are known.

use std::io;

use crate::clock::Instant;
use crate::response::Response;

/// The maximum difference between the time of a signature and the service's clock, in either direction.
pub(crate) const SIGNATURE_SECONDS: i64 = 5 * 60;

/// A request that gets an error document as its response.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: u16,
    code: &'static str,
    message: String,
}

/// Why an operation fails.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The service refuses the request.
    Refused(Refusal),
    /// The connection failed, so no response can be sent.
    Broken(io::Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Refusal {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidParameterValueException", message)
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        Self::new(400, "MissingParameterValueException", format!("Required parameter missing: {parameter}"))
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn signature(message: impl Into<String>) -> Self {
        Self::new(403, "InvalidSignatureException", message)
    }

    pub(crate) fn payload_mismatch(computed: &str, expected: &str) -> Self {
        Self::signature(format!(
            "The value passed in as x-amz-content-sha256 does not match the computed payload hash. \
             Computed digest: {computed} expected hash: {expected}"
        ))
    }

    pub(crate) fn signature_expired(signed: Instant, now: Instant) -> Self {
        let (signed, earliest) = (signed.basic(), now.plus_seconds(-SIGNATURE_SECONDS).basic());
        let now = now.basic();
        Self::signature(format!("Signature expired: {signed} is now earlier than {earliest} ({now} - 5 min.)"))
    }

    pub(crate) fn signature_not_yet_current(signed: Instant, now: Instant) -> Self {
        let (signed, latest) = (signed.basic(), now.plus_seconds(SIGNATURE_SECONDS).basic());
        let now = now.basic();
        Self::signature(format!("Signature not yet current: {signed} is still later than {latest} ({now} + 5 min.)"))
    }

    pub(crate) fn checksum_mismatch(expected: &str, computed: &str) -> Self {
        Self::invalid(format!("Checksum mismatch: expected {expected}, computed {computed}"))
    }

    pub(crate) fn wrong_tree_hash(given: &str) -> Self {
        Self::invalid(format!("Invalid x-amz-sha256-tree-hash: {given}"))
    }

    pub(crate) fn throttled() -> Self {
        Self::new(400, "ThrottlingException", "Rate exceeded")
    }

    pub(crate) fn request_timeout() -> Self {
        Self::new(408, "RequestTimeoutException", "Request timed out.")
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(500, "ServiceUnavailableException", message)
    }

    pub(crate) fn not_authenticated() -> Self {
        Self::new(400, "MissingAuthenticationTokenException", "Request is missing Authentication Token")
    }

    pub(crate) fn unknown_client() -> Self {
        Self::new(400, "UnrecognizedClientException", "The security token included in the request is invalid.")
    }

    pub(crate) fn expired_token() -> Self {
        Self::new(403, "ExpiredTokenException", "The security token included in the request is expired")
    }

    pub(crate) fn access_denied(account: &str) -> Self {
        Self::new(403, "AccessDeniedException", format!("Access denied for account ID: {account}"))
    }

    pub(crate) fn vault_not_found(arn: &str) -> Self {
        Self::new(404, "ResourceNotFoundException", format!("Vault not found for ARN: {arn}"))
    }

    pub(crate) fn upload_not_found(upload_id: &str) -> Self {
        Self::new(404, "ResourceNotFoundException", format!("The upload ID was not found: {upload_id}"))
    }

    pub(crate) fn storage(error: &io::Error) -> Self {
        Self::unavailable(format!("The storage failed: {error}"))
    }

    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        let side = if refusal.status < 500 { "Client" } else { "Server" };
        let document = serde_json::json!({ "code": refusal.code, "message": refusal.message, "type": side });
        Response::json(refusal.status, &document)
    }
}
