//! `glacier_upload_t`: the functions that any thread may call at any time.

use std::ffi::{CStr, c_char};
use std::ptr;

use super::args;
use super::callback::glacier_progress_t;
use super::error::glacier_error_t;
use super::infallible;
use super::result::glacier_result_t;
use super::upload::{self, glacier_upload_t};
use crate::error::Error;
use crate::upload::state::State;
use glacier_state_names::*;

/// The state of an upload: a value of glacier_state_names.
pub type glacier_state_t = i32;

/// The values of glacier_state_t.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum glacier_state_names {
    /// No working call has initiated an upload, or used the given upload ID or journal.
    GLACIER_STATE_NEW = 0,
    /// The upload has an ID, and this handle has sent no part. The first working call of an attached handle sets this
    /// state before it asks whether the service knows the upload.
    GLACIER_STATE_INITIATED = 1,
    /// Parts are being sent or were sent.
    GLACIER_STATE_TRANSFERRING = 2,
    /// Complete was sent, and its response is awaited or will be requested again.
    GLACIER_STATE_COMPLETING = 3,
    /// There is an archive; glacier_upload_archive_id is known.
    GLACIER_STATE_COMPLETED = 4,
    /// The upload is deleted.
    GLACIER_STATE_ABORTED = 5,
    /// Complete was sent, and its outcome cannot be determined.
    GLACIER_STATE_UNKNOWN = 6,
}

/// Cancels the working calls of the upload: see "Cancellation".
///
/// A second cancel does not shorten the wait for the response to Complete. Parts in flight, at most workers times the
/// part size, are sent again later. A cancel during Initiate may leave an upload without parts, with an unknown
/// ID, in the vault. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_cancel(upload: *mut glacier_upload_t) {
    infallible::read(upload, (), |upload| upload.0.cancel());
}

/// Returns the state of the upload. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_state(upload: *const glacier_upload_t) -> glacier_state_t {
    let state = infallible::read(upload, State::New, |upload| upload.0.state());
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

/// Writes the progress of the upload to *out, at any time.
///
/// size_of_it is sizeof(glacier_progress_t) as the program was compiled, at least 8. Exactly that many bytes are
/// written: fields unknown to the program are left out; fields unknown to the library are 0 and not counted in
/// out->struct_size.
///
/// Results: GLACIER_E_INVALID (size_of_it is below 8, or more than memory can hold); GLACIER_E_FORKED. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_progress(
    upload: *const glacier_upload_t,
    out: *mut glacier_progress_t,
    size_of_it: usize,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    upload::call(upload, err, |upload| {
        let out = args::SizedOut::new(out, size_of_it, "out")?;
        if size_of_it < size_of::<u64>() {
            return Err(Error::invalid(format!("size_of_it is {size_of_it}: it must be sizeof(glacier_progress_t)")));
        }
        let mut progress = glacier_progress_t::from(&upload.progress()?);
        progress.struct_size = size_of_it.min(size_of::<glacier_progress_t>()) as u64;
        out.fill(&progress);
        Ok(())
    })
}

/// Sets the bandwidth limit for parts of this upload, in bytes per second; 0, the default, is no limit of its own. The
/// client's limit also applies: see glacier_config_set_bandwidth_limit. Takes effect within 100 ms, also for parts in
/// flight. Callable at any time.
///
/// Results: GLACIER_E_FORKED. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_bandwidth_limit(
    upload: *mut glacier_upload_t,
    bytes_per_s: u64,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    upload::call(upload, err, |upload| upload.set_bandwidth_limit(bytes_per_s))
}

/// Returns the upload ID, with which any process can attach to the upload; NULL until the upload is initiated or
/// attached. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_id(upload: *const glacier_upload_t) -> *const c_char {
    string(upload, |upload| upload.0.id())
}

/// Returns the path of the upload at the service; NULL until this handle initiated it, so always NULL for an attached
/// upload. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_location(upload: *const glacier_upload_t) -> *const c_char {
    string(upload, |upload| upload.0.location())
}

/// Returns the archive ID, with which the archive is retrieved and deleted; NULL until the upload is completed. Store
/// it: otherwise only an inventory of the vault has it. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_archive_id(upload: *const glacier_upload_t) -> *const c_char {
    string(upload, |upload| upload.0.archive_id())
}

/// Returns the path of the archive at the service; NULL until the upload is completed. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_archive_location(upload: *const glacier_upload_t) -> *const c_char {
    string(upload, |upload| upload.0.archive_location())
}

/// Returns the tree hash of the archive, 64 lower-case hexadecimal digits; NULL until it is known, at the latest when
/// the upload is completed. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_tree_hash(upload: *const glacier_upload_t) -> *const c_char {
    string(upload, |upload| upload.0.tree_hash())
}

/// Returns the name of the vault. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_vault(upload: *const glacier_upload_t) -> *const c_char {
    string(upload, |upload| Some(upload.0.vault()))
}

/// Returns the part size in bytes; 0 until it is known. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_part_size(upload: *const glacier_upload_t) -> u64 {
    infallible::read(upload, 0, |upload| upload.0.part_size())
}

