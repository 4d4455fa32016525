//! `glacier_upload_t` in the background: a run that does not keep the caller's thread.

use std::ffi::c_void;
use std::time::Duration;

use super::boundary;
use super::callback::{self, UserData, glacier_destroy_fn, glacier_done_fn};
use super::error::glacier_error_t;
use super::result::glacier_result_t;
use super::upload::{self, glacier_upload_t};

/// Starts glacier_upload_run on a thread of the upload's own, and returns. All its callbacks come on that thread, done
/// included, which may be NULL.
///
/// done is called exactly once if, and only if, this returns GLACIER_OK: when the run is over, however it ended.
/// user_data is handed to it as it is. From this call on it belongs to the library: destroy, if not NULL, runs exactly
/// once, before this returns if it fails or done is NULL; else when done has returned.
///
/// Meanwhile the handle is in use: other working calls and all setters get GLACIER_E_BUSY, but glacier_upload_abort,
/// which cancels it first. glacier_upload_cancel asks it to stop; glacier_upload_free does the same, and gives the
/// handle back at once. When it is over, it may be started again: that carries on, as a second glacier_upload_run
/// does.
///
/// It need not be waited for: a program that learns of the end by done, or asks glacier_upload_state, just frees the
/// upload. Nothing may be unloaded or freed that its callbacks use before destroy has come.
///
/// Any thread, in callbacks of other uploads too.
/// Results: GLACIER_OK; GLACIER_E_NULL (upload); GLACIER_E_STATE (no source, a part range is set, or parts were put by
/// hand or written); GLACIER_E_BUSY; GLACIER_E_FORKED; GLACIER_E_MEMORY (no thread can be had); GLACIER_E_PANIC;
/// GLACIER_E_INTERNAL. What glacier_upload_run gives comes to done, and from glacier_upload_wait. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_start(
    upload: *mut glacier_upload_t,
    done: glacier_done_fn,
    user_data: *mut c_void,
    destroy: glacier_destroy_fn,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    let user_data = UserData::new(user_data, destroy);
    boundary::call(err, || {
        let upload = upload::share(upload)?;
        upload.start(callback::done_fn(done, user_data))
    })
}

/// Waits until the run that was started last is over, at most timeout_ms milliseconds: 0 asks only, GLACIER_FOREVER
/// waits as long as it takes. Gives what the run gave, after done and its destroy have returned; any number of times,
/// and on any number of threads at once. No callback comes on these threads. A cancel stops the run, and so ends the
/// wait.
///
/// Results: those of glacier_upload_run; and GLACIER_E_PENDING (it is not over yet); GLACIER_E_STATE (none was
/// started); GLACIER_E_BUSY (called from inside a callback of the upload). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_wait(
    upload: *mut glacier_upload_t,
    timeout_ms: u64,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || upload::share(upload)?.wait(Duration::from_millis(timeout_ms)))
}
