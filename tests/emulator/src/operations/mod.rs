//! The operations: each takes a request and returns a response.

mod lists;
mod payload;
mod uploads;
mod vaults;

use std::io;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::body::Body;
use crate::clock::Instant;
use crate::fault_plan::Corruption;
use crate::hash::{self, Digest, EMPTY};
use crate::head::Head;
use crate::record::ArchiveRecord;
use crate::refusal::{Failure, Refusal};
use crate::request::{Operation, Target};
use crate::response::Response;
use crate::service::Service;
use crate::signature::Signed;
use crate::upload::Upload;

/// The result of an operation.
pub(crate) struct Done {
    pub(crate) response: Response,
    /// Whether the operation changed the stored data.
    pub(crate) changed: bool,
}

/// Checks a request and performs its operation. After a refusal part of the body may be unread.
pub(crate) fn perform(
    service: &Service,
    head: &Head,
    target: Option<&Target>,
    body: &mut Body<'_>,
    corruption: Option<Corruption>,
) -> Result<Done, Failure> {
    let now = service.clock.now();
    service.store.expire(now);
    if !service.rate_limit.admits(now) {
        return Err(Failure::from(Refusal::throttled()));
    }
    let without_payload = match target {
        Some(target) if target.operation.takes_body() => None,
        _ => Some(Document::read(body).map_err(Failure::Broken)?),
    };
    let body_hash = without_payload.as_ref().map_or(EMPTY, |document| &document.hash);
    let signed = service.verifier.verify(head, body_hash, now)?;
    let target =
        target.ok_or_else(|| Refusal::bad_request(format!("No such operation: {} {}", head.method, head.path())))?;
    let corruption = corruption.filter(|_| target.operation == Operation::UploadMultipartPart);
    let call = Call { service, head, target, signed: &signed, now, corruption };
    call.check_common(without_payload.as_ref())?;
    match target.operation {
        Operation::CreateVault => call.create_vault(),
        Operation::DescribeVault => call.describe_vault(),
        Operation::ListVaults => call.list_vaults(),
        Operation::UploadArchive => call.upload_archive(body),
        Operation::InitiateMultipartUpload => call.initiate(),
        Operation::ListMultipartUploads => call.list_uploads(),
        Operation::UploadMultipartPart => call.upload_part(&*call.upload()?, body),
        Operation::CompleteMultipartUpload => call.complete(&*call.upload()?),
        Operation::AbortMultipartUpload => call.abort(&*call.upload()?),
        Operation::ListParts => call.list_parts(&*call.upload()?),
    }
}

/// The body of a request without payload.
struct Document {
    /// The SHA-256 in hex.
    hash: String,
    /// The first bytes: enough to recognize an empty JSON document.
    start: Vec<u8>,
}

impl Document {
    const EMPTY_JSON: &[u8] = b"{}";

    fn read(body: &mut Body<'_>) -> io::Result<Self> {
        let (mut hasher, mut start) = (Sha256::new(), Vec::new());
        while let Some(piece) = body.next()? {
            hasher.update(piece);
            let room = Self::EMPTY_JSON.len() + 1 - start.len();
            start.extend(piece.iter().take(room));
        }
        Ok(Self { hash: hex::encode(hasher.finalize()), start })
    }
}

/// One request.
struct Call<'a> {
    service: &'a Service,
    head: &'a Head,
    target: &'a Target,
    signed: &'a Signed,
    now: Instant,
    corruption: Option<Corruption>,
}

impl Call<'_> {
    /// Checks that apply to every operation. `document` is the body of a request without payload.
    fn check_common(&self, document: Option<&Document>) -> Result<(), Refusal> {
        let Target { operation, account, vault, .. } = self.target;
        if account != "-" && *account != self.service.account {
            return Err(Refusal::access_denied(account));
        }
        match self.head.header("x-amz-glacier-version") {
            Some("2012-06-01") => {}
            Some(other) => return Err(Refusal::invalid(format!("Invalid API version: {other}"))),
            None => return Err(Refusal::missing("API version")),
        }
        let exists = match operation {
            Operation::ListVaults => true,
            Operation::CreateVault => is_vault_name(vault),
            _ => is_vault_name(vault) && self.service.store.vaults.contains(vault),
        };
        if !exists {
            return Err(Refusal::vault_not_found(&self.service.vault_arn(vault)));
        }
        let Some(Document { hash, start }) = document else { return Ok(()) };
        let is_allowed = start.is_empty() || (operation.takes_empty_document() && start == Document::EMPTY_JSON);
        if !is_allowed {
            return Err(Refusal::bad_request("This operation takes no body"));
        }
        if self.signed.payload_hash != *hash {
            return Err(Refusal::payload_mismatch(hash, &self.signed.payload_hash));
        }
        Ok(())
    }

    fn upload(&self) -> Result<Arc<Upload>, Refusal> {
        self.service.store.upload(&self.target.vault, &self.target.upload_id, self.now)
    }

    fn required(&self, header: &str, name: &str) -> Result<&str, Refusal> {
        self.head.header(header).ok_or_else(|| Refusal::missing(name))
    }

    fn tree_hash(&self) -> Result<Digest, Refusal> {
        const HEADER: &str = "x-amz-sha256-tree-hash";
        let text = self.required(HEADER, HEADER)?;
        hash::parse_hex(text).ok_or_else(|| Refusal::wrong_tree_hash(text))
    }

    fn archive_created(&self, archive: &ArchiveRecord) -> Response {
        created()
            .with("Location", format!("{}/archives/{}", self.vault_path(), archive.archive_id))
            .with("x-amz-archive-id", archive.archive_id.clone())
            .with("x-amz-sha256-tree-hash", archive.tree_hash.clone())
    }

    fn vault_path(&self) -> String {
        format!("/{}/vaults/{}", self.service.account, self.target.vault)
    }
}

/// The live service sends an empty JSON document. The developer guide does not mention it.
fn created() -> Response {
    Response::json(201, &serde_json::json!({}))
}

/// Returns true for the names that a vault can have.
pub(crate) fn is_vault_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    (1..=255).contains(&name.len()) && name.bytes().all(legal)
}
