//! `glacier_upload_t`: its settings and its source.

use std::ffi::{c_char, c_void};

use super::args;
use super::callback::{self, UserData, glacier_destroy_fn, glacier_progress_fn, glacier_read_fn};
use super::error::glacier_error_t;
use super::result::glacier_result_t;
use super::upload::{self, glacier_upload_t};

/// `GLACIER_UNKNOWN_LENGTH` of the header.
const UNKNOWN_LENGTH: u64 = u64::MAX;

/// Sets the archive description, which an inventory of the vault shows: see "Service limits". The service or HTTP
/// would drop a space at either end. The default is empty. It is fixed once the upload is initiated.
///
/// Results: setter results. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_description(
    upload: *mut glacier_upload_t,
    description: *const c_char,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    upload::call(upload, err, |upload| upload.set_description(args::str_arg(description, "description")?))
}

/// Sets the part size in bytes: a power of two from 1,048,576 (1 MiB) to 4,294,967,296 (4 GiB). The default is the
/// smallest that needs at most 10,000 parts, but at least 16 MiB (see glacier_plan_new, and "Streaming"). A failure or
/// cancel loses the parts in flight: smaller parts lose less, but need more requests.
///
/// For an existing upload it is optional and must be the same.
///
/// Results: setter results. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_part_size(
    upload: *mut glacier_upload_t,
    bytes: u64,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    upload::call(upload, err, |upload| upload.set_part_size(bytes))
}

/// Attaches the handle to an existing upload by its ID, to resume, complete or abort it. Nothing is sent. The first
/// working call takes part size and description from the service. A description that is set on this handle is checked
/// only if a journal records the upload.
///
/// The ID comes from glacier_upload_id, also after a failure, or from glacier_uploads_id. The service's IDs have about
/// 90 letters, digits, "-" and "_", and may begin with "-". Any text of 1 to 1,024 bytes without control characters is
/// accepted, except "." and "..". Two handles with equal sources may work on one upload at once, here or elsewhere, but
/// send parts twice.
///
/// Results: setter results (GLACIER_E_STATE also if the handle is attached to another upload). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_upload_id(
    upload: *mut glacier_upload_t,
    upload_id: *const c_char,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    upload::call(upload, err, |upload| upload.set_upload_id(args::str_arg(upload_id, "upload_id")?))
}

/// Sets the journal: a file from which a new process resumes the upload, without rereading stored parts of a source
/// file. Working calls open it and continue the upload that it records; those that initiate or send parts create it.
///
/// The journal holds names, sizes, hashes, the upload ID and finally the archive ID, about 150 bytes per part, but no
/// keys and no data. It must be on a local disk: the locks of a network file system can let a second writer in. It is
/// locked from the first working call until the upload is completed, aborted or freed: others get GLACIER_E_LOCKED.
///
/// These calls need only a journal and no source: glacier_upload_complete (if the upload is completed, it sends
/// nothing), glacier_upload_abort and glacier_upload_list_parts. After any of them, even if it returned
/// GLACIER_E_STATE, the getters and glacier_upload_state return what the journal records, such as the archive ID.
///
/// GLACIER_E_JOURNAL: the file is no journal, is damaged, or is of another upload (another endpoint, region, account,
/// vault or upload ID or, if set and recorded, part size, description or archive size). The path of the source may
/// differ. A journal path that leads to the source file is GLACIER_E_INVALID. In each case the file is not changed,
/// nothing is sent, and another journal can be set.
///
/// If the journal cannot be opened, created or written before the first part is sent, the call returns GLACIER_E_IO.
/// An upload is then in the vault only if the write of its ID failed, for example because the disk filled up; the
/// message has the ID. A later write failure does not stop the upload: a log warning reports it. Resuming then
/// re-reads more of the source; if the end of the journal is missing, it may return GLACIER_E_NOT_FOUND instead of
/// the archive ID.
///
/// A file or memory source of a later call must have the same bytes (see "Success"); a stream replaces parts that
/// differ. To upload the same file again, use a new journal.
///
/// Delete a finished journal only after you store the archive ID. To give up an unfinished upload and start a new
/// one, first call glacier_upload_abort, then delete the journal; after GLACIER_E_NOT_FOUND, see its comment. A
/// journal of an earlier version works, but the source is read again and compared.
///
/// Results: setter results (path is empty). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_journal(
    upload: *mut glacier_upload_t,
    path: *const c_char,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    upload::call(upload, err, |upload| upload.set_journal(args::path_arg(path, "path")?))
}

