//! The source of an archive's bytes. A file or memory can be read at any offset, any number of times. A callback supplies
//! the bytes once, in order.

pub(crate) mod file;
pub(crate) mod settling;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Kind, Result};
use crate::limits::MIB;
use crate::source::file::{Identity, SourceFile};
use crate::sync::{Mutex, lock};

/// The readahead distance in bytes: enough to keep a disk busy, and a small share of the page cache.
const READAHEAD: u64 = 4 * MIB;

/// A source as set by the caller, before it is opened.
#[derive(Clone, Debug)]
pub(crate) enum SourceSpec {
    /// A file path.
    File(PathBuf),
    /// Bytes in memory. The caller keeps them valid and unchanged.
    Memory(&'static [u8]),
    /// A callback that supplies the next bytes, and the total size if it is known.
    Callback(Arc<CallbackReader>, Option<u64>),
}

impl SourceSpec {
    /// Opens the source. Returns `None` for a callback, which only the caller's thread can read.
    ///
    /// # Errors
    /// `Io` for a file that cannot be opened or is not a regular file; `Invalid` for an empty source.
    pub(crate) fn open(&self) -> Result<Option<Source>> {
        let (source, what) = match self {
            Self::File(path) => (
                Source::File { file: SourceFile::open_to_record(path)?, reading: Mutex::new(()) },
                format!("the file {}", path.display()),
            ),
            Self::Memory(bytes) => (Source::Memory(bytes), "the source in memory".to_owned()),
            Self::Callback(..) => return Ok(None),
        };
        if source.size() == 0 {
            return Err(Error::invalid(format!("{what} is empty: an archive has at least 1 byte")));
        }
        Ok(Some(source))
    }
}

/// A read callback. It writes the next bytes of the source to the start of the slice.
pub type ReadFn = Box<dyn FnMut(&mut [u8]) -> ReadOutcome + Send>;

/// The result of a [`ReadFn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// The number of bytes written; 0 at the end of the source.
    Bytes(usize),
    /// The caller stops the upload.
    Stop,
}

/// A source that the caller supplies through a read callback. The callback is taken out of the mutex for each call: no
/// lock is held while the caller's code runs.
pub(crate) struct CallbackReader {
    callback: Mutex<Option<ReadFn>>,
    was_read: AtomicBool,
}

impl CallbackReader {
    /// Creates a reader that calls `read`.
    pub(crate) fn new(read: ReadFn) -> Self {
        Self { callback: Mutex::new(Some(read)), was_read: AtomicBool::new(false) }
    }

    /// Calls the callback. Returns `Stop` if another call is in progress or if an earlier call panicked.
    pub(crate) fn read(&self, into: &mut [u8]) -> ReadOutcome {
        self.was_read.store(true, Ordering::Release);
        let taken = lock(&self.callback).take();
        let Some(mut read) = taken else { return ReadOutcome::Stop };
        let outcome = read(into);
        *lock(&self.callback) = Some(read);
        outcome
    }

    /// Returns whether the callback was called. If so, it no longer starts at byte 0.
    pub(crate) fn was_read(&self) -> bool {
        self.was_read.load(Ordering::Acquire)
    }
}

impl fmt::Debug for CallbackReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallbackReader(..)")
    }
}

/// An open source.
#[derive(Debug)]
pub(crate) enum Source {
    /// A file. One thread reads at a time, so that a spinning disk reads sequentially.
    File {
        /// The file.
        file: SourceFile,
        /// The lock of the reading thread.
        reading: Mutex<()>,
    },
    /// Bytes in memory.
    Memory(&'static [u8]),
}

impl Source {
    /// Returns the size in bytes at the time of opening.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::File { file, .. } => file.size(),
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Returns the identity of a file as of the last check, initially as of opening. Memory has none: nothing reveals
    /// whether its bytes were replaced.
    pub(crate) fn identity(&self) -> Option<Identity> {
        match self {
            Self::File { file, .. } => Some(file.identity()),
            Self::Memory(_) => None,
        }
    }

    /// Returns whether content read from now on stays valid as long as the identity stays the same, or for memory, until
    /// the call returns.
    pub(crate) fn is_trusted(&self) -> bool {
        match self {
            Self::File { file, .. } => file.is_trusted(),
            Self::Memory(_) => true,
        }
    }

    /// Returns bytes that are in memory already; `None` for a file.
    pub(crate) fn slice(&self, offset: u64, length: u64) -> Option<&[u8]> {
        match self {
            Self::File { .. } => None,
            Self::Memory(bytes) => {
                let start = usize::try_from(offset).ok()?;
                bytes.get(start..start.checked_add(usize::try_from(length).ok()?)?)
            }
        }
    }

