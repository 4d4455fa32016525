//! What the system is told of how a file will be read, so that its disk works while the processor does. Advice only: where
//! it is not taken, reading takes longer, and is no different.

#![allow(unsafe_code)] // posix_fadvise has no safe face in std.

use std::fs::File;

/// Each read of the file will go on where one before it ended.
pub(crate) fn advise_sequential(file: &File) {
    advise(file, 0, 0, Advice::Sequential);
}

/// So many bytes of the file will be read soon: the system begins to load them.
pub(crate) fn advise_will_need(file: &File, offset: u64, length: u64) {
    // To the system, a length of 0 is all the rest of the file.
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
    // SAFETY: the call touches no memory of the process, and the descriptor stays open while `file` is borrowed.
    let _advice_not_taken = unsafe { libc::posix_fadvise(file.as_raw_fd(), offset, length, advice) };
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn advise(_file: &File, _offset: u64, _length: u64, _advice: Advice) {}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;

    #[test]
    fn advice_that_is_not_taken_is_no_error() {
        let (pipe, _other_end) = std::io::pipe().unwrap();
        let pipe = File::from(OwnedFd::from(pipe));
        advise_sequential(&pipe);
        advise_will_need(&pipe, 0, 1);
        advise_will_need(&File::open("/dev/null").unwrap(), u64::MAX, u64::MAX);
    }
}
