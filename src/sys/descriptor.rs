//! Descriptors above those of the standard streams. A program may have closed its standard streams, and the system gives the
//! lowest free number to the next file or socket. What the program then writes to standard error would get into a journal or
//! a connection.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// The highest descriptor of the standard streams.
const STANDARD_MAX: i32 = 2;

/// Moves an open file or socket to a descriptor above those of the standard streams, if it has one of them.
///
/// # Errors
/// The process has no descriptor left.
pub(crate) fn above_standard_streams<T: AsFd + From<OwnedFd>>(open: T) -> io::Result<T> {
    if open.as_fd().as_raw_fd() > STANDARD_MAX {
        return Ok(open);
    }
    // The standard library clones to a descriptor of at least 3. The file and its locks are shared by the clone.
    open.as_fd().try_clone_to_owned().map(T::from)
}
