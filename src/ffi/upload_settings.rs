//! `glacier_upload_t`: its settings and its source.

use std::ffi::{c_char, c_void};

use super::args;
use super::boundary;
use super::callback::{self, UserData, glacier_destroy_fn, glacier_progress_fn, glacier_read_fn};
use super::error::glacier_error_t;
use super::result::glacier_result_t;
use super::upload::{glacier_upload_t, share};

/// `GLACIER_UNKNOWN_LENGTH` of the header.
const UNKNOWN_LENGTH: u64 = u64::MAX;

/// Sets the archive's description, which an inventory of the vault shows: at most 1,024 bytes, each a printable ASCII
/// character (0x20 to 0x7E), without a space at its beginning or end, which would be dropped on the way. Empty, the
/// default, is none. It cannot be changed once the upload is initiated.
///
/// Before the first working call.
/// Results: GLACIER_OK; GLACIER_E_NULL (upload, description); GLACIER_E_INVALID (not allowed); GLACIER_E_STATE (too
/// late); GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_PANIC.
/// Source of the rule: Amazon Glacier developer guide, "Initiate Multipart Upload". Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_description(
    upload: *mut glacier_upload_t,
    description: *const c_char,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || {
        let upload = share(upload)?;
        upload.set_description(args::str_arg(description, "description")?)
    })
}

/// Sets the part size in bytes: a power of two from 1,048,576 (1 MiB) to 4,294,967,296 (4 GiB). By default
/// glacier_upload_run takes the smallest that keeps to 10,000 parts, and not below 16 MiB (glacier_plan_new tells
/// it), and glacier_upload_initiate does the same, or takes 16 MiB if there is no source. A part in flight is what a
/// failure or a cancel loses: smaller parts lose less, and cost more requests.
///
/// Before the first working call. For an upload that exists already it need not be set, and must be the same.
/// Results: GLACIER_OK; GLACIER_E_NULL (upload); GLACIER_E_INVALID (not allowed); GLACIER_E_STATE (too late);
/// GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_PANIC.
/// Source of the rule: Amazon Glacier developer guide, "Uploading Large Archives in Parts". Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_part_size(
    upload: *mut glacier_upload_t,
    bytes: u64,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || share(upload)?.set_part_size(bytes))
}

/// Attaches to an upload that exists already, by its ID, to carry it on, complete it or abort it. Nothing is sent
/// yet: the first working call takes part size and description from the service; a description set here is not used.
///
/// upload_id comes from glacier_upload_id, which can be read after a failure too, or from glacier_uploads_id. The
/// service's IDs are some 90 letters, digits, "-" and "_", and may begin with "-"; any text of 1 to 1,024 bytes is
/// accepted that is not "." or ".." and has no control characters. Two handles that work on one upload at once, here or
/// elsewhere, do no harm if they have the same source, but send parts twice.
///
/// Before the first working call; one handle is one upload, so a second, different ID is refused.
/// Results: GLACIER_OK; GLACIER_E_NULL (upload, upload_id); GLACIER_E_INVALID (not allowed); GLACIER_E_STATE (too
/// late, or attached to another upload); GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_upload_id(
    upload: *mut glacier_upload_t,
    upload_id: *const c_char,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || {
        let upload = share(upload)?;
        upload.set_upload_id(args::str_arg(upload_id, "upload_id")?)
    })
}

