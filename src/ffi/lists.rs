//! `glacier_parts_t` and `glacier_uploads_t`: the lists that the service returns.

use std::ffi::{CString, c_char};
use std::ptr;

use super::args;
use super::infallible;
use crate::client::ListedUpload;
use crate::error::{Error, Kind, Result};
use crate::ffi_text::to_cstring;
use crate::sys::emergency_memory;
use crate::upload::PartEntry;

/// The parts that the service holds of an upload, from glacier_upload_list_parts, in the order of their offsets.
#[derive(Debug)]
pub struct glacier_parts_t(Vec<PartFields>);

#[derive(Debug)]
struct PartFields {
    offset: u64,
    length: u64,
    /// 64 digits and NUL, without an allocation for each part.
    tree_hash: [u8; 65],
}

impl glacier_parts_t {
    /// Creates the list of these parts.
    ///
    /// # Errors
    /// `Memory`.
    pub(super) fn new(parts: &[PartEntry]) -> Result<Self> {
        let mut list = Vec::new();
        list.try_reserve_exact(parts.len()).map_err(|cause| {
            Error::new(Kind::Memory, format!("out of memory for a list of {} parts", parts.len())).caused_by(cause)
        })?;
        list.extend(parts.iter().map(|part| {
            let mut tree_hash = [0; 65];
            // The text has 64 digits, so it fits.
            let _ = hex::encode_to_slice(part.tree_hash.0, &mut tree_hash[..64]);
            PartFields { offset: part.offset, length: part.length, tree_hash }
        }));
        Ok(Self(list))
    }
}

/// Returns the number of parts in the list. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_parts_count(parts: *const glacier_parts_t) -> usize {
    infallible::read(parts, 0, |parts| parts.0.len())
}

/// Returns where the part at an index of the list (0 to glacier_parts_count - 1) begins in the archive, in bytes. The
/// index is not the part_index of glacier_upload_put_part, because the list may have gaps. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_parts_offset(parts: *const glacier_parts_t, index: usize) -> u64 {
    infallible::read(parts, 0, |parts| parts.0.get(index).map_or(0, |part| part.offset))
}

/// Returns the length of that part in bytes. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_parts_length(parts: *const glacier_parts_t, index: usize) -> u64 {
    infallible::read(parts, 0, |parts| parts.0.get(index).map_or(0, |part| part.length))
}

/// Returns the service's tree hash of that part, 64 lower-case hexadecimal digits. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_parts_tree_hash(parts: *const glacier_parts_t, index: usize) -> *const c_char {
    infallible::read(parts, ptr::null(), |parts| {
        parts.0.get(index).map_or(ptr::null(), |part| part.tree_hash.as_ptr().cast())
    })
}

/// Frees a list of parts. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_parts_free(parts: *mut glacier_parts_t) {
    infallible::run((), || drop(args::take_back(parts)));
}

/// The multipart uploads in progress in a vault, from glacier_client_list_uploads, in no order.
#[derive(Debug)]
pub struct glacier_uploads_t(Vec<UploadFields>);

#[derive(Debug)]
struct UploadFields {
    id: CString,
    description: Option<CString>,
    created: CString,
    created_unix: i64,
    part_size: u64,
}

impl glacier_uploads_t {
    /// Creates the list of these uploads.
    ///
    /// # Errors
    /// `Memory`.
    pub(super) fn new(uploads: Vec<ListedUpload>) -> Result<Self> {
        let length = |upload: &ListedUpload| {
            upload.id.len() + upload.created.len() + upload.description.as_ref().map_or(0, String::len)
        };
        // A text is moved to add its NUL, one at a time.
        let longest = uploads.iter().map(length).max().unwrap_or_default();
        emergency_memory::ensure_beside(uploads.len() * size_of::<UploadFields>() + 2 * longest)?;
        let fields = |upload: ListedUpload| UploadFields {
            id: to_cstring(upload.id),
            description: upload.description.map(to_cstring),
            created: to_cstring(upload.created),
            created_unix: upload.created_unix,
            part_size: upload.part_size,
        };
        Ok(Self(uploads.into_iter().map(fields).collect()))
    }
}

/// Returns the number of uploads in the list. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_uploads_count(uploads: *const glacier_uploads_t) -> usize {
    infallible::read(uploads, 0, |uploads| uploads.0.len())
}

