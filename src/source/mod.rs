//! Where an archive's bytes come from: a file or memory, which can be read at any place, any number of times; or a
//! callback of the caller's, which gives them once, from the first to the last.

pub mod file;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Kind, Result};
use crate::limits::MIB;
use crate::source::file::{Identity, SourceFile};
use crate::sync::{Mutex, lock};

/// How far ahead of a reader the system is told what to load: enough for a disk to be busy with, little of its cache.
const READAHEAD: u64 = 4 * MIB;

/// A source as the caller named it, before anything is read.
#[derive(Clone, Debug)]
pub enum SourceSpec {
    /// A file, by its path.
    File(PathBuf),
    /// Bytes that the caller keeps as they are.
    Memory(&'static [u8]),
    /// A callback that gives the next bytes, and how many there are in all, if that is known.
    Callback(Arc<CallbackReader>, Option<u64>),
}

impl SourceSpec {
    /// Opens the source; `None` for a callback, which only the caller's own thread can read.
    ///
    /// # Errors
    /// `Io` for what cannot be read or is no regular file, `Invalid` for what holds no byte.
    pub fn open(&self) -> Result<Option<Source>> {
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

/// Puts the next bytes of a source at the beginning of a slice.
pub type ReadFn = Box<dyn FnMut(&mut [u8]) -> ReadOutcome + Send>;

/// What a [`ReadFn`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// So many bytes are there; none is the end.
    Bytes(usize),
    /// The caller wants to stop.
    Stop,
}

/// A callback that reads. It is taken out for each call: no lock is held while the caller's code runs.
pub struct CallbackReader {
    callback: Mutex<Option<ReadFn>>,
    was_read: AtomicBool,
}

impl CallbackReader {
    /// Of that callback.
    pub fn new(read: ReadFn) -> Self {
        Self { callback: Mutex::new(Some(read)), was_read: AtomicBool::new(false) }
    }

    /// Has it read. One that is being called already, or never came back, wants to stop.
    pub fn read(&self, into: &mut [u8]) -> ReadOutcome {
        self.was_read.store(true, Ordering::Release);
        let taken = lock(&self.callback).take();
        let Some(mut read) = taken else { return ReadOutcome::Stop };
        let supply = read(into);
        *lock(&self.callback) = Some(read);
        supply
    }

    /// Whether it was called: what it gives next is not the beginning any more.
    pub fn was_read(&self) -> bool {
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
pub enum Source {
    /// A file, with one reader at a time: a disk that must seek then reads one stretch after the other.
    File {
        /// The file.
        file: SourceFile,
        /// Held by the reading thread.
        reading: Mutex<()>,
    },
    /// Bytes in memory.
    Memory(&'static [u8]),
}

impl Source {
    /// The size in bytes, as it was when the source was opened.
    pub fn size(&self) -> u64 {
        match self {
            Self::File { file, .. } => file.size(),
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// The identity of a file when it was opened, or when it was checked last. Memory has none: nothing shows whether its bytes were replaced.
    pub fn identity(&self) -> Option<Identity> {
        match self {
            Self::File { file, .. } => Some(file.identity()),
            Self::Memory(_) => None,
        }
    }

    /// Whether bytes that are read from now on stay those of the source for as long as its identity stays the same, or of
    /// memory until the call returns.
    pub fn is_trusted(&self) -> bool {
        match self {
            Self::File { file, .. } => file.is_trusted(),
            Self::Memory(_) => true,
        }
    }

    /// Bytes that need not be read because they are in memory already.
    pub fn slice(&self, offset: u64, length: u64) -> Option<&[u8]> {
        match self {
            Self::File { .. } => None,
            Self::Memory(bytes) => {
                let start = usize::try_from(offset).ok()?;
                bytes.get(start..start.checked_add(usize::try_from(length).ok()?)?)
            }
        }
    }

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// `Io`; `SourceChanged` if the source ends before `buffer` is full.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        match self {
            Self::File { file, reading } => {
                let _alone = lock(reading);
                file.read_at(offset, buffer)
            }
            Self::Memory(_) => {
                let bytes = self.slice(offset, buffer.len() as u64);
                let bytes =
                    bytes.ok_or_else(|| Error::new(Kind::Internal, "a read beyond the end of the memory source"))?;
                buffer.copy_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// As [`Source::read_at`], for who reads on like this up to `end`: the system is told to load what comes then. By itself
    /// it reads ahead for one reader of a file; of several, each at another place, it does too little for any.
    ///
    /// # Errors
    /// As [`Source::read_at`].
    pub fn read_sequential(&self, offset: u64, buffer: &mut [u8], end: u64) -> Result<()> {
        if let Self::File { file, .. } = self {
            let ahead = offset.saturating_add(READAHEAD);
            file.prefetch(ahead, end.saturating_sub(ahead).min(buffer.len() as u64));
        }
        self.read_at(offset, buffer)
    }

    /// Returns the identity of a file now, which differs in ctime at most, and holds the file to it from now on.
    ///
    /// # Errors
    /// `SourceChanged` names the difference, if the file was modified; `Io`.
    pub fn check_unchanged(&self) -> Result<Option<Identity>> {
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
    fn files_are_read_by_position() {
        let file = file(b"0123456789");
        let source = open(&file);
        let mut bytes = [0; 4];
        source.read_at(3, &mut bytes).unwrap();
        assert_eq!((source.size(), &bytes), (10, b"3456"));
        assert_eq!(source.slice(0, 1), None);
    }

    #[test]
    fn files_are_read_on_as_they_are_read() {
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
    fn what_is_no_source_is_refused() {
        let kind = |path: &str| SourceSpec::File(path.into()).open().unwrap_err().kind();
        assert_eq!(kind("/no/such/file"), Kind::Io);
        assert_eq!(kind("/tmp"), Kind::Io);
        assert_eq!(kind("/dev/null"), Kind::Io);
        assert_eq!(SourceSpec::File(file(b"").path().to_owned()).open().unwrap_err().kind(), Kind::Invalid);
        assert_eq!(SourceSpec::Memory(b"").open().unwrap_err().kind(), Kind::Invalid);
    }

    #[test]
    fn changes_are_noticed() {
        let mut file = file(b"0123456789");
        let source = open(&file);
        source.check_unchanged().unwrap();
        file.write_all(b"x").unwrap();
        assert!(source.check_unchanged().unwrap_err().message().contains("its size was 10, and is 11"));
        file.as_file().set_len(2).unwrap();
        assert_eq!(source.read_at(0, &mut [0; 5]).unwrap_err().kind(), Kind::SourceChanged);
    }

    #[test]
    fn memory_is_lent() {
        let source = SourceSpec::Memory(b"0123456789").open().unwrap().unwrap();
        assert_eq!(source.slice(8, 2), Some(&b"89"[..]));
        assert_eq!(source.slice(8, 3), None);
    }
}
