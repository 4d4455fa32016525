//! Callbacks: from C function pointers and `user_data` to what the core calls.

use std::ffi::{c_char, c_void};
use std::ptr;

use super::credentials::glacier_credentials_t;
use super::error::glacier_error_t;
use super::result::{self, glacier_result_t};
use crate::credentials::Provider;
use crate::error::{Error, Kind, Result};
use crate::log::{Level, Sink};
use crate::source::{ReadFn, ReadOutcome};
use crate::upload::{DoneFn, Flow, Progress, ProgressFn};
use glacier_flow_names::*;
use glacier_log_level_names::*;

/// What a callback that may stop the work returns. Nothing but GLACIER_CONTINUE goes on.
///
/// It is 1, and neither 0 nor "not 0": a callback of another language that ends in an exception returns anything.
/// Since: 0.1
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum glacier_flow_names {
    /// Stop: the call returns GLACIER_E_CALLBACK.
    GLACIER_STOP = 0,
    /// Go on.
    GLACIER_CONTINUE = 1,
}

/// How far an upload, or the hashing of a file, is. All counts; later versions add fields at the end.
///
/// The counts only grow, but for parts_in_flight and workers, which go up and down. Since: 0.1
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct glacier_progress_t {
    /// The bytes of this struct that are filled.
    pub struct_size: u64,
    /// The bytes of the whole archive; UINT64_MAX until the source is open and the service was asked about an upload
    /// that exists already, and of a stream of unknown length until its end: look for that before adding up.
    pub bytes_total: u64,
    /// The bytes in parts that the service acknowledged to this handle. With bytes_resumed it reaches bytes_total;
    /// both grow by whole parts.
    pub bytes_done: u64,
    /// The bytes in parts that the service held before.
    pub bytes_resumed: u64,
    /// The bytes hashed; a part that is read again counts again.
    pub bytes_hashed: u64,
    /// The bytes of parts that went out on the wire, without headers, those of repeated attempts too: it moves
    /// steadily where bytes_done jumps, and may end above bytes_total.
    pub bytes_sent: u64,
    /// The parts of the whole archive; UINT64_MAX while unknown.
    pub parts_total: u64,
    /// The parts that the service holds: acknowledged to this handle, or held before.
    pub parts_done: u64,
    /// The parts being sent at this moment.
    pub parts_in_flight: u64,
    /// The failed attempts after which another one follows, of all requests: Initiate, ListParts, parts, Complete and
    /// Abort. Counted when the attempt fails, before the wait.
    pub retries: u64,
    /// The most parts that may be in flight at this moment: those that were set, or fewer when the service pushes back
    /// or the line is slow. While memory is short, fewer are.
    pub workers: u64,
    /// Milliseconds since the first working call that moved data began. Like all counts it goes on when an upload is
    /// run again with the same handle.
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

/// Told how far the work is, at least 4 times a second while a working call runs, also when nothing moves.
///
/// progress is valid inside the callback only. Returns GLACIER_CONTINUE to go on; anything else stops the call with
/// GLACIER_E_CALLBACK. Which thread it comes on, and what it may call, stands under "Callbacks" above. Since: 0.1
pub type glacier_progress_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, progress: *const glacier_progress_t) -> i32>;

/// Reads the next bytes of a source into buf, which has room for cap bytes, and stores their number in *out_len, which
/// is 0 when the callback is called. It may store less than cap, as read() of a pipe does; with 0 and
/// GLACIER_CONTINUE the source has ended, and the callback is not called again.
///
/// Returns GLACIER_CONTINUE to go on; anything else stops the call with GLACIER_E_CALLBACK, and so does a number above
/// cap. cap is never 0. buf is valid inside the callback only.
///
/// It may block: meanwhile nothing else is delivered, but parts that were read already go on their way, and into the
/// journal. A cancel cannot end it: the call returns when the callback has. One that may block for long looks by itself
/// whether it is to stop.
///
/// Since: 0.1
pub type glacier_read_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, buf: *mut u8, cap: usize, out_len: *mut usize) -> i32>;

/// Told once how a started run ended: its result, and NULL or the error, which is valid inside the callback only;
/// glacier_upload_wait gives one to keep.
///
/// It comes on the upload's own thread, as the last of the run's callbacks, and may call what any callback may: it may
/// free the upload, and start another one, but not the same again. Since: 0.1
pub type glacier_done_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, result: glacier_result_t, error: *const glacier_error_t)>;

