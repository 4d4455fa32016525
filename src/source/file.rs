//! A source file, read at any offset, and the identity that reveals whether the file changed.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::sync::{Mutex, lock};
use crate::sys::attributes::{Attributes, attributes};
use crate::sys::descriptor::above_standard_streams;
use crate::sys::{fadvise, filesystem};

/// The metadata that reveal whether a file was replaced or modified. Times are in nanoseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    /// The device number of the file system.
    pub device: u64,
    /// The inode number.
    pub inode: u64,
    /// The size in bytes.
    pub size: u64,
    /// The time of the last modification (mtime). Programs can set it.
    pub modified_ns: i128,
    /// The time of the last change of content or attributes (ctime). Programs cannot set it.
    pub changed_ns: i128,
}

/// The minimum age of trusted file times, in nanoseconds. File systems round times by up to 2 s, so two modifications in
/// quick succession can leave the same times.
const TRUSTED_AGE_NS: i128 = 2_000_000_000;

impl From<Attributes> for Identity {
    fn from(found: Attributes) -> Self {
        let Attributes { device, inode, size, modified_ns, changed_ns } = found;
        Self { device, inode, size, modified_ns, changed_ns }
    }
}

impl Identity {
    /// Returns whether every modification after `now_ns` changes these times: they are old enough by then. Times in the
    /// future are not trusted.
    pub(crate) fn is_trusted_at(&self, now_ns: i128) -> bool {
        now_ns - self.modified_ns.max(self.changed_ns) >= TRUSTED_AGE_NS
    }

    /// Returns whether `other` differs from this identity in ctime at most. Causes are a rename, a hard link, a chmod, or
    /// modified content with a restored mtime.
    fn differs_at_most_in_ctime(&self, other: Self) -> bool {
        Self { changed_ns: self.changed_ns, ..other } == *self
    }
}

/// An open file and its identity.
#[derive(Debug)]
pub(crate) struct SourceFile {
    path: PathBuf,
    file: File,
    size: u64,
    baseline: Mutex<Baseline>,
}

/// The identity that a file is compared with.
#[derive(Clone, Copy, Debug)]
struct Baseline {
    identity: Identity,
    trust: Trust,
}

/// Whether an unchanged identity proves unchanged content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// Not yet: the times are recent.
    NotYet,
    /// Yes, from now on.
    Trusted,
    /// Never: fsync failed, so stores through a shared mapping may leave the times unchanged; or the file system may have no
    /// ctime, so a modification with a restored mtime leaves them unchanged.
    Never,
}

