//! One upload, from Initiate to Complete or Abort.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::clock::Instant;
use crate::disk::{Disk, Incoming, StoredArchive};
use crate::hash::{self, Digest};
use crate::record::{ArchiveRecord, PartRecord, UploadRecord};
use crate::refusal::Refusal;
use crate::stop::lock;
use crate::unspecified::{IDLE_SECONDS, REMEMBERED_SECONDS};

/// The maximum number of parts of an upload.
const PARTS_MAX: u64 = 10_000;

/// The properties that Initiate sets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UploadInfo {
    pub(crate) upload_id: String,
    pub(crate) vault: String,
    pub(crate) part_size: u64,
    pub(crate) description: Option<String>,
    pub(crate) created: String,
}

/// A stored part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) tree_hash: Digest,
}

/// An upload. Its lock is held until the archive is assembled and added, so that a concurrent Complete waits.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) info: UploadInfo,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// The key is the first byte.
    parts: BTreeMap<u64, Part>,
    /// The time of the last request.
    touched: Instant,
}

#[derive(Debug)]
enum Phase {
    Open,
    Completed(ArchiveRecord),
    Aborted,
}

impl Upload {
    pub(crate) fn open(info: UploadInfo, parts: Vec<Part>, now: Instant) -> Self {
        let parts = parts.into_iter().map(|part| (part.first, part)).collect();
        Self { info, state: Mutex::new(State { phase: Phase::Open, parts, touched: now }) }
    }

    pub(crate) fn completed(info: UploadInfo, archive: ArchiveRecord, now: Instant) -> Self {
        let state = State { phase: Phase::Completed(archive), parts: BTreeMap::new(), touched: now };
        Self { info, state: Mutex::new(state) }
    }

    /// Records a request for this upload.
    pub(crate) fn touch(&self, now: Instant) {
        let mut state = lock(&self.state);
        state.touched = state.touched.max(now);
    }

    /// Whether the upload has expired. An upload whose archive is being assembled has not expired.
    pub(crate) fn has_expired(&self, now: Instant) -> bool {
        let Ok(state) = self.state.try_lock() else { return false };
        let lives = if matches!(state.phase, Phase::Open) { IDLE_SECONDS } else { REMEMBERED_SECONDS };
        now > state.touched.plus_seconds(lives)
    }

    /// Fails if the upload is completed or aborted.
    pub(crate) fn check_open(&self) -> Result<(), Refusal> {
        self.while_open(|_| ())
    }

    /// Returns the stored parts in the order of their ranges. Fails if the upload is completed or aborted.
    pub(crate) fn parts(&self) -> Result<Vec<Part>, Refusal> {
        self.while_open(|state| state.parts.values().copied().collect())
    }

    /// Checks the range of a part against the part size and the part limit.
    pub(crate) fn check_range(&self, first: u64, last: u64, header: &str) -> Result<(), Refusal> {
        let part_size = self.info.part_size;
        if !first.is_multiple_of(part_size) || last - first >= part_size {
            return Err(Refusal::invalid(format!("Invalid Content-Range: {header}")));
        }
        let number = first / part_size + 1;
        if number > PARTS_MAX {
            return Err(Refusal::invalid(format!(
                "This is part number {number} for the current multipart upload. \
                 It exceeds the limit of {PARTS_MAX} parts."
            )));
        }
        Ok(())
    }

    /// Stores a part and replaces an earlier one with the same first byte.
    pub(crate) fn store_part(&self, disk: Option<(&Disk, &Incoming)>, part: Part) -> Result<(), Refusal> {
        let mut state = lock(&self.state);
        if !matches!(state.phase, Phase::Open) {
            return Err(self.not_found());
        }
        if let Some((disk, bytes)) = disk {
            let old = state.parts.get(&part.first);
            disk.store_part(&self.info.upload_id, bytes, &part, old).map_err(|e| disk.failed(&e))?;
        }
        state.parts.insert(part.first, part);
        Ok(())
    }

