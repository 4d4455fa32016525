//! One upload, from Initiate to Complete or Abort.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::choices::{IDLE_SECONDS, REMEMBERED_SECONDS};
use crate::clock::Instant;
use crate::disk::{Disk, Incoming, KeptArchive};
use crate::hash::{self, Digest};
use crate::records::{ArchiveRecord, PartRecord, UploadRecord};
use crate::refusal::Refusal;
use crate::stop::lock;

/// The most parts an upload may have.
const PARTS_MAX: u64 = 10_000;

/// What Initiate fixed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) upload_id: String,
    pub(crate) vault: String,
    pub(crate) part_size: u64,
    pub(crate) description: Option<String>,
    pub(crate) created: String,
}

/// A part that is held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) tree_hash: Digest,
}

/// An upload. Its lock is held while its parts are put together, so that of two Completes one waits for the other.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) facts: Facts,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// By first byte.
    parts: BTreeMap<u64, Part>,
    /// The last time that somebody asked for it.
    touched: Instant,
}

#[derive(Debug)]
enum Phase {
    Open,
    Completed(ArchiveRecord),
    Aborted,
}

impl Upload {
    pub(crate) fn open(facts: Facts, parts: Vec<Part>, now: Instant) -> Self {
        let parts = parts.into_iter().map(|part| (part.first, part)).collect();
        Self { facts, state: Mutex::new(State { phase: Phase::Open, parts, touched: now }) }
    }

    pub(crate) fn completed(facts: Facts, archive: ArchiveRecord, now: Instant) -> Self {
        let state = State { phase: Phase::Completed(archive), parts: BTreeMap::new(), touched: now };
        Self { facts, state: Mutex::new(state) }
    }

    /// Somebody asks for it.
    pub(crate) fn touch(&self, now: Instant) {
        let mut state = lock(&self.state);
        state.touched = state.touched.max(now);
    }

    /// Whether its time is over. One that is being completed is not idle.
    pub(crate) fn has_expired(&self, now: Instant) -> bool {
        let Ok(state) = self.state.try_lock() else { return false };
        let lives = if matches!(state.phase, Phase::Open) { IDLE_SECONDS } else { REMEMBERED_SECONDS };
        now > state.touched.plus_seconds(lives)
    }

    /// Whether it is neither completed nor aborted.
    pub(crate) fn check_open(&self) -> Result<(), Refusal> {
        self.while_open(|_| ())
    }

    /// The parts held, by range, unless it is over.
    pub(crate) fn parts(&self) -> Result<Vec<Part>, Refusal> {
        self.while_open(|state| state.parts.values().copied().collect())
    }

    /// The place of a part, checked against the plan of this upload.
    pub(crate) fn check_range(&self, first: u64, last: u64, header: &str) -> Result<(), Refusal> {
        let part_size = self.facts.part_size;
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

    /// Keeps a part, in place of an earlier one at the same place.
    pub(crate) fn keep_part(&self, disk: Option<(&Disk, &Incoming)>, part: Part) -> Result<(), Refusal> {
        let mut state = lock(&self.state);
        if !matches!(state.phase, Phase::Open) {
            return Err(self.not_found());
        }
        if let Some((disk, bytes)) = disk {
            let old = state.parts.get(&part.first);
            disk.keep_part(&self.facts.upload_id, bytes, &part, old).map_err(|e| Refusal::storage(&e))?;
        }
        state.parts.insert(part.first, part);
        Ok(())
    }

    /// Makes the archive, or finds it made. The flag says whether it is new.
    pub(crate) fn complete(
        &self,
        disk: Option<&Disk>,
        size: u64,
        tree_hash: Digest,
        archive_id: String,
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
            vault: self.facts.vault.clone(),
            archive_id,
            upload_id: Some(self.facts.upload_id.clone()),
            size,
            tree_hash: hex::encode(tree_hash),
            description: self.facts.description.clone(),
            path: None,
        };
        let mut kept = KeptArchive { archive, upload: Some(self.facts.clone()) };
        if let Some(disk) = disk {
            let keep = || {
                let whole = disk.assemble(&self.facts.upload_id, state.parts.values())?;
                let path = disk.keep_archive(&whole, &kept)?;
                disk.remove_upload(&self.facts.upload_id)?;
                Ok(path)
            };
            kept.archive.path = Some(keep().map_err(|e| Refusal::storage(&e))?);
        }
        state.phase = Phase::Completed(kept.archive.clone());
        state.parts.clear();
        Ok((kept.archive, true))
    }

    /// Drops the parts. Again is no error; the flag says whether it was the first time.
    pub(crate) fn abort(&self, disk: Option<&Disk>) -> Result<bool, Refusal> {
        let mut state = lock(&self.state);
        match state.phase {
            Phase::Open => {}
            Phase::Completed(_) => return Err(self.not_found()),
            Phase::Aborted => return Ok(false),
        }
        if let Some(disk) = disk {
            disk.remove_upload(&self.facts.upload_id).map_err(|e| Refusal::storage(&e))?;
        }
        state.phase = Phase::Aborted;
        state.parts.clear();
        Ok(true)
    }

    /// For tests to look at; `None` when it is over.
    pub(crate) fn record(&self) -> Option<UploadRecord> {
        let part =
            |part: &Part| PartRecord { first: part.first, last: part.last, tree_hash: hex::encode(part.tree_hash) };
        Some(UploadRecord {
            upload_id: self.facts.upload_id.clone(),
            vault: self.facts.vault.clone(),
            part_size: self.facts.part_size,
            description: self.facts.description.clone(),
            parts: self.parts().ok()?.iter().map(part).collect(),
        })
    }

    /// Without holes, with no short part but the last, of this size and with this hash.
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
            if end - part.first < self.facts.part_size {
                short = Some(part.first / self.facts.part_size + 1);
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
        Refusal::upload_not_found(&self.facts.upload_id)
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
