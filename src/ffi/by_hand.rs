//! `glacier_upload_t` by hand: the service's own operations, one a call.

use std::ffi::c_void;

use super::args;
use super::boundary;
use super::error::glacier_error_t;
use super::lists::glacier_parts_t;
use super::result::glacier_result_t;
use super::upload::{self, glacier_upload_t};

/// Initiates the upload at the service; glacier_upload_id is known then. Without it nothing can be put.
///
/// Its parts have the size that glacier_upload_set_part_size set, else the one that glacier_plan_new gives for the
/// source, or without a source 16 MiB. If the answer is lost the library initiates again: an upload without parts may
/// be left in the vault, which costs nothing and vanishes by itself.
///
/// Any thread; one working call at a time. Callbacks come on the calling thread.
/// Results: GLACIER_OK; GLACIER_E_NULL (upload); GLACIER_E_INVALID (the source is empty, or too large for 10,000 parts
/// of the part size); GLACIER_E_STATE (it has an upload ID already); GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_IO
/// (the source, the journal); GLACIER_E_MEMORY; GLACIER_E_JOURNAL; GLACIER_E_LOCKED; GLACIER_E_NETWORK; GLACIER_E_TLS;
/// GLACIER_E_TIMEOUT; GLACIER_E_PROTOCOL; GLACIER_E_SERVICE; GLACIER_E_ACCESS; GLACIER_E_CREDENTIALS;
/// GLACIER_E_THROTTLED; GLACIER_E_NOT_FOUND (the vault); GLACIER_E_LIMIT; GLACIER_E_NO_LONGER_SUPPORTED;
/// GLACIER_E_OUTCOME_UNKNOWN (the state is GLACIER_STATE_UNKNOWN); GLACIER_E_CANCELED; GLACIER_E_CALLBACK;
/// GLACIER_E_PANIC; GLACIER_E_INTERNAL.
/// Source: Amazon Glacier developer guide, "Initiate Multipart Upload". Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_initiate(
    upload: *mut glacier_upload_t,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || upload::share(upload)?.initiate())
}

/// Sends one part and returns when the service has acknowledged it with the same tree hash, or it failed for good.
///
/// part_index counts from 0 to 9,999: the part begins at part_index times the part size. len is the part size, or for
/// the last part of the archive 1 byte to the part size. Parts may come in any order; the same part again replaces
/// the earlier. data is not copied; nobody reads it any more when this returns. It does not count against the memory
/// limit.
///
/// After glacier_upload_initiate or glacier_upload_set_upload_id. Any number of threads may put different parts of one
/// upload at once, each over its own connection. Callbacks come on one of these threads.
/// Results: GLACIER_OK; GLACIER_E_NULL (upload; data, if len is not 0); GLACIER_E_INVALID (part_index or len not
/// allowed, a second short part, a part behind a short one, or a part size was set that the upload does not have);
/// GLACIER_E_STATE (not initiated and not attached, Complete was sent, the upload is aborted, or the handle was used
/// with glacier_upload_run); GLACIER_E_BUSY (this part is being put by another thread, or another call works with the
/// handle); GLACIER_E_FORKED; GLACIER_E_IO (the journal); GLACIER_E_MEMORY; GLACIER_E_JOURNAL; GLACIER_E_LOCKED;
/// GLACIER_E_NETWORK; GLACIER_E_TLS; GLACIER_E_TIMEOUT; GLACIER_E_PROTOCOL; GLACIER_E_SERVICE; GLACIER_E_ACCESS;
/// GLACIER_E_CREDENTIALS; GLACIER_E_THROTTLED; GLACIER_E_NOT_FOUND (the service does not know the upload);
/// GLACIER_E_LIMIT; GLACIER_E_NO_LONGER_SUPPORTED; GLACIER_E_TREE_HASH (the part arrived damaged, repeatedly);
/// GLACIER_E_SOURCE_CHANGED (data changed during the call); GLACIER_E_OUTCOME_UNKNOWN (as the state is
/// GLACIER_STATE_UNKNOWN); GLACIER_E_CANCELED; GLACIER_E_CALLBACK; GLACIER_E_PANIC; GLACIER_E_INTERNAL.
/// Source: Amazon Glacier developer guide, "Upload Part". Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_put_part(
    upload: *mut glacier_upload_t,
    part_index: u32,
    data: *const c_void,
    len: usize,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || {
        let upload = upload::share(upload)?;
        upload.put_part(part_index, args::slice_arg(data.cast(), len, "data")?, None)
    })
}

