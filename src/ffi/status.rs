//! `glacier_upload_t` from outside: what any thread may ask of it, and tell it, at any time.

use std::ffi::{CStr, c_char};
use std::ptr;

use super::args;
use super::boundary;
use super::callback::glacier_progress_t;
use super::error::glacier_error_t;
use super::infallible;
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
    /// There is an upload ID, and no part was sent by this handle yet. Whether the service still knows an attached
    /// upload, only the result of a working call tells.
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
/// It stops each working call in progress or, if there is none, the next one. When all those in progress have
/// returned, and one of them because of the request (GLACIER_E_CANCELED, or GLACIER_E_OUTCOME_UNKNOWN), it is used up,
/// and the upload can run again. If they all ended for other reasons, GLACIER_OK included, it stays and stops the
/// next.
///
/// Calls return within 250 ms, with two exceptions: a name lookup of the system that is in progress cannot be
/// interrupted; and while Complete is on its way, its answer is awaited for up to 10 s, which a second cancel does not
/// shorten: without it the result is GLACIER_E_OUTCOME_UNKNOWN. Parts in flight are sent again later, at most the
/// number of workers times the part size. While Initiate is on its way, an empty upload without a known ID may be left
/// in the vault; it costs nothing and vanishes by itself.
///
/// It returns at once. Any thread, at any time, in callbacks, and in a signal handler: it is one atomic store. NULL is
/// ignored. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_cancel(upload: *mut glacier_upload_t) {
    infallible::read(upload, (), |upload| upload.0.cancel());
}

/// Where the upload stands; GLACIER_STATE_NEW for NULL. Any thread, at any time, in callbacks. Since: 0.1
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
    boundary::call(err, || {
        let upload = upload::share(upload)?;
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

/// Sets how many bytes of parts this upload may send, in bytes a second; 0, the default, is no limit of its own. That of
/// its client (glacier_config_set_bandwidth_limit, where all is said about limits) holds as well.
///
/// It takes effect within 100 ms, also for parts that are being sent. Any thread, at any time, in callbacks.
/// Results: GLACIER_OK; GLACIER_E_NULL (upload); GLACIER_E_FORKED; GLACIER_E_PANIC. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_upload_set_bandwidth_limit(
    upload: *mut glacier_upload_t,
    bytes_per_s: u64,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || upload::share(upload)?.set_bandwidth_limit(bytes_per_s))
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
    infallible::read(upload, 0, |upload| upload.0.part_size())
}

fn fact<'a>(
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

    /// An upload whose client and config are freed already.
    fn upload() -> *mut glacier_upload_t {
        let config = glacier_config_new();
        let (mut client, mut upload, none) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: here and below, handles are alive, texts end with NUL, outputs have room.
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
    fn progress_for_programs_older_and_newer_than_the_library() {
        let upload = upload();
        let filled = |size: usize| {
            let mut room = [u64::MAX; 16];
            // SAFETY: the upload is alive, and the room has 128 bytes.
            let result = unsafe { glacier_upload_progress(upload, room.as_mut_ptr().cast(), size, ptr::null_mut()) };
            (result, room)
        };
        for size in [0, 7] {
            assert_eq!(filled(size), (GLACIER_E_INVALID as i32, [u64::MAX; 16]), "{size}: nothing is written");
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
    fn facts_of_a_new_upload_and_of_none() {
        let upload = upload();
        // SAFETY: here and below, the upload is NULL or alive.
        let vault = args::str_arg(unsafe { glacier_upload_vault(upload) }, "vault").unwrap();
        assert_eq!(vault, "vault");
        for upload in [upload, ptr::null_mut()] {
            for fact in [
                glacier_upload_id,
                glacier_upload_location,
                glacier_upload_archive_id,
                glacier_upload_archive_location,
                glacier_upload_tree_hash,
            ] {
                // SAFETY: see above.
                assert!(unsafe { fact(upload) }.is_null());
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
    fn the_progress_callback_goes_with_its_upload() {
        unsafe extern "C" fn go_on(_: *mut std::ffi::c_void, _: *const glacier_progress_t) -> i32 {
            1
        }
        unsafe extern "C" fn count(user_data: *mut std::ffi::c_void) {
            // SAFETY: the test gives a u32 that outlives the upload.
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
            // SAFETY: `released` lives.
            assert_eq!(unsafe { user_data.read() }, released);
        }
        // SAFETY: alive, freed once.
        unsafe { glacier_upload_free(upload) };
        assert_eq!(released, 2);
    }
}
