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

/// One multipart upload, and what is known of the archive that it makes: one handle is one upload ID for its life.
///
/// Which threads may call what stands under "Threads" above.
#[derive(Debug)]
pub struct glacier_upload_t(pub(super) Arc<Upload>);

/// Makes a handle for an upload into a vault. Nothing is sent, and the service knows nothing of it yet.
///
/// vault is the vault's name: 1 to 255 of the characters A-Z a-z 0-9 _ - . and neither "." nor "..". The vault must
/// exist.
///
/// *out gets the upload; free it with glacier_upload_free. Any thread.
/// Results: GLACIER_OK; GLACIER_E_NULL (client, vault, out); GLACIER_E_INVALID (vault not allowed); GLACIER_E_BUSY
/// (called from inside a callback of this client); GLACIER_E_FORKED; GLACIER_E_PANIC. Source of the rule: Amazon
/// Glacier developer guide, "Creating a Vault". Since: 0.1
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

/// Uploads the source: initiates the upload, or carries on the one that exists; sends the parts that the service does
/// not hold yet, several at once; completes. Returns when that is done, or cannot be.
///
/// Then glacier_upload_archive_id and the other facts are known. On a handle or journal that is completed it sends
/// nothing: it returns GLACIER_OK if the source has the archive's bytes, and otherwise GLACIER_E_SOURCE_CHANGED, or
/// GLACIER_E_IO if the source cannot be read, with the archive ID in the message. Parts that the service
/// holds are skipped only if their tree hash is that of the source; others are sent again and replaced.
///
/// The source is opened and measured first: if that fails, nothing is initiated. If it fails after the upload is
/// initiated, the upload stays in the vault, glacier_error_is_resumable gives 1, and the message has the upload ID.
/// Call it again on the same handle (whose source is a file or memory), or give a new handle the same journal
/// (glacier_upload_set_journal) or the upload ID (glacier_upload_set_upload_id), to send what is missing; or give up
/// with glacier_upload_abort. It never starts another upload in place of one that the service does not know any more.
///
/// If the service refuses to complete, the parts are listed, those that are missing or differ are sent again, and it is
/// asked again, up to 3 times.
///
/// GLACIER_E_ACCESS, GLACIER_E_CREDENTIALS, GLACIER_E_NO_LONGER_SUPPORTED, GLACIER_E_TLS, and GLACIER_E_NOT_FOUND with
/// glacier_error_operation "InitiateMultipartUpload" (the vault) will meet every other archive as well.
///
/// Needs a source. Any thread; one working call at a time. Callbacks come on this thread.
/// Results: GLACIER_OK; GLACIER_E_NULL (upload); GLACIER_E_INVALID (the source is empty, or larger than its part size
/// allows with 10,000 parts, or has not the archive size that was set; or the part size differs from that of the
/// existing upload; or twice the part size of a callback's source does not fit into the memory limit); GLACIER_E_STATE
/// (no source, or parts were put by hand or written, or a part range is set, or a callback's source was read before,
/// or the upload is aborted); GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_IO (the source cannot be opened or read, or
/// is not a regular file; or the journal cannot be opened or made); GLACIER_E_MEMORY; GLACIER_E_SOURCE_SHORT (a
/// callback ended early); GLACIER_E_SOURCE_CHANGED (it changed meanwhile or since the upload began, the message naming
/// the part; or is smaller than what the upload holds, or not what the archive of the journal was made of);
/// GLACIER_E_JOURNAL; GLACIER_E_LOCKED; GLACIER_E_NETWORK; GLACIER_E_TLS; GLACIER_E_TIMEOUT; GLACIER_E_PROTOCOL;
/// GLACIER_E_SERVICE; GLACIER_E_ACCESS; GLACIER_E_CREDENTIALS; GLACIER_E_THROTTLED; GLACIER_E_NOT_FOUND (the vault; or
/// the service does not know the upload: it was completed or aborted, has expired, or never was); GLACIER_E_LIMIT (of
/// the service; or a callback's source is longer than 10,000 parts); GLACIER_E_NO_LONGER_SUPPORTED;
/// GLACIER_E_OUTCOME_UNKNOWN; GLACIER_E_TREE_HASH (data arrived damaged, repeatedly; or the archive has another tree
/// hash than what was sent); GLACIER_E_INCOMPLETE; GLACIER_E_CANCELED; GLACIER_E_CALLBACK; GLACIER_E_PANIC;
/// GLACIER_E_INTERNAL. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_run(
    upload: *mut glacier_upload_t,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || share(upload)?.run())
}

/// Does what glacier_upload_run does, but does not complete: it returns when the service holds all parts of the
/// source, or those of the part range. glacier_upload_complete, or glacier_upload_run without a part range, makes the
/// archive of them.
///
/// Needs a source. Any thread; one working call at a time. Callbacks come on this thread.
/// Results: those of glacier_upload_run; and GLACIER_E_INVALID (the part range does not lie in the archive);
/// GLACIER_E_STATE (a part range is set, and the upload does not exist yet or the source is a callback; or Complete was
/// sent, and its answer is not known). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_transfer(
    upload: *mut glacier_upload_t,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || share(upload)?.transfer())
}

/// Frees a handle. The upload in the vault stays as it is: glacier_upload_abort is what deletes it there.
///
/// It never touches the network and returns at once. A call that works on the handle, on another thread or around the
/// callback that calls this, is canceled and returns GLACIER_E_CANCELED. A started run is canceled, and its done and
/// destroy still come, maybe after this returns; a stream that is not finished is canceled. Another handle may have
/// the journal when this returns; only while Complete waits for its answer, up to 10 s, it gets GLACIER_E_LOCKED. In a
/// forked child it releases memory only. NULL is ignored. Any thread, in callbacks. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_free(upload: *mut glacier_upload_t) {
    infallible::run((), || {
        if let Some(upload) = args::take_back(upload) {
            upload.0.release();
        }
    });
}

/// The upload of a handle, with a count of its own: a callback may free the handle.
pub(super) fn share(upload: *const glacier_upload_t) -> Result<Arc<Upload>> {
    Ok(Arc::clone(&args::borrow(upload, "upload")?.0))
}
