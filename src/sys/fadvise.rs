//! Hints to the kernel on how a file will be read (`posix_fadvise`), so that the disk reads while the processor works.
//! A hint without effect changes only the speed.

#![allow(unsafe_code)] // std has no posix_fadvise.

use std::fs::File;

/// Advises that the file will be read sequentially.
pub(crate) fn advise_sequential(file: &File) {
    advise(file, 0, 0, Advice::Sequential);
}

/// Advises that `length` bytes at `offset` will be read soon. The kernel starts to load them.
pub(crate) fn advise_will_need(file: &File, offset: u64, length: u64) {
    // posix_fadvise takes a length of 0 as the rest of the file.
    if length > 0 {
        advise(file, offset, length, Advice::WillNeed);
    }
}

#[derive(Clone, Copy, Debug)]
enum Advice {
    Sequential,
    WillNeed,
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn advise(file: &File, offset: u64, length: u64, advice: Advice) {
    use std::os::fd::AsRawFd;

    let (Ok(offset), Ok(length)) = (libc::off_t::try_from(offset), libc::off_t::try_from(length)) else { return };
    let advice = match advice {
        Advice::Sequential => libc::POSIX_FADV_SEQUENTIAL,
        Advice::WillNeed => libc::POSIX_FADV_WILLNEED,
    };
    // SAFETY: the call accesses no memory of the process, and the descriptor stays open while `file` is borrowed.
    let _ignored = unsafe { libc::posix_fadvise(file.as_raw_fd(), offset, length, advice) };
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn advise(_file: &File, _offset: u64, _length: u64, _advice: Advice) {}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;

    #[test]
    fn ignores_files_that_take_no_advice() {
        let (pipe, _other_end) = std::io::pipe().unwrap();
        let pipe = File::from(OwnedFd::from(pipe));
        advise_sequential(&pipe);
        advise_will_need(&pipe, 0, 1);
        advise_will_need(&File::open("/dev/null").unwrap(), u64::MAX, u64::MAX);
    }
}
