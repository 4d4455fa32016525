//! Uploads and archives in a directory.
//!
//! ```text
//! uploads/<upload ID>/upload.json                   what Initiate said
//! uploads/<upload ID>/<first>-<last>-<tree hash>    a part: the name is all there is to know about it
//! archives/<archive ID>                             the bytes of an archive
//! archives/<archive ID>.json                        and the rest
//! incoming/<number>                                 what is being received
//! ```
//!
//! A part is received beside the one it may replace and renamed when it is right, so that an attempt that breaks, or
//! two that run at once, never spoil a part that the service has acknowledged. Complete puts the parts together.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::hash;
use crate::number;
use crate::records::ArchiveRecord;
use crate::upload::{Facts, Part};

/// The directory.
#[derive(Debug)]
pub(crate) struct Disk {
    root: PathBuf,
    temporary: bool,
    received: AtomicU64,
}

/// What `archives/<archive ID>.json` holds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeptArchive {
    pub(crate) archive: ArchiveRecord,
    /// The upload it was made of: a repeated Complete still names it.
    pub(crate) upload: Option<Facts>,
}

impl Disk {
    /// Uses a directory, and makes it if there is none; a temporary one goes when the emulator goes.
    pub(crate) fn open(root: PathBuf, temporary: bool) -> io::Result<Self> {
        let disk = Self { root, temporary, received: AtomicU64::new(0) };
        // Left over from a run that was killed.
        if disk.path("incoming").exists() {
            fs::remove_dir_all(disk.path("incoming"))?;
        }
        for name in ["incoming", "uploads", "archives"] {
            fs::create_dir_all(disk.path(name))?;
        }
        Ok(disk)
    }

    /// A place for bytes to come.
    pub(crate) fn receive(&self) -> io::Result<Incoming> {
        let number = self.received.fetch_add(1, Ordering::Relaxed);
        let path = self.path("incoming").join(number.to_string());
        Ok(Incoming { file: File::options().read(true).write(true).create_new(true).open(&path)?, path })
    }

    /// Begins an upload.
    pub(crate) fn add_upload(&self, facts: &Facts) -> io::Result<()> {
        let directory = self.upload(&facts.upload_id);
        fs::create_dir(&directory)?;
        fs::write(directory.join("upload.json"), serde_json::to_vec(facts)?)
    }

    /// Keeps a part, in place of the one with the same first byte.
    pub(crate) fn keep_part(
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

    /// Drops an upload and its parts.
    pub(crate) fn remove_upload(&self, upload_id: &str) -> io::Result<()> {
        fs::remove_dir_all(self.upload(upload_id))
    }

    /// Puts an upload's parts together. They stay until [`Self::remove_upload`].
    pub(crate) fn assemble<'a>(&self, upload_id: &str, parts: impl Iterator<Item = &'a Part>) -> io::Result<Incoming> {
        let mut whole = self.receive()?;
        for part in parts {
            io::copy(&mut File::open(self.upload(upload_id).join(part_name(part)))?, &mut whole.file)?;
        }
        Ok(whole)
    }

    /// Makes an archive of received bytes and says where they are.
    pub(crate) fn keep_archive(&self, bytes: &Incoming, kept: &KeptArchive) -> io::Result<PathBuf> {
        let path = self.path("archives").join(&kept.archive.archive_id);
        fs::rename(&bytes.path, &path)?;
        fs::write(describing(&path), serde_json::to_vec(kept)?)?;
        Ok(path)
    }

    /// The uploads that an earlier run left.
    pub(crate) fn load_uploads(&self) -> io::Result<Vec<(Facts, Vec<Part>)>> {
        let mut uploads = Vec::new();
        for entry in fs::read_dir(self.path("uploads"))? {
            let directory = entry?.path();
            let Ok(facts) = fs::read(directory.join("upload.json")) else { continue };
            let names = fs::read_dir(&directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
            let names: Vec<_> = names.collect::<io::Result<_>>()?;
            let parts = names.iter().filter_map(|name| parse_part_name(name)).collect();
            uploads.push((serde_json::from_slice(&facts)?, parts));
        }
        Ok(uploads)
    }

    /// The archives that an earlier run left.
    pub(crate) fn load_archives(&self) -> io::Result<Vec<KeptArchive>> {
        let mut archives = Vec::new();
        for entry in fs::read_dir(self.path("archives"))? {
            let path = entry?.path();
            if let Ok(document) = fs::read(describing(&path)) {
                let mut kept: KeptArchive = serde_json::from_slice(&document)?;
                kept.archive.path = Some(path);
                archives.push(kept);
            }
        }
        Ok(archives)
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
            // Nobody is left to be told.
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

/// Bytes that are being received. They go with this handle, unless they were renamed into a part or an archive.
#[derive(Debug)]
pub(crate) struct Incoming {
    file: File,
    path: PathBuf,
}

impl Incoming {
    /// Adds bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Most have been renamed by now.
        let _ = fs::remove_file(&self.path);
    }
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