fn string<'a>(
    upload: *const glacier_upload_t,
    read: impl FnOnce(&'a glacier_upload_t) -> Option<&'a CStr>,
) -> *const c_char {
    infallible::read(upload, ptr::null(), |upload| read(upload).map_or(ptr::null(), CStr::as_ptr))
}

#[cfg(test)]
mod tests {
    use super::super::client::{glacier_client_free, glacier_client_new};
    use super::super::config::{
        glacier_config_free, glacier_config_new, glacier_config_set_credentials, glacier_config_set_region,
    };
    use super::super::result::glacier_result_names::*;
    use super::super::upload::{glacier_upload_free, glacier_upload_new};
    use super::super::upload_settings::glacier_upload_set_progress;
    use super::*;

    /// Creates an upload whose client and config are already freed.
    fn upload() -> *mut glacier_upload_t {
        let config = glacier_config_new();
        let (mut client, mut upload, none) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: here and below, handles are alive, texts end with NUL, and outputs have room.
        assert_eq!(unsafe { glacier_config_set_region(config, c"us-east-1".as_ptr(), none) }, 0);
        let (id, secret) = (c"id".as_ptr(), c"secret".as_ptr());
        // SAFETY: see above.
        assert_eq!(unsafe { glacier_config_set_credentials(config, id, secret, ptr::null(), none) }, 0);
        // SAFETY: see above.
        assert_eq!(unsafe { glacier_client_new(config, &raw mut client, none) }, 0);
        // SAFETY: see above; freed once.
        unsafe { glacier_config_free(config) };
        // SAFETY: see above.
        assert_eq!(unsafe { glacier_upload_new(client, c"vault".as_ptr(), &raw mut upload, none) }, 0);
        // SAFETY: see above; freed once.
        unsafe { glacier_client_free(client) };
        upload
    }

    #[test]
    fn writes_progress_for_older_and_newer_programs() {
        let upload = upload();
        let filled = |size: usize| {
            let mut room = [u64::MAX; 16];
            // SAFETY: the upload is alive, and the room has 128 bytes.
            let result = unsafe { glacier_upload_progress(upload, room.as_mut_ptr().cast(), size, ptr::null_mut()) };
            (result, room)
        };
        for size in [0, 7] {
            assert_eq!(filled(size), (GLACIER_E_INVALID as i32, [u64::MAX; 16]), "size {size}: nothing is written");
        }
        let (result, room) = filled(24);
        assert_eq!((result, room[0], room[3]), (0, 24, u64::MAX), "an older program");
        let (result, room) = filled(128);
        assert_eq!((result, room[0]), (0, 96), "a newer program");
        assert_eq!(room[12..], [0; 4]);
        // SAFETY: as above, freed once.
        unsafe { glacier_upload_free(upload) };
    }

    #[test]
    fn getters_return_nothing_for_new_upload_and_null() {
        let upload = upload();
        // SAFETY: here and below, the upload is NULL or alive.
        let vault = args::str_arg(unsafe { glacier_upload_vault(upload) }, "vault").unwrap();
        assert_eq!(vault, "vault");
        for upload in [upload, ptr::null_mut()] {
            for getter in [
                glacier_upload_id,
                glacier_upload_location,
                glacier_upload_archive_id,
                glacier_upload_archive_location,
                glacier_upload_tree_hash,
            ] {
                // SAFETY: see above.
                assert!(unsafe { getter(upload) }.is_null());
            }
            // SAFETY: see above.
            assert_eq!(unsafe { glacier_upload_part_size(upload) }, 0);
            // SAFETY: see above.
            assert_eq!(unsafe { glacier_upload_state(upload) }, GLACIER_STATE_NEW as i32);
        }
        // SAFETY: see above.
        assert!(unsafe { glacier_upload_vault(ptr::null()) }.is_null());
        // SAFETY: see above.
        unsafe { glacier_upload_cancel(ptr::null_mut()) };
        // SAFETY: see above, freed once.
        unsafe { glacier_upload_free(upload) };
    }

    #[test]
    fn releases_progress_callback_with_its_upload() {
        unsafe extern "C" fn go_on(_: *mut std::ffi::c_void, _: *const glacier_progress_t) -> i32 {
            1
        }
        unsafe extern "C" fn count(user_data: *mut std::ffi::c_void) {
            // SAFETY: the test passes a u32 that outlives the upload.
            unsafe { *user_data.cast::<u32>() += 1 };
        }
        let mut released = 0u32;
        let user_data = &raw mut released;
        let upload = upload();
        for (upload, result, released) in [(ptr::null_mut(), GLACIER_E_NULL, 1), (upload, GLACIER_OK, 1)] {
            let none = ptr::null_mut();
            // SAFETY: the upload is NULL or alive.
            let got = unsafe { glacier_upload_set_progress(upload, Some(go_on), user_data.cast(), Some(count), none) };
            assert_eq!(got, result as i32);
            // SAFETY: `released` is alive.
            assert_eq!(unsafe { user_data.read() }, released);
        }
        // SAFETY: alive, freed once.
        unsafe { glacier_upload_free(upload) };
        assert_eq!(released, 2);
    }
}
