//! The operations: a request in, an answer out.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::choices::LIST_VAULTS_DEFAULT;
use crate::clock::Instant;
use crate::course::Harm;
use crate::disk::Incoming;
use crate::hash::{self, Digest, EMPTY, Hasher};
use crate::http::{Body, Head, Response};
use crate::number;
use crate::paging::{self, Page};
use crate::records::ArchiveRecord;
use crate::refusal::{Failure, Refusal};
use crate::request::{Operation, Target, content_range};
use crate::service::Service;
use crate::signature::Signed;
use crate::upload::{Facts, Part, Upload};
use crate::vaults::{VaultDescription, VaultList};

/// What an operation has done.
pub(crate) struct Done {
    pub(crate) answer: Response,
    /// Whether the service now holds something else than before.
    pub(crate) changed: bool,
}

/// Checks a request and does what it asks for. A refusal may leave some of the body unread.
pub(crate) fn perform(
    service: &Service,
    head: &Head,
    target: Option<&Target>,
    body: &mut Body<'_>,
    harm: Option<Harm>,
) -> Result<Done, Failure> {
    let now = service.clock.now();
    service.store.expire(now);
    if !service.rate.admits(now) {
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
    let harm = harm.filter(|_| target.operation == Operation::UploadMultipartPart);
    let call = Call { service, head, target, signed: &signed, now, harm };
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
    /// Its SHA-256 in hex.
    hash: String,
    /// Its first bytes: enough to tell an empty JSON document from all else.
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
    harm: Option<Harm>,
}

/// A payload that has been read, and is what its hashes say.
struct Received {
    length: u64,
    tree_hash: Digest,
    /// The tree hash of what is kept of it: another, if it comes to harm.
    kept: Digest,
    bytes: Option<Incoming>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PartList {
    archive_description: Option<String>,
    creation_date: String,
    marker: Option<String>,
    multipart_upload_id: String,
    part_size_in_bytes: u64,
    parts: Vec<PartEntry>,
    #[serde(rename = "VaultARN")]
    vault_arn: String,
}

#[derive(Serialize)]
struct PartEntry {
    #[serde(rename = "RangeInBytes")]
    range: String,
    #[serde(rename = "SHA256TreeHash")]
    tree_hash: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UploadList {
    marker: Option<String>,
    uploads_list: Vec<UploadEntry>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UploadEntry {
    archive_description: Option<String>,
    creation_date: String,
    multipart_upload_id: String,
    part_size_in_bytes: u64,
    #[serde(rename = "VaultARN")]
    vault_arn: String,
}

impl Call<'_> {
    /// What every operation asks of a request; `document` is the body of one without payload.
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

    fn create_vault(&self) -> Result<Done, Failure> {
        let changed = self.service.store.vaults.create(&self.target.vault, &self.now.extended());
        Ok(Done { answer: created().with("Location", self.vault_path()), changed })
    }

    fn describe_vault(&self) -> Result<Done, Failure> {
        let name = &self.target.vault;
        let created = self.service.store.vaults.created(name);
        let created = created.ok_or_else(|| Refusal::vault_not_found(&self.service.vault_arn(name)))?;
        Ok(Done { answer: Response::json(200, &self.description_of(name.clone(), created)), changed: false })
    }

    /// The marker is the ARN of the next vault, as the service documents it.
    fn list_vaults(&self) -> Result<Done, Failure> {
        let limit = paging::limit(self.head, LIST_VAULTS_DEFAULT)?.min(self.service.page_max);
        let from = match self.head.query("marker") {
            None => String::new(),
            Some(marker) => {
                let name = marker.strip_prefix(&self.service.vault_arn("")).filter(|name| is_vault_name(name));
                name.ok_or_else(|| Refusal::invalid(format!("Invalid marker: {marker}")))?.to_owned()
            }
        };
        let mut rest = self.service.store.vaults.from(&from).into_iter();
        let page = rest.by_ref().take(limit);
        let vault_list = page.map(|(name, created)| self.description_of(name, created)).collect();
        let marker = rest.next().map(|(name, _)| self.service.vault_arn(&name));
        Ok(Done { answer: Response::json(200, &VaultList { marker, vault_list }), changed: false })
    }

    fn description_of(&self, vault_name: String, creation_date: String) -> VaultDescription {
        let archives = self.service.store.archives();
        let sizes: Vec<_> = archives.iter().filter(|archive| archive.vault == vault_name).map(|one| one.size).collect();
        VaultDescription {
            creation_date,
            last_inventory_date: (!sizes.is_empty()).then(|| self.now.extended()),
            number_of_archives: sizes.len() as u64,
            size_in_bytes: sizes.iter().sum(),
            vault_arn: self.service.vault_arn(&vault_name),
            vault_name,
        }
    }

    fn initiate(&self) -> Result<Done, Failure> {
        let given = self.head.header("x-amz-part-size");
        let part_size = given.and_then(number::unsigned::<u64>);
        let legal = |size: &u64| size.is_power_of_two() && (1 << 20..=1 << 32).contains(size);
        let part_size = part_size.filter(legal).ok_or_else(|| {
            Refusal::invalid(format!(
                "Invalid part size: {}. Part size must not be null, must be a power of two \
                 and be between 1048576 and 4294967296 bytes.",
                given.unwrap_or("null")
            ))
        })?;
        let facts = Facts {
            upload_id: self.service.ids.upload_id(),
            vault: self.target.vault.clone(),
            part_size,
            description: self.description()?,
            created: self.now.extended(),
        };
        let upload_id = facts.upload_id.clone();
        self.service.store.add_upload(facts, self.now)?;
        let location = format!("{}/multipart-uploads/{upload_id}", self.vault_path());
        let answer = created().with("Location", location).with("x-amz-multipart-upload-id", upload_id);
        Ok(Done { answer, changed: true })
    }

    fn upload_part(&self, upload: &Upload, body: &mut Body<'_>) -> Result<Done, Failure> {
        // An upload that is over takes no parts; better said before the body than after.
        upload.check_open()?;
        let header = self.required("content-range", "Content-Range")?;
        let range = content_range(header);
        let (first, last) = range.ok_or_else(|| Refusal::invalid(format!("Invalid Content-Range: {header}")))?;
        let length = body.remaining();
        if last - first + 1 != length {
            return Err(Failure::from(Refusal::invalid(format!(
                "Content-Range: {header} is incompatible with Content-Length: {length}"
            ))));
        }
        upload.check_range(first, last, header)?;
        let received = self.receive(body)?;
        let part = Part { first, last, tree_hash: received.kept };
        let kept = self.harm != Some(Harm::Lose);
        if kept {
            upload.keep_part(self.service.store.disk().zip(received.bytes.as_ref()), part)?;
        }
        upload.touch(self.service.clock.now());
        let answer = Response::empty(204).with("x-amz-sha256-tree-hash", hex::encode(received.tree_hash));
        Ok(Done { answer, changed: kept })
    }

    fn complete(&self, upload: &Upload) -> Result<Done, Failure> {
        let size = self.required("x-amz-archive-size", "x-amz-archive-size")?;
        let size =
            number::unsigned(size).ok_or_else(|| Refusal::invalid(format!("Invalid x-amz-archive-size: {size}")))?;
        let store = &self.service.store;
        let archive_id = self.service.ids.archive_id();
        let (archive, new) = upload.complete(store.disk(), size, self.tree_hash()?, archive_id)?;
        if new {
            store.add_archive(archive.clone());
        }
        Ok(Done { answer: self.archive_created(&archive), changed: new })
    }

    fn abort(&self, upload: &Upload) -> Result<Done, Failure> {
        let changed = upload.abort(self.service.store.disk())?;
        Ok(Done { answer: Response::empty(204), changed })
    }

    fn list_parts(&self, upload: &Upload) -> Result<Done, Failure> {
        // Keys of one width sort as the numbers do.
        let entries = upload.parts()?.into_iter().map(|part| (format!("{:020}", part.first), part)).collect();
        let Page { entries, marker } = self.page(entries)?;
        let entry = |part: &Part| PartEntry {
            range: format!("{}-{}", part.first, part.last),
            tree_hash: hex::encode(part.tree_hash),
        };
        let list = PartList {
            archive_description: upload.facts.description.clone(),
            creation_date: upload.facts.created.clone(),
            marker,
            multipart_upload_id: upload.facts.upload_id.clone(),
            part_size_in_bytes: upload.facts.part_size,
            parts: entries.iter().map(entry).collect(),
            vault_arn: self.service.vault_arn(&self.target.vault),
        };
        Ok(Done { answer: Response::json(200, &list), changed: false })
    }

    fn list_uploads(&self) -> Result<Done, Failure> {
        let uploads = self.service.store.uploads().into_iter();
        let open = uploads.filter(|upload| upload.facts.vault == self.target.vault && upload.check_open().is_ok());
        let Page { entries, marker } = self.page(open.map(|up| (up.facts.upload_id.clone(), up)).collect())?;
        let entry = |upload: &Arc<Upload>| UploadEntry {
            archive_description: upload.facts.description.clone(),
            creation_date: upload.facts.created.clone(),
            multipart_upload_id: upload.facts.upload_id.clone(),
            part_size_in_bytes: upload.facts.part_size,
            vault_arn: self.service.vault_arn(&self.target.vault),
        };
        let list = UploadList { marker, uploads_list: entries.iter().map(entry).collect() };
        Ok(Done { answer: Response::json(200, &list), changed: false })
    }

    fn upload_archive(&self, body: &mut Body<'_>) -> Result<Done, Failure> {
        const ARCHIVE_MAX: u64 = 1 << 32;
        let length = body.remaining();
        if !(1..=ARCHIVE_MAX).contains(&length) {
            return Err(Failure::from(Refusal::invalid(format!("Invalid Content-Length: {length}"))));
        }
        let description = self.description()?;
        let received = self.receive(body)?;
        let archive = ArchiveRecord {
            vault: self.target.vault.clone(),
            archive_id: self.service.ids.archive_id(),
            upload_id: None,
            size: received.length,
            tree_hash: hex::encode(received.tree_hash),
            description,
            path: None,
        };
        self.service.store.keep_archive(archive.clone(), received.bytes.as_ref())?;
        Ok(Done { answer: self.archive_created(&archive), changed: true })
    }

    /// Reads a payload and compares its hashes with those that the request names.
    fn receive(&self, body: &mut Body<'_>) -> Result<Received, Failure> {
        let tree_hash = self.tree_hash()?;
        if self.head.header("x-amz-content-sha256").is_none() {
            // The payload's hash is then missing from the signature as well.
            return Err(Failure::from(Refusal::signature("The request has no x-amz-content-sha256")));
        }
        let length = body.remaining();
        let receive = |disk: &crate::disk::Disk| disk.receive().map_err(|e| Refusal::storage(&e));
        let mut bytes = self.service.store.disk().map(receive).transpose()?;
        let mut damaged = (self.harm == Some(Harm::Damage)).then(Hasher::default);
        while let Some(piece) = body.next().map_err(Failure::Broken)? {
            let mut kept = Cow::Borrowed(piece);
            if let Some(damaged) = &mut damaged {
                kept.to_mut().iter_mut().for_each(|byte| *byte ^= 1);
                damaged.update(&kept);
            }
            if let Some(bytes) = &mut bytes {
                bytes.write(&kept).map_err(|e| Refusal::storage(&e))?;
            }
        }
        self.signed.check_clock(self.service.clock.now())?;
        if let Some((linear, tree)) = body.hashes() {
            if hex::encode(linear) != self.signed.payload_hash {
                return Err(Failure::from(Refusal::payload_mismatch(&hex::encode(linear), &self.signed.payload_hash)));
            }
            if tree != tree_hash {
                let (expected, computed) = (hex::encode(tree_hash), hex::encode(tree));
                return Err(Failure::from(Refusal::checksum_mismatch(&expected, &computed)));
            }
        }
        let kept = damaged.map_or(tree_hash, |hasher| hasher.finish().1);
        Ok(Received { length, tree_hash, kept, bytes })
    }

    fn upload(&self) -> Result<Arc<Upload>, Refusal> {
        self.service.store.upload(&self.target.vault, &self.target.upload_id, self.now)
    }

    fn page<T>(&self, entries: Vec<(String, T)>) -> Result<Page<T>, Refusal> {
        let Service { markers, page_max, ids, .. } = self.service;
        // The account may be written in two ways; the list is the same.
        let list = format!("{}/{}", self.target.vault, self.target.upload_id);
        markers.page(self.head, &list, *page_max, ids, entries)
    }

    fn required(&self, header: &str, name: &str) -> Result<&str, Refusal> {
        self.head.header(header).ok_or_else(|| Refusal::missing(name))
    }

    fn tree_hash(&self) -> Result<Digest, Refusal> {
        const HEADER: &str = "x-amz-sha256-tree-hash";
        let text = self.required(HEADER, HEADER)?;
        hash::parse_hex(text).ok_or_else(|| Refusal::wrong_tree_hash(text))
    }

    /// At most 1024 printable ASCII characters. Spaces at its ends have gone with the header's own.
    fn description(&self) -> Result<Option<String>, Refusal> {
        let text = self.head.header("x-amz-archive-description").unwrap_or_default();
        if text.len() > 1024 || !text.bytes().all(|b| (0x20..=0x7e).contains(&b)) {
            return Err(Refusal::invalid(format!("Invalid x-amz-archive-description: {text}")));
        }
        Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
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

/// The live service sends an empty document along, which the guide does not say.
fn created() -> Response {
    Response::json(201, &serde_json::json!({}))
}

fn is_vault_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    (1..=255).contains(&name.len()) && name.bytes().all(legal)
}
