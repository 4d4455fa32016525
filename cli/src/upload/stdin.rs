//! Standard input as a source.

use std::io;
use std::sync::{Arc, OnceLock};

use glacier_mp::source::{ReadFn, ReadOutcome};

use crate::exit::Result;
use crate::stdin::Stdin;
use crate::stop::Stop;

/// The error that ended the reading of standard input, if any.
pub(super) type ReadError = Arc<OnceLock<io::Error>>;

/// Returns a callback that reads standard input, and the place of its error.
///
/// # Errors
/// Standard input is closed.
pub(super) fn reader(stop: &Arc<Stop>) -> Result<(ReadFn, ReadError)> {
    let mut input = Stdin::open()?;
    let failure = ReadError::default();
    let (stop, report) = (Arc::clone(stop), Arc::clone(&failure));
    let read = move |buffer: &mut [u8]| match input.read(buffer, || stop.is_raised()) {
        Ok(Some(length)) => ReadOutcome::Bytes(length),
        Ok(None) => ReadOutcome::Stop,
        Err(cause) => {
            let _ = report.set(cause);
            ReadOutcome::Stop
        }
    };
    Ok((Box::new(read), failure))
}
