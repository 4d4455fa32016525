//! The six operations of a multipart upload, typed: each sends a request and checks the response.
//!
//! Specification: Glacier developer guide, "API Reference for Multipart Uploads" (API version 2012-06-01).

mod clock_skew;
pub mod endpoint;
mod error_codes;
pub mod json;
mod lists;
pub mod response;
mod send;

use std::fmt;
use std::io::BufRead;
use std::sync::Arc;

pub use self::clock_skew::ClockSkew;
pub use self::json::{ListedPart, ListedUpload};
pub use self::lists::UploadParts;
use self::send::PreparedRequest;
use crate::clock::Clock;
use crate::credentials::Keys;
use crate::error::{Error, Kind, Result};
use crate::http::{ConnectionPool, Method, Payload, RequestContext, Response};
use crate::log::{Level, Log};
use crate::percent;
use crate::plan::ByteRange;
use crate::reachability::Reachability;
use crate::retry::{Attempts, Policy, had_no_effect};
use crate::sanitize::TEXT_MAX;
use crate::sign::Signer;
use crate::treehash::{Digest, PartHashes};

/// The operations of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
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

impl Operation {
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

impl fmt::Display for Operation {
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
    /// Creates a multipart upload with parts of one size (API page "Initiate Multipart Upload"). An empty description is not
    /// sent.
    ///
    /// Not idempotent: if the response is lost, the request is sent again, and the first upload remains empty until it
    /// expires.
    ///
    /// # Errors
    /// The error of the last attempt.
    pub fn initiate(
        &self,
        vault: &str,
        description: &str,
        part_size: u64,
        context: &RequestContext,
    ) -> Result<Initiated> {
        let mut request =
            PreparedRequest::new(Operation::Initiate, Method::Post, self.vault_path(vault, "/multipart-uploads"), 201)
                .header("x-amz-part-size", part_size.to_string());
        if !description.is_empty() {
            request = request.header("x-amz-archive-description", description.to_owned());
        }
        self.send_with_retries(&request, context, |response| {
            Ok(Initiated { id: self.id(response::upload_id(response)?)?, location: self.location(response)? })
        })
    }

    /// Sends one part in one attempt (API page "Upload Part"). Idempotent: a part with the same range is overwritten.
    ///
    /// # Errors
    /// `TreeHash` if the service computed another hash. Otherwise the error of the attempt.
    pub fn upload_part(
        &self,
        upload: UploadName<'_>,
        part: &Part<'_>,
        body: &mut dyn BufRead,
        context: &RequestContext,
    ) -> Result<()> {
        let request = PreparedRequest::new(Operation::UploadPart, Method::Put, self.upload_path(upload), 204)
            .header("content-range", part.range.content_range())
            .header("x-amz-content-sha256", part.hashes.linear.to_string())
            .header("x-amz-sha256-tree-hash", part.hashes.tree.to_string())
            .part(part.index);
        let payload = Payload::Reader { length: part.range.length(), reader: body };
        let response = self.attempt(&request, part.attempt, payload, context)?;
        response::compare_tree_hash(&response, part.hashes.tree).map_err(|error| self.finish_error(&request, error))
    }

    /// Assembles the parts into an archive, in one attempt (API page "Complete Multipart Upload"). Idempotent for a limited
    /// time.
    ///
    /// # Errors
    /// The error of the attempt.
    pub fn complete(
        &self,
        upload: UploadName<'_>,
        size: u64,
        tree: Digest,
        attempt: u32,
        context: &RequestContext,
    ) -> Result<Completed> {
        let request = PreparedRequest::new(Operation::Complete, Method::Post, self.upload_path(upload), 201)
            .header("x-amz-archive-size", size.to_string())
            .header("x-amz-sha256-tree-hash", tree.to_string());
        let read = |response: &Response| {
            Ok(Completed {
                archive_id: self.id(response::required_header(response, "x-amz-archive-id")?)?,
                location: self.location(response)?,
                tree_hash: response::tree_hash(response)?,
            })
        };
        let response = self.attempt(&request, attempt, Payload::Empty, context)?;
        read(&response).map_err(|error| self.finish_error(&request, error))
    }

    /// Deletes the multipart upload (API page "Abort Multipart Upload"). Idempotent for a limited time.
    ///
    /// # Errors
    /// As [`Service::initiate`].
    pub fn abort(&self, upload: UploadName<'_>, context: &RequestContext) -> Result<()> {
        let request = PreparedRequest::new(Operation::Abort, Method::Delete, self.upload_path(upload), 204);
        self.send_with_retries(&request, context, |_| Ok(()))
    }

    /// Returns an ID of the service. An ID is used in paths, journals and getters, so one that contains a secret is rejected.
    fn id(&self, id: &str) -> Result<String> {
        if self.keys.redactor().contains_secret(id) {
            return Err(Error::new(
                Kind::Protocol,
                "the service returned an ID that contains a part of the credentials",
            ));
        }
        Ok(id.to_owned())
    }

    fn location(&self, response: &Response) -> Result<String> {
        Ok(self.keys.redactor().sanitized(response::required_header(response, "location")?, TEXT_MAX))
    }

    fn vault_path(&self, vault: &str, rest: &str) -> String {
        format!("/{}/vaults/{}{rest}", self.account_id, percent::encode(vault.as_bytes()))
    }

    fn upload_path(&self, upload: UploadName<'_>) -> String {
        self.vault_path(upload.vault, &format!("/multipart-uploads/{}", percent::encode(upload.id.as_bytes())))
    }

    /// Sends a request without payload, with retries.
    fn send_with_retries<T>(
        &self,
        request: &PreparedRequest,
        context: &RequestContext,
        read: impl Fn(&Response) -> Result<T>,
    ) -> Result<T> {
        let start = self.clock.active();
        let mut attempts = Attempts::new(self.reachability.contact());
        loop {
            let outcome = self
                .attempt(request, attempts.number(), Payload::Empty, context)
                .and_then(|response| read(&response).map_err(|error| self.finish_error(request, error)));
            let error = match outcome {
                Ok(value) => return Ok(value),
                // The hash of an empty payload does not change.
                Err(error) if error.kind() == Kind::TreeHash => return Err(error),
                Err(error) => error,
            };
            let idle = self.clock.active().saturating_sub(start);
            let may_leave_upload = request.operation == Operation::Initiate && !had_no_effect(&error);
            self.wait_to_retry(error, &mut attempts, &request.label(), idle, context)?;
            if may_leave_upload {
                let text = "is sent again; if only the response was lost, an empty upload remains until it expires";
                self.log.write(Level::Warn, format_args!("{} {text}", request.operation));
            }
        }
    }
}

/// The description of one part.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Its index, from 0.
    pub index: u32,
    /// Its byte range in the archive.
    pub range: ByteRange,
    /// Its hashes.
    pub hashes: &'a PartHashes,
    /// The number of the attempt, from 1.
    pub attempt: u32,
}
