//! `glacier_upload_t` from outside: what any thread may ask of it, and tell it, at any time.

use std::ffi::{CStr, c_char};
use std::ptr;

use super::callback::glacier_progress_t;
use super::error::glacier_error_t;
use super::guard;
use super::result::glacier_result_t;
use super::upload::{self, glacier_upload_t};
use crate::error::Error;
use crate::upload::state::State;
use glacier_state_names::*;

/// Where an upload stands: one of the values of glacier_state_names. Later versions may add values. Since: 0.1
pub type glacier_state_t = i32;

/// The values of glacier_state_t.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum glacier_state_names {
    /// Nothing is initiated, and the service was not asked about an attached upload yet.
    GLACIER_STATE_NEW = 0,
    /// The upload exists at the service.
    GLACIER_STATE_INITIATED = 1,
    /// Parts are being sent, or were.
    GLACIER_STATE_TRANSFERRING = 2,
    /// Complete was sent, and its answer is awaited, or will be asked for again.
    GLACIER_STATE_COMPLETING = 3,
    /// There is an archive; glacier_upload_archive_id is known.
    GLACIER_STATE_COMPLETED = 4,
    /// The upload is deleted.
    GLACIER_STATE_ABORTED = 5,
    /// Complete was sent, and whether it was carried out cannot be known.
    GLACIER_STATE_UNKNOWN = 6,
}

/// Asks the working calls of the upload to stop; they return GLACIER_E_CANCELED. The upload stays in the vault.
///
/// It stops each working call in progress or, if there is none, the next one. Once that has returned
/// GLACIER_E_CANCELED the request is used up, and the upload can run again. It is noticed within 250 ms, with one
/// exception: a name lookup of the system that is in progress cannot be interrupted. While Complete is on its way,
/// its answer is awaited for up to 10 s more; without it the result is GLACIER_E_OUTCOME_UNKNOWN.
///
/// It returns at once. Any thread, at any time, in callbacks, and in a signal handler: it is one atomic store. NULL is
/// ignored. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_cancel(upload: *mut glacier_upload_t) {
    guard::get(upload, (), |upload| upload.0.cancel());
}

/// Where the upload stands; GLACIER_STATE_NEW for NULL. Any thread, at any time, in callbacks. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_state(upload: *const glacier_upload_t) -> glacier_state_t {
    let state = guard::get(upload, State::New, |upload| upload.0.state());
    let name = match state {
        State::New => GLACIER_STATE_NEW,
        State::Initiated => GLACIER_STATE_INITIATED,
        State::Transferring => GLACIER_STATE_TRANSFERRING,
        State::Completing => GLACIER_STATE_COMPLETING,
        State::Completed => GLACIER_STATE_COMPLETED,
        State::Aborted => GLACIER_STATE_ABORTED,
        State::Unknown => GLACIER_STATE_UNKNOWN,
    };
    name as glacier_state_t
}

/// Writes how far the upload is to *out, for programs that would rather ask than be told.
///
/// size_of_it is the size of *out as the program was compiled: sizeof(glacier_progress_t), at least 8. That many
/// bytes are written: fields that the program does not know are left out, and those that the library does not know
/// are 0. out->struct_size is the number of bytes filled.
///
/// Any thread, at any time, in callbacks.
/// Results: GLACIER_OK; GLACIER_E_NULL (upload, out); GLACIER_E_INVALID (size_of_it below 8, or more than memory can
/// hold); GLACIER_E_FORKED; GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_progress(
    upload: *const glacier_upload_t,
    out: *mut glacier_progress_t,
    size_of_it: usize,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    guard::call(err, || {
        let upload = upload::share(upload)?;
        let out = guard::Room::new(out, size_of_it, "out")?;
        if size_of_it < size_of::<u64>() {
            return Err(Error::invalid(format!("size_of_it is {size_of_it}: it must be sizeof(glacier_progress_t)")));
        }
        let mut progress = glacier_progress_t::from(&upload.progress()?);
        progress.struct_size = size_of_it.min(size_of::<glacier_progress_t>()) as u64;
        out.fill(&progress);
        Ok(())
    })
}

/// The upload ID: with it any process may attach to the upload. NULL until the upload is initiated or attached, and
/// for NULL; never changing afterwards.
///
/// Valid until the upload is freed. Any thread, at any time, in callbacks. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_id(upload: *const glacier_upload_t) -> *const c_char {
    fact(upload, |upload| upload.0.id())
}

/// The path of the upload at the service, as it answered when this handle initiated it. NULL until then, of an
/// attached upload, and for NULL; never changing afterwards.
///
/// Valid until the upload is freed. Any thread, at any time, in callbacks. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_location(upload: *const glacier_upload_t) -> *const c_char {
    fact(upload, |upload| upload.0.location())
}

/// The ID of the archive, under which it is retrieved and deleted: keep it, for the service tells it again only in an
/// inventory of the vault. NULL until the upload is completed, and for NULL; never changing afterwards.
///
/// Valid until the upload is freed. Any thread, at any time, in callbacks. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_archive_id(upload: *const glacier_upload_t) -> *const c_char {
    fact(upload, |upload| upload.0.archive_id())
}

/// The path of the archive at the service. NULL until the upload is completed, and for NULL; never changing
/// afterwards.
///
/// Valid until the upload is freed. Any thread, at any time, in callbacks. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_archive_location(upload: *const glacier_upload_t) -> *const c_char {
    fact(upload, |upload| upload.0.archive_location())
}

/// The tree hash of the archive, 64 hexadecimal digits in lower case. NULL until it is known, at the latest when
/// the upload is completed, and for NULL; never changing afterwards.
///
/// Valid until the upload is freed. Any thread, at any time, in callbacks. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_tree_hash(upload: *const glacier_upload_t) -> *const c_char {
    fact(upload, |upload| upload.0.tree_hash())
}

/// The name of the vault. NULL for NULL.
///
/// Valid until the upload is freed. Any thread, at any time, in callbacks. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_vault(upload: *const glacier_upload_t) -> *const c_char {
    fact(upload, |upload| Some(upload.0.vault()))
}

/// The part size in bytes; 0 until it is known, and for NULL. Any thread, at any time, in callbacks. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_part_size(upload: *const glacier_upload_t) -> u64 {
    guard::get(upload, 0, |upload| upload.0.part_size())
}

fn fact<'a>(
    upload: *const glacier_upload_t,
    read: impl FnOnce(&'a glacier_upload_t) -> Option<&'a CStr>,
) -> *const c_char {
    guard::get(upload, ptr::null(), |upload| read(upload).map_or(ptr::null(), CStr::as_ptr))
}
