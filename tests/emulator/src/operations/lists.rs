//! ListParts and ListMultipartUploads.

use std::sync::Arc;

use serde::Serialize;

use super::{Call, Done};
use crate::paging::Page;
use crate::refusal::{Failure, Refusal};
use crate::response::Response;
use crate::service::Service;
use crate::upload::{Part, Upload};

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
    pub(super) fn list_parts(&self, upload: &Upload) -> Result<Done, Failure> {
        // Keys of equal width sort in numeric order.
        let entries = upload.parts()?.into_iter().map(|part| (format!("{:020}", part.first), part)).collect();
        let Page { entries, marker } = self.page(entries)?;
        let entry = |part: &Part| PartEntry {
            range: format!("{}-{}", part.first, part.last),
            tree_hash: hex::encode(part.tree_hash),
        };
        let list = PartList {
            archive_description: upload.info.description.clone(),
            creation_date: upload.info.created.clone(),
            marker,
            multipart_upload_id: upload.info.upload_id.clone(),
            part_size_in_bytes: upload.info.part_size,
            parts: entries.iter().map(entry).collect(),
            vault_arn: self.service.vault_arn(&self.target.vault),
        };
        Ok(Done { response: Response::json(200, &list), changed: false })
    }

    pub(super) fn list_uploads(&self) -> Result<Done, Failure> {
        let uploads = self.service.store.uploads().into_iter();
        let open = uploads.filter(|upload| upload.info.vault == self.target.vault && upload.check_open().is_ok());
        let Page { entries, marker } = self.page(open.map(|up| (up.info.upload_id.clone(), up)).collect())?;
        let entry = |upload: &Arc<Upload>| UploadEntry {
            archive_description: upload.info.description.clone(),
            creation_date: upload.info.created.clone(),
            multipart_upload_id: upload.info.upload_id.clone(),
            part_size_in_bytes: upload.info.part_size,
            vault_arn: self.service.vault_arn(&self.target.vault),
        };
        let list = UploadList { marker, uploads_list: entries.iter().map(entry).collect() };
        Ok(Done { response: Response::json(200, &list), changed: false })
    }

    fn page<T>(&self, entries: Vec<(String, T)>) -> Result<Page<T>, Refusal> {
        let Service { markers, page_max, ids, .. } = self.service;
        // A client may write the account as `-` or as a number. The list is the same, so its key omits the account.
        let list = format!("{}/{}", self.target.vault, self.target.upload_id);
        markers.page(self.head, &list, *page_max, ids, entries)
    }
}