/// Keeps a journal in a file: what a new process needs to resume the upload after a crash, without reading again what
/// the service has of a file. The first call that initiates the upload or sends parts of it makes the file, or resumes
/// the upload of the file that is there. So a program sets the same journal each time, whether the upload is new or not.
///
/// It holds names, sizes, hashes, the upload ID and in the end the archive ID, but no keys and no data: some 150 bytes
/// a part. It must be on a disk of this machine. From the first working call until the upload is completed or aborted,
/// or the handle is freed, another handle or process gets GLACIER_E_LOCKED. The working call is GLACIER_E_JOURNAL for a
/// file that is not a journal, is damaged, or is of another upload (vault, region, account, endpoint, part size and so
/// on), and GLACIER_E_INVALID for a file that is the source itself, under whatever name. Such a file is not changed, and
/// nothing is sent.
///
/// A journal that cannot be opened, made or written is GLACIER_E_IO before the first part is sent: nothing is initiated,
/// unless only the upload ID could not be written, as on a disk that fills up at that moment; then the upload exists,
/// and the message has its ID. A journal that cannot be written later stops nothing: warnings in the log say what it
/// misses. Resuming with it re-reads more of the source; if the end is missing, it may give GLACIER_E_NOT_FOUND instead
/// of the archive ID.
///
/// The source of the next run must have the same bytes: see "Success" above. On a finished journal glacier_upload_run
/// compares the source with the archive and sends nothing: GLACIER_OK if they are equal, otherwise
/// GLACIER_E_SOURCE_CHANGED. A program that uploads the same file again and again needs a new journal each time.
///
/// Delete a finished journal once the archive ID is stored elsewhere: afterwards only an inventory of the vault has it.
/// Delete an unfinished one to upload anew: after glacier_upload_abort, or if the upload is gone (GLACIER_E_NOT_FOUND).
/// Journals of earlier versions are read; what they record of a file is read again and compared.
///
/// Before the first working call.
/// Results: GLACIER_OK; GLACIER_E_NULL (upload, path); GLACIER_E_INVALID (path is empty); GLACIER_E_STATE (too late);
/// GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_journal(
    upload: *mut glacier_upload_t,
    path: *const c_char,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || {
        let upload = share(upload)?;
        upload.set_journal(args::path_arg(path, "path")?)
    })
}

/// Has glacier_upload_transfer send count parts from part first on, and no others; count UINT32_MAX: to the last. So
/// several processes or machines share one upload: each attaches to it by its ID, with the whole source and a range,
/// and when all have returned, one calls glacier_upload_complete. Ranges that overlap do no harm.
///
/// first counts from 0. Needs an upload that exists (its ID, or its journal), and a file or memory as the source.
/// Whether the range lies inside the archive shows in glacier_upload_transfer (GLACIER_E_INVALID). Every other call
/// that sends parts is GLACIER_E_STATE with a range.
///
/// Before the first working call.
/// Results: GLACIER_OK; GLACIER_E_NULL (upload); GLACIER_E_INVALID (count is 0); GLACIER_E_STATE (too late);
/// GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_part_range(
    upload: *mut glacier_upload_t,
    first: u32,
    count: u32,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || share(upload)?.set_part_range(first, count))
}

/// Says what the archive has, exactly, in bytes: 1 to 42,949,672,960,000. It is checked against the source before
/// anything is sent, against the end of a stream, and against the parts before they are completed. A handle that is
/// attached and has no source can complete only with it: a missing end would go unseen.
///
/// Before the first working call.
/// Results: GLACIER_OK; GLACIER_E_NULL (upload); GLACIER_E_INVALID (not allowed); GLACIER_E_STATE (too late);
/// GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_archive_size(
    upload: *mut glacier_upload_t,
    bytes: u64,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || share(upload)?.set_archive_size(bytes))
}

/// Says what a stream of unknown length (glacier_upload_write, or a callback) may have, in bytes: 1 to
/// 42,949,672,960,000. It is an estimate, and better too large than too small: it chooses the part size, so that a
/// stream that long keeps well below the 10,000 parts that an upload may have. Without it parts have 64 MiB, and a
/// stream ends with GLACIER_E_LIMIT after 671,088,640,000 bytes. A part size that is set outranks it.
///
/// Before the first working call.
/// Results: GLACIER_OK; GLACIER_E_NULL (upload); GLACIER_E_INVALID (not allowed); GLACIER_E_STATE (too late);
/// GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_expected_size(
    upload: *mut glacier_upload_t,
    bytes: u64,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || share(upload)?.set_expected_size(bytes))
}

