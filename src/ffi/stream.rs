//! `glacier_upload_t` as a stream: bytes that the program pushes.

use std::ffi::c_void;

use super::args;
use super::boundary;
use super::error::glacier_error_t;
use super::result::glacier_result_t;
use super::upload::{self, glacier_upload_t};

/// Writes the next bytes of the archive: a stream whose length need not be known. The first call begins it; parts are
/// sent by threads of the library, also between two calls, until glacier_upload_finish makes the archive.
///
/// data has len bytes; it is copied, and len may be anything: small pieces are gathered, and no bytes do nothing. The
/// call waits while memory is full of parts on their way. Parts have the size that was set, or that suits
/// glacier_upload_set_archive_size or _set_expected_size, or 64 MiB.
///
/// A part may fail long after its bytes were taken, and a cancel may come between two calls: then the next call fails,
/// and so does every further one with the same error, since what was taken cannot be taken back. A new handle carries
/// on, as told under "Streams" above. If this process has nothing more to write, glacier_upload_free lets the upload
/// be, and glacier_upload_abort deletes it: only glacier_upload_finish makes an archive.
///
/// Any thread; one call at a time. No source may be set. Callbacks come on the thread that is inside, not with every
/// short call.
/// Results: those of glacier_upload_run; and GLACIER_E_NULL (upload; data, if len is not 0); GLACIER_E_STATE (a source
/// is set, parts were put by hand, or the stream is finished); GLACIER_E_LIMIT (more than 10,000 parts);
/// GLACIER_E_SOURCE_CHANGED (more bytes than the archive size that was set). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_write(
    upload: *mut glacier_upload_t,
    data: *const c_void,
    len: usize,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || {
        let upload = upload::share(upload)?;
        upload.write(args::slice_arg(data.cast(), len, "data")?)
    })
}

/// Says that the last byte was written, sends what is left, and makes the archive. Then glacier_upload_archive_id and
/// the other facts are known. On a stream that is finished it returns GLACIER_OK.
///
/// A stream without a byte is GLACIER_E_INVALID, and nothing is initiated. If all parts arrived and completing failed,
/// it may be called again, and completes; after any other failure it gives the same error again.
///
/// Any thread; one call at a time. Callbacks come on it.
/// Results: those of glacier_upload_write; and GLACIER_E_INVALID (nothing was written); GLACIER_E_SOURCE_SHORT (less
/// than the archive size that was set); GLACIER_E_SOURCE_CHANGED (less than the service holds). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_finish(
    upload: *mut glacier_upload_t,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || upload::share(upload)?.finish())
}
