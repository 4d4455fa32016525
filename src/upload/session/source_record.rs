//! The record of the source: its identity, and the hashes of the parts that were read from it. Pure.

use super::part_map::{PartMap, PartSet};
use super::parts::StoredPart;
use crate::error::{Error, Kind, Result};
use crate::source::file::Identity;

/// What is known of the source and of the parts that the service holds of it, from this handle or from a journal.
#[derive(Debug, Default)]
pub(crate) struct SourceRecord {
    identity: Option<Identity>,
    parts: PartMap<StoredPart>,
    /// The parts whose hashes are those of the source's bytes for as long as it keeps this identity.
    trusted: PartSet,
}

/// The result of comparing a source with the recorded one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceMatch {
    /// No source is recorded.
    Unknown,
    /// The identity is the same: trusted hashes are those of its bytes.
    Same,
    /// The source may have changed: all parts are hashed again and compared.
    MaybeChanged,
}

impl SourceRecord {
    /// Creates the record that a journal has.
    pub(crate) fn from_journal(identity: Option<Identity>, parts: PartMap<StoredPart>, trusted: PartSet) -> Self {
        Self { identity, parts, trusted }
    }

    /// Records a part that the service holds. `trusted`: its hash is that of the source's bytes for as long as the source has
    /// the identity that was compared last.
    pub(crate) fn insert(&mut self, index: u32, part: StoredPart, trusted: bool) {
        self.parts.insert(index, part);
        if trusted {
            self.trusted.insert(index);
        } else {
            self.trusted.remove(index);
        }
    }

    /// Returns the part with the hash that was computed last.
    pub(crate) fn part(&self, index: u32) -> Option<StoredPart> {
        self.parts.get(index).copied()
    }

    /// Returns true if the source's bytes of a part are known to have this hash, without reading them.
    pub(crate) fn is_trusted(&self, index: u32, part: StoredPart) -> bool {
        self.trusted.contains(index) && self.part(index) == Some(part)
    }

    /// Returns true if the source that was compared last has an identity.
    pub(crate) fn has_identity(&self) -> bool {
        self.identity.is_some()
    }

    /// Returns true if each of the first `count` parts is recorded.
    pub(crate) fn covers(&self, count: u32) -> bool {
        (0..count).all(|index| self.parts.get(index).is_some())
    }

    /// Compares the source with the recorded one, and records its identity. Memory has no identity, and may change between
    /// two calls.
    ///
    /// # Errors
    /// `SourceChanged` if the size differs.
    pub(crate) fn compare(&mut self, now: Option<Identity>) -> Result<SourceMatch> {
        let found = match (self.identity, now) {
            (Some(before), Some(now)) if before.size != now.size => return Err(size_changed(now.size, before.size)),
            (Some(before), Some(now)) if before == now => SourceMatch::Same,
            (None, _) if self.parts.is_empty() => SourceMatch::Unknown,
            _ => SourceMatch::MaybeChanged,
        };
        self.identity = now;
        if found == SourceMatch::MaybeChanged {
            self.trusted.clear();
        }
        Ok(found)
    }
}

/// Returns the error of a source that has another size than the upload.
pub(crate) fn size_changed(now: u64, before: u64) -> Error {
    Error::new(
        Kind::SourceChanged,
        format!("the source has {now} bytes, but had {before} when the upload began: it was replaced or modified"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MIB;
    use crate::treehash::Digest;

    const PART: StoredPart = StoredPart { length: MIB, tree: Digest([1; 32]) };
    const IDENTITY: Identity = Identity { device: 1, inode: 1, size: 5, modified_ns: 1, changed_ns: 1 };

    #[test]
    fn distrusts_all_parts_after_any_identity_change() {
        for changed in [
            Identity { modified_ns: 2, ..IDENTITY },
            Identity { changed_ns: 2, ..IDENTITY },
            Identity { inode: 2, ..IDENTITY },
            Identity { device: 2, ..IDENTITY },
        ] {
            let mut record = SourceRecord { identity: Some(IDENTITY), ..SourceRecord::default() };
            record.insert(0, PART, true);
            assert_eq!(record.compare(Some(IDENTITY)).unwrap(), SourceMatch::Same);
            assert!(record.is_trusted(0, PART));
            assert_eq!(record.compare(Some(changed)).unwrap(), SourceMatch::MaybeChanged, "{changed:?}");
            assert!(!record.is_trusted(0, PART));
            assert_eq!(record.compare(Some(changed)).unwrap(), SourceMatch::Same, "the new identity is recorded");
        }
    }

    #[test]
    fn rejects_another_size() {
        let mut record = SourceRecord { identity: Some(IDENTITY), ..SourceRecord::default() };
        let error = record.compare(Some(Identity { size: 6, ..IDENTITY })).unwrap_err();
        assert_eq!(error.kind(), Kind::SourceChanged);
    }

    #[test]
    fn last_insert_decides_trust() {
        let mut record = SourceRecord::default();
        record.insert(0, PART, true);
        assert!(!record.is_trusted(0, StoredPart { tree: Digest([2; 32]), ..PART }), "another hash");
        record.insert(0, PART, false);
        assert!(!record.is_trusted(0, PART));
    }

    #[test]
    fn memory_source_may_change_between_calls() {
        let mut record = SourceRecord::default();
        assert_eq!(record.compare(None).unwrap(), SourceMatch::Unknown);
        record.insert(0, PART, true);
        assert_eq!(record.compare(None).unwrap(), SourceMatch::MaybeChanged);
        assert!(!record.is_trusted(0, PART));
    }
}
