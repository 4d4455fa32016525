//! `glacier_upload_t`: streams, whose bytes the program writes.

use std::ffi::c_void;

use super::args;
use super::error::glacier_error_t;
use super::result::glacier_result_t;
use super::upload::{self, glacier_upload_t};

/// Writes the next bytes of a stream. The first call starts the stream. Library threads send the parts, also between
/// calls, until glacier_upload_finish creates the archive.
///
/// The len bytes at data are copied. len may be any number: small pieces are collected. A call with 0 bytes does
/// nothing, and does not report a failed stream. The call blocks while the memory is full of parts in flight.
///
/// After a part failed, or a cancel or a callback stopped the stream, glacier_upload_write and _finish return the
/// same error, because this handle cannot take the bytes again. To resume, see "Streaming". To stop without
/// completing, call glacier_upload_free (keeps the upload) or glacier_upload_abort (deletes it).
///
/// One call at a time. Short calls may deliver no callback.
///
/// Results: those of glacier_upload_run with a callback source; and GLACIER_E_STATE (a source is set, or the stream
/// is finished); GLACIER_E_LIMIT (more than 10,000 parts); GLACIER_E_SOURCE_CHANGED (more bytes than the archive size
/// that was set). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_write(
    upload: *mut glacier_upload_t,
    data: *const c_void,
    len: usize,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    upload::call(upload, err, |upload| upload.write(args::slice_arg(data.cast(), len, "data")?))
}

/// Ends the stream: sends the remaining parts and creates the archive. Then glacier_upload_archive_id is known.
///
/// If all parts arrived but Complete failed, call again. Any other failure is returned again.
///
/// Results: those of glacier_upload_write, but GLACIER_OK on a finished stream; and GLACIER_E_INVALID (no bytes were
/// written; nothing is initiated); GLACIER_E_SOURCE_SHORT (fewer bytes than the archive size that was set);
/// GLACIER_E_SOURCE_CHANGED (fewer than the service holds). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_finish(
    upload: *mut glacier_upload_t,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    upload::call(upload, err, |upload| upload.finish())
}
