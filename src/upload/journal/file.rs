//! The file of a journal: locked, append-only, and consistent after any crash.
//!
//! A record is in the file as a whole or not at all. A torn record, which a crash or a full disk can leave, is truncated before
//! the next one is appended.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::limits::MIB;
use crate::sync::{Mutex, lock};
use crate::sys::descriptor::above_standard_streams;
use crate::sys::emergency_memory;
use crate::sys::process::CreatorPid;
use crate::upload::journal::record::{FIRST, Header, Record, Replay, Version, memory_of_record, read};

/// The largest file that is read, in bytes: the records of 10,000 parts have 1.4 MB.
const SIZE_MAX: u64 = 64 * MIB;
/// The size up to which records of parts are appended. The rest is reserved for the end of the upload, which must not be lost.
const PARTS_END: u64 = SIZE_MAX / 2;
/// Readable by the owner alone: a journal names the source and the vault.
const MODE: u32 = 0o600;
/// How often a file that is replaced while it is opened is opened again.
const TRIES: u32 = 8;

/// An open journal file, locked against all other processes and handles until it is released or dropped.
pub(crate) struct JournalFile {
    path: PathBuf,
    version: Version,
    locked: Locked,
    tail: Mutex<Tail>,
    /// The size that survives a crash of the machine. Locked during a sync, and before `tail`.
    durable: Mutex<u64>,
}

/// A file, locked until this is dropped.
struct Locked {
    file: File,
    creator: CreatorPid,
}

/// The end of the file.
struct Tail {
    /// The end of the last record.
    end: u64,
    /// Whether the file may have a torn record after `end`.
    torn: bool,
    /// The part size in the header; `None` without a header.
    part_size: Option<u64>,
    /// Whether another process may have the file: it is no longer changed.
    released: bool,
}

impl JournalFile {
    /// Opens, locks and reads the journal at a path. If there is none, `create` creates it; otherwise the result is `None`.
    /// The name, the first line and the records are on disk when this returns, so that a full or read-only disk is reported
    /// before anything is sent. `source` is the metadata of the source file, if the source is a file.
    ///
    /// # Errors
    /// `Invalid` if it is the source; `Locked` if another process or handle has it open; `Journal` if it is damaged, of a later
    /// version, or another kind of file, which is not changed; `Io`, also if it is not a regular file.
    pub(crate) fn open(path: &Path, create: bool, source: Option<&Metadata>) -> Result<Option<(Self, Replay)>> {
        let Some(locked) = open_locked(path, create, source)? else { return Ok(None) };
        let file = &locked.file;
        let text = contents(file, path)?;
        let (replay, end) =
            read(&text).map_err(|error| error.with_context(format_args!("journal {}", path.display())))?;
        let part_size = replay.header.as_ref().map(|header| header.part_size);
        let mut tail = Tail { end: end as u64, torn: end < text.len(), part_size, released: false };
        if tail.end == 0 {
            tail.append(file, FIRST).map_err(|cause| failed("write", path, cause))?;
            // The umask may have removed permissions. A file system without modes refuses, and needs none.
            let _ = file.set_permissions(Permissions::from_mode(MODE));
        }
        file.sync_all().and_then(|()| sync_directory_of(path)).map_err(|cause| failed("sync", path, cause))?;
        let durable = Mutex::new(tail.end);
        let version = replay.version;
        Ok(Some((Self { path: path.to_owned(), version, locked, tail: Mutex::new(tail), durable }, replay)))
    }

    /// Writes the header. It is on disk when this returns.
    ///
    /// # Errors
    /// `Io`; `Internal` if there is a header, or this one is not valid.
    pub(crate) fn begin(&self, header: &Header) -> Result<()> {
        header.check().map_err(|error| self.misused(error.message()))?;
        let line = self.version.line_of_header(header)?;
        let mut durable = lock(&self.durable);
        {
            let mut tail = lock(&self.tail);
            if tail.part_size.is_some() {
                return Err(self.misused("it is of another upload"));
            }
            tail.append(&self.locked.file, &line).map_err(|cause| failed("write", &self.path, cause))?;
        }
        self.make_durable(&mut durable)?;
        lock(&self.tail).part_size = Some(header.part_size);
        Ok(())
    }