/// How much the log says: one of the values of glacier_log_level_names. Each level includes those before it. Since:
/// 0.1
pub type glacier_log_level_t = i32;

/// The values of glacier_log_level_t.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum glacier_log_level_names {
    /// Nothing.
    GLACIER_LOG_OFF = 0,
    /// What made a call fail.
    GLACIER_LOG_ERROR = 1,
    /// What went wrong and was mended, such as a repeated attempt.
    GLACIER_LOG_WARN = 2,
    /// The steps of an upload.
    GLACIER_LOG_INFO = 3,
    /// Each request.
    GLACIER_LOG_DEBUG = 4,
}

/// Receives one line of the log: English, without a newline at its end, sanitized as glacier_error_message is.
///
/// A program should show the lines of level GLACIER_LOG_WARN where a person reads them, on stderr for example, as the
/// examples in bindings/c do. They report what the result of a call does not:
/// - an attempt failed and will be repeated: the request, its error and the delay;
/// - InitiateMultipartUpload is repeated, so that an empty upload may stay in the vault until it expires;
/// - fewer parts are sent at once, because the service throttles;
/// - the clock of the machine is wrong, and signatures are corrected;
/// - a record could not be appended to the journal, on a full disk for example, and what a later resume does not find;
/// - the source was touched since it was read, and is read again;
/// - Complete was rejected: which parts are sent again;
/// - a stream of unknown length comes near 10,000 parts;
/// - log lines were dropped: how many.
///
/// message is valid inside the callback only. Since: 0.1
pub type glacier_log_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, level: glacier_log_level_t, message: *const c_char)>;

/// Asked for the keys to sign requests with: gives them by glacier_credentials_set and returns GLACIER_CONTINUE.
///
/// It is asked before the first request; when less than 5 minutes of the life of the keys are left, or half of a life
/// that is shorter than 10 minutes; and when the service calls their token expired, whatever the clock says. Each time
/// it is asked once for all the requests of the client. All of them wait for it, as long as it takes; those of other
/// uploads can be canceled meanwhile.
///
/// If it returns anything but GLACIER_CONTINUE, the calls that wait for keys give GLACIER_E_CALLBACK; without keys set,
/// or when the service calls the keys expired that it gave three times in a row, GLACIER_E_CREDENTIALS. Uploads stay in
/// the vault, and the next call asks it again.
///
/// It comes on a thread of the program that is inside a working call of an upload of the client, or inside
/// glacier_client_list_uploads; one call at a time for each client, with no lock held. What it may call stands under
/// "Callbacks" above; nor must it wait for another thread that works with the client. Since: 0.1
pub type glacier_credentials_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, out: *mut glacier_credentials_t) -> i32>;

/// Releases a user_data: called exactly once, when the library will never touch it again. It may be NULL.
///
/// It may come on any thread, and must call nothing of this library. Since: 0.1
pub type glacier_destroy_fn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// A `user_data` that the library owns: its destroy function runs when this is dropped.
pub(super) struct UserData {
    pointer: *mut c_void,
    destroy: glacier_destroy_fn,
}

// SAFETY: the header says that callbacks come on the thread of the call and the destroy function on any thread.
unsafe impl Send for UserData {}
// SAFETY: shared, it only gives its pointer away.
unsafe impl Sync for UserData {}

impl UserData {
    pub(super) fn new(pointer: *mut c_void, destroy: glacier_destroy_fn) -> Self {
        Self { pointer, destroy }
    }

    // By this method closures take the whole object with them, and not just the pointer in it.
    fn pointer(&self) -> *mut c_void {
        self.pointer
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the caller gave the two together, and nothing uses the pointer after this.
            unsafe { destroy(self.pointer) };
        }
    }
}

/// A progress callback for the core; without a function `user_data` is released here.
pub(super) fn progress_fn(callback: glacier_progress_fn, user_data: UserData) -> Option<ProgressFn> {
    let callback = callback?;
    Some(Box::new(move |progress| {
        let progress = glacier_progress_t::from(progress);
        // SAFETY: the caller gave the two together, and `progress` lives longer than the call.
        flow(unsafe { callback(user_data.pointer(), &raw const progress) })
    }))
}

