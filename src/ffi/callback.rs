//! Callbacks: converts C function pointers and `user_data` to the callback types of the core.

use std::ffi::{c_char, c_void};
use std::ptr;

use super::credentials::glacier_credentials_t;
use super::error::glacier_error_t;
use super::result::{self, glacier_result_t};
use crate::credentials::CredentialsCallback;
use crate::error::{Error, Kind, Result};
use crate::log::{Level, Sink};
use crate::source::{ReadFn, ReadOutcome};
use crate::upload::{DoneFn, Flow, Progress, ProgressFn};
use glacier_flow_names::*;
use glacier_log_level_names::*;

/// The return values of callbacks that can stop the work.
///
/// Only 1 continues, because a callback of another language that ends in an exception returns an arbitrary value.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum glacier_flow_names {
    /// Stop: the call returns GLACIER_E_CALLBACK.
    GLACIER_STOP = 0,
    /// Continue.
    GLACIER_CONTINUE = 1,
}

/// The progress of an upload, or of hashing a file.
///
/// Counts only grow, except parts_in_flight and workers. The totals change once, from UINT64_MAX to a number.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct glacier_progress_t {
    /// The number of bytes of this struct that are filled.
    pub struct_size: u64,
    /// The archive size. UINT64_MAX until the source is open and, for an existing upload, the service has responded;
    /// for a stream of unknown length until its end; in multipart operations until glacier_upload_complete.
    pub bytes_total: u64,
    /// The bytes in parts that the service acknowledged to this handle. bytes_done plus bytes_resumed reaches
    /// bytes_total, unless a part range is set; both grow by whole parts. A part that is sent again counts once.
    pub bytes_done: u64,
    /// The bytes in parts that the service held before.
    pub bytes_resumed: u64,
    /// The bytes hashed. A part that is read again counts again.
    pub bytes_hashed: u64,
    /// The bytes of parts sent on the wire, retries included, headers excluded. It grows steadily, unlike bytes_done,
    /// and may exceed bytes_total. For a smooth display, show bytes_resumed plus bytes_sent, at most bytes_total.
    pub bytes_sent: u64,
    /// The number of parts of the archive; UINT64_MAX while unknown.
    pub parts_total: u64,
    /// The number of parts that the service holds.
    pub parts_done: u64,
    /// The number of parts being sent.
    pub parts_in_flight: u64,
    /// The failed attempts that are followed by another, of all requests: Initiate, ListParts, parts, Complete and
    /// Abort. The counter changes when the attempt fails, before the delay. If a Retry-After ends after the limit of
    /// glacier_config_set_give_up_after_ms, the counter changes after the delay.
    pub retries: u64,
    /// The maximum number of parts in flight: the number that was set, or fewer if the service throttles or the
    /// connection is slow. If memory is short, fewer parts are in flight.
    pub workers: u64,
    /// Milliseconds since the first working call that moved data began, time between calls included. No call resets a
    /// count.
    pub elapsed_ms: u64,
}

impl From<&Progress> for glacier_progress_t {
    fn from(progress: &Progress) -> Self {
        Self {
            struct_size: size_of::<Self>() as u64,
            bytes_total: progress.bytes_total,
            bytes_done: progress.bytes_done,
            bytes_resumed: progress.bytes_resumed,
            bytes_hashed: progress.bytes_hashed,
            bytes_sent: progress.bytes_sent,
            parts_total: progress.parts_total,
            parts_done: progress.parts_done,
            parts_in_flight: progress.parts_in_flight,
            retries: progress.retries,
            workers: progress.workers,
            elapsed_ms: progress.elapsed_ms,
        }
    }
}

/// Receives the progress at least 4 times a second while a working call runs, also if nothing moves. progress is
/// valid only inside the callback. See "Callbacks". Since: 0.1
pub type glacier_progress_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, progress: *const glacier_progress_t) -> i32>;

/// Reads the next bytes of a source into buf, at most cap, and stores their number in *out_len, initially 0. cap is
/// never 0. Fewer than cap are allowed, as with read() of a pipe. 0 with GLACIER_CONTINUE ends the source: the
/// callback is not called again.
///
/// Returns GLACIER_CONTINUE to continue. Anything else, or a number above cap, stops the call with GLACIER_E_CALLBACK.
/// buf is valid only inside the callback.
///
/// It may block. Meanwhile no other callback runs, but parts already read are sent and written to the journal.
/// glacier_upload_cancel does not interrupt it: the call returns after the callback does. No function tells it that a
/// cancel is pending: if it may block for long, set a flag of your own, or close the pipe, when you cancel.
/// Since: 0.1
pub type glacier_read_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, buf: *mut u8, cap: usize, out_len: *mut usize) -> i32>;

