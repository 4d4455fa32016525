//! A regular file that is read by position, and is noticed to change.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::sys::file as advice;

/// Size, time of change and inode of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// In bytes.
    pub size: u64,
    /// Nanoseconds since 1970-01-01 UTC.
    pub modified_ns: i128,
    /// The file's number on its device.
    pub inode: u64,
}

/// An open file, and what it was when it was opened.
#[derive(Debug)]
pub struct SteadyFile {
    path: PathBuf,
    file: File,
    identity: Identity,
}

impl SteadyFile {
    /// Opens a regular file.
    ///
    /// # Errors
    /// `Io` names the path, and what is wrong with it.
    pub fn open(path: &Path) -> Result<Self> {
        // Without O_NONBLOCK, opening a FIFO would wait for its writer; for a regular file it means nothing.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
        let file = file.map_err(|cause| failed("open", path, cause))?;
        let opened_as = file.metadata().map_err(|cause| failed("look at", path, cause))?;
        if !opened_as.is_file() {
            let what = if opened_as.is_dir() { "a directory" } else { "not a regular file" };
            return Err(Error::new(Kind::Io, format!("cannot read {}: it is {what}", path.display())));
        }
        let identity = identity_of(&file).map_err(|cause| failed("look at", path, cause))?;
        advice::will_be_read_on(&file);
        Ok(Self { path: path.to_owned(), file, identity })
    }

    /// What it was when it was opened.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// `Io`; `SourceChanged` if the file ends before `buffer` is full.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(buffer, offset).map_err(|cause| match cause.kind() {
            ErrorKind::UnexpectedEof => {
                self.changed(&format!("its size was {}, but it ends before", self.identity.size))
            }
            _ => failed("read", &self.path, cause),
        })
    }

    /// Has the system load bytes that will be read soon. Returns at once, whether or not it does.
    pub fn expect_read(&self, offset: u64, length: u64) {
        advice::will_be_read(&self.file, offset, length);
    }

    /// Fails if what was read may be of bytes that never stood in the file together.
    ///
    /// # Errors
    /// `SourceChanged` says what changed; `Io`.
    pub fn check_unchanged(&self) -> Result<()> {
        let now = identity_of(&self.file).map_err(|cause| failed("look at", &self.path, cause))?;
        if now.size != self.identity.size {
            return Err(self.changed(&format!("its size was {}, and is {}", self.identity.size, now.size)));
        }
        if now != self.identity {
            return Err(self.changed("its time of modification is another"));
        }
        // Some files, as those of /proc, have more bytes than their size says.
        let beyond = self.file.read_at(&mut [0], now.size).map_err(|cause| failed("read", &self.path, cause))?;
        if beyond == 0 { Ok(()) } else { Err(self.changed("it has more bytes than its size says")) }
    }

    fn changed(&self, how: &str) -> Error {
        Error::new(Kind::SourceChanged, format!("{} changed while it was being read: {how}", self.path.display()))
    }
}

fn identity_of(file: &File) -> io::Result<Identity> {
    let data = file.metadata()?;
    let modified_ns = i128::from(data.mtime()) * 1_000_000_000 + i128::from(data.mtime_nsec());
    Ok(Identity { size: data.size(), modified_ns, inode: data.ino() })
}

fn failed(to: &str, path: &Path, cause: io::Error) -> Error {
    let kind = Kind::of_io(&cause, Kind::Io);
    Error::new(kind, format!("cannot {to} {}: {cause}", path.display())).caused_by(cause)
}
