//! Standard input. A read that waits ends when the command is stopped.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::closed_stdin::was_closed;
use crate::exit::{Failure, Result};

/// The longest time that a read waits before it checks whether the command is being stopped, in nanoseconds.
const WAIT_NS: i64 = 100_000_000;

/// Standard input without a buffer: the caller reads large pieces.
#[derive(Debug)]
pub(crate) struct Stdin {
    file: File,
    /// The number of bytes that a regular file has left, as of opening; 0 for any other input. A file may grow, but one that was
    /// truncated has lost bytes.
    left: u64,
}

impl Stdin {
    /// Opens standard input.
    ///
    /// # Errors
    /// It was closed when the program started, or no descriptor is free.
    pub(crate) fn open() -> Result<Self> {
        let input = match was_closed() {
            true => Err(io::Error::other("it is closed, or /dev/null")),
            false => io::stdin().as_fd().try_clone_to_owned(),
        };
        input.map(|input| Self::of(File::from(input))).map_err(|cause| unreadable(&cause))
    }

    fn of(mut input: File) -> Self {
        let size = input.metadata().ok().filter(Metadata::is_file).map_or(0, |file| file.len());
        let position = input.stream_position().unwrap_or(size);
        Self { file: input, left: size.saturating_sub(position) }
    }

    /// Returns whether standard input is the file at a path.
    pub(crate) fn is_file(&self, path: &Path) -> bool {
        let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
        match (self.file.metadata(), path.metadata()) {
            (Ok(input), Ok(file)) => identity(input) == identity(file),
            _ => false,
        }
    }

    /// Waits for bytes and reads them; 0 bytes at the end. `None`: `is_stopping` became true.
    ///
    /// # Errors
    /// The cause of a failed read; `UnexpectedEof` if a file is shorter than when it was opened.
    pub(crate) fn read(&mut self, buffer: &mut [u8], is_stopping: impl Fn() -> bool) -> io::Result<Option<usize>> {
        while !is_stopping() {
            let mut ready = [PollFd::new(&self.file, PollFlags::IN)];
            let outcome = match poll(&mut ready, Some(&Timespec { tv_sec: 0, tv_nsec: WAIT_NS })) {
                Ok(0) => continue,
                Ok(_) => self.file.read(buffer),
                Err(cause) => Err(cause.into()),
            };
            match outcome {
                Ok(0) if self.left > 0 && !buffer.is_empty() => return Err(truncated(self.left)),
                Ok(length) => {
                    self.left = self.left.saturating_sub(length as u64);
                    return Ok(Some(length));
                }
                Err(cause) if matches!(cause.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
                Err(cause) => return Err(cause),
            }
        }
        Ok(None)
    }
}

/// Returns the failure of a read.
pub(crate) fn unreadable(cause: &io::Error) -> Failure {
    Failure::new(format!("cannot read standard input: {cause}"))
}

/// Returns the error of a file that ends this many bytes early.
fn truncated(missing: u64) -> io::Error {
    let message = format!("the file ends {missing} bytes earlier than when it was opened: it was truncated");
    io::Error::new(ErrorKind::UnexpectedEof, message)
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use super::*;

    fn open(content: &[u8]) -> (File, Stdin) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.seek(SeekFrom::Start(2)).unwrap();
        let input = Stdin::of(file.try_clone().unwrap());
        (file, input)
    }

    fn read(input: &mut Stdin) -> io::Result<Option<usize>> {
        input.read(&mut [0; 4], || false)
    }

    #[test]
    fn truncated_file_is_an_error() {
        let (file, mut input) = open(b"0123456789");
        assert_eq!(read(&mut input).unwrap(), Some(4));
        file.set_len(7).unwrap();
        assert_eq!(read(&mut input).unwrap(), Some(1));
        let error = read(&mut input).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert!(error.to_string().contains("3 bytes earlier than when it was opened"), "{error}");
    }

    #[test]
    fn file_may_grow() {
        let (mut file, mut input) = open(b"0123456789");
        assert_eq!(read(&mut input).unwrap(), Some(4));
        assert_eq!(read(&mut input).unwrap(), Some(4));
        assert_eq!(read(&mut input).unwrap(), Some(0));
        file.write_all(b"xy").unwrap();
        file.seek(SeekFrom::Start(10)).unwrap();
        assert_eq!(read(&mut input).unwrap(), Some(2));
        assert_eq!(read(&mut input).unwrap(), Some(0));
    }

    #[test]
    fn file_without_a_size_is_read_to_its_end() {
        let mut input = Stdin::of(File::open("/proc/version").unwrap());
        while read(&mut input).unwrap() != Some(0) {}
    }
}