/// Receives the result of a started run, once, and its error or NULL, valid only inside the callback.
/// glacier_upload_wait stores an error that you own.
///
/// It is the last callback of the run, on the upload's own thread. It may free this upload or start another upload,
/// but not start this one again. Since: 0.1
pub type glacier_done_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, result: glacier_result_t, error: *const glacier_error_t)>;

/// A log level: a value of glacier_log_level_names. Each level includes those before it.
pub type glacier_log_level_t = i32;

/// The values of glacier_log_level_t.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum glacier_log_level_names {
    /// Nothing.
    GLACIER_LOG_OFF = 0,
    /// Why a call failed.
    GLACIER_LOG_ERROR = 1,
    /// Recovered failures, such as a retry.
    GLACIER_LOG_WARN = 2,
    /// The steps of an upload, and the source of the keys.
    GLACIER_LOG_INFO = 3,
    /// Each request.
    GLACIER_LOG_DEBUG = 4,
}

/// Receives one log line: English, without a newline, sanitized like glacier_error_message. message is valid only
/// inside the callback.
///
/// Show GLACIER_LOG_WARN lines to a person, for example on stderr. They report what no result reports:
///
/// - retries, with request, error and delay;
/// - throttling, which reduces the parts in flight;
/// - keys that cannot be replaced before they expire;
/// - a wrong machine clock, and corrected signatures;
/// - journal write failures, for example on a full disk, and what a later resume will miss;
/// - a source that is read again because its attributes changed;
/// - a rejected Complete, and which parts are sent again;
/// - a stream of unknown length that approaches 10,000 parts;
/// - the number of dropped log lines. Since: 0.1
pub type glacier_log_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, level: glacier_log_level_t, message: *const c_char)>;

/// Supplies the keys that sign requests: calls glacier_credentials_set and returns GLACIER_CONTINUE.
///
/// It is called before the first request; if the keys expire within 5 minutes (or, for lifetimes under 10 minutes,
/// once half the lifetime has passed); and whenever the service reports an expired token. One call serves all
/// requests of the client. They wait for it without a time limit; calls of other uploads can be canceled meanwhile.
///
/// If it returns anything but GLACIER_CONTINUE, the waiting calls return GLACIER_E_CALLBACK. If it sets no keys, or the
/// service reports its keys as expired three times in a row, they return GLACIER_E_CREDENTIALS. Uploads stay in the
/// vault, and the next call asks the provider again.
///
/// It runs on a thread inside a working call of the client or its uploads, one call at a time per client. Between two
/// writes of a stream, parts that need new keys wait for the next call. See "Callbacks" for what it may call. It must
/// not wait for another thread that is using the client. Since: 0.1
pub type glacier_credentials_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, out: *mut glacier_credentials_t) -> i32>;

/// Releases a user_data, which the library no longer uses. See "Callbacks". Since: 0.1
pub type glacier_destroy_fn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// A `user_data` that the library owns. Dropping it calls the destroy function.
pub(super) struct UserData {
    pointer: *mut c_void,
    destroy: glacier_destroy_fn,
}

// SAFETY: by the contract of the header, the library may call callbacks and the destroy function on any thread.
unsafe impl Send for UserData {}
// SAFETY: a shared reference only returns the pointer.
unsafe impl Sync for UserData {}

impl UserData {
    pub(super) fn new(pointer: *mut c_void, destroy: glacier_destroy_fn) -> Self {
        Self { pointer, destroy }
    }

    // A closure that calls this method captures the whole object. Using the field would capture only the pointer.
    fn pointer(&self) -> *mut c_void {
        self.pointer
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the caller set the two together, and nothing uses the pointer after this.
            unsafe { destroy(self.pointer) };
        }
    }
}

/// Returns a progress callback for the core. If there is no function, releases `user_data`.
pub(super) fn progress_fn(callback: glacier_progress_fn, user_data: UserData) -> Option<ProgressFn> {
    let callback = callback?;
    Some(Box::new(move |progress| {
        let progress = glacier_progress_t::from(progress);
        // SAFETY: the caller set the two together, and `progress` lives longer than the call.
        flow(unsafe { callback(user_data.pointer(), &raw const progress) })
    }))
}

/// Returns a read callback for the core, or an error if there is no function.
pub(super) fn read_fn(callback: glacier_read_fn, user_data: UserData) -> Result<ReadFn> {
    let callback = callback.ok_or_else(|| Error::new(Kind::Null, "callback is NULL"))?;
    Ok(Box::new(move |room| {
        let mut length = 0;
        // SAFETY: the caller set the two together; `room` and `length` live longer than the call.
        let returned = unsafe { callback(user_data.pointer(), room.as_mut_ptr(), room.len(), &raw mut length) };
        match flow(returned) {
            Flow::Continue => ReadOutcome::Bytes(length),
            Flow::Stop => ReadOutcome::Stop,
        }
    }))
}