    /// Appends a record. It is in the file when this returns, and on disk after the next sync.
    ///
    /// # Errors
    /// `Io`: the journal is unchanged. `Internal` if there is no header, or the upload cannot have the part.
    pub(crate) fn append(&self, record: &Record) -> Result<()> {
        let line = self.version.line_of_record(record)?;
        let mut tail = lock(&self.tail);
        let part_size = tail.part_size.ok_or_else(|| self.misused("no upload was begun"))?;
        record.check(part_size).map_err(|error| self.misused(error.message()))?;
        if matches!(record, Record::Part(_)) && tail.end + line.len() as u64 > PARTS_END {
            let full = format!(
                "cannot write the journal {}: it has {} bytes, and no room for more parts",
                self.path.display(),
                tail.end
            );
            return Err(Error::new(Kind::Io, full));
        }
        tail.append(&self.locked.file, &line).map_err(|cause| failed("write", &self.path, cause))
    }

    /// Appends a record. It is on disk when this returns.
    ///
    /// # Errors
    /// As [`JournalFile::append`].
    pub(crate) fn append_durably(&self, record: &Record) -> Result<()> {
        // Locked before the append: otherwise the failing sync of another thread could remove the record unseen.
        let mut durable = lock(&self.durable);
        self.append(record)?;
        self.make_durable(&mut durable)
    }

    /// Brings all records to the disk. Other threads can append meanwhile.
    ///
    /// # Errors
    /// `Io`: the records since the last sync are lost.
    pub(crate) fn sync(&self) -> Result<()> {
        self.make_durable(&mut lock(&self.durable))
    }

    /// Unlocks the file for other processes and handles. Later appends are dropped.
    pub(crate) fn release(&self) {
        let mut tail = lock(&self.tail);
        tail.released = true;
        self.locked.unlock();
    }

    /// Returns the path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn make_durable(&self, durable: &mut u64) -> Result<()> {
        let end = lock(&self.tail).end;
        if end == *durable {
            return Ok(());
        }
        match self.locked.file.sync_data() {
            Ok(()) => {
                *durable = end;
                Ok(())
            }
            Err(cause) => {
                // The kernel drops data that it could not write. The file may have holes, and a later sync would not report them.
                let _ = lock(&self.tail).cut(&self.locked.file, *durable);
                Err(failed("sync", &self.path, cause))
            }
        }
    }

    fn misused(&self, why: &str) -> Error {
        Error::new(Kind::Internal, format!("the journal {} cannot take a record: {why}", self.path.display()))
    }
}

impl fmt::Debug for JournalFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JournalFile").field(&self.path).finish()
    }
}

impl Locked {
    fn unlock(&self) {
        // A forked child shares the lock. Closing the file here would leave it locked by the child, and the child must not
        // unlock a file that is in use here.
        if self.creator.check().is_ok() {
            let _ = self.file.unlock();
        }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.unlock();
    }
}

impl Tail {
    /// Appends a line after the last record, as a whole or not at all.
    fn append(&mut self, mut file: &File, line: &[u8]) -> io::Result<()> {
        if self.released {
            return Ok(());
        }
        if self.torn {
            self.cut(file, self.end)?;
        }
        match file.write_all(line) {
            Ok(()) => {
                self.end += line.len() as u64;
                Ok(())
            }
            Err(cause) => {
                let _ = self.cut(file, self.end);
                Err(cause)
            }
        }
    }

    /// Truncates the file. Until that succeeds, nothing is appended.
    fn cut(&mut self, file: &File, end: u64) -> io::Result<()> {
        if self.released {
            return Ok(());
        }
        self.end = end;
        self.torn = true;
        file.set_len(end)?;
        self.torn = false;
        Ok(())
    }
}

/// Reads the file of a journal without locking or changing it. `None`: there is none.
///
/// # Errors
/// `Journal` if it is too large; `Io`, also if it is not a regular file.
pub(crate) fn read_unlocked(path: &Path) -> Result<Option<Vec<u8>>> {
    let file = match options().open(path) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|cause| failed("open", path, cause))?,
    };
    regular_metadata(&file, path)?;
    contents(&file, path).map(Some)
}

