//! Where an archive's bytes come from. A source of this file can be read at any place, any number of times.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Kind, Result};

/// A source as the caller named it, before anything is read.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A file, by its path.
    File(PathBuf),
    /// Bytes that the caller keeps as they are.
    Memory(&'static [u8]),
}

impl Origin {
    /// Opens the source.
    ///
    /// # Errors
    /// `Io` for a file that cannot be read, `Invalid` for what is no regular file or holds no byte.
    pub fn open(&self) -> Result<Source> {
        let source = match self {
            Self::File(path) => Source::File(FileSource::open(path)?),
            Self::Memory(bytes) => Source::Memory(bytes),
        };
        if source.size() == 0 {
            let what = match self {
                Self::File(path) => format!("the file {}", path.display()),
                Self::Memory(_) => "the source in memory".to_owned(),
            };
            return Err(Error::invalid(format!("{what} is empty: an archive has at least 1 byte")));
        }
        Ok(source)
    }
}

/// An open source.
#[derive(Debug)]
pub enum Source {
    /// A file.
    File(FileSource),
    /// Bytes in memory.
    Memory(&'static [u8]),
}

impl Source {
    /// The size in bytes, as it was when the source was opened.
    pub fn size(&self) -> u64 {
        match self {
            Self::File(file) => file.identity.size,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// What tells this source from another, or from itself after a change.
    pub fn identity(&self) -> Identity {
        match self {
            Self::File(file) => file.identity,
            Self::Memory(bytes) => {
                Identity { size: bytes.len() as u64, modified_ns: 0, inode: bytes.as_ptr().addr() as u64 }
            }
        }
    }

    /// Bytes that need not be read because they are in memory already.
    pub fn borrowed(&self, offset: u64, length: u64) -> Option<&[u8]> {
        match self {
            Self::File(_) => None,
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
            Self::File(file) => file.read_at(offset, buffer),
            Self::Memory(_) => {
                let bytes = self.borrowed(offset, buffer.len() as u64);
                let bytes =
                    bytes.ok_or_else(|| Error::new(Kind::Internal, "a read beyond the end of the memory source"))?;
                buffer.copy_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Fails if the source is not any more what it was when it was opened.
    ///
    /// # Errors
    /// `SourceChanged` says what changed.
    pub fn check_unchanged(&self) -> Result<()> {
        match self {
            Self::File(file) => file.check_unchanged(),
            Self::Memory(_) => Ok(()),
        }
    }
}

/// Size, time of change and inode of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// In bytes.
    pub size: u64,
    /// Nanoseconds since 1970-01-01 UTC.
    pub modified_ns: i128,
    /// The file's number on its device.
    pub inode: u64,
}

/// A file that is read by position.
#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    file: File,
    identity: Identity,
    /// One reader at a time: a disk that must seek reads one stretch after the other.
    reading: Mutex<()>,
}

impl FileSource {
    fn open(path: &Path) -> Result<Self> {
        let unreadable = |cause: std::io::Error| {
            Error::new(Kind::Io, format!("the file {} cannot be opened: {cause}", path.display())).caused_by(cause)
        };
        // Asked before it is opened: opening a FIFO would wait for its writer.
        let kind = std::fs::metadata(path).map_err(unreadable)?.file_type();
        if !kind.is_file() {
            let what = if kind.is_dir() { "a directory" } else { "not a regular file" };
            return Err(Error::invalid(format!("{} is {what}: a source is a regular file", path.display())));
        }
        let file = File::open(path).map_err(unreadable)?;
        let identity = identity_of(&file).map_err(unreadable)?;
        Ok(Self { path: path.to_owned(), file, identity, reading: Mutex::new(()) })
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let _alone = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        self.file.read_exact_at(buffer, offset).map_err(|cause| {
            if cause.kind() == std::io::ErrorKind::UnexpectedEof {
                return self.changed(&format!("it ends before byte {}", offset + buffer.len() as u64));
            }
            Error::new(Kind::Io, format!("the file {} cannot be read at {offset}: {cause}", self.path.display()))
                .caused_by(cause)
        })
    }

    fn check_unchanged(&self) -> Result<()> {
        let now = identity_of(&self.file).map_err(|cause| {
            Error::new(Kind::Io, format!("the file {} cannot be examined: {cause}", self.path.display()))
                .caused_by(cause)
        })?;
        match now {
            _ if now == self.identity => Ok(()),
            _ if now.size != self.identity.size => {
                Err(self.changed(&format!("its size was {}, and is {}", self.identity.size, now.size)))
            }
            _ => Err(self.changed("its time of modification is another")),
        }
    }

    fn changed(&self, how: &str) -> Error {
        Error::new(
            Kind::SourceChanged,
            format!("the file {} changed while it was uploaded: {how}", self.path.display()),
        )
    }
}

fn identity_of(file: &File) -> std::io::Result<Identity> {
    let data = file.metadata()?;
    let modified_ns = i128::from(data.mtime()) * 1_000_000_000 + i128::from(data.mtime_nsec());
    Ok(Identity { size: data.size(), modified_ns, inode: data.ino() })
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
        Origin::File(file.path().to_owned()).open().unwrap()
    }

    #[test]
    fn files_are_read_by_position() {
        let file = file(b"0123456789");
        let source = open(&file);
        let mut bytes = [0; 4];
        source.read_at(3, &mut bytes).unwrap();
        assert_eq!((source.size(), &bytes), (10, b"3456"));
        assert_eq!(source.borrowed(0, 1), None);
    }

    #[test]
    fn what_is_no_source_is_refused() {
        let kind = |path: &str| Origin::File(path.into()).open().unwrap_err().kind();
        assert_eq!(kind("/no/such/file"), Kind::Io);
        assert_eq!(kind("/tmp"), Kind::Invalid);
        assert_eq!(kind("/dev/null"), Kind::Invalid);
        assert_eq!(Origin::File(file(b"").path().to_owned()).open().unwrap_err().kind(), Kind::Invalid);
        assert_eq!(Origin::Memory(b"").open().unwrap_err().kind(), Kind::Invalid);
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
        let source = Origin::Memory(b"0123456789").open().unwrap();
        assert_eq!(source.borrowed(8, 2), Some(&b"89"[..]));
        assert_eq!(source.borrowed(8, 3), None);
    }
}
