//! The two list operations, which fetch all pages. Markers are opaque: they are sent back unchanged.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::json::{self, ListedPart, ListedUpload, PartsPage};
use super::send::PreparedRequest;
use super::service::{Service, ServiceOperation, UploadName};
use crate::error::{Error, Kind, Result};
use crate::http::{Method, RequestContext};
use crate::limits::{LIST_PAGE_MAX, LIST_PAGES_MAX, LISTED_UPLOADS_MAX, PARTS_MAX, quoted};
use crate::percent;
use crate::sys::emergency_memory;

/// The result of ListParts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadParts {
    /// The description given at Initiate.
    pub description: Option<String>,
    /// The part size given at Initiate, in bytes.
    pub part_size: u64,
    /// All stored parts, sorted by range.
    pub parts: Vec<ListedPart>,
}

impl Service {
    /// Lists all parts of an upload (API page "List Parts"), sorted by range.
    ///
    /// # Errors
    /// `Protocol` if the pages do not end or contradict each other. Otherwise as [`Service::initiate`].
    pub fn list_parts(&self, upload: UploadName<'_>, context: &RequestContext) -> Result<UploadParts> {
        let mut parts = Vec::new();
        let mut part_size = None;
        self.pages(
            ServiceOperation::ListParts,
            &self.upload_path(upload),
            context,
            json::parts_page,
            |page: PartsPage| {
                if *part_size.get_or_insert(page.part_size) != page.part_size {
                    return Err(Error::new(Kind::Protocol, "the part size differs between the pages of the list"));
                }
                grow(&mut parts, page.parts.len())?;
                parts.extend(page.parts);
                check_count("parts", parts.len(), PARTS_MAX as usize)?;
                Ok((page.marker, (page.description, page.part_size)))
            },
        )
        .map(|(description, part_size)| {
            parts.sort_by_key(|part: &ListedPart| part.range.first);
            UploadParts { description, part_size, parts }
        })
    }

    /// Lists all multipart uploads in progress in a vault (API page "List Multipart Uploads"), in the service's order.
    ///
    /// # Errors
    /// As [`Service::list_parts`].
    pub fn list_uploads(&self, vault: &str, context: &RequestContext) -> Result<Vec<ListedUpload>> {
        let mut uploads = Vec::new();
        let path = self.vault_path(vault, "/multipart-uploads");
        self.pages(ServiceOperation::ListUploads, &path, context, json::uploads_page, |page| {
            grow(&mut uploads, page.uploads.len())?;
            for mut upload in page.uploads {
                upload.id = self.id(&upload.id)?;
                upload.description = upload.description.map(|text| self.keys.redactor().redacted(&text).into_owned());
                uploads.push(upload);
            }
            check_count("uploads", uploads.len(), LISTED_UPLOADS_MAX)?;
            Ok((page.marker, ()))
        })?;
        Ok(uploads)
    }

    /// Fetches pages until one has no marker. Returns what `take` returned for the last one.
    fn pages<P, L>(
        &self,
        operation: ServiceOperation,
        path: &str,
        context: &RequestContext,
        read: impl Fn(&[u8]) -> Result<P>,
        mut take: impl FnMut(P) -> Result<(Option<String>, L)>,
    ) -> Result<L> {
        // Hashes of the markers, because markers may be long.
        let mut seen = HashSet::new();
        let mut target = format!("{path}?limit={LIST_PAGE_MAX}");
        for _ in 0..LIST_PAGES_MAX {
            let request = PreparedRequest::new(operation, Method::Get, target, 200);
            let page = self.send_with_retries(&request, context, |response| read(&response.body))?;
            let (marker, last) = take(page).map_err(|error| self.finish_error(&request, error))?;
            let Some(marker) = marker else { return Ok(last) };
            target = format!("{path}?limit={LIST_PAGE_MAX}&marker={}", percent::encode(marker.as_bytes()));
            if !seen.insert(Sha256::digest(&marker)) {
                let message =
                    format!("the service returned the marker {} twice: the list would not end", quoted(&marker));
                return Err(self.finish_error(&request, Error::new(Kind::Protocol, message)));
            }
        }
        let message = format!("{operation}: the list does not end: it has more than {LIST_PAGES_MAX} pages");
        Err(Error::new(Kind::Protocol, message).during(operation.name()))
    }
}

/// Fails if a list has too many entries, before an endless list exhausts the memory.
fn check_count(what: &str, count: usize, max: usize) -> Result<()> {
    if count <= max {
        return Ok(());
    }
    Err(Error::new(Kind::Protocol, format!("the service lists more than {max} {what}")))
}

/// Reserves memory for the entries of another page.
fn grow<T>(entries: &mut Vec<T>, more: usize) -> Result<()> {
    emergency_memory::ensure()?;
    entries.try_reserve(more).map_err(|cause| {
        Error::new(Kind::Memory, format!("out of memory for a list of {} entries", entries.len() + more))
            .caused_by(cause)
    })
}