impl SourceFile {
    /// Opens a regular file.
    ///
    /// # Errors
    /// `Io` names the path and the cause.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        // Without O_NONBLOCK, opening a FIFO waits for a writer. The flag has no effect on regular files.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
        let file = file.and_then(above_standard_streams);
        let file = file.map_err(|cause| failed("open", path, cause))?;
        let metadata = file.metadata().map_err(|cause| failed("get the metadata of", path, cause))?;
        if !metadata.is_file() {
            let what = if metadata.is_dir() { "a directory" } else { "not a regular file" };
            return Err(Error::new(Kind::Io, format!("cannot read {}: it is {what}", path.display())));
        }
        let identity = identity_of(&file).map_err(|cause| failed("get the metadata of", path, cause))?;
        fadvise::advise_sequential(&file);
        let baseline = Mutex::new(Baseline { identity, trust: Trust::NotYet });
        Ok(Self { path: path.to_owned(), file, size: identity.size, baseline })
    }

    /// Opens a regular file whose identity will be recorded.
    ///
    /// A store through a shared mapping changes the times only if the page was clean. fsync cleans all pages, so the next
    /// store to each page changes the times.
    ///
    /// # Errors
    /// As [`SourceFile::open`].
    pub(crate) fn open_to_record(path: &Path) -> Result<Self> {
        let file = Self::open(path)?;
        let can_be_trusted = is_synced(&file.file) && filesystem::keeps_ctime(&file.file);
        let identity = identity_of(&file.file).map_err(|cause| failed("get the metadata of", path, cause))?;
        let trust = match can_be_trusted {
            true if identity.is_trusted_at(now_ns()) => Trust::Trusted,
            true => Trust::NotYet,
            false => Trust::Never,
        };
        Ok(Self { size: identity.size, baseline: Mutex::new(Baseline { identity, trust }), ..file })
    }

    /// Returns the size in bytes at the time of opening.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Returns the identity as of the last check, initially as of opening.
    pub(crate) fn identity(&self) -> Identity {
        lock(&self.baseline).identity
    }

    /// Returns whether content read from now on stays valid as long as the identity stays the same. A false result can
    /// become true when the times are old enough.
    pub(crate) fn is_trusted(&self) -> bool {
        let mut baseline = lock(&self.baseline);
        if baseline.trust == Trust::NotYet && baseline.identity.is_trusted_at(now_ns()) {
            // fsync again: a page dirtied since the first fsync may have left the times unchanged.
            baseline.trust = if is_synced(&self.file) { Trust::Trusted } else { Trust::Never };
        }
        baseline.trust == Trust::Trusted
    }

    /// Fills `buffer` with the bytes at `offset`.
    ///
    /// # Errors
    /// `Io` names the path and the offset; `SourceChanged` if the file ends before `buffer` is full.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        // `read_exact_at` does not report the offset of the failure.
        let (mut offset, mut rest) = (offset, buffer);
        while !rest.is_empty() {
            match self.file.read_at(rest, offset) {
                Ok(0) => return Err(self.changed(&format!("its size was {}, but it ends earlier", self.size))),
                Ok(length) => {
                    rest = rest.get_mut(length..).unwrap_or_default();
                    offset += length as u64;
                }
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(cause) => {
                    let kind = Kind::of_io(&cause, Kind::Io);
                    let (length, path) = (rest.len(), self.path.display());
                    let what = format!("cannot read {length} bytes at offset {offset} of {path}: {cause}");
                    return Err(Error::new(kind, what).caused_by(cause));
                }
            }
        }
        Ok(())
    }

    /// Advises the system to load bytes that will be read soon. Returns at once.
    pub(crate) fn prefetch(&self, offset: u64, length: u64) {
        fadvise::advise_will_need(&self.file, offset, length);
    }

    /// Compares the file with the last known identity. Returns the current identity, which differs in ctime at most, and
    /// compares with it from now on.
    ///
    /// # Errors
    /// `SourceChanged` names the difference if the file was modified; `Io`.
    pub(crate) fn check_unchanged(&self) -> Result<Identity> {
        let now = identity_of(&self.file).map_err(|cause| failed("get the metadata of", &self.path, cause))?;
        let mut baseline = lock(&self.baseline);
        if now.size != self.size {
            return Err(self.changed(&format!("its size was {} and is now {}", self.size, now.size)));
        }
        if !now.differs_at_most_in_ctime(baseline.identity) {
            return Err(self.changed("its modification time changed"));
        }
        if now != baseline.identity {
            let trust = if baseline.trust == Trust::Never { Trust::Never } else { Trust::NotYet };
            *baseline = Baseline { identity: now, trust };
        }
        drop(baseline);
        // Some files, such as those in /proc, have more bytes than their reported size.
        let beyond = self.file.read_at(&mut [0], now.size).map_err(|cause| failed("read", &self.path, cause))?;
        if beyond == 0 { Ok(now) } else { Err(self.changed("it has more bytes than its reported size")) }
    }

    fn changed(&self, how: &str) -> Error {
        Error::new(Kind::SourceChanged, format!("{} changed while it was being read: {how}", self.path.display()))
    }
}

fn identity_of(file: &File) -> io::Result<Identity> {
    attributes(file).map(Identity::from)
}

/// Brings a file to the disk, so that the next store through a shared mapping changes its times. Returns false if that failed.
fn is_synced(file: &File) -> bool {
    is_clean_after(file.sync_all(), || filesystem::is_read_only(file))
}

