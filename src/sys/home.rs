//! The home directory in the user database.

#![allow(unsafe_code)] // std::env::home_dir reads the environment variable HOME.

use std::ffi::{CStr, OsStr, c_char};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr;

/// The maximum size of the buffer for one entry of the user database, in bytes.
const BUFFER_MAX: usize = 1 << 20;

/// Returns the home directory of the real user of the process. Returns `None` if the user database has none.
pub(crate) fn home_of_user() -> Option<PathBuf> {
    // SAFETY: getuid always succeeds.
    let user = unsafe { libc::getuid() };
    let mut size = 1024;
    while size <= BUFFER_MAX {
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut buffer: Vec<c_char> = vec![0; size];
        let mut found = ptr::null_mut();
        // SAFETY: the buffer has `size` bytes, and the pointers are valid for writing.
        let status = unsafe { libc::getpwuid_r(user, entry.as_mut_ptr(), buffer.as_mut_ptr(), size, &raw mut found) };
        match status {
            libc::EINTR => {}
            libc::ERANGE => size *= 4,
            0 if !found.is_null() => {
                // SAFETY: the call succeeded and `found` points to the entry that it filled.
                let home = unsafe { (*found).pw_dir };
                if home.is_null() {
                    return None;
                }
                // SAFETY: the field is a C string in `buffer`, which is alive.
                let home = unsafe { CStr::from_ptr(home) };
                return (!home.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(home.to_bytes())));
            }
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_an_absolute_path() {
        if let Some(home) = home_of_user() {
            assert!(home.is_absolute(), "{}", home.display());
        }
    }
}
