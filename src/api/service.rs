//! The service: what every operation needs, and what operations return.

use std::fmt;
use std::sync::Arc;

use super::clock_skew::ClockSkew;
use super::response;
use crate::clock::Clock;
use crate::credentials::Keys;
use crate::error::{Error, Kind, Result};
use crate::http::{ConnectionPool, Response};
use crate::log::Log;
use crate::percent;
use crate::reachability::Reachability;
use crate::retry::Policy;
use crate::sanitize::TEXT_MAX;
use crate::sign::Signer;
use crate::treehash::Digest;

/// The operations of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceOperation {
    /// Creates a multipart upload.
    Initiate,
    /// Sends one part.
    UploadPart,
    /// Assembles the parts into an archive.
    Complete,
    /// Deletes the multipart upload.
    Abort,
    /// Lists the stored parts.
    ListParts,
    /// Lists the multipart uploads in progress in a vault.
    ListUploads,
}

impl ServiceOperation {
    /// Returns the service's name of the operation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Initiate => "InitiateMultipartUpload",
            Self::UploadPart => "UploadMultipartPart",
            Self::Complete => "CompleteMultipartUpload",
            Self::Abort => "AbortMultipartUpload",
            Self::ListParts => "ListParts",
            Self::ListUploads => "ListMultipartUploads",
        }
    }
}

impl fmt::Display for ServiceOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A client of the service: one account in one region, with one set of credentials.
#[derive(Debug)]
pub struct Service {
    /// 12 digits, or `-` for the account of the credentials.
    pub account_id: String,
    /// The `Host` header: the host of the endpoint, with the port unless it is the default of the scheme.
    pub host: String,
    /// The place of the setting of the endpoint. Empty: the program.
    pub endpoint_place: String,
    /// The keys that requests are signed with.
    pub keys: Keys,
    /// The signer for the region.
    pub signer: Signer,
    /// The connections to the endpoint.
    pub connections: ConnectionPool,
    /// The retry policy.
    pub policy: Policy,
    /// The clock for signatures and delays.
    pub clock: Arc<dyn Clock>,
    /// Whether requests reach the service.
    pub reachability: Reachability,
    /// The difference between the service's clock and `clock`.
    pub skew: ClockSkew,
    /// The log for requests and retries.
    pub log: Arc<Log>,
}

/// Identifies a multipart upload by its vault and its ID.
#[derive(Clone, Copy, Debug)]
pub struct UploadName<'a> {
    /// The vault name.
    pub vault: &'a str,
    /// The upload ID.
    pub id: &'a str,
}

/// The result of Initiate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initiated {
    /// The upload ID.
    pub id: String,
    /// The upload's path at the service.
    pub location: String,
}

/// The result of Complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// The archive ID.
    pub archive_id: String,
    /// The archive's path at the service.
    pub location: String,
    /// The archive's tree hash as the service computed it.
    pub tree_hash: Digest,
}

impl Service {
    pub(super) fn vault_path(&self, vault: &str, rest: &str) -> String {
        format!("/{}/vaults/{}{rest}", self.account_id, percent::encode(vault.as_bytes()))
    }

    pub(super) fn upload_path(&self, upload: UploadName<'_>) -> String {
        self.vault_path(upload.vault, &format!("/multipart-uploads/{}", percent::encode(upload.id.as_bytes())))
    }

    /// Returns an ID of the service. An ID is used in paths, journals and getters, so one that contains a secret is rejected.
    pub(super) fn id(&self, id: &str) -> Result<String> {
        if self.keys.redactor().contains_secret(id) {
            return Err(Error::new(
                Kind::Protocol,
                "the service returned an ID that contains a part of the credentials",
            ));
        }
        Ok(id.to_owned())
    }

    pub(super) fn location(&self, response: &Response) -> Result<String> {
        Ok(self.keys.redactor().sanitized(response::required_header(response, "location")?, TEXT_MAX))
    }
}