/// Does what glacier_upload_put_part does, if the tree hash of data is tree_hash (32 bytes). If not it gives
/// GLACIER_E_TREE_HASH and nothing is sent: so what a program hashed long ago is what is uploaded.
///
/// Threads: as glacier_upload_put_part.
/// Results: those of glacier_upload_put_part; and GLACIER_E_NULL (tree_hash); GLACIER_E_TREE_HASH (not the hash of
/// data). Since: 0.1
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
    boundary::call(err, || {
        let upload = upload::share(upload)?;
        let data = args::slice_arg(data.cast(), len, "data")?;
        let tree_hash = args::borrow(tree_hash.cast::<[u8; 32]>(), "tree_hash")?;
        upload.put_part(part_index, data, Some(*tree_hash))
    })
}

/// Asks the service for the parts that it holds of the upload, page by page to the end. Parts on their way are not in
/// it.
///
/// *out gets the list, which may be empty; free it with glacier_parts_free.
///
/// After glacier_upload_initiate or glacier_upload_set_upload_id. Any thread; one working call at a time. Callbacks
/// come on it.
/// Results: GLACIER_OK; GLACIER_E_NULL (upload, out); GLACIER_E_INVALID (a part size was set that the upload does not
/// have); GLACIER_E_STATE (not initiated and not attached, or already completed or aborted); GLACIER_E_BUSY;
/// GLACIER_E_FORKED; GLACIER_E_IO; GLACIER_E_MEMORY; GLACIER_E_JOURNAL; GLACIER_E_LOCKED; GLACIER_E_NETWORK;
/// GLACIER_E_TLS; GLACIER_E_TIMEOUT; GLACIER_E_PROTOCOL; GLACIER_E_SERVICE; GLACIER_E_ACCESS; GLACIER_E_CREDENTIALS;
/// GLACIER_E_THROTTLED; GLACIER_E_NOT_FOUND (the service does not know the upload); GLACIER_E_LIMIT;
/// GLACIER_E_NO_LONGER_SUPPORTED; GLACIER_E_OUTCOME_UNKNOWN (as the state is GLACIER_STATE_UNKNOWN);
/// GLACIER_E_CANCELED; GLACIER_E_CALLBACK; GLACIER_E_PANIC; GLACIER_E_INTERNAL. Source: Amazon Glacier developer
/// guide, "List Parts". Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_list_parts(
    upload: *mut glacier_upload_t,
    out: *mut *mut glacier_parts_t,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || {
        let upload = upload::share(upload)?;
        let out = args::Out::new(out, "out")?;
        out.set(args::into_handle(glacier_parts_t::from(upload.list_parts()?)));
        Ok(())
    })
}

