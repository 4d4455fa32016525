//! What is left to do of an upload that exists already: the plan, against what the service lists and what is remembered of
//! the source. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::parts::StoredPart;
use crate::api::ListedPart;
use crate::error::{Error, Kind, Result};
use crate::plan::{ByteRange, Plan};
use crate::source::file::Identity;
use crate::treehash::Digest;

/// One part that is not known to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PendingPart {
    pub(crate) index: u32,
    pub(crate) range: ByteRange,
    /// What the service holds there: if the source's bytes have the same hash, the part need not be sent.
    pub(crate) listed: Option<Digest>,
    /// The hash that the source's bytes must have, as they had it when they were read before: otherwise the source changed.
    pub(crate) expected: Option<Digest>,
    /// Whether the hash, once it is known, is that of the source's bytes for as long as the source has its identity.
    pub(crate) trusted: bool,
}

impl PendingPart {
    pub(crate) fn new(index: u32, range: ByteRange) -> Self {
        Self { index, range, listed: None, expected: None, trusted: false }
    }

    /// Says in an error which part of the source it is about.
    pub(crate) fn in_part(&self, error: Error) -> Error {
        error.with_context(format_args!("part {} ({})", self.index, self.range.in_bytes()))
    }

    /// Fails if the source's bytes do not have the hash that they must have.
    pub(crate) fn check_unchanged(&self, now: Digest) -> Result<()> {
        if self.expected.is_none_or(|before| before == now) {
            return Ok(());
        }
        Err(Error::new(
            Kind::SourceChanged,
            format!(
                "part {} ({}) of the source has the tree hash {now}, but the upload has another: the source was replaced or \
                 modified since it was read before",
                self.index,
                self.range.in_bytes()
            ),
        ))
    }
}

/// All parts of a plan, as of an upload that has none yet.
pub(crate) fn all_parts(plan: &Plan) -> Vec<PendingPart> {
    let part = |index| plan.range(index).map(|range| PendingPart::new(index, range));
    (0..plan.part_count()).filter_map(part).collect()
}

/// What is remembered of the source, and of the parts that the service holds of it: by this handle, or by a journal.
#[derive(Debug, Default)]
pub(crate) struct SourceRecord {
    source: Option<Identity>,
    parts: BTreeMap<u32, StoredPart>,
    /// The parts whose hashes are those of the source's bytes for as long as it has that identity.
    trusted: BTreeSet<u32>,
}

/// How a source compares with the one that is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceMatch {
    /// None is remembered.
    Unknown,
    /// It has the same identity: trusted hashes are those of its bytes.
    Same,
    /// It may have changed: what was hashed is hashed again, and compared.
    MaybeChanged,
}

impl SourceRecord {
    /// As a journal has it.
    pub(crate) fn from_journal(
        source: Option<Identity>,
        parts: BTreeMap<u32, StoredPart>,
        trusted: BTreeSet<u32>,
    ) -> Self {
        Self { source, parts, trusted }
    }

    /// Takes note of a part that the service holds. `trusted`: its hash is that of the source's bytes for as long as the
    /// source has the identity that was compared last.
    pub(crate) fn note(&mut self, index: u32, held: StoredPart, trusted: bool) {
        self.parts.insert(index, held);
        if trusted {
            self.trusted.insert(index);
        } else {
            self.trusted.remove(&index);
        }
    }

    /// The part as it was hashed last.
    pub(crate) fn part(&self, index: u32) -> Option<StoredPart> {
        self.parts.get(&index).copied()
    }

    /// Whether the source's bytes of a part have this hash, without reading them.
    pub(crate) fn is_trusted(&self, index: u32, held: StoredPart) -> bool {
        self.trusted.contains(&index) && self.part(index) == Some(held)
    }

    /// Whether the source that was compared last has an identity.
    pub(crate) fn has_identity(&self) -> bool {
        self.source.is_some()
    }

    /// Whether something is remembered of each of the first `count` parts.
    pub(crate) fn covers(&self, count: u32) -> bool {
        (0..count).all(|index| self.parts.contains_key(&index))
    }

    /// Compares the source with the one that is remembered, and remembers this one. Memory has no identity, and may have
    /// changed between two calls.
    ///
    /// # Errors
    /// `SourceChanged` if its size is another.
    pub(crate) fn compare(&mut self, now: Option<Identity>) -> Result<SourceMatch> {
        let sameness = match (self.source, now) {
            (Some(before), Some(now)) if before.size != now.size => return Err(another_size(now.size, before.size)),
            (Some(before), Some(now)) if before == now => SourceMatch::Same,
            (None, _) if self.parts.is_empty() => SourceMatch::Unknown,
            _ => SourceMatch::MaybeChanged,
        };
        self.source = now;
        if sameness == SourceMatch::MaybeChanged {
            self.trusted.clear();
        }
        Ok(sameness)
    }
}