/// Returns whether a file has no modified pages after an fsync with this outcome. Read-only file systems such as squashfs and
/// isofs have no fsync operation, and no modified pages.
fn is_clean_after(fsync: io::Result<()>, is_read_only: impl FnOnce() -> bool) -> bool {
    match fsync {
        Ok(()) => true,
        Err(cause) => cause.raw_os_error() == Some(libc::EINVAL) && is_read_only(),
    }
}

/// Returns the time of the clock that file systems use.
fn now_ns() -> i128 {
    let ns = |time: std::time::Duration| i128::try_from(time.as_nanos()).unwrap_or(i128::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => ns(after),
        Err(before) => -ns(before.duration()),
    }
}

fn failed(to: &str, path: &Path, cause: io::Error) -> Error {
    let kind = Kind::of_io(&cause, Kind::Io);
    Error::new(kind, format!("cannot {to} {}: {cause}", path.display())).caused_by(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i128 = 1_000_000_000;

    fn identity(modified_ns: i128, changed_ns: i128) -> Identity {
        Identity { device: 1, inode: 2, size: 3, modified_ns, changed_ns }
    }

    #[test]
    fn trusts_times_2_s_old_and_no_future_times() {
        for (modified, changed, trusted) in [
            (0, 8 * SECOND, true),
            (8 * SECOND, 0, true),
            (0, 8 * SECOND + 1, false),
            (8 * SECOND + 1, 0, false),
            (0, 10 * SECOND, false),
            (60 * SECOND, 0, false),
        ] {
            assert_eq!(identity(modified, changed).is_trusted_at(10 * SECOND), trusted, "{modified} {changed}");
        }
    }

    #[test]
    fn change_of_ctime_alone_is_no_modification() {
        let before = identity(1, 1);
        assert!(before.differs_at_most_in_ctime(before) && before.differs_at_most_in_ctime(identity(1, 5)));
        for after in [
            identity(2, 1),
            Identity { device: 9, ..before },
            Identity { inode: 9, ..before },
            Identity { size: 9, ..before },
        ] {
            assert!(!before.differs_at_most_in_ctime(after), "{after:?}");
        }
    }

    /// Moves the times of the baseline back, as if the last change of the file had been earlier.
    fn aged(source: &SourceFile, seconds: i128) {
        let mut baseline = lock(&source.baseline);
        baseline.identity.modified_ns -= seconds * SECOND;
        baseline.identity.changed_ns -= seconds * SECOND;
    }

    #[test]
    fn trusts_file_with_old_times_until_its_ctime_changes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let source = SourceFile::open_to_record(file.path()).unwrap();
        lock(&source.baseline).identity.changed_ns += 3600 * SECOND;
        assert!(!source.is_trusted());
        aged(&source, 3600);
        lock(&source.baseline).identity.changed_ns -= 3600 * SECOND;
        assert!(source.is_trusted() && source.is_trusted());
        lock(&source.baseline).identity = SourceFile::open(file.path()).unwrap().identity();
        lock(&source.baseline).identity.changed_ns -= 1;
        source.check_unchanged().unwrap();
        assert_eq!(lock(&source.baseline).trust, Trust::NotYet);
        lock(&source.baseline).trust = Trust::Never;
        aged(&source, 3600);
        assert!(!source.is_trusted());
    }

    #[test]
    fn does_not_trust_a_new_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let source = SourceFile::open_to_record(file.path()).unwrap();
        let trusted_at = source.identity().changed_ns + TRUSTED_AGE_NS;
        assert!(!source.identity().is_trusted_at(trusted_at - 1) && source.identity().is_trusted_at(trusted_at));
        assert!(
            SourceFile::open(Path::new("/proc/version")).unwrap().check_unchanged().is_err(),
            "more bytes than its reported size"
        );
    }

    #[test]
    fn failed_fsync_is_accepted_only_without_operation_on_read_only_file_system() {
        let failed = |code| Err(io::Error::from_raw_os_error(code));
        assert!(is_clean_after(Ok(()), || false) && is_clean_after(failed(libc::EINVAL), || true));
        assert!(!is_clean_after(failed(libc::EINVAL), || false) && !is_clean_after(failed(libc::EIO), || true));
    }
}