fn open_locked(path: &Path, create: bool, source: Option<&Metadata>) -> Result<Option<Locked>> {
    for _ in 0..TRIES {
        let file = match open_file(path, create) {
            Err(cause) if cause.kind() == ErrorKind::NotFound && !create => return Ok(None),
            opened => opened.map_err(|cause| failed("open", path, cause))?,
        };
        if let Some(locked) = lock_file(file, path, source)? {
            return Ok(Some(locked));
        }
    }
    Err(Error::new(
        Kind::Io,
        format!("cannot open the journal {}: it keeps being replaced while it is opened", path.display()),
    ))
}

fn open_file(path: &Path, create: bool) -> io::Result<File> {
    options().append(true).create(create).mode(MODE).open(path).and_then(above_standard_streams)
}

/// Returns the options of every open: to read, with flags.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    // Without these flags, opening a FIFO could block, and a terminal could become the controlling one.
    options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    options
}

/// Returns the metadata of an open file. Fails if it is not a regular file.
fn regular_metadata(file: &File, path: &Path) -> Result<Metadata> {
    let metadata = file.metadata().map_err(|cause| failed("look at", path, cause))?;
    if !metadata.is_file() {
        let what = format!("cannot use {} as a journal: it is not a regular file", path.display());
        return Err(Error::new(Kind::Io, what));
    }
    Ok(metadata)
}

/// Locks an open file. `None` if the path names another file now: locking the old one would exclude nobody.
fn lock_file(file: File, path: &Path, source: Option<&Metadata>) -> Result<Option<Locked>> {
    let opened = regular_metadata(&file, path)?;
    if source.is_some_and(|source| is_same_file(source, &opened)) {
        return Err(is_source(path));
    }
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => {
            let what = format!("the journal {} is in use by another process or handle", path.display());
            Error::new(Kind::Locked, what)
        }
        TryLockError::Error(cause) => failed("lock", path, cause),
    })?;
    let locked = Locked { file, creator: CreatorPid::current() };
    match fs::metadata(path) {
        Ok(there) => Ok(is_same_file(&there, &opened).then_some(locked)),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(failed("look at", path, cause)),
    }
}

fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Returns the error of a journal that is the source file.
pub(crate) fn is_source(path: &Path) -> Error {
    Error::invalid(format!("the journal {} is the source file: set another path for the journal", path.display()))
}

/// Reads a journal file, and checks that there is memory to read its records.
fn contents(file: &File, path: &Path) -> Result<Vec<u8>> {
    let size = file.metadata().map_err(|cause| failed("look at", path, cause))?.len();
    if size > SIZE_MAX {
        let what = format!("it has {size} bytes, but a journal has at most {SIZE_MAX}; it is not overwritten");
        return Err(Error::new(Kind::Journal, what).with_context(format_args!("journal {}", path.display())));
    }
    let mut text = Vec::new();
    file.take(SIZE_MAX).read_to_end(&mut text).map_err(|cause| failed("read", path, cause))?;
    emergency_memory::ensure_beside(memory_of_record(&text))
        .map_err(|error| error.with_context(format_args!("journal {}", path.display())))?;
    Ok(text)
}

/// Syncs the directory, if that is possible, which makes the file's name durable.
fn sync_directory_of(path: &Path) -> io::Result<()> {
    let file = fs::canonicalize(path)?;
    match File::open(file.parent().unwrap_or(&file)).and_then(|directory| directory.sync_all()) {
        Err(cause) if is_not_syncable(&cause) => Ok(()),
        result => result,
    }
}

/// Returns true if a directory cannot be synced at all: some file systems do not support it, and a directory that may be
/// written but not read cannot be opened.
fn is_not_syncable(cause: &io::Error) -> bool {
    matches!(cause.kind(), ErrorKind::InvalidInput | ErrorKind::PermissionDenied)
}

fn failed(to: &str, path: &Path, cause: io::Error) -> Error {
    let kind = Kind::of_io(&cause, Kind::Io);
    Error::new(kind, format!("cannot {to} the journal {}: {cause}", path.display())).caused_by(cause)
}

#[cfg(test)]
mod tests;