/// Returns the ID of the upload at an index of the list (0 to glacier_uploads_count - 1), for
/// glacier_upload_set_upload_id. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_uploads_id(uploads: *const glacier_uploads_t, index: usize) -> *const c_char {
    infallible::read(uploads, ptr::null(), |uploads| {
        uploads.0.get(index).map_or(ptr::null(), |upload| upload.id.as_ptr())
    })
}

/// Returns the archive description of that upload; NULL if it has none. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_uploads_description(uploads: *const glacier_uploads_t, index: usize) -> *const c_char {
    infallible::read(uploads, ptr::null(), |uploads| {
        let description = uploads.0.get(index).and_then(|upload| upload.description.as_ref());
        description.map_or(ptr::null(), |text| text.as_ptr())
    })
}

/// Returns when that upload was initiated, in the service's format, such as "2012-03-20T17:03:43.221Z". Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_uploads_created(uploads: *const glacier_uploads_t, index: usize) -> *const c_char {
    infallible::read(uploads, ptr::null(), |uploads| {
        uploads.0.get(index).map_or(ptr::null(), |upload| upload.created.as_ptr())
    })
}

/// Returns when that upload was initiated, in whole seconds since 1970-01-01 UTC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_uploads_created_unix(uploads: *const glacier_uploads_t, index: usize) -> i64 {
    infallible::read(uploads, 0, |uploads| uploads.0.get(index).map_or(0, |upload| upload.created_unix))
}

/// Returns the part size of that upload in bytes. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_uploads_part_size(uploads: *const glacier_uploads_t, index: usize) -> u64 {
    infallible::read(uploads, 0, |uploads| uploads.0.get(index).map_or(0, |upload| upload.part_size))
}

/// Frees a list of uploads. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_uploads_free(uploads: *mut glacier_uploads_t) {
    infallible::run((), || drop(args::take_back(uploads)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::treehash::Digest;

    #[test]
    fn returns_parts_and_zero_past_the_end() {
        let entry = PartEntry { offset: 1 << 20, length: 7, tree_hash: Digest([0xab; 32]) };
        let parts = args::into_handle(glacier_parts_t::new(&[entry]).unwrap());
        for (parts, index, expected) in [(parts, 0, (1 << 20, 7)), (parts, 1, (0, 0)), (ptr::null_mut(), 0, (0, 0))] {
            // SAFETY: the list is NULL or alive.
            let offset = unsafe { glacier_parts_offset(parts, index) };
            // SAFETY: the list is NULL or alive.
            let length = unsafe { glacier_parts_length(parts, index) };
            // SAFETY: the list is NULL or alive.
            let tree_hash = unsafe { glacier_parts_tree_hash(parts, index) };
            assert_eq!((offset, length), expected);
            assert_eq!(tree_hash.is_null(), length == 0);
        }
        // SAFETY: the list is NULL or alive.
        let tree_hash = args::str_arg(unsafe { glacier_parts_tree_hash(parts, 0) }, "tree_hash").unwrap();
        assert_eq!(tree_hash, "ab".repeat(32));
        // SAFETY: the list is NULL or alive.
        assert_eq!(unsafe { glacier_parts_count(parts) }, 1);
        // SAFETY: freed once.
        unsafe { glacier_parts_free(parts) };
    }

    #[test]
    fn returns_uploads_and_null_past_the_end() {
        let entry = |description: Option<&str>| ListedUpload {
            id: "-id".to_owned(),
            description: description.map(str::to_owned),
            created: "2012-03-20T17:03:43.221Z".to_owned(),
            created_unix: 1_332_263_023,
            part_size: 1 << 20,
        };
        let uploads = args::into_handle(glacier_uploads_t::new(vec![entry(None), entry(Some("text"))]).unwrap());
        // SAFETY: the list is NULL or alive.
        let description = unsafe { glacier_uploads_description(uploads, 0) };
        assert!(description.is_null(), "no description is NULL, not an empty string");
        // SAFETY: the list is NULL or alive.
        let description = args::str_arg(unsafe { glacier_uploads_description(uploads, 1) }, "description").unwrap();
        assert_eq!(description, "text");
        // SAFETY: the list is NULL or alive.
        assert!(unsafe { glacier_uploads_id(uploads, 2) }.is_null());
        // SAFETY: the list is NULL or alive.
        assert_eq!(unsafe { glacier_uploads_created_unix(uploads, 1) }, 1_332_263_023);
        // SAFETY: freed once.
        unsafe { glacier_uploads_free(uploads) };
        // SAFETY: NULL is ignored.
        unsafe { glacier_uploads_free(ptr::null_mut()) };
    }
}