    /// Creates the archive and gives it to `add`, or returns the existing one. The flag is true if the archive is new.
    pub(crate) fn complete(
        &self,
        disk: Option<&Disk>,
        size: u64,
        tree_hash: Digest,
        archive_id: String,
        add: impl FnOnce(ArchiveRecord),
    ) -> Result<(ArchiveRecord, bool), Refusal> {
        let mut state = lock(&self.state);
        match &state.phase {
            Phase::Open => self.check_whole(&state.parts, size, tree_hash)?,
            Phase::Completed(archive) => {
                check_size(archive.size, size)?;
                check_tree_hash(&archive.tree_hash, tree_hash)?;
                return Ok((archive.clone(), false));
            }
            Phase::Aborted => return Err(self.not_found()),
        }
        let archive = ArchiveRecord {
            vault: self.info.vault.clone(),
            archive_id,
            upload_id: Some(self.info.upload_id.clone()),
            size,
            tree_hash: hex::encode(tree_hash),
            description: self.info.description.clone(),
            path: None,
        };
        let mut stored = StoredArchive { archive, upload: Some(self.info.clone()) };
        if let Some(disk) = disk {
            let keep = || {
                let whole = disk.assemble(&self.info.upload_id, state.parts.values())?;
                let path = disk.store_archive(&whole, &stored)?;
                disk.remove_upload(&self.info.upload_id)?;
                Ok(path)
            };
            stored.archive.path = Some(keep().map_err(|e| disk.failed(&e))?);
        }
        state.phase = Phase::Completed(stored.archive.clone());
        state.parts.clear();
        add(stored.archive.clone());
        Ok((stored.archive, true))
    }

    /// Removes the parts. Repeating it is not an error. The flag is true the first time.
    pub(crate) fn abort(&self, disk: Option<&Disk>) -> Result<bool, Refusal> {
        let mut state = lock(&self.state);
        match state.phase {
            Phase::Open => {}
            Phase::Completed(_) => return Err(self.not_found()),
            Phase::Aborted => return Ok(false),
        }
        if let Some(disk) = disk {
            disk.remove_upload(&self.info.upload_id).map_err(|e| disk.failed(&e))?;
        }
        state.phase = Phase::Aborted;
        state.parts.clear();
        Ok(true)
    }

    /// Returns the record for tests. `None` for a completed or aborted upload.
    pub(crate) fn record(&self) -> Option<UploadRecord> {
        let part =
            |part: &Part| PartRecord { first: part.first, last: part.last, tree_hash: hex::encode(part.tree_hash) };
        Some(UploadRecord {
            upload_id: self.info.upload_id.clone(),
            vault: self.info.vault.clone(),
            part_size: self.info.part_size,
            description: self.info.description.clone(),
            parts: self.parts().ok()?.iter().map(part).collect(),
        })
    }

    /// Checks that the parts have no gaps, that only the last one is short, and that size and tree hash match.
    fn check_whole(&self, parts: &BTreeMap<u64, Part>, size: u64, tree_hash: Digest) -> Result<(), Refusal> {
        let mut end = 0;
        let mut short = None;
        for part in parts.values() {
            if let Some(number) = short {
                return Err(Refusal::invalid(format!("Part {number} is short and not the last part")));
            }
            if part.first != end {
                return Err(Refusal::invalid(format!("Missing range: bytes {end}-{}/*", part.first - 1)));
            }
            end = part.last + 1;
            if end - part.first < self.info.part_size {
                short = Some(part.first / self.info.part_size + 1);
            }
        }
        check_size(end, size)?;
        let computed = hash::fold(parts.values().map(|part| part.tree_hash).collect());
        check_tree_hash(&hex::encode(computed), tree_hash)
    }

    fn while_open<T>(&self, look: impl FnOnce(&State) -> T) -> Result<T, Refusal> {
        let state = lock(&self.state);
        if matches!(state.phase, Phase::Open) { Ok(look(&state)) } else { Err(self.not_found()) }
    }

    fn not_found(&self) -> Refusal {
        Refusal::upload_not_found(&self.info.upload_id)
    }
}

fn check_size(held: u64, given: u64) -> Result<(), Refusal> {
    if held == given && held > 0 {
        return Ok(());
    }
    Err(Refusal::invalid(format!("Invalid x-amz-archive-size: {given}. The parts have {held} bytes.")))
}

fn check_tree_hash(held: &str, given: Digest) -> Result<(), Refusal> {
    let given = hex::encode(given);
    if held == given { Ok(()) } else { Err(Refusal::wrong_tree_hash(&given)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise a concurrent Complete could return the ID of an archive that is not added yet.
    #[test]
    fn is_locked_until_its_archive_is_added() {
        let info = UploadInfo {
            upload_id: "u".to_owned(),
            vault: "v".to_owned(),
            part_size: 1 << 20,
            description: None,
            created: String::new(),
        };
        let tree_hash = [1; 32];
        let upload = Upload::open(info, vec![Part { first: 0, last: 0, tree_hash }], Instant::LONG_AGO);
        let mut added = Vec::new();
        let add = |archive| {
            assert!(upload.state.try_lock().is_err());
            added.push(archive);
        };
        let (archive, new) = upload.complete(None, 1, tree_hash, "a".to_owned(), add).unwrap();
        assert_eq!((archive.archive_id.as_str(), new), ("a", true));
        assert_eq!(added, std::slice::from_ref(&archive));
        let again = upload.complete(None, 1, tree_hash, "b".to_owned(), |_| panic!("the archive exists")).unwrap();
        assert_eq!(again, (archive, false));
    }
}
