//! The six operations of a multipart upload, typed: each sends one request and judges its answer.
//!
//! Rules of the wire: Glacier developer guide, "API Reference for Multipart Uploads" (API version 2012-06-01).

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

/// The service's operations, named as it names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Makes an upload.
    Initiate,
    /// Sends one part.
    UploadPart,
    /// FifoLock the parts into an archive.
    Complete,
    /// Throws the upload away.
    Abort,
    /// Lists the parts that the service holds.
    ListParts,
    /// Lists the open uploads of a vault.
    ListUploads,
}

impl Operation {
    /// The service's name.
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

/// One account in one region, as seen through one set of credentials.
#[derive(Debug)]
pub struct Service {
    /// 12 digits, or `-` for the account of the credentials.
    pub account_id: String,
    /// The `Host` header: the endpoint's name, with its port if that is not the scheme's own.
    pub host: String,
    /// What requests are signed with.
    pub keys: Keys,
    /// Signs for the service's region.
    pub signer: Signer,
    /// Connections to the endpoint.
    pub connections: ConnectionPool,
    /// How often a request is tried again.
    pub policy: Policy,
    /// The time of signatures and waits.
    pub clock: Arc<dyn Clock>,
    /// What the requests have reached.
    pub reachability: Reachability,
    /// What that clock lacks.
    pub skew: ClockSkew,
    /// Where requests and retries are told of.
    pub log: Arc<Log>,
}

/// Names one upload: its vault and its ID.
#[derive(Clone, Copy, Debug)]
pub struct UploadName<'a> {
    /// The vault.
    pub vault: &'a str,
    /// The upload ID.
    pub id: &'a str,
}

/// What Initiate answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initiated {
    /// The upload ID.
    pub id: String,
    /// The upload's path at the service.
    pub location: String,
}

/// What Complete answers.
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
    /// Makes an upload of parts of one size (API page "Initiate Multipart Upload"). An empty description is not sent.
    ///
    /// Not idempotent: if the response is lost, it is sent again, and the first upload remains, empty, until it expires.
    ///
    /// # Errors
    /// What the service refuses, and what the network does after all attempts.
    pub fn initiate(
        &self,
        vault: &str,
        description: &str,
        part_size: u64,
        context: &RequestContext,
    ) -> Result<Initiated> {
        let mut call =
            PreparedRequest::new(Operation::Initiate, Method::Post, self.vault_path(vault, "/multipart-uploads"), 201)
                .header("x-amz-part-size", part_size.to_string());
        if !description.is_empty() {
            call = call.header("x-amz-archive-description", description.to_owned());
        }
        self.retried(&call, context, |response| {
            Ok(Initiated { id: self.id(response::upload_id(response)?)?, location: self.location(response)? })
        })
    }

    /// Sends one part, once (API page "Upload Part"). Idempotent: the same range again overwrites.
    ///
    /// # Errors
    /// `TreeHash` if the service found other bytes than `hashes` speak of; else as [`Service::initiate`], after one attempt.
    pub fn upload_part(
        &self,
        upload: UploadName<'_>,
        part: &Part<'_>,
        body: &mut dyn BufRead,
        context: &RequestContext,
    ) -> Result<()> {
        let call = PreparedRequest::new(Operation::UploadPart, Method::Put, self.upload_path(upload), 204)
            .header("content-range", part.range.content_range())
            .header("x-amz-content-sha256", part.hashes.linear.to_string())
            .header("x-amz-sha256-tree-hash", part.hashes.tree.to_string())
            .part(part.index);
        let payload = Payload::Reader { length: part.range.length(), reader: body };
        let response = self.attempt(&call, part.attempt, payload, context)?;
        response::compare_tree_hash(&response, part.hashes.tree).map_err(|error| self.named(&call, error))
    }

    /// Asks once to turn the parts into an archive (API page "Complete Multipart Upload"). Idempotent for a while.
    ///
    /// # Errors
    /// As [`Service::initiate`], after one attempt.
    pub fn complete(
        &self,
        upload: UploadName<'_>,
        size: u64,
        tree: Digest,
        attempt: u32,
        context: &RequestContext,
    ) -> Result<Completed> {
        let call = PreparedRequest::new(Operation::Complete, Method::Post, self.upload_path(upload), 201)
            .header("x-amz-archive-size", size.to_string())
            .header("x-amz-sha256-tree-hash", tree.to_string());
        let read = |response: &Response| {
            Ok(Completed {
                archive_id: self.id(response::required_header(response, "x-amz-archive-id")?)?,
                location: self.location(response)?,
                tree_hash: response::tree_hash(response)?,
            })
        };
        let response = self.attempt(&call, attempt, Payload::Empty, context)?;
        read(&response).map_err(|error| self.named(&call, error))
    }

    /// Throws the upload away (API page "Abort Multipart Upload"). Idempotent for a while.
    ///
    /// # Errors
    /// As [`Service::initiate`].
    pub fn abort(&self, upload: UploadName<'_>, context: &RequestContext) -> Result<()> {
        let call = PreparedRequest::new(Operation::Abort, Method::Delete, self.upload_path(upload), 204);
        self.retried(&call, context, |_| Ok(()))
    }

    /// An ID from the service. It goes into paths, journals and getters, so one that echoes a secret is refused.
    fn id(&self, id: &str) -> Result<String> {
        if self.keys.redactor().contains_secret(id) {
            return Err(Error::new(Kind::Protocol, "the service's ID holds a part of the credentials"));
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

    /// Sends a request without payload until it succeeds, or cannot.
    fn retried<T>(
        &self,
        call: &PreparedRequest,
        context: &RequestContext,
        read: impl Fn(&Response) -> Result<T>,
    ) -> Result<T> {
        let start = self.clock.active();
        let mut attempts = Attempts::new(self.reachability.contact());
        loop {
            let outcome = self
                .attempt(call, attempts.number(), Payload::Empty, context)
                .and_then(|response| read(&response).map_err(|error| self.named(call, error)));
            let error = match outcome {
                Ok(value) => return Ok(value),
                // Without a payload there is nothing to read again.
                Err(error) if error.kind() == Kind::TreeHash => return Err(error),
                Err(error) => error,
            };
            let idle = self.clock.active().saturating_sub(start);
            let may_leave_upload = call.operation == Operation::Initiate && !had_no_effect(&error);
            self.wait_to_retry(error, &mut attempts, &call.label(), idle, context)?;
            if may_leave_upload {
                let text = "is sent again; if only its response was lost, an empty upload remains until it expires";
                self.log.write(Level::Warn, format_args!("{} {text}", call.operation));
            }
        }
    }
}

/// One part, as it is sent.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Its index, from 0.
    pub index: u32,
    /// The archive's bytes that it covers.
    pub range: ByteRange,
    /// The hashes of its bytes.
    pub hashes: &'a PartHashes,
    /// Which attempt this is, from 1.
    pub attempt: u32,
}