/// Sets a regular file as the source; a symbolic link is followed. It is always the whole archive, also of an upload
/// that exists already. It must not be empty, and must not change until the upload is completed.
///
/// Before the first working call; of several sources the last one set counts. The file is opened by the working call,
/// before anything is sent; one that cannot be read, or is no regular file, is GLACIER_E_IO there, without blocking.
/// Results: GLACIER_OK; GLACIER_E_NULL (upload, path); GLACIER_E_INVALID (path is empty); GLACIER_E_STATE (too late);
/// GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_source_file(
    upload: *mut glacier_upload_t,
    path: *const c_char,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || {
        let upload = share(upload)?;
        upload.set_source_file(args::path_arg(path, "path")?)
    })
}

/// Sets len bytes of memory as the source: always the whole archive. They are not copied: they must stay valid and
/// unchanged until the upload is freed and no call or started run on it is left.
///
/// Before the first working call; of several sources the last one set counts. With no bytes glacier_upload_run fails.
/// Results: GLACIER_OK; GLACIER_E_NULL (upload; data, if len is not 0); GLACIER_E_INVALID (len is more than memory can
/// hold); GLACIER_E_STATE (too late); GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_source_memory(
    upload: *mut glacier_upload_t,
    data: *const c_void,
    len: usize,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || {
        let upload = share(upload)?;
        // 'static stands for the caller's promise: valid until the upload is freed and no call or run on it is left.
        let data: &'static [u8] = args::slice_arg(data.cast(), len, "data")?;
        upload.set_source_memory(data)
    })
}

/// Sets a callback as the source: it is called again and again for the next bytes, on the thread that is inside
/// glacier_upload_run or _transfer, or after glacier_upload_start on the upload's own.
///
/// total is the number of bytes in all, or GLACIER_UNKNOWN_LENGTH. If the callback ends before it, the call fails with
/// GLACIER_E_SOURCE_SHORT; if it has more, with GLACIER_E_SOURCE_CHANGED.
///
/// See "Streams" above for the memory that it needs, and for how a new handle resumes. This handle
/// cannot once the callback was called, for the next bytes are not the first: glacier_upload_run and its like then give
/// GLACIER_E_STATE, unless all parts arrived and completing is all that is left.
///
/// user_data is handed to the callback as it is. From this call on it belongs to the library: destroy, if not NULL,
/// runs exactly once, before this returns if it fails; else when another source replaces this one, or when the upload
/// is freed and no call or started run on it is left.
///
/// Before the first working call; of several sources the last one set counts.
/// Results: GLACIER_OK; GLACIER_E_NULL (upload, callback); GLACIER_E_INVALID (total is 0, or larger than an archive
/// may be); GLACIER_E_STATE (too late); GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_source_callback(
    upload: *mut glacier_upload_t,
    callback: glacier_read_fn,
    total: u64,
    user_data: *mut c_void,
    destroy: glacier_destroy_fn,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    let user_data = UserData::new(user_data, destroy);
    boundary::call(err, || {
        let upload = share(upload)?;
        let size = (total != UNKNOWN_LENGTH).then_some(total);
        upload.set_source_callback(callback::read_fn(callback, user_data)?, size)
    })
}

/// Sets the callback that is told how far the upload is, in every working call. It may stop the call. The default,
/// and with callback NULL: none.
///
/// user_data is handed to the callback as it is. From this call on it belongs to the library: destroy, if not NULL,
/// runs exactly once, before this returns if it fails or callback is NULL; else when another call replaces the
/// callback, or when the upload is freed and no call, started run or stream on it is left.
///
/// At any time that no working call runs, between two of glacier_upload_write too. A program that would rather ask
/// uses glacier_upload_progress.
/// Results: GLACIER_OK; GLACIER_E_NULL (upload); GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_progress(
    upload: *mut glacier_upload_t,
    callback: glacier_progress_fn,
    user_data: *mut c_void,
    destroy: glacier_destroy_fn,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    let user_data = UserData::new(user_data, destroy);
    boundary::call(err, || {
        let upload = share(upload)?;
        upload.set_progress(callback::progress_fn(callback, user_data))
    })
}
