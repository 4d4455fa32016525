//! Vaults, uploads and archives: what the service remembers.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::clock::Instant;
use crate::disk::{Disk, Incoming, KeptArchive};
use crate::options::Storage;
use crate::records::{ArchiveRecord, UploadRecord};
use crate::refusal::Refusal;
use crate::stop::lock;
use crate::upload::{Facts, Upload};
use crate::vaults::Vaults;

/// Everything kept between requests.
#[derive(Debug)]
pub(crate) struct Store {
    disk: Option<Disk>,
    hashing: bool,
    pub(crate) vaults: Vaults,
    /// By upload ID. Completed and aborted ones stay for a while, so that a repeated request finds them.
    uploads: Mutex<BTreeMap<String, Arc<Upload>>>,
    archives: Mutex<Vec<ArchiveRecord>>,
}

impl Store {
    /// An empty one, or what an earlier run left in the directory. `name` is for a temporary directory.
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

    /// Whether payloads are hashed at all.
    pub(crate) fn hashing(&self) -> bool {
        self.hashing
    }

    /// The directory, if bytes are kept.
    pub(crate) fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }

    pub(crate) fn add_upload(&self, facts: Facts, now: Instant) -> Result<(), Refusal> {
        if let Some(disk) = &self.disk {
            disk.add_upload(&facts).map_err(|e| Refusal::storage(&e))?;
        }
        lock(&self.uploads).insert(facts.upload_id.clone(), Arc::new(Upload::open(facts, Vec::new(), now)));
        Ok(())
    }

    /// An upload of this vault; it may be over.
    pub(crate) fn upload(&self, vault: &str, upload_id: &str, now: Instant) -> Result<Arc<Upload>, Refusal> {
        let upload = lock(&self.uploads).get(upload_id).filter(|upload| upload.facts.vault == vault).cloned();
        let upload = upload.ok_or_else(|| Refusal::upload_not_found(upload_id))?;
        upload.touch(now);
        Ok(upload)
    }

    /// The part size of an upload, for whoever wants to know which part a range is.
    pub(crate) fn part_size(&self, upload_id: &str) -> Option<u64> {
        lock(&self.uploads).get(upload_id).map(|upload| upload.facts.part_size)
    }

    /// All uploads, also those that are over, by ID.
    pub(crate) fn uploads(&self) -> Vec<Arc<Upload>> {
        lock(&self.uploads).values().cloned().collect()
    }

    /// Those that are not over, for tests to look at.
    pub(crate) fn upload_records(&self) -> Vec<UploadRecord> {
        self.uploads().iter().filter_map(|upload| upload.record()).collect()
    }

    /// Notes an archive that an upload has become.
    pub(crate) fn add_archive(&self, archive: ArchiveRecord) {
        lock(&self.archives).push(archive);
    }

    /// Keeps an archive that came in one request.
    pub(crate) fn keep_archive(&self, mut archive: ArchiveRecord, bytes: Option<&Incoming>) -> Result<(), Refusal> {
        if let (Some(disk), Some(bytes)) = (&self.disk, bytes) {
            let kept = KeptArchive { archive: archive.clone(), upload: None };
            archive.path = Some(disk.keep_archive(bytes, &kept).map_err(|e| Refusal::storage(&e))?);
        }
        self.add_archive(archive);
        Ok(())
    }

    pub(crate) fn archives(&self) -> Vec<ArchiveRecord> {
        lock(&self.archives).clone()
    }

    /// Forgets the uploads whose time is over.
    pub(crate) fn expire(&self, now: Instant) {
        let mut uploads = lock(&self.uploads);
        uploads.retain(|_, upload| {
            let expired = upload.has_expired(now);
            if expired {
                // Of one that is over already there is nothing left to drop.
                let _ = upload.abort(self.disk());
            }
            !expired
        });
    }

    fn load(&mut self, now: Instant) -> io::Result<()> {
        let Some(disk) = &self.disk else { return Ok(()) };
        let (mut uploads, mut archives) = (lock(&self.uploads), lock(&self.archives));
        for (facts, parts) in disk.load_uploads()? {
            self.vaults.create(&facts.vault, &facts.created);
            uploads.insert(facts.upload_id.clone(), Arc::new(Upload::open(facts, parts, now)));
        }
        for KeptArchive { archive, upload } in disk.load_archives()? {
            self.vaults.create(&archive.vault, &now.extended());
            archives.push(archive.clone());
            let Some(facts) = upload else { continue };
            let upload_id = facts.upload_id.clone();
            if uploads.insert(upload_id.clone(), Arc::new(Upload::completed(facts, archive, now))).is_some() {
                // Killed between keeping the archive and dropping the parts.
                disk.remove_upload(&upload_id)?;
            }
        }
        Ok(())
    }
}

fn temporary_directory(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("glacier-emulator-{}-{name}", std::process::id()))
}
