//! The paths of the two files, and reading them.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::parser::{self, RawSection};
use crate::environment::Environment;
use crate::error::{Error, Kind, Result};
use crate::sys::emergency_memory;

/// Which of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// The config file, `~/.aws/config`.
    Config,
    /// The credentials file, `~/.aws/credentials`.
    Credentials,
}

/// Where a file is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Location {
    Path(Arc<PathBuf>),
    /// The variable is set to the empty string, which means no file.
    Disabled,
    /// The path begins with `~`, but there is no home directory.
    NoHome,
}

/// What was at the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// A file, which was read.
    Read,
    /// Nothing.
    Missing,
    /// A directory, a device or a pipe, which counts as no file.
    NotRegular,
    /// The environment variable is empty, which means no file.
    Disabled,
    /// The path begins with `~`, but the home directory is unknown.
    NoHome,
}

/// The largest file that is read, in bytes: more than 10,000 profiles. The files that tools write for the accounts of large
/// organizations have about 1 MB.
const SIZE_MAX: u64 = 4 << 20;

impl FileKind {
    /// The environment variable with the path.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Config => "AWS_CONFIG_FILE",
            Self::Credentials => "AWS_SHARED_CREDENTIALS_FILE",
        }
    }

    fn default_path(self) -> &'static str {
        match self {
            Self::Config => "~/.aws/config",
            Self::Credentials => "~/.aws/credentials",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Config => "the AWS config file",
            Self::Credentials => "the AWS credentials file",
        }
    }

    pub(super) fn locate(self, environment: &Environment) -> Location {
        let path = match environment.raw(self.variable()) {
            Some(path) if path.is_empty() => return Location::Disabled,
            Some(path) => path,
            None => OsStr::new(self.default_path()),
        };
        environment.expand_home(Path::new(path)).map_or(Location::NoHome, |path| Location::Path(Arc::new(path)))
    }
}

/// Reads and parses a file.
///
/// # Errors
/// `Io` if the file cannot be read. `Invalid` if it cannot be parsed: the message names file, line and rule.
pub(super) fn read(kind: FileKind, path: &Path) -> Result<(FileState, Vec<RawSection>)> {
    let unreadable = |cause: io::Error| {
        let message = format!(
            "cannot read {} {}: {cause}; make it readable, or set {} to another path",
            kind.name(),
            path.display(),
            kind.variable()
        );
        Error::new(Kind::of_io(&cause, Kind::Io), message).caused_by(cause)
    };
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Ok((FileState::NotRegular, Vec::new())),
        Err(cause) if is_missing(&cause) => return Ok((FileState::Missing, Vec::new())),
        Err(cause) => return Err(unreadable(cause)),
    }
    let bytes = match read_bytes(path) {
        Ok(bytes) => bytes,
        // Another process removed the file after the check.
        Err(cause) if is_missing(&cause) => return Ok((FileState::Missing, Vec::new())),
        Err(cause) => return Err(unreadable(cause)),
    };
    emergency_memory::ensure_beside(parser::memory_to_parse(&bytes))
        .map_err(|error| error.with_context(format_args!("{} {}", kind.name(), path.display())))?;
    let sections = parser::parse(&bytes).map_err(|violation| {
        Error::invalid(format!(
            "cannot parse {} {}, line {}: {}",
            kind.name(),
            path.display(),
            violation.line,
            violation.rule
        ))
    })?;
    Ok((FileState::Read, sections))
}

fn is_missing(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn read_bytes(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    // A growing buffer would leave copies of secrets in freed memory, so it never grows: a file that grows meanwhile is cut, and
    // one byte more shows that it is too large.
    let capacity = usize::try_from(size.clamp(4096, SIZE_MAX) + 1).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::new());
    bytes.try_reserve_exact(capacity).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    bytes.resize(capacity, 0);
    let mut length = 0;
    let mut file = file;
    while let Some(free) = bytes.get_mut(length..).filter(|free| !free.is_empty()) {
        match file.read(free) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    if size > SIZE_MAX || length == capacity {
        return Err(io::Error::other(format!("it is larger than {SIZE_MAX} bytes, or grows while it is read")));
    }
    bytes.truncate(length);
    Ok(bytes)
}
