//! Whether standard input was closed when the program started.
//!
//! Before `main`, the Rust runtime replaces a closed standard stream by /dev/null, which has no bytes. It opens it for reading
//! and writing. A shell opens it for reading only, so `</dev/null` is an empty input.

use std::os::unix::fs::MetadataExt;

use rustix::fs::{OFlags, fcntl_getfl, fstat};
use rustix::stdio::stdin;

/// Returns whether standard input is the null device, opened for reading and writing.
pub(crate) fn was_closed() -> bool {
    let (Ok(input), Ok(null)) = (fstat(stdin()), std::fs::metadata("/dev/null")) else { return false };
    let is_null = (input.st_mode, input.st_rdev) == (null.mode(), null.rdev());
    is_null && fcntl_getfl(stdin()).is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDWR)
}