/// Limits glacier_upload_transfer to a range of parts. first is the index of the first part, from 0; count is their
/// number, UINT32_MAX for all that follow. Overlapping ranges do no harm.
///
/// Requires an existing upload (its ID or journal) and a file or memory source. With a range, every other call that
/// sends parts returns GLACIER_E_STATE.
///
/// Results: setter results (count is 0). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_part_range(
    upload: *mut glacier_upload_t,
    first: u32,
    count: u32,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    upload::call(upload, err, |upload| upload.set_part_range(first, count))
}

/// Sets the exact archive size in bytes: 1 to 42,949,672,960,000. It is compared with the source before anything is
/// sent, with the end of a stream, and with the parts before Complete. An attached handle without a source or a
/// recorded size needs it to complete, because the library could not detect a missing end.
///
/// Results: setter results. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_archive_size(
    upload: *mut glacier_upload_t,
    bytes: u64,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    upload::call(upload, err, |upload| upload.set_archive_size(bytes))
}

/// Sets an estimate, in bytes, of a stream of unknown length (glacier_upload_write or a callback): 1 to
/// 42,949,672,960,000. It selects a part size with which a stream of this length stays well below 10,000 parts; a large
/// estimate is safer than a small one. See "Streaming".
///
/// Results: setter results. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_expected_size(
    upload: *mut glacier_upload_t,
    bytes: u64,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    upload::call(upload, err, |upload| upload.set_expected_size(bytes))
}

/// Sets a regular file as the source, or a symbolic link to one. Set the whole file, also to resume an existing
/// upload. The file must not be empty, and must not change until completion. The working call opens the file before
/// it sends anything, and returns GLACIER_E_IO, without blocking, if it cannot be read or is not regular.
///
/// Results: setter results (path is empty). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_source_file(
    upload: *mut glacier_upload_t,
    path: *const c_char,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    upload::call(upload, err, |upload| upload.set_source_file(args::path_arg(path, "path")?))
}

/// Sets len bytes of memory as the source. They are always the whole archive, and are not copied: they must stay valid
/// and unchanged until the upload is freed and no call or started run uses it.
///
/// If len is 0, glacier_upload_run fails.
///
/// Results: setter results (len is more than memory can hold). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_source_memory(
    upload: *mut glacier_upload_t,
    data: *const c_void,
    len: usize,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    upload::call(upload, err, |upload| {
        // By the contract of the header, the memory is valid until the upload is freed and no call or run uses it.
        let data: &'static [u8] = args::slice_arg(data.cast(), len, "data")?;
        upload.set_source_memory(data)
    })
}

/// Sets a read callback as the source, for glacier_upload_run, _transfer and _start.
///
/// total is the number of bytes, or GLACIER_UNKNOWN_LENGTH. If the callback supplies fewer, the call returns
/// GLACIER_E_SOURCE_SHORT; if more, GLACIER_E_SOURCE_CHANGED.
///
/// For memory and resuming see "Streaming". This handle cannot resume once the callback has been called: it returns
/// GLACIER_E_STATE, unless all parts arrived and only Complete remains.
///
/// destroy is called when another source is set or the upload is freed, not at the end of the run.
///
/// Results: setter results (total is 0 or larger than an archive may be); GLACIER_E_NULL (callback). Since: 0.1
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
    upload::call(upload, err, |upload| {
        let size = (total != UNKNOWN_LENGTH).then_some(total);
        upload.set_source_callback(callback::read_fn(callback, user_data)?, size)
    })
}

/// Sets the callback that reports progress in every working call and can stop the call. callback may be NULL for none,
/// the default.
///
/// Allowed while no working call runs, also between two glacier_upload_write calls.
///
/// Results: GLACIER_E_BUSY; GLACIER_E_FORKED. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_progress(
    upload: *mut glacier_upload_t,
    callback: glacier_progress_fn,
    user_data: *mut c_void,
    destroy: glacier_destroy_fn,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    let user_data = UserData::new(user_data, destroy);
    upload::call(upload, err, |upload| upload.set_progress(callback::progress_fn(callback, user_data)))
}