    /// Fills `buffer` with the bytes at `offset`.
    ///
    /// # Errors
    /// `Io`; `SourceChanged` if the source ends before `buffer` is full.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        match self {
            Self::File { file, reading } => {
                let _reading = lock(reading);
                file.read_at(offset, buffer)
            }
            Self::Memory(_) => {
                let bytes = self.slice(offset, buffer.len() as u64);
                let bytes =
                    bytes.ok_or_else(|| Error::new(Kind::Internal, "read past the end of the memory source"))?;
                buffer.copy_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Sequential [`Source::read_at`]: also issues a readahead hint, up to `end`. The kernel's own readahead serves one
    /// sequential reader well, but not several readers at different offsets.
    ///
    /// # Errors
    /// As [`Source::read_at`].
    pub(crate) fn read_sequential(&self, offset: u64, buffer: &mut [u8], end: u64) -> Result<()> {
        if let Self::File { file, .. } = self {
            let ahead = offset.saturating_add(READAHEAD);
            file.prefetch(ahead, end.saturating_sub(ahead).min(buffer.len() as u64));
        }
        self.read_at(offset, buffer)
    }

    /// Compares a file with its last known identity. Returns the current identity, which differs in ctime at most, and
    /// compares with it from now on.
    ///
    /// # Errors
    /// `SourceChanged` names the difference if the file was modified; `Io`.
    pub(crate) fn check_unchanged(&self) -> Result<Option<Identity>> {
        match self {
            Self::File { file, .. } => file.check_unchanged().map(Some),
            Self::Memory(_) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file
    }

    fn open(file: &tempfile::NamedTempFile) -> Source {
        SourceSpec::File(file.path().to_owned()).open().unwrap().unwrap()
    }

    #[test]
    fn reads_file_at_any_offset() {
        let file = file(b"0123456789");
        let source = open(&file);
        let mut bytes = [0; 4];
        source.read_at(3, &mut bytes).unwrap();
        assert_eq!((source.size(), &bytes), (10, b"3456"));
        assert_eq!(source.slice(0, 1), None);
    }

    #[test]
    fn sequential_read_returns_the_same_bytes() {
        let content: Vec<u8> = (0..=250).cycle().take(5 << 20).collect();
        let file = file(&content);
        let source = open(&file);
        let mut bytes = vec![0; 1 << 20];
        for (offset, end) in [(0, 5 * MIB), (MIB, 5 * MIB), (4 * MIB, 5 * MIB), (7, 5 * MIB), (MIB, 2 * MIB), (0, 0)] {
            source.read_sequential(offset, &mut bytes, end).unwrap();
            let start = usize::try_from(offset).unwrap();
            assert!(bytes == content[start..start + (1 << 20)], "{offset} {end}");
        }
        for offset in [4 * MIB + 1, u64::MAX >> 1, u64::MAX] {
            source.read_sequential(offset, &mut bytes, u64::MAX).unwrap_err();
        }
    }

    #[test]
    fn rejects_missing_special_and_empty_sources() {
        let kind = |path: &str| SourceSpec::File(path.into()).open().unwrap_err().kind();
        assert_eq!(kind("/no/such/file"), Kind::Io);
        assert_eq!(kind("/tmp"), Kind::Io);
        assert_eq!(kind("/dev/null"), Kind::Io);
        assert_eq!(SourceSpec::File(file(b"").path().to_owned()).open().unwrap_err().kind(), Kind::Invalid);
        assert_eq!(SourceSpec::Memory(b"").open().unwrap_err().kind(), Kind::Invalid);
    }

    #[test]
    fn detects_changed_size() {
        let mut file = file(b"0123456789");
        let source = open(&file);
        source.check_unchanged().unwrap();
        file.write_all(b"x").unwrap();
        assert!(source.check_unchanged().unwrap_err().message().contains("its size was 10 and is now 11"));
        file.as_file().set_len(2).unwrap();
        assert_eq!(source.read_at(0, &mut [0; 5]).unwrap_err().kind(), Kind::SourceChanged);
    }

    #[test]
    fn borrows_memory_without_copying() {
        let source = SourceSpec::Memory(b"0123456789").open().unwrap().unwrap();
        assert_eq!(source.slice(8, 2), Some(&b"89"[..]));
        assert_eq!(source.slice(8, 3), None);
    }
}
