//! The request ID: AWS services set it in each response, and other servers do not.

use crate::http::header;

/// What an error says about a response that is neither a document of the service nor has a request ID.
pub(crate) const MISSING: &str = "the response has no request ID, so a proxy or another server may have sent it";

/// Returns the request ID in the headers of a response. Their names are in lower case.
pub(crate) fn request_id(headers: &[(String, String)]) -> Option<&str> {
    let get = |name: &str| header(headers, name).filter(|id| !id.is_empty());
    get("x-amzn-requestid").or_else(|| get("x-amzn-request-id"))
}
