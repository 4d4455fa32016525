//! Resume comparison: the plan of an archive against the parts that the service lists and the record of the source. Pure.

use std::collections::BTreeMap;

use super::parts::StoredPart;
use super::source_record::SourceRecord;
use crate::api::ListedPart;
use crate::error::{Error, Kind, Result};
use crate::plan::{ByteRange, Plan};
use crate::treehash::Digest;

/// A part that the service may not hold yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PendingPart {
    pub(crate) index: u32,
    pub(crate) range: ByteRange,
    /// The hash of the part that the service holds there. If the source's bytes have the same hash, the part is not sent.
    pub(crate) listed: Option<Digest>,
    /// The hash of the source's bytes when they were read before. If it differs now, the source was modified.
    pub(crate) expected: Option<Digest>,
    /// Whether the hash, once computed, is that of the source's bytes for as long as the source keeps its identity.
    pub(crate) trusted: bool,
}

impl PendingPart {
    pub(crate) fn new(index: u32, range: ByteRange) -> Self {
        Self { index, range, listed: None, expected: None, trusted: false }
    }

    /// Adds the part's index and byte range to an error.
    pub(crate) fn in_part(&self, error: Error) -> Error {
        error.with_context(format_args!("part {} (bytes {})", self.index, self.range.in_bytes()))
    }

    /// Fails if the source's bytes do not have the expected hash.
    pub(crate) fn check_unchanged(&self, now: Digest) -> Result<()> {
        if self.expected.is_none_or(|before| before == now) {
            return Ok(());
        }
        Err(Error::new(
            Kind::SourceChanged,
            format!(
                "part {} (bytes {}) of the source has the tree hash {now}, but had another when it was read for the upload: the source \
                 was replaced or modified",
                self.index,
                self.range.in_bytes()
            ),
        ))
    }

    /// Returns true if the service does not hold the part, or holds other bytes than were sent.
    pub(crate) fn differs_at_service(&self) -> bool {
        self.listed.is_none() || (self.expected.is_some() && self.listed != self.expected)
    }
}

/// Returns all parts of a plan as pending: the parts of a new upload.
pub(crate) fn all_parts(plan: &Plan) -> Vec<PendingPart> {
    let part = |index| plan.range(index).map(|range| PendingPart::new(index, range));
    (0..plan.part_count()).filter_map(part).collect()
}

/// The difference between a plan and the parts that the service lists.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ResumeDiff {
    /// The parts that have to be read, and sent if the service does not hold their bytes.
    pub(crate) pending: Vec<PendingPart>,
    /// The parts that are done, with their hashes.
    pub(crate) done: Vec<(u32, StoredPart)>,
}

/// Compares a plan with the parts that the service lists. A part is done only if its range and its hash are the expected ones,
/// and the hash is known without reading the source.
///
/// # Errors
/// `SourceChanged` if the service holds bytes beyond the end of the source.
pub(crate) fn diff(plan: &Plan, listed: &BTreeMap<u32, ListedPart>, record: &SourceRecord) -> Result<ResumeDiff> {
    check_end(listed, plan.archive_size())?;
    let mut diff = ResumeDiff::default();
    for mut part in all_parts(plan) {
        part.listed = listed.get(&part.index).filter(|listed| listed.covers(part.range)).map(|listed| listed.tree_hash);
        let before = record.part(part.index).filter(|stored| stored.length == part.range.length());
        part.expected = before.map(|stored| stored.tree);
        match before {
            Some(stored) if record.is_trusted(part.index, stored) && part.listed == Some(stored.tree) => {
                diff.done.push((part.index, stored));
            }
            _ => diff.pending.push(part),
        }
    }
    Ok(diff)
}

/// Fails if the service holds more bytes than an archive of that size has.
///
/// # Errors
/// `SourceChanged` names the part.
pub(crate) fn check_end(listed: &BTreeMap<u32, ListedPart>, size: u64) -> Result<()> {
    match part_beyond(listed, size) {
        Some((_, part)) => Err(Error::new(
            Kind::SourceChanged,
            format!(
                "the source has {size} bytes, but the upload already holds bytes {}: it was begun with another source",
                part.range.in_bytes()
            ),
        )),
        None => Ok(()),
    }
}

/// Returns the last listed part if it exceeds an archive of that size.
pub(crate) fn part_beyond(listed: &BTreeMap<u32, ListedPart>, size: u64) -> Option<(u32, &ListedPart)> {
    let (index, part) = listed.last_key_value()?;
    // The end of the last part may be one too large: see `ListedPart::covers`.
    (part.range.first >= size || part.range.last > size).then_some((*index, part))
}

