//! The operations that store bytes or change an upload: initiate, upload a part, complete, abort, upload an archive.

use super::{Call, Done, created};
use crate::body::Body;
use crate::fault_plan::Corruption;
use crate::number;
use crate::record::ArchiveRecord;
use crate::refusal::{Failure, Refusal};
use crate::request::content_range;
use crate::response::Response;
use crate::upload::{Part, Upload, UploadInfo};

impl Call<'_> {
    pub(super) fn initiate(&self) -> Result<Done, Failure> {
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
        let info = UploadInfo {
            upload_id: self.service.ids.upload_id(),
            vault: self.target.vault.clone(),
            part_size,
            description: self.description()?,
            created: self.now.extended(),
        };
        let upload_id = info.upload_id.clone();
        self.service.store.add_upload(info, self.now)?;
        let location = format!("{}/multipart-uploads/{upload_id}", self.vault_path());
        let response = created().with("Location", location).with("x-amz-multipart-upload-id", upload_id);
        Ok(Done { response, changed: true })
    }

    pub(super) fn upload_part(&self, upload: &Upload, body: &mut Body<'_>) -> Result<Done, Failure> {
        // A finished upload accepts no parts. Checking first avoids reading the body.
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
        let part = Part { first, last, tree_hash: received.stored };
        let stored = self.corruption != Some(Corruption::Lose);
        if stored {
            upload.store_part(self.service.store.disk().zip(received.bytes.as_ref()), part)?;
        }
        upload.touch(self.service.clock.now());
        let response = Response::empty(204).with("x-amz-sha256-tree-hash", hex::encode(received.tree_hash));
        Ok(Done { response, changed: stored })
    }

    pub(super) fn complete(&self, upload: &Upload) -> Result<Done, Failure> {
        let size = self.required("x-amz-archive-size", "x-amz-archive-size")?;
        let size =
            number::unsigned(size).ok_or_else(|| Refusal::invalid(format!("Invalid x-amz-archive-size: {size}")))?;
        let store = &self.service.store;
        let archive_id = self.service.ids.archive_id();
        let add = |archive| store.add_archive(archive);
        let (archive, new) = upload.complete(store.disk(), size, self.tree_hash()?, archive_id, add)?;
        Ok(Done { response: self.archive_created(&archive), changed: new })
    }

    pub(super) fn abort(&self, upload: &Upload) -> Result<Done, Failure> {
        let changed = upload.abort(self.service.store.disk())?;
        Ok(Done { response: Response::empty(204), changed })
    }

    pub(super) fn upload_archive(&self, body: &mut Body<'_>) -> Result<Done, Failure> {
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
        self.service.store.store_archive(archive.clone(), received.bytes.as_ref())?;
        Ok(Done { response: self.archive_created(&archive), changed: true })
    }

    /// Returns the description: at most 1024 printable ASCII characters. HTTP strips spaces at both ends.
    fn description(&self) -> Result<Option<String>, Refusal> {
        let text = self.head.header("x-amz-archive-description").unwrap_or_default();
        if text.len() > 1024 || !text.bytes().all(|b| (0x20..=0x7e).contains(&b)) {
            return Err(Refusal::invalid(format!("Invalid x-amz-archive-description: {text}")));
        }
        Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
    }
}
