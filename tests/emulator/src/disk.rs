//! Uploads and archives in a directory:
//!
//! ```text
//! uploads/<upload ID>/upload.json                   the properties set by Initiate
//! uploads/<upload ID>/<first>-<last>-<tree hash>    the bytes of a part; the name has its range and hash
//! archives/<archive ID>                             the bytes of an archive
//! archives/<archive ID>.json                        the properties of an archive
//! incoming/<number>                                 bytes being received
//! lock                                              locked by the running emulator
//! ```
//!
//! A part is received in its own file and renamed after its hashes are verified. Attempts that fail or run concurrently
//! thus never damage an acknowledged part. Complete joins the parts. The properties are written and renamed in the same way, so
//! that a failed write leaves nothing that the next start cannot read.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::hash;
use crate::number;
use crate::record::ArchiveRecord;
use crate::refusal::Refusal;
use crate::upload::{Part, UploadInfo};

/// The storage directory.
#[derive(Debug)]
pub(crate) struct Disk {
    root: PathBuf,
    temporary: bool,
    /// Closing the file releases the lock.
    lock: Option<File>,
    received: AtomicU64,
}

/// The content of `archives/<archive ID>.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredArchive {
    pub(crate) archive: ArchiveRecord,
    /// The upload that created it. A repeated Complete still names it.
    pub(crate) upload: Option<UploadInfo>,
}

impl Disk {
    /// Opens a directory and creates it if necessary. A temporary directory is removed on drop. Fails if another emulator uses
    /// the directory, in this or another process.
    pub(crate) fn open(root: PathBuf, temporary: bool) -> io::Result<Self> {
        let mut disk = Self { root, temporary, lock: None, received: AtomicU64::new(0) };
        disk.lock = Some(lock_directory(&disk.root).map_err(|e| unusable(&disk.root, &e))?);
        disk.create_folders().map_err(|e| unusable(&disk.root, &e))?;
        Ok(disk)
    }

    fn create_folders(&self) -> io::Result<()> {
        // These files remain from a run that was killed.
        if self.path("incoming").exists() {
            fs::remove_dir_all(self.path("incoming"))?;
        }
        ["incoming", "uploads", "archives"].iter().try_for_each(|name| fs::create_dir_all(self.path(name)))
    }

    /// Creates a file for incoming bytes.
    pub(crate) fn receive(&self) -> io::Result<Incoming> {
        let number = self.received.fetch_add(1, Ordering::Relaxed);
        let path = self.path("incoming").join(number.to_string());
        Ok(Incoming { file: File::options().read(true).write(true).create_new(true).open(&path)?, path })
    }

    /// Reports an error on standard error and returns the response to the request.
    pub(crate) fn failed(&self, error: &io::Error) -> Refusal {
        // In the background, standard error may be closed.
        let _ = writeln!(io::stderr(), "glacier-emulator: the storage {:?} failed: {error}", self.root);
        Refusal::storage(error)
    }

    /// Adds an upload.
    pub(crate) fn add_upload(&self, info: &UploadInfo) -> io::Result<()> {
        let document = self.document(info)?;
        let directory = self.upload(&info.upload_id);
        fs::create_dir(&directory)?;
        fs::rename(&document.path, directory.join("upload.json"))
    }

    /// Stores a part and replaces the one with the same first byte.
    pub(crate) fn store_part(
        &self,
        upload_id: &str,
        bytes: &Incoming,
        part: &Part,
        old: Option<&Part>,
    ) -> io::Result<()> {
        let directory = self.upload(upload_id);
        if let Some(old) = old {
            fs::remove_file(directory.join(part_name(old)))?;
        }
        fs::rename(&bytes.path, directory.join(part_name(part)))
    }

    /// Removes an upload and its parts.
    pub(crate) fn remove_upload(&self, upload_id: &str) -> io::Result<()> {
        fs::remove_dir_all(self.upload(upload_id))
    }