/// The error of a source that has another size than the upload's.
pub(crate) fn another_size(now: u64, before: u64) -> Error {
    Error::new(
        Kind::SourceChanged,
        format!("the source has {now} bytes, but had {before} when the upload began: it was replaced or modified"),
    )
}

/// A part as the service lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredListing {
    pub(crate) range: ByteRange,
    pub(crate) tree: Digest,
}

impl StoredListing {
    /// Whether it is these bytes. The live service was seen to give an end that is one too large.
    pub(crate) fn covers(&self, range: ByteRange) -> bool {
        self.range.last == range.last || self.range.last == range.last + 1
    }

    /// Its bytes, of a part that can have so many.
    pub(crate) fn length(&self, part_size: u64) -> u64 {
        self.range.length().min(part_size)
    }
}

/// The listed parts by their index.
///
/// # Errors
/// `Protocol` for parts that cannot be.
pub(crate) fn by_index(part_size: u64, listed: &[ListedPart]) -> Result<BTreeMap<u32, StoredListing>> {
    let place = |part: &ListedPart| {
        let index = u32::try_from(part.range.first / part_size).ok()?;
        let sound = part.range.first.is_multiple_of(part_size) && part.range.length() <= part_size + 1;
        sound.then_some((index, StoredListing { range: part.range, tree: part.tree_hash }))
    };
    let cannot_be = |part: &ListedPart| {
        Error::new(
            Kind::Protocol,
            format!("the service lists a part {}, which parts of {part_size} bytes cannot be", part.range.in_bytes()),
        )
    };
    listed.iter().map(|part| place(part).ok_or_else(|| cannot_be(part))).collect()
}

/// How a plan and a list of parts compare.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ResumeDiff {
    /// The parts that are still to be looked at.
    pub(crate) left: Vec<PendingPart>,
    /// The parts that are done, with their hashes.
    pub(crate) done: Vec<(u32, StoredPart)>,
}

/// Compares what is planned with what the service lists. A part is done only if its range and its hash are the expected
/// ones, and the hash is known without reading the source.
///
/// # Errors
/// `SourceChanged` if the service holds bytes that the source does not have.
pub(crate) fn diff(plan: &Plan, listed: &BTreeMap<u32, StoredListing>, known: &SourceRecord) -> Result<ResumeDiff> {
    check_end(listed, plan.archive_size())?;
    let mut comparison = ResumeDiff::default();
    for mut todo in all_parts(plan) {
        todo.listed = listed.get(&todo.index).filter(|part| part.covers(todo.range)).map(|part| part.tree);
        let before = known.part(todo.index).filter(|held| held.length == todo.range.length());
        todo.expected = before.map(|held| held.tree);
        match before {
            Some(held) if known.is_trusted(todo.index, held) && todo.listed == Some(held.tree) => {
                comparison.done.push((todo.index, held));
            }
            _ => comparison.left.push(todo),
        }
    }
    Ok(comparison)
}

