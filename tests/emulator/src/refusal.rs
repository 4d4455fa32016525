//! The service's error answers, with the texts that the live service uses where they are known.

use std::io;

use crate::http::Response;

/// A request that is answered with an error document.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: u16,
    code: &'static str,
    message: String,
}

/// Why an operation gives no success answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The service says no.
    Refused(Refusal),
    /// The connection broke; there is nobody to answer.
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
        Self::new(500, "ServiceUnavailableException", format!("The storage failed: {error}"))
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
