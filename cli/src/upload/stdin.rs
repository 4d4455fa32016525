//! Standard input as a source. A read can be interrupted by a signal that stops the upload.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};

use glacier_mp::source::{ReadFn, ReadOutcome};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::progress::Tracker;

/// The longest time that a read waits before it checks whether the upload is being stopped, in nanoseconds.
const WAIT_NS: i64 = 100_000_000;

/// The error that ended the reading of standard input, if any.
pub(super) type ReadError = Arc<OnceLock<io::Error>>;

/// Returns a callback that reads standard input, and the place of its error.
///
/// # Errors
/// Standard input is closed.
pub(super) fn reader(tracker: &Arc<Tracker>) -> io::Result<(ReadFn, ReadError)> {
    // Unbuffered: the upload reads into the buffers of its parts.
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let failure = ReadError::default();
    let (tracker, report) = (Arc::clone(tracker), Arc::clone(&failure));
    let read = move |buffer: &mut [u8]| loop {
        if tracker.is_stopping() {
            return ReadOutcome::Stop;
        }
        match read_once(&mut input, buffer) {
            Ok(Some(length)) => return ReadOutcome::Bytes(length),
            Ok(None) => {}
            Err(cause) => {
                let _ = report.set(cause);
                return ReadOutcome::Stop;
            }
        }
    };
    Ok((Box::new(read), failure))
}

/// Reads what is available. `None`: nothing yet.
fn read_once(input: &mut File, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    let mut ready = [PollFd::new(input, PollFlags::IN)];
    let outcome = match poll(&mut ready, Some(&Timespec { tv_sec: 0, tv_nsec: WAIT_NS })) {
        Ok(0) => return Ok(None),
        Ok(_) => input.read(buffer),
        Err(cause) => Err(cause.into()),
    };
    match outcome {
        Ok(length) => Ok(Some(length)),
        Err(cause) if matches!(cause.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => Ok(None),
        Err(cause) => Err(cause),
    }
}
