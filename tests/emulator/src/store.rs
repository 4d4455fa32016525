//! The stored data of the service: vaults, uploads and archives.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::clock::Instant;
use crate::disk::{Disk, Incoming, StoredArchive};
use crate::options::Storage;
use crate::record::{ArchiveRecord, UploadRecord};
use crate::refusal::Refusal;
use crate::stop::lock;
use crate::upload::{Upload, UploadInfo};
use crate::vaults::Vaults;

/// The data that persists between requests.
#[derive(Debug)]
pub(crate) struct Store {
    disk: Option<Disk>,
    hashing: bool,
    pub(crate) vaults: Vaults,
    /// By upload ID. Completed and aborted uploads remain for a while, so that a repeated request finds them.
    uploads: Mutex<BTreeMap<String, Arc<Upload>>>,
    archives: Mutex<Vec<ArchiveRecord>>,
}

impl Store {
    /// Opens the storage and loads the data of an earlier run. `name` names a temporary directory.
    pub(crate) fn open(storage: &Storage, vaults: &[String], name: &str, now: Instant) -> io::Result<Self> {
        let disk = match storage {
            Storage::Temporary => Some(Disk::open(temporary_directory(name), true)?),
            Storage::Disk(directory) => Some(Disk::open(directory.clone(), false)?),
            Storage::Hashes | Storage::Count => None,
        };
        let mut store = Self {
            disk,
            hashing: *storage != Storage::Count,
            vaults: Vaults::default(),
            uploads: Mutex::default(),
            archives: Mutex::default(),
        };
        for vault in vaults {
            store.vaults.create(vault, &now.extended());
        }
        store.load(now)?;
        Ok(store)
    }

    /// Whether payloads are hashed.
    pub(crate) fn hashing(&self) -> bool {
        self.hashing
    }

    /// The storage directory, if bytes are stored.
    pub(crate) fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }

    pub(crate) fn add_upload(&self, info: UploadInfo, now: Instant) -> Result<(), Refusal> {
        if let Some(disk) = &self.disk {
            disk.add_upload(&info).map_err(|e| disk.failed(&e))?;
        }
        lock(&self.uploads).insert(info.upload_id.clone(), Arc::new(Upload::open(info, Vec::new(), now)));
        Ok(())
    }

    /// Returns an upload of this vault. It may be completed or aborted.
    pub(crate) fn upload(&self, vault: &str, upload_id: &str, now: Instant) -> Result<Arc<Upload>, Refusal> {
        let upload = lock(&self.uploads).get(upload_id).filter(|upload| upload.info.vault == vault).cloned();
        let upload = upload.ok_or_else(|| Refusal::upload_not_found(upload_id))?;
        upload.touch(now);
        Ok(upload)
    }

    /// Returns the part size of an upload.
    pub(crate) fn part_size(&self, upload_id: &str) -> Option<u64> {
        lock(&self.uploads).get(upload_id).map(|upload| upload.info.part_size)
    }

    /// Returns all uploads in the order of their IDs, completed and aborted ones included.
    pub(crate) fn uploads(&self) -> Vec<Arc<Upload>> {
        lock(&self.uploads).values().cloned().collect()
    }

    /// Returns the records of the open uploads.
    pub(crate) fn upload_records(&self) -> Vec<UploadRecord> {
        self.uploads().iter().filter_map(|upload| upload.record()).collect()
    }

    /// Adds an archive that an upload created.
    pub(crate) fn add_archive(&self, archive: ArchiveRecord) {
        lock(&self.archives).push(archive);
    }

    /// Stores an archive that was sent in one request.
    pub(crate) fn store_archive(&self, mut archive: ArchiveRecord, bytes: Option<&Incoming>) -> Result<(), Refusal> {
        if let (Some(disk), Some(bytes)) = (&self.disk, bytes) {
            let stored = StoredArchive { archive: archive.clone(), upload: None };
            archive.path = Some(disk.store_archive(bytes, &stored).map_err(|e| disk.failed(&e))?);
        }
        self.add_archive(archive);
        Ok(())
    }

    pub(crate) fn archives(&self) -> Vec<ArchiveRecord> {
        lock(&self.archives).clone()
    }

    /// Removes the expired uploads.
    pub(crate) fn expire(&self, now: Instant) {
        let mut uploads = lock(&self.uploads);
        uploads.retain(|_, upload| {
            let expired = upload.has_expired(now);
            if expired {
                // This fails for a completed upload, which has no parts to remove.
                let _ = upload.abort(self.disk());
            }
            !expired
        });
    }

    fn load(&mut self, now: Instant) -> io::Result<()> {
        let Some(disk) = &self.disk else { return Ok(()) };
        let (mut uploads, mut archives) = (lock(&self.uploads), lock(&self.archives));
        for (info, parts) in disk.load_uploads()? {
            self.vaults.create(&info.vault, &info.created);
            uploads.insert(info.upload_id.clone(), Arc::new(Upload::open(info, parts, now)));
        }
        for StoredArchive { archive, upload } in disk.load_archives()? {
            self.vaults.create(&archive.vault, &now.extended());
            archives.push(archive.clone());
            let Some(info) = upload else { continue };
            let upload_id = info.upload_id.clone();
            if uploads.insert(upload_id.clone(), Arc::new(Upload::completed(info, archive, now))).is_some() {
                // The earlier run was killed after it stored the archive and before it removed the parts.
                disk.remove_upload(&upload_id)?;
            }
        }
        Ok(())
    }
}

fn temporary_directory(name: &str) -> PathBuf {
    let parent = std::env::temp_dir();
    // An empty TMPDIR is like none, as for `mktemp`. It would select the current directory.
    let parent = if parent.as_os_str().is_empty() { PathBuf::from("/tmp") } else { parent };
    parent.join(format!("glacier-emulator-{}-{name}", std::process::id()))
}