#[cfg(test)]
mod tests {
    use super::super::parts::by_index;
    use super::*;
    use crate::limits::MIB;

    fn plan() -> Plan {
        Plan::new(3 * MIB + 5, Some(MIB)).unwrap()
    }

    fn entry(first: u64, last: u64, n: u8) -> ListedPart {
        ListedPart { range: ByteRange { first, last }, tree_hash: Digest([n; 32]) }
    }

    fn record_of(parts: &[(u32, u8)]) -> SourceRecord {
        let mut record = SourceRecord::default();
        for (index, n) in parts {
            let length = plan().range(*index).unwrap().length();
            record.insert(*index, StoredPart { length, tree: Digest([*n; 32]) }, true);
        }
        record
    }

    fn compare(listed: &[ListedPart], record: &SourceRecord) -> Result<ResumeDiff> {
        diff(&plan(), &by_index(MIB, listed)?, record)
    }

    /// Returns the indexes of the pending parts, and whether the service holds something to compare them with.
    fn pending(listed: &[ListedPart]) -> Vec<(u32, bool)> {
        let pending = compare(listed, &SourceRecord::default()).unwrap().pending;
        pending.iter().map(|part| (part.index, part.listed.is_some())).collect()
    }

    #[test]
    fn tells_done_different_and_missing_parts_apart() {
        let listed = [entry(0, MIB - 1, 1), entry(MIB, 2 * MIB - 1, 2), entry(3 * MIB, 3 * MIB + 4, 4)];
        let ResumeDiff { pending, done } = compare(&listed, &record_of(&[(0, 1), (1, 9), (2, 3)])).unwrap();
        assert_eq!(done, [(0, StoredPart { length: MIB, tree: Digest([1; 32]) })]);
        let hash = |n| Some(Digest([n; 32]));
        let pending: Vec<_> = pending.iter().map(|part| (part.index, part.listed, part.expected)).collect();
        assert_eq!(
            pending,
            [(1, hash(2), hash(9)), (2, None, hash(3)), (3, hash(4), None)],
            "1 differs, 2 is missing, 3 has to be read to know"
        );
    }

    #[test]
    fn rereads_parts_that_are_not_trusted() {
        let (listed, stored) = ([entry(0, MIB - 1, 1)], StoredPart { length: MIB, tree: Digest([1; 32]) });
        let mut record = SourceRecord::default();
        record.insert(0, stored, false);
        let ResumeDiff { pending, done } = compare(&listed, &record).unwrap();
        assert!(done.is_empty() && pending[0].expected == Some(stored.tree));
        pending[0].check_unchanged(Digest([1; 32])).unwrap();
        let error = pending[0].check_unchanged(Digest([2; 32])).unwrap_err();
        assert_eq!(error.kind(), Kind::SourceChanged);
        assert!(error.message().contains("part 0 (bytes 0-1048575)"), "{error}");
        record.insert(0, stored, true);
        assert_eq!(compare(&listed, &record).unwrap().done.len(), 1);
    }

    #[test]
    fn resends_part_of_another_length() {
        assert_eq!(pending(&[entry(MIB, MIB + 9, 1)])[1], (1, false));
        assert_eq!(pending(&[entry(3 * MIB, 3 * MIB + 3, 1)])[3], (3, false));
    }

    #[test]
    fn accepts_listed_end_that_is_one_too_large() {
        assert_eq!(pending(&[entry(0, MIB, 1)])[0], (0, true));
        assert_eq!(pending(&[entry(3 * MIB, 3 * MIB + 5, 1)])[3], (3, true));
    }

    #[test]
    fn rejects_parts_of_another_source() {
        for listed in [entry(3 * MIB, 4 * MIB - 1, 1), entry(4 * MIB, 5 * MIB - 1, 1)] {
            assert_eq!(compare(&[listed], &SourceRecord::default()).unwrap_err().kind(), Kind::SourceChanged);
        }
        let beyond = entry(10_000 * MIB, 10_001 * MIB - 1, 1);
        let (one, other, short) = (entry(0, MIB - 1, 1), entry(0, MIB - 1, 2), entry(0, 9, 1));
        for listed in
            [&[entry(7, MIB - 1, 1)][..], &[entry(0, 2 * MIB - 1, 1)], &[beyond], &[one, other], &[one, short]]
        {
            assert_eq!(compare(listed, &SourceRecord::default()).unwrap_err().kind(), Kind::Protocol);
        }
        compare(&[one, one], &SourceRecord::default()).unwrap();
    }
}
