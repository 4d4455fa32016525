//! Small files that other programs write: tokens and caches.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};
use crate::secret::Secret;

/// The maximum size of such a file, in bytes.
const SIZE_MAX: usize = 256 << 10;

/// Reads a file. `what` names it in errors.
///
/// # Errors
/// `Io` if it cannot be read. `Credentials` if it is too large or not UTF-8.
pub(super) fn read_secret(path: &Path, what: &str) -> Result<Secret> {
    let unreadable = |cause: std::io::Error| {
        let kind = Kind::of_io(&cause, Kind::Io);
        Error::new(kind, format!("cannot read {what}: {cause}")).caused_by(cause)
    };
    // Opening a pipe would wait for a writer.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(Error::new(Kind::Io, format!("cannot read {what}: it is not a regular file")));
    }
    let file = File::open(path).map_err(unreadable)?;
    // Allocated at full size: a growing buffer would leave copies of the secret.
    let mut bytes = Zeroizing::new(Vec::with_capacity(SIZE_MAX + 2));
    file.take(SIZE_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > SIZE_MAX {
        return Err(Error::new(Kind::Credentials, format!("{what} has more than {SIZE_MAX} bytes")));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Secret::from(text)),
        Err(error) => {
            Err(Error::new(Kind::Credentials, format!("{what} is not UTF-8: byte {} is invalid", error.valid_up_to())))
        }
    }
}
