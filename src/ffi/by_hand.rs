//! `glacier_upload_t`: the service's multipart operations, one per call.

use std::ffi::c_void;

use super::args;
use super::error::glacier_error_t;
use super::lists::glacier_parts_t;
use super::result::glacier_result_t;
use super::upload::{self, glacier_upload_t};

/// Initiates the upload. Then glacier_upload_id is known, and parts can be put.
///
/// The part size is the first that applies: the one that was set; one selected for the source, the archive size or
/// the expected size that was set; 16 MiB, also for a stream. If the response is lost, the library initiates again:
/// an upload without parts may stay in the vault, which costs nothing and expires.
///
/// Results: upload results; and GLACIER_E_INVALID (the source is empty, or needs more than 10,000 parts);
/// GLACIER_E_STATE (the upload ID is already known); GLACIER_E_NOT_FOUND (the vault). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_initiate(
    upload: *mut glacier_upload_t,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    upload::call(upload, err, |upload| upload.initiate())
}

/// Sends one part. Returns after the service acknowledges it with the same tree hash, or after the last retry fails.
///
/// part_index is 0 to 9,999; the part begins at part_index times the part size. len is the part size; the last part of
/// the archive may be shorter, from 1 byte. Parts may come in any order, and a repeated part replaces the earlier one.
/// data is not copied, is not read after the return, and does not count against the memory limit.
///
/// First call glacier_upload_initiate, or set the upload ID or a journal that has it. Any number of threads may put
/// different parts at once, each over its own connection.
///
/// Results: upload results; and
///
/// - GLACIER_E_INVALID: part_index or len not allowed, a second short part, or a part after a short one
/// - GLACIER_E_STATE: Complete was sent
/// - GLACIER_E_BUSY: another thread puts this part, or another call is using the handle
/// - GLACIER_E_TREE_HASH: the part arrived damaged repeatedly
/// - GLACIER_E_SOURCE_CHANGED: data changed during the call
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_put_part(
    upload: *mut glacier_upload_t,
    part_index: u32,
    data: *const c_void,
    len: usize,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    upload::call(upload, err, |upload| upload.put_part(part_index, args::slice_arg(data.cast(), len, "data")?, None))
}

/// If data has the given tree hash (32 bytes), does what glacier_upload_put_part does; otherwise sends nothing. This
/// ensures that the bytes sent are those that the program hashed earlier.
///
/// Results: those of glacier_upload_put_part; and GLACIER_E_TREE_HASH (data has another hash). Since: 0.1
///
/// cbindgen:ptrs-as-arrays=[[tree_hash; 32]]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_put_part_checked(
    upload: *mut glacier_upload_t,
    part_index: u32,
    data: *const c_void,
    len: usize,
    tree_hash: *const u8,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    upload::call(upload, err, |upload| {
        let data = args::slice_arg(data.cast(), len, "data")?;
        let tree_hash = args::borrow(tree_hash.cast::<[u8; 32]>(), "tree_hash")?;
        upload.put_part(part_index, data, Some(*tree_hash))
    })
}

/// Lists the parts that the service holds of the upload, all pages. Parts in flight are not included.
///
/// Results: upload results; and GLACIER_E_STATE (also if completed). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_list_parts(
    upload: *mut glacier_upload_t,
    out: *mut *mut glacier_parts_t,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    upload::call(upload, err, |upload| {
        let out = args::Out::new(out, "out")?;
        out.set(args::into_handle(glacier_parts_t::new(&upload.list_parts()?)?));
        Ok(())
    })
}

/// Creates the archive from the parts, after checking that they cover it completely. Then glacier_upload_archive_id is
/// known. On a completed handle nothing is sent.
///
/// If a source is set, the parts or the existing archive must have the bytes of the source: see "Success". The call
/// reads and compares the bytes of a file or memory source that this handle has not read: the whole source, if other
/// handles sent the parts. To complete without reading, set the archive size and no source. The call does not read a
/// callback source. If no earlier call of this handle read it to its end, the result is GLACIER_E_INVALID, or
/// GLACIER_E_STATE if there is an archive.
///
/// The archive size is the first that is known: of the source, of glacier_upload_set_archive_size, of the journal, of
/// a stream that ended. If none is known and this handle initiated the upload, the archive ends with the last part
/// that was put. On an attached handle, and after a stream that stopped before its end, an unknown size is
/// GLACIER_E_INVALID, because the library could not detect a missing end. The call lists the parts first, unless this
/// handle put all of them.
///
/// The response may take many minutes for terabytes. glacier_config_set_give_up_after_ms limits the wait over all
/// attempts. The last attempt may begin at this limit. It then waits up to 10 s for its response, or up to the limit
/// if the limit is shorter than 10 s. If the response is lost, Complete is repeated. If the call is canceled or gives
/// up before the response arrives, it returns GLACIER_E_OUTCOME_UNKNOWN. If the service does not know the upload when
/// Complete is repeated, the state becomes GLACIER_STATE_UNKNOWN.
///
/// Results: upload results; and
///
/// - GLACIER_E_INVALID: the size is unknown, or the archive exists with another size than was set
/// - GLACIER_E_SOURCE_CHANGED: the source differs; the message names the part
/// - GLACIER_E_TREE_HASH: the archive, or a part that this handle sent, has another tree hash than what was sent
/// - GLACIER_E_INCOMPLETE: a gap, a missing end, a short part before the last, a part of another handle beyond the end,
///   or a wrong size; the message names the part
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_complete(
    upload: *mut glacier_upload_t,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    upload::call(upload, err, |upload| upload.complete())
}

/// Deletes the upload and its parts at the service. This cannot be undone. Result by state:
///
/// - already aborted, or handle and journal have no upload ID: GLACIER_OK, nothing is sent
/// - completed: GLACIER_E_STATE, because there is an archive
/// - outcome unknown (GLACIER_STATE_UNKNOWN, or Complete was sent and the service no longer knows the upload):
///   GLACIER_E_OUTCOME_UNKNOWN
///
/// The response is lost if none arrives, or a 408, or a gateway's 502 or 504 in its place. Then the request is
/// repeated. If the repetition finds no upload, the result is GLACIER_OK, and a warning is logged: the upload was
/// aborted, or another program completed it. After an error response, such as 503, a repetition that finds no upload
/// is GLACIER_E_NOT_FOUND.
///
/// A call that fails or is canceled may have deleted the upload: glacier_error_is_resumable then returns 0, the state
/// stays, and the message has the upload ID. Call again with this handle: after a lost response it returns GLACIER_OK
/// if the upload is gone. Another handle, also one with the same journal, gets GLACIER_E_NOT_FOUND.
///
/// A started run or a stream is canceled first, and the call waits until it has ended: see "Cancellation". The
/// journal records the abort when it succeeds.
///
/// Results: upload results. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_abort(
    upload: *mut glacier_upload_t,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    upload::call(upload, err, |upload| upload.abort())
}