/// Fails if the service holds more than an archive of that size has.
///
/// # Errors
/// `SourceChanged` names the part.
pub(crate) fn check_end(listed: &BTreeMap<u32, StoredListing>, size: u64) -> Result<()> {
    match listed.last_key_value() {
        // The end of the last one may be one too large.
        Some((_, part)) if part.range.first >= size || part.range.last > size => Err(Error::new(
            Kind::SourceChanged,
            format!(
                "the source has {size} bytes, but the upload already holds the bytes {}: it is of another source",
                part.range.in_bytes()
            ),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MIB;

    fn plan() -> Plan {
        Plan::new(3 * MIB + 5, Some(MIB)).unwrap()
    }

    fn entry(first: u64, last: u64, n: u8) -> ListedPart {
        ListedPart { range: ByteRange { first, last }, tree_hash: Digest([n; 32]) }
    }

    fn known(parts: &[(u32, u8)]) -> SourceRecord {
        let mut known = SourceRecord::default();
        for (index, n) in parts {
            let length = plan().range(*index).unwrap().length();
            known.note(*index, StoredPart { length, tree: Digest([*n; 32]) }, true);
        }
        known
    }

    fn compare(listed: &[ListedPart], known: &SourceRecord) -> Result<ResumeDiff> {
        diff(&plan(), &by_index(MIB, listed)?, known)
    }

    /// The indexes of the parts that are left, and whether the service holds something to compare them with.
    fn left(listed: &[ListedPart]) -> Vec<(u32, bool)> {
        let left = compare(listed, &SourceRecord::default()).unwrap().left;
        left.iter().map(|todo| (todo.index, todo.listed.is_some())).collect()
    }

    #[test]
    fn done_compared_and_missing() {
        let listed = [entry(0, MIB - 1, 1), entry(MIB, 2 * MIB - 1, 2), entry(3 * MIB, 3 * MIB + 4, 4)];
        let ResumeDiff { left, done } = compare(&listed, &known(&[(0, 1), (1, 9), (2, 3)])).unwrap();
        assert_eq!(done, [(0, StoredPart { length: MIB, tree: Digest([1; 32]) })]);
        let hash = |n| Some(Digest([n; 32]));
        let left: Vec<_> = left.iter().map(|todo| (todo.index, todo.listed, todo.expected)).collect();
        assert_eq!(
            left,
            [(1, hash(2), hash(9)), (2, None, hash(3)), (3, hash(4), None)],
            "1 differs, 2 is missing, 3 has to be read to know"
        );
    }

    #[test]
    fn rereads_parts_of_a_source_that_may_have_changed() {
        let identity = Identity { device: 1, inode: 1, size: 3 * MIB + 5, modified_ns: 1, changed_ns: 1 };
        let listed = [entry(0, MIB - 1, 1)];
        let part = StoredPart { length: MIB, tree: Digest([1; 32]) };
        for touched in [
            Identity { modified_ns: 2, ..identity },
            Identity { changed_ns: 2, ..identity },
            Identity { inode: 2, ..identity },
            Identity { device: 2, ..identity },
        ] {
            let mut known = known(&[(0, 1)]);
            known.source = Some(identity);
            assert_eq!(known.compare(Some(identity)).unwrap(), SourceMatch::Same);
            assert_eq!(compare(&listed, &known).unwrap().done.len(), 1);

            assert_eq!(known.compare(Some(touched)).unwrap(), SourceMatch::MaybeChanged, "{touched:?}");
            let todo = compare(&listed, &known).unwrap().left[0];
            todo.check_unchanged(Digest([1; 32])).unwrap();
            let error = todo.check_unchanged(Digest([2; 32])).unwrap_err();
            assert_eq!(error.kind(), Kind::SourceChanged);
            assert!(error.message().contains("part 0 (0-1048575)"), "{error}");
            assert_eq!(known.compare(Some(touched)).unwrap(), SourceMatch::Same, "it is the one remembered now");
            known.note(0, part, true);
            assert_eq!(compare(&listed, &known).unwrap().done.len(), 1);
        }
        let mut known = known(&[(0, 1)]);
        known.source = Some(identity);
        let longer = Identity { size: 1, ..identity };
        assert_eq!(known.compare(Some(longer)).unwrap_err().kind(), Kind::SourceChanged);
    }

    #[test]
    fn rereads_parts_that_are_not_trusted() {
        let (listed, part) = ([entry(0, MIB - 1, 1)], StoredPart { length: MIB, tree: Digest([1; 32]) });
        let mut known = SourceRecord::default();
        known.note(0, part, false);
        let ResumeDiff { left, done } = compare(&listed, &known).unwrap();
        assert!(done.is_empty() && left[0].expected == Some(part.tree));
        known.note(0, part, true);
        assert!(!known.is_trusted(0, StoredPart { tree: Digest([2; 32]), ..part }), "another hash");
        known.note(0, part, false);
        assert!(!known.is_trusted(0, part), "the last note counts");
    }

    #[test]
    fn memory_may_have_changed_between_two_calls() {
        let mut known = SourceRecord::default();
        assert_eq!(known.compare(None).unwrap(), SourceMatch::Unknown);
        known.note(0, StoredPart { length: MIB, tree: Digest([1; 32]) }, true);
        assert_eq!(known.compare(None).unwrap(), SourceMatch::MaybeChanged);
        assert!(known.trusted.is_empty());
    }

    #[test]
    fn a_part_of_another_length_is_sent_again() {
        assert_eq!(left(&[entry(MIB, MIB + 9, 1)])[1], (1, false));
        assert_eq!(left(&[entry(3 * MIB, 3 * MIB + 3, 1)])[3], (3, false));
    }

    #[test]
    fn an_end_that_is_one_too_large_is_taken() {
        assert_eq!(left(&[entry(0, MIB, 1)])[0], (0, true));
        assert_eq!(left(&[entry(3 * MIB, 3 * MIB + 5, 1)])[3], (3, true));
    }

    #[test]
    fn another_source_is_noticed() {
        for listed in [entry(3 * MIB, 4 * MIB - 1, 1), entry(4 * MIB, 5 * MIB - 1, 1)] {
            assert_eq!(compare(&[listed], &SourceRecord::default()).unwrap_err().kind(), Kind::SourceChanged);
        }
        for listed in [entry(7, MIB - 1, 1), entry(0, 2 * MIB - 1, 1)] {
            assert_eq!(compare(&[listed], &SourceRecord::default()).unwrap_err().kind(), Kind::Protocol);
        }
    }
}
