//! `glacier_upload_t`: runs on a thread of its own.

use std::ffi::c_void;
use std::time::Duration;

use super::callback::{self, UserData, glacier_destroy_fn, glacier_done_fn};
use super::error::glacier_error_t;
use super::result::glacier_result_t;
use super::upload::{self, glacier_upload_t};

/// Starts glacier_upload_run on a thread of the upload and returns. That thread runs all callbacks, including done,
/// which may be NULL.
///
/// done is called exactly once if and only if this function returns GLACIER_OK: when the run ends, for any reason.
/// destroy is called after done returns, or at once if done is NULL.
///
/// The run uses the handle: see "Threads". glacier_upload_cancel stops the run; so does glacier_upload_free, without
/// waiting. After the run has ended, glacier_upload_start may be called again and resumes, except with a callback
/// source: see glacier_upload_set_source_callback.
///
/// Calling glacier_upload_wait is optional. Keep a callback's code and data until its destroy was called.
///
/// Allowed in callbacks of other uploads.
///
/// Results: GLACIER_E_STATE (no source, a part range is set, or parts are sent in another way); GLACIER_E_BUSY;
/// GLACIER_E_FORKED. done and glacier_upload_wait return the results of glacier_upload_run. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_start(
    upload: *mut glacier_upload_t,
    done: glacier_done_fn,
    user_data: *mut c_void,
    destroy: glacier_destroy_fn,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    let user_data = UserData::new(user_data, destroy);
    upload::call(upload, err, |upload| upload.start(callback::done_fn(done, user_data)))
}

/// Waits for the last started run, at most timeout_ms milliseconds: 0 polls, GLACIER_FOREVER has no limit. Returns
/// the run's result after done and its destroy have returned. May be called any number of times, on any number of
/// threads at once. These threads run no callback. A cancel, or glacier_upload_free on another thread, stops the run
/// and so ends the wait. Each GLACIER_E_PENDING also stores an error in err: free it, or pass NULL.
///
/// Results: GLACIER_E_PENDING (not ended); GLACIER_E_STATE (no run was started); GLACIER_E_BUSY (inside a callback of
/// the upload); GLACIER_E_FORKED. Any other result is that of the run, which has ended: those of glacier_upload_run.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_wait(
    upload: *mut glacier_upload_t,
    timeout_ms: u64,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    upload::call(upload, err, |upload| upload.wait(Duration::from_millis(timeout_ms)))
}
