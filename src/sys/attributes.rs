//! The attributes of an open file, as its server has them.
//!
//! fstat of a network file system may return attributes from a cache, for a file that was just changed on another machine.
//! statx asks the server.

#![allow(unsafe_code)] // std has no statx with AT_STATX_FORCE_SYNC.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;

/// The attributes of a file. Times are in nanoseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) modified_ns: i128,
    pub(crate) changed_ns: i128,
}

/// Returns the attributes of an open file. If the system has no statx, or a filter of system calls rejects it, they are those
/// of fstat.
///
/// # Errors
/// The file system cannot return them.
pub(crate) fn attributes(file: &File) -> io::Result<Attributes> {
    match statx(file) {
        Err(cause) if is_without_statx(&cause) => fstat(file),
        outcome => outcome,
    }
}

/// Returns true if statx failed because it is not available, not because of the file.
fn is_without_statx(cause: &io::Error) -> bool {
    matches!(cause.raw_os_error(), Some(libc::ENOSYS | libc::EPERM | libc::EINVAL))
}

fn fstat(file: &File) -> io::Result<Attributes> {
    file.metadata().map(|metadata| Attributes::of(&metadata))
}

impl Attributes {
    /// Returns the attributes in the metadata of a file, which a network file system may have taken from a cache.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn nanoseconds(seconds: i64, nanoseconds: impl Into<i128>) -> i128 {
    i128::from(seconds) * 1_000_000_000 + nanoseconds.into()
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn statx(file: &File) -> io::Result<Attributes> {
    use std::mem::MaybeUninit;
    use std::os::fd::AsRawFd;

    let mut found = MaybeUninit::<libc::statx>::zeroed();
    // A system call: the function needs glibc 2.28.
    // SAFETY: the path is a string, the kernel writes at most one `statx`, and the descriptor stays open while `file` is
    // borrowed.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_statx,
            file.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_STATX_FORCE_SYNC,
            libc::STATX_BASIC_STATS,
            found.as_mut_ptr(),
        )
    };
    if outcome != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: all bytes of the structure are initialized, and each of its fields is an integer.
    let found = unsafe { found.assume_init() };
    Ok(Attributes {
        device: libc::makedev(found.stx_dev_major, found.stx_dev_minor),
        inode: found.stx_ino,
        size: found.stx_size,
        modified_ns: nanoseconds(found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec),
        changed_ns: nanoseconds(found.stx_ctime.tv_sec, found.stx_ctime.tv_nsec),
    })
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn statx(_file: &File) -> io::Result<Attributes> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statx_and_fstat_return_the_same() {
        for file in [tempfile::tempfile().unwrap(), File::open("/proc/version").unwrap()] {
            match statx(&file) {
                Ok(found) => assert_eq!(found, fstat(&file).unwrap()),
                Err(cause) => assert!(is_without_statx(&cause), "{cause}"),
            }
            assert_eq!(attributes(&file).unwrap(), fstat(&file).unwrap());
        }
    }

    #[test]
    fn only_a_missing_statx_is_replaced_by_fstat() {
        for (code, expected) in [
            (libc::ENOSYS, true),
            (libc::EPERM, true),
            (libc::EINVAL, true),
            (libc::EIO, false),
            (libc::ESTALE, false),
            (libc::ENOMEM, false),
        ] {
            assert_eq!(is_without_statx(&io::Error::from_raw_os_error(code)), expected, "{code}");
        }
        assert!(!is_without_statx(&io::Error::other("x")));
    }

    #[test]
    fn times_before_1970_are_negative() {
        assert_eq!(nanoseconds(-1, 999_999_999_i64), -1);
    }
}