/// Makes the archive out of the parts, after checking that they cover it from 0 to its end. Then
/// glacier_upload_archive_id and the other facts are known. On a handle that is completed it sends nothing.
///
/// If a source is set, the parts, or the archive there is, must have its bytes: see "Success" above. What this handle
/// did not read of a file or of memory is read and compared, all of it if other handles sent the parts; a difference is
/// GLACIER_E_SOURCE_CHANGED, and the message names the part. To complete without reading, set
/// glacier_upload_set_archive_size and no source. A callback is not read here: unless this handle has read it to its
/// end, it is GLACIER_E_INVALID, or GLACIER_E_STATE if there is an archive.
///
/// The size of the archive is that of the source, or the one set with glacier_upload_set_archive_size, or the one that
/// the journal has, or that of a stream which came to its end; without them the end of what was put by hand, if this
/// handle initiated the upload. A handle that is attached, or whose stream broke off, and that has none of these
/// cannot know it and gets GLACIER_E_INVALID: a missing end would go unseen. The parts are listed first if this handle
/// did not put every one; a hole, a missing end, a short part in the middle and a wrong size are GLACIER_E_INCOMPLETE,
/// and the message names the part.
///
/// The answer may take many minutes for terabytes; glacier_config_set_give_up_after_ms bounds it. A lost answer is
/// asked for again. If this is canceled or gives up between the request and its answer, it gives
/// GLACIER_E_OUTCOME_UNKNOWN: call it again to learn the outcome. If the service does not know the upload any more by
/// then, it gives GLACIER_E_OUTCOME_UNKNOWN for good (GLACIER_STATE_UNKNOWN), and only an inventory of the vault can
/// tell whether there is an archive.
///
/// Any thread; one working call at a time. Callbacks come on the calling thread.
/// Results: GLACIER_OK; GLACIER_E_NULL (upload); GLACIER_E_INVALID (the size is not known, or a part size was set that
/// the upload does not have); GLACIER_E_STATE (not initiated and not attached, or aborted); GLACIER_E_BUSY;
/// GLACIER_E_FORKED; GLACIER_E_IO; GLACIER_E_MEMORY; GLACIER_E_SOURCE_CHANGED; GLACIER_E_JOURNAL; GLACIER_E_LOCKED;
/// GLACIER_E_NETWORK; GLACIER_E_TLS; GLACIER_E_TIMEOUT; GLACIER_E_PROTOCOL; GLACIER_E_SERVICE; GLACIER_E_ACCESS;
/// GLACIER_E_CREDENTIALS; GLACIER_E_THROTTLED; GLACIER_E_NOT_FOUND (the service does not know the upload);
/// GLACIER_E_LIMIT; GLACIER_E_NO_LONGER_SUPPORTED; GLACIER_E_OUTCOME_UNKNOWN; GLACIER_E_TREE_HASH (the archive, or a
/// part that this handle sent, has another tree hash than what was sent); GLACIER_E_INCOMPLETE (the message names what
/// is missing); GLACIER_E_CANCELED; GLACIER_E_CALLBACK; GLACIER_E_PANIC; GLACIER_E_INTERNAL. Source: Amazon Glacier
/// developer guide, "Complete Multipart Upload". Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_complete(
    upload: *mut glacier_upload_t,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || upload::share(upload)?.complete())
}

/// Deletes the upload and its parts at the service; that cannot be undone. What comes of it:
/// - nothing initiated and nothing attached: GLACIER_OK, nothing is sent; already aborted: GLACIER_OK;
/// - completed: GLACIER_E_STATE, for there is an archive now;
/// - it cannot be known whether it is completed (GLACIER_STATE_UNKNOWN, or Complete was sent and the service does not
///   know the upload any more): GLACIER_E_OUTCOME_UNKNOWN.
///
/// A run that was started, or a stream that is being written, is canceled first, and what is in flight awaited: it ends
/// with GLACIER_E_CANCELED. The journal says that the upload is aborted.
///
/// Any thread; one working call at a time. Callbacks come on the calling thread.
/// Results: GLACIER_OK; GLACIER_E_NULL (upload); GLACIER_E_STATE; GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_IO;
/// GLACIER_E_MEMORY; GLACIER_E_JOURNAL; GLACIER_E_LOCKED; GLACIER_E_NETWORK; GLACIER_E_TLS; GLACIER_E_TIMEOUT;
/// GLACIER_E_PROTOCOL; GLACIER_E_SERVICE; GLACIER_E_ACCESS; GLACIER_E_CREDENTIALS; GLACIER_E_THROTTLED;
/// GLACIER_E_NOT_FOUND (the service does not know the upload); GLACIER_E_LIMIT; GLACIER_E_NO_LONGER_SUPPORTED;
/// GLACIER_E_OUTCOME_UNKNOWN; GLACIER_E_CANCELED; GLACIER_E_CALLBACK; GLACIER_E_PANIC; GLACIER_E_INTERNAL. Source:
/// Amazon Glacier developer guide, "Abort Multipart Upload". Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_abort(
    upload: *mut glacier_upload_t,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || upload::share(upload)?.abort())
}