/// Returns a done callback for the core. If there is no function, releases `user_data`.
pub(super) fn done_fn(callback: glacier_done_fn, user_data: UserData) -> Option<DoneFn> {
    let callback = callback?;
    Some(DoneFn::new(move |outcome| {
        let error = outcome.as_ref().err().map(|error| glacier_error_t::from(error.clone()));
        let result = error.as_ref().map_or(result::OK, glacier_error_t::code);
        let error = error.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the caller set the two together, and the error lives longer than the call.
        unsafe { callback(user_data.pointer(), result, error) };
    }))
}

/// Returns a log callback for the core. If there is no function, releases `user_data`.
pub(super) fn log_sink(callback: glacier_log_fn, user_data: UserData) -> Option<Sink> {
    let callback = callback?;
    Some(Box::new(move |level, message| {
        // SAFETY: the caller set the two together, and `message` lives longer than the call.
        unsafe { callback(user_data.pointer(), level_number(level), message.as_ptr()) };
    }))
}

/// Returns a credentials provider for the core. If there is no function, releases `user_data`.
pub(super) fn credentials_provider(
    callback: glacier_credentials_fn,
    user_data: UserData,
) -> Option<CredentialsCallback> {
    let callback = callback?;
    Some(Box::new(move || {
        let mut out = glacier_credentials_t::default();
        // SAFETY: the caller set the two together, and `out` lives longer than the call.
        let flow = flow(unsafe { callback(user_data.pointer(), &raw mut out) });
        if flow == Flow::Stop {
            return Err(Error::new(Kind::Callback, "the credentials provider did not return GLACIER_CONTINUE"));
        }
        let text = "the credentials provider returned GLACIER_CONTINUE without keys: glacier_credentials_set was not called, or failed";
        out.into_credentials().ok_or_else(|| Error::new(Kind::Credentials, text))
    }))
}

/// Returns the level of a number, or `None` if no level has this number.
pub(super) fn level(number: glacier_log_level_t) -> Option<Level> {
    let all = [Level::Off, Level::Error, Level::Warn, Level::Info, Level::Debug];
    all.into_iter().find(|level| level_number(*level) == number)
}

fn level_number(level: Level) -> glacier_log_level_t {
    let name = match level {
        Level::Off => GLACIER_LOG_OFF,
        Level::Error => GLACIER_LOG_ERROR,
        Level::Warn => GLACIER_LOG_WARN,
        Level::Info => GLACIER_LOG_INFO,
        Level::Debug => GLACIER_LOG_DEBUG,
    };
    name as glacier_log_level_t
}

fn flow(returned: i32) -> Flow {
    if returned == GLACIER_CONTINUE as i32 { Flow::Continue } else { Flow::Stop }
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" fn count(user_data: *mut c_void) {
        // SAFETY: the tests pass a u32 that outlives the call.
        unsafe { *user_data.cast::<u32>() += 1 };
    }

    unsafe extern "C" fn returns_hashed(_: *mut c_void, progress: *const glacier_progress_t) -> i32 {
        // SAFETY: the library passes a valid struct.
        let hashed = unsafe { (*progress).bytes_hashed };
        i32::try_from(hashed).unwrap_or(-1)
    }

    #[test]
    fn continues_only_for_glacier_continue() {
        let mut callback = progress_fn(Some(returns_hashed), UserData::new(std::ptr::null_mut(), None)).unwrap();
        for (returned, expected) in [(1, Flow::Continue), (0, Flow::Stop), (2, Flow::Stop), (u64::MAX, Flow::Stop)] {
            let progress = Progress { bytes_hashed: returned, ..Progress::default() };
            assert_eq!(callback(&progress), expected, "{returned}");
        }
    }

    #[test]
    fn releases_user_data_once() {
        let mut released = 0u32;
        let pointer = (&raw mut released).cast::<c_void>();
        assert!(progress_fn(None, UserData::new(pointer, Some(count))).is_none());
        assert_eq!(released, 1, "released at once without a callback");

        let callback = progress_fn(Some(returns_hashed), UserData::new(pointer, Some(count)));
        assert_eq!(released, 1, "not released while the callback exists");
        drop(callback);
        assert_eq!(released, 2);
    }

    #[test]
    fn converts_known_log_levels() {
        assert_eq!(level(0), Some(Level::Off));
        assert_eq!(level(4), Some(Level::Debug));
        assert_eq!((level(5), level(-1)), (None, None));
    }
}
