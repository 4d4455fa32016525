//! Changes of the source file of an upload.

use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use fastrand::Rng;

use super::MIB;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Changes a byte in place.
    Byte,
    /// Changes a byte in place, and sets the modification time back.
    ByteWithTime,
    /// Changes all bytes in place, keeps the length, and sets the modification time back.
    AllWithTime,
    /// Stores a byte through a mapping of another process.
    Store,
    Shorter,
    Longer,
    /// Replaces the file by another one of the same length.
    Replaced,
    /// Replaces the file by another one with the same bytes and times.
    Copied,
    /// Restores the original bytes in place.
    Restored,
    Touched,
    Chmod,
    Linked,
    /// Removes the file.
    Removed,
}

impl Change {
    pub(super) const ALL: [Self; 13] = [
        Self::Byte,
        Self::ByteWithTime,
        Self::AllWithTime,
        Self::Store,
        Self::Shorter,
        Self::Longer,
        Self::Replaced,
        Self::Copied,
        Self::Restored,
        Self::Touched,
        Self::Chmod,
        Self::Linked,
        Self::Removed,
    ];

    /// Whether an upload must succeed if this change occurs while it runs.
    pub(super) fn changes_attributes_only(self) -> bool {
        matches!(self, Self::Copied | Self::Chmod | Self::Linked)
    }

    /// Applies the change to the file at a path with the original bytes `original`. The caller applies [`Change::Store`].
    pub(super) fn apply(self, path: &Path, original: &[u8], rng: &mut Rng) {
        let Ok(about) = fs::metadata(path) else {
            // An earlier change may have removed the file: creates it again.
            fs::write(path, original).unwrap();
            return;
        };
        let time = about.modified().unwrap();
        match self {
            Self::Byte | Self::ByteWithTime => change_byte(path, rng),
            Self::AllWithTime => {
                let mut bytes = fs::read(path).unwrap();
                bytes.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
                fs::write(path, bytes).unwrap();
            }
            Self::Store => unreachable!("another process does it"),
            Self::Shorter => File::options().write(true).open(path).unwrap().set_len(MIB as u64 + 7).unwrap(),
            Self::Longer => {
                let mut file = OpenOptions::new().append(true).open(path).unwrap();
                file.write_all(b"more").unwrap();
            }
            Self::Replaced | Self::Copied => {
                let other = path.with_extension("other");
                fs::copy(path, &other).unwrap();
                if self == Self::Replaced {
                    change_byte(&other, rng);
                }
                set_time(&other, time);
                fs::rename(&other, path).unwrap();
            }
            Self::Restored => fs::write(path, original).unwrap(),
            Self::Touched => set_time(path, SystemTime::now() - Duration::from_secs(rng.u64(..1000))),
            Self::Chmod => {
                fs::set_permissions(path, Permissions::from_mode(about.permissions().mode() ^ 0o040)).unwrap();
            }
            Self::Linked => {
                let link = path.with_extension("link");
                if fs::remove_file(&link).is_err() {
                    fs::hard_link(path, &link).unwrap();
                }
            }
            Self::Removed => fs::remove_file(path).unwrap(),
        }
        if matches!(self, Self::ByteWithTime | Self::AllWithTime) {
            set_time(path, time);
        }
    }
}

fn change_byte(path: &Path, rng: &mut Rng) {
    let mut file = File::options().write(true).open(path).unwrap();
    let at = rng.u64(..file.metadata().unwrap().len());
    file.seek(SeekFrom::Start(at)).unwrap();
    let byte = fs::read(path).unwrap()[usize::try_from(at).unwrap()];
    file.write_all(&[byte ^ (1 + rng.u8(..255))]).unwrap();
}

fn set_time(path: &Path, time: SystemTime) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
}
