//! Standard input. A read that waits ends when the command is stopped.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
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
pub(crate) struct Stdin(File);

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
        input.map(|input| Self(File::from(input))).map_err(|cause| unreadable(&cause))
    }

    /// Returns whether standard input is the file at a path.
    pub(crate) fn is_file(&self, path: &Path) -> bool {
        let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
        match (self.0.metadata(), path.metadata()) {
            (Ok(input), Ok(file)) => identity(input) == identity(file),
            _ => false,
        }
    }

    /// Waits for bytes and reads them; 0 bytes at the end. `None`: `is_stopping` became true.
    ///
    /// # Errors
    /// The cause of a failed read.
    pub(crate) fn read(&mut self, buffer: &mut [u8], is_stopping: impl Fn() -> bool) -> io::Result<Option<usize>> {
        while !is_stopping() {
            let mut ready = [PollFd::new(&self.0, PollFlags::IN)];
            let outcome = match poll(&mut ready, Some(&Timespec { tv_sec: 0, tv_nsec: WAIT_NS })) {
                Ok(0) => continue,
                Ok(_) => self.0.read(buffer),
                Err(cause) => Err(cause.into()),
            };
            match outcome {
                Ok(length) => return Ok(Some(length)),
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
