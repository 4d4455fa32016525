//! The operations of the service, typed.

use std::io::{self, BufRead};

use super::response;
use super::send::PreparedRequest;
use super::service::{Completed, Initiated, Service, ServiceOperation, UploadName};
use crate::error::Result;
use crate::http::{Method, RequestContext, Response};
use crate::plan::ByteRange;
use crate::treehash::{Digest, PartHashes};

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
        let mut request = PreparedRequest::new(
            ServiceOperation::Initiate,
            Method::Post,
            self.vault_path(vault, "/multipart-uploads"),
            201,
        )
        .header("x-amz-part-size", part_size.to_string());
        if !description.is_empty() {
            request = request.header("x-amz-archive-description", description.to_owned());
        }
        self.send_with_retries(&request, context, |response| {
            Ok(Initiated { id: self.id(response::upload_id(response)?)?, location: self.location(response)? })
        })
    }

    /// Returns the request that sends a part (API page "Upload Part"), for [`Service::upload_part`].
    pub fn part_request(
        &self,
        upload: UploadName<'_>,
        index: u32,
        range: ByteRange,
        hashes: &PartHashes,
    ) -> PreparedRequest {
        PreparedRequest::new(ServiceOperation::UploadPart, Method::Put, self.upload_path(upload), 204)
            .header("content-range", range.content_range())
            .header("x-amz-content-sha256", hashes.linear.to_string())
            .header("x-amz-sha256-tree-hash", hashes.tree.to_string())
            .part(index, range.length())
    }

    /// Sends a part with the tree hash `tree`, in one attempt. Idempotent: a part with the same range is overwritten.
    ///
    /// # Errors
    /// `TreeHash` if the service computed another hash. Otherwise the error of the attempt.
    pub fn upload_part(
        &self,
        request: &PreparedRequest,
        tree: Digest,
        attempt: u32,
        payload: &mut dyn BufRead,
        context: &RequestContext,
    ) -> Result<()> {
        let response = self.attempt(request, attempt, payload, context)?;
        response::compare_tree_hash(&response, tree).map_err(|error| self.finish_error(request, error))
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
        let request = PreparedRequest::new(ServiceOperation::Complete, Method::Post, self.upload_path(upload), 201)
            .header("x-amz-archive-size", size.to_string())
            .header("x-amz-sha256-tree-hash", tree.to_string());
        let read = |response: &Response| {
            Ok(Completed {
                archive_id: self.id(response::required_header(response, "x-amz-archive-id")?)?,
                location: self.location(response)?,
                tree_hash: response::tree_hash(response)?,
            })
        };
        let response = self.attempt(&request, attempt, &mut io::empty(), context)?;
        read(&response).map_err(|error| self.finish_error(&request, error))
    }

    /// Deletes the multipart upload (API page "Abort Multipart Upload"). Idempotent for a limited time.
    ///
    /// # Errors
    /// As [`Service::initiate`].
    pub fn abort(&self, upload: UploadName<'_>, context: &RequestContext) -> Result<()> {
        let request = PreparedRequest::new(ServiceOperation::Abort, Method::Delete, self.upload_path(upload), 204);
        self.send_with_retries(&request, context, |_| Ok(()))
    }
}