/// A read callback for the core; without a function there is nothing to read with.
pub(super) fn read_fn(callback: glacier_read_fn, user_data: UserData) -> Result<ReadFn> {
    let callback = callback.ok_or_else(|| Error::new(Kind::Null, "callback is NULL"))?;
    Ok(Box::new(move |room| {
        let mut length = 0;
        // SAFETY: the caller gave the two together; `room` and `length` live longer than the call.
        let returned = unsafe { callback(user_data.pointer(), room.as_mut_ptr(), room.len(), &raw mut length) };
        match flow(returned) {
            Flow::Continue => ReadOutcome::Bytes(length),
            Flow::Stop => ReadOutcome::Stop,
        }
    }))
}

/// A done callback for the core; without a function `user_data` is released here.
pub(super) fn done_fn(callback: glacier_done_fn, user_data: UserData) -> Option<DoneFn> {
    let callback = callback?;
    Some(DoneFn::new(move |outcome| {
        let error = outcome.as_ref().err().map(|error| glacier_error_t::from(error.clone()));
        let result = error.as_ref().map_or(result::OK, glacier_error_t::code);
        let error = error.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the caller gave the two together, and the error lives longer than the call.
        unsafe { callback(user_data.pointer(), result, error) };
    }))
}

/// A log callback for the core; without a function `user_data` is released here.
pub(super) fn log_sink(callback: glacier_log_fn, user_data: UserData) -> Option<Sink> {
    let callback = callback?;
    Some(Box::new(move |level, message| {
        // SAFETY: the caller gave the two together, and `message` lives longer than the call.
        unsafe { callback(user_data.pointer(), level_number(level), message.as_ptr()) };
    }))
}

/// A credentials provider for the core; without a function `user_data` is released here.
pub(super) fn credentials_provider(callback: glacier_credentials_fn, user_data: UserData) -> Option<Provider> {
    let callback = callback?;
    Some(Box::new(move || {
        let mut out = glacier_credentials_t::default();
        // SAFETY: the caller gave the two together, and `out` lives longer than the call.
        let flow = flow(unsafe { callback(user_data.pointer(), &raw mut out) });
        if flow == Flow::Stop {
            return Err(Error::new(Kind::Callback, "the credentials provider did not return GLACIER_CONTINUE"));
        }
        let text = "the credentials provider returned GLACIER_CONTINUE, but gave no keys: glacier_credentials_set was not \
                    called, or failed";
        out.into_given().ok_or_else(|| Error::new(Kind::Credentials, text))
    }))
}

/// The level of a number; `None` for a number that is none.
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
        // SAFETY: the tests give a u32 that outlives the call.
        unsafe { *user_data.cast::<u32>() += 1 };
    }

    unsafe extern "C" fn returns_hashed(_: *mut c_void, progress: *const glacier_progress_t) -> i32 {
        // SAFETY: the library gives a valid struct.
        let hashed = unsafe { (*progress).bytes_hashed };
        i32::try_from(hashed).unwrap_or(-1)
    }

    #[test]
    fn only_continue_goes_on() {
        let mut callback = progress_fn(Some(returns_hashed), UserData::new(std::ptr::null_mut(), None)).unwrap();
        for (returned, expected) in [(1, Flow::Continue), (0, Flow::Stop), (2, Flow::Stop), (u64::MAX, Flow::Stop)] {
            let progress = Progress { bytes_hashed: returned, ..Progress::default() };
            assert_eq!(callback(&progress), expected, "{returned}");
        }
    }

    #[test]
    fn user_data_is_released_once() {
        let mut released = 0u32;
        let pointer = (&raw mut released).cast::<c_void>();
        assert!(progress_fn(None, UserData::new(pointer, Some(count))).is_none());
        assert_eq!(released, 1, "no callback: at once");

        let callback = progress_fn(Some(returns_hashed), UserData::new(pointer, Some(count)));
        assert_eq!(released, 1, "not while the callback is kept");
        drop(callback);
        assert_eq!(released, 2);
    }

    #[test]
    fn levels() {
        assert_eq!(level(0), Some(Level::Off));
        assert_eq!(level(4), Some(Level::Debug));
        assert_eq!((level(5), level(-1)), (None, None));
    }
}
