//! The meaning of the error codes and messages of the service, and of the AWS gateways in front of it. Only the service's
//! own text is examined, never a message that this library composed.

use crate::error::Kind;
use crate::retry::is_timeout_or_overload;

/// The error code for a vault or upload that does not exist.
pub(super) const NOT_FOUND: &str = "ResourceNotFoundException";

/// What the service criticizes about the time of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignatureTime {
    /// The signature is older than the service accepts.
    TooOld,
    /// The signature is dated in the future.
    InFuture,
}

/// Returns the kind of an error response. `is_identified`: the response has the headers of the service.
pub(super) fn kind_of(status: u16, code: Option<&str>, message: Option<&str>, is_identified: bool) -> Kind {
    if is_hash_mismatch(code, message.unwrap_or_default()) {
        return Kind::TreeHash;
    }
    if let Some(kind) = code.and_then(kind_of_code) {
        return kind;
    }
    match (status, code) {
        (429, _) => Kind::Throttled,
        (401 | 403 | 407, None) => Kind::Access,
        (404, None) if is_identified => Kind::NotFound,
        (400.., _) => Kind::Service,
        (..400, _) => Kind::Protocol,
    }
}

/// Returns true for the error codes of the service and of the AWS gateways in front of it.
pub(super) fn is_service_code(code: &str) -> bool {
    kind_of_code(code).is_some()
        || is_timeout_or_overload(code)
        || matches!(
            code,
            "BadRequest"
                | "InvalidParameterValueException"
                | "MissingParameterValueException"
                | "SerializationException"
                | "PolicyEnforcedException"
                | "InsufficientCapacityException"
        )
}

/// Returns the kind that an error code stands for, whatever the status.
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
        "AccessDeniedException"
        | "AccessDenied"
        | "NotAuthorized"
        | "UnauthorizedOperation"
        | "OptInRequired"
        | "NotSignedUp" => Kind::Access,
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
        | "RequestInTheFuture"
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

/// Returns true if the received bytes do not match the hashes in the request headers.
fn is_hash_mismatch(code: Option<&str>, message: &str) -> bool {
    match code {
        Some("InvalidParameterValueException") => {
            message.contains("Checksum mismatch") || message.contains("x-amz-sha256-tree-hash")
        }
        Some(code) if is_signature_mismatch(code) => message.contains("x-amz-content-sha256 does not match"),
        _ => false,
    }
}

/// Returns true for the codes of a signature that the service did not accept.
fn is_signature_mismatch(code: &str) -> bool {
    matches!(code, "InvalidSignatureException" | "InvalidSignature" | "SignatureDoesNotMatch")
}

/// Returns true if the session token has expired.
pub(super) fn is_expired_token(code: &str) -> bool {
    matches!(code, "ExpiredTokenException" | "ExpiredToken")
}

/// Returns why the time of a signature was rejected, or `None` if the time was not the reason. Glacier's code is the same
/// for all bad signatures, so only the message tells. Gateways have codes of their own.
pub(super) fn signature_time(code: &str, message: &str) -> Option<SignatureTime> {
    if matches!(code, "RequestExpired" | "RequestTimeTooSkewed") {
        Some(SignatureTime::TooOld)
    } else if code == "RequestInTheFuture" {
        Some(SignatureTime::InFuture)
    } else if !is_signature_mismatch(code) {
        None
    } else if message.contains("Signature expired") {
        Some(SignatureTime::TooOld)
    } else if message.contains("Signature not yet current") {
        Some(SignatureTime::InFuture)
    } else {
        None
    }
}