    /// Joins the parts of an upload. The parts remain until [`Self::remove_upload`].
    pub(crate) fn assemble<'a>(&self, upload_id: &str, parts: impl Iterator<Item = &'a Part>) -> io::Result<Incoming> {
        let mut whole = self.receive()?;
        for part in parts {
            io::copy(&mut File::open(self.upload(upload_id).join(part_name(part)))?, &mut whole.file)?;
        }
        Ok(whole)
    }

    /// Makes an archive of received bytes and returns its path.
    pub(crate) fn store_archive(&self, bytes: &Incoming, stored: &StoredArchive) -> io::Result<PathBuf> {
        let document = self.document(stored)?;
        let path = self.path("archives").join(&stored.archive.archive_id);
        fs::rename(&bytes.path, &path)?;
        fs::rename(&document.path, describing(&path))?;
        Ok(path)
    }

    /// Loads the uploads of an earlier run.
    pub(crate) fn load_uploads(&self) -> io::Result<Vec<(UploadInfo, Vec<Part>)>> {
        let mut uploads = Vec::new();
        for entry in fs::read_dir(self.path("uploads"))? {
            let directory = entry?.path();
            let path = directory.join("upload.json");
            let Ok(info) = fs::read(&path) else { continue };
            let names = fs::read_dir(&directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
            let names: Vec<_> = names.collect::<io::Result<_>>()?;
            let parts = names.iter().filter_map(|name| parse_part_name(name)).collect();
            uploads.push((parse(&path, &info)?, parts));
        }
        Ok(uploads)
    }

    /// Loads the archives of an earlier run.
    pub(crate) fn load_archives(&self) -> io::Result<Vec<StoredArchive>> {
        let mut archives = Vec::new();
        for entry in fs::read_dir(self.path("archives"))? {
            let path = entry?.path();
            let describing = describing(&path);
            if let Ok(document) = fs::read(&describing) {
                let mut stored: StoredArchive = parse(&describing, &document)?;
                stored.archive.path = Some(path);
                archives.push(stored);
            }
        }
        Ok(archives)
    }

    /// Writes properties to a file for incoming bytes. Renaming it stores all of them or none.
    fn document(&self, properties: &impl Serialize) -> io::Result<Incoming> {
        let mut document = self.receive()?;
        document.write(&serde_json::to_vec(properties)?)?;
        Ok(document)
    }

    fn upload(&self, upload_id: &str) -> PathBuf {
        self.path("uploads").join(upload_id)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.temporary {
            // A destructor cannot report an error.
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

/// A file of incoming bytes. It is removed on drop, unless it was renamed to a part or an archive.
#[derive(Debug)]
pub(crate) struct Incoming {
    file: File,
    path: PathBuf,
}

impl Incoming {
    /// Appends bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // This fails if the file has been renamed.
        let _ = fs::remove_file(&self.path);
    }
}

fn lock_directory(root: &Path) -> io::Result<File> {
    fs::create_dir_all(root)?;
    let file = File::options().write(true).create(true).truncate(false).open(root.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(io::Error::new(io::ErrorKind::WouldBlock, "another local Glacier is using it"))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn parse<T: DeserializeOwned>(path: &Path, document: &[u8]) -> io::Result<T> {
    serde_json::from_slice(document).map_err(|e| unusable(path, &e.into()))
}

/// Adds the path to an error that prevents the start.
fn unusable(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn describing(archive: &Path) -> PathBuf {
    let mut name = archive.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

fn part_name(part: &Part) -> String {
    format!("{}-{}-{}", part.first, part.last, hex::encode(part.tree_hash))
}

fn parse_part_name(name: &str) -> Option<Part> {
    let mut fields = name.splitn(3, '-');
    let first = number::unsigned(fields.next()?)?;
    let last = number::unsigned(fields.next()?)?;
    Some(Part { first, last, tree_hash: hash::parse_hex(fields.next()?)? })
}
