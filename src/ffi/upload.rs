//! `glacier_upload_t`: creating, running and freeing it.

use std::ffi::c_char;
use std::sync::Arc;

use super::args;
use super::boundary;
use super::client::glacier_client_t;
use super::error::glacier_error_t;
use super::infallible;
use super::result::glacier_result_t;
use crate::error::Result;
use crate::upload::Upload;

/// One multipart upload and the archive that it creates. A handle has the same upload ID for its life.
#[derive(Debug)]
pub struct glacier_upload_t(pub(super) Arc<Upload>);

/// Creates a handle for an upload to an existing vault. Nothing is sent.
///
/// Results: GLACIER_E_INVALID (vault name: see "Service limits"); GLACIER_E_BUSY (inside this client's log callback
/// or credentials provider); GLACIER_E_FORKED. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_new(
    client: *mut glacier_client_t,
    vault: *const c_char,
    out: *mut *mut glacier_upload_t,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || {
        let client = args::share(client, "client")?;
        let vault = args::str_arg(vault, "vault")?;
        let out = args::Out::new(out, "out")?;
        out.set(args::into_handle(glacier_upload_t(Upload::new(&client.0, vault)?)));
        Ok(())
    })
}

/// Uploads the source: initiates the upload or resumes the existing one, sends the missing parts, and completes it.
/// Then glacier_upload_archive_id is known.
///
/// Stored parts are skipped only if their tree hash equals the source's; others are sent again and replaced. On a
/// completed handle or journal the call only compares (see "Success"), and its errors name the archive ID.
///
/// The source is opened and measured first: if this fails, nothing is initiated. After a later failure, if
/// glacier_error_is_resumable returns 1, the upload is in the vault and the message has the upload ID. To resume,
/// call glacier_upload_run again (file and memory sources), or see "Resuming". To give up, call glacier_upload_abort.
/// An upload that the service no longer knows is never replaced by a new one.
///
/// If the service rejects Complete, the library lists the parts, sends missing and different ones again, and retries,
/// up to 3 times.
///
/// Results: upload results; and
///
/// - GLACIER_E_INVALID: the source is empty, needs more than 10,000 parts of its part size, or does not match the
///   archive size that was set; or twice the part size of a callback source exceeds the memory limit
/// - GLACIER_E_STATE: no source, a part range is set, or a callback source was read before
/// - GLACIER_E_SOURCE_SHORT: a callback source ended early
/// - GLACIER_E_SOURCE_CHANGED: the source changed (the message names the part), is smaller than what the upload
///   holds, or differs from what the journal records
/// - GLACIER_E_LIMIT: also if a callback source is longer than 10,000 parts
/// - GLACIER_E_TREE_HASH: data arrived damaged repeatedly, or the archive's tree hash differs from what was sent
/// - GLACIER_E_INCOMPLETE: parts are missing
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_run(
    upload: *mut glacier_upload_t,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    call(upload, err, |upload| upload.run())
}

/// Does what glacier_upload_run does, but does not complete. Returns when the service holds all parts of the source, or
/// of the part range. glacier_upload_complete, or glacier_upload_run without a part range, then creates the archive.
///
/// Results: those of glacier_upload_run; and GLACIER_E_INVALID (the part range is not inside the archive);
/// GLACIER_E_STATE (a part range is set, but the upload does not exist yet or the source is a callback; or Complete was
/// sent and its response is unknown). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_transfer(
    upload: *mut glacier_upload_t,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    call(upload, err, |upload| upload.transfer())
}

/// Frees a handle. The upload stays in the vault; glacier_upload_abort deletes it.
///
/// Uses no network and never waits. A call in progress is canceled: see "Cancellation". This includes the call that
/// the current callback runs in. A started run or unfinished stream is canceled; done and destroy of a run are still
/// called, possibly after this function returns; then waiting glacier_upload_wait calls return. No call may begin on
/// a freed handle. Another handle can use the journal, except while Complete waits for its response, up to 10 s
/// (GLACIER_E_LOCKED). Allowed in callbacks. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_free(upload: *mut glacier_upload_t) {
    infallible::run((), || {
        if let Some(upload) = args::take_back(upload) {
            upload.0.release();
        }
    });
}

/// Runs the body of a function of an upload that can fail, and removes the client's secrets from its error.
pub(super) fn call(
    upload: *const glacier_upload_t,
    err: *mut *mut glacier_error_t,
    body: impl FnOnce(&Arc<Upload>) -> Result<()>,
) -> glacier_result_t {
    boundary::call(err, || {
        let upload = share(upload)?;
        body(&upload).map_err(|error| upload.redacted(error))
    })
}

/// Returns a new reference to the upload of a handle. The upload stays alive if a callback frees the handle.
fn share(upload: *const glacier_upload_t) -> Result<Arc<Upload>> {
    Ok(Arc::clone(&args::borrow(upload, "upload")?.0))
}
