//! The parts of one upload: which the service has acknowledged, with which hashes, and which are in flight. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::api::ListedPart;
use crate::error::{Error, Kind, Result};
use crate::limits::{PARTS_MAX, check_part};
use crate::plan::ByteRange;
use crate::treehash::{Digest, combine};

/// A part that the service holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredPart {
    pub(crate) length: u64,
    pub(crate) tree: Digest,
}

/// The parts of one upload.
#[derive(Debug)]
pub(crate) struct Parts {
    part_size: u64,
    stored: BTreeMap<u32, StoredPart>,
    /// The lengths of the stored parts that are shorter than the part size. Kept apart because each of up to 10,000 parts is
    /// compared with them before it is sent.
    short: BTreeMap<u32, u64>,
    in_flight: BTreeMap<u32, u64>,
    /// Parts that were sent and neither acknowledged nor rejected: the service may hold the old bytes, the new ones, or none.
    uncertain: BTreeSet<u32>,
    /// The short part whose length is from a list. The service was seen to list an end that is one too large.
    listed_end: Option<u32>,
}

impl Parts {
    pub(crate) fn new(part_size: u64) -> Self {
        let (stored, short, in_flight) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { part_size, stored, short, in_flight, uncertain: BTreeSet::new(), listed_end: None }
    }

    pub(crate) fn stored(&self, index: u32) -> Option<StoredPart> {
        self.stored.get(&index).copied()
    }

    /// Returns the bytes of the archive that a part of `length` bytes covers.
    pub(crate) fn range(&self, index: u32, length: u64) -> ByteRange {
        let first = u64::from(index) * self.part_size;
        ByteRange { first, last: first + length.max(1) - 1 }
    }

    /// Records that a part is in flight.
    ///
    /// # Errors
    /// `Invalid` if no upload can have the part: only the last part may be short. `Busy` if the part is in flight.
    pub(crate) fn begin(&mut self, index: u32, length: u64) -> Result<()> {
        check_part(index, length, self.part_size)?;
        if self.in_flight.contains_key(&index) {
            return Err(Error::new(Kind::Busy, format!("part {index} is being sent by another call")));
        }
        self.check_shortness(index, length)?;
        self.in_flight.insert(index, length);
        Ok(())
    }

    /// Records that the service acknowledged a part.
    pub(crate) fn acknowledged(&mut self, index: u32, part: StoredPart) {
        self.in_flight.remove(&index);
        self.uncertain.remove(&index);
        self.store(index, part);
    }

    /// Records that sending a part failed: what the service holds of it is unknown.
    pub(crate) fn failed(&mut self, index: u32) {
        self.in_flight.remove(&index);
        self.stored.remove(&index);
        self.short.remove(&index);
        self.uncertain.insert(index);
        self.listed_end = self.listed_end.filter(|end| *end != index);
    }

    /// Records that a part was not sent after [`Parts::begin`]: nothing changed at the service.
    pub(crate) fn withdrawn(&mut self, index: u32) {
        self.in_flight.remove(&index);
    }

    /// Returns the end of the last stored part, in bytes from the start of the archive.
    pub(crate) fn end(&self) -> u64 {
        self.stored.last_key_value().map_or(0, |(index, part)| self.range(*index, part.length).last + 1)
    }

    /// Returns the tree hash of an archive of `size` bytes.
    ///
    /// # Errors
    /// `Incomplete` names the part that is missing, or has another length than it must have.
    pub(crate) fn archive_hash(&self, size: u64) -> Result<Digest> {
        let incomplete = |what: String| Error::new(Kind::Incomplete, what);
        if let Some(index) = self.uncertain.first() {
            return Err(incomplete(format!("part {index} was sent, but not acknowledged: put it again")));
        }
        let mut trees = Vec::with_capacity(self.stored.len());
        for (index, first) in (0..).zip((0..size).step_by(usize::try_from(self.part_size).unwrap_or(usize::MAX))) {
            let range = self.range(index, self.part_size.min(size - first));
            let stored = self
                .stored(index)
                .ok_or_else(|| incomplete(format!("part {index} is missing (bytes {} of {size})", range.in_bytes())))?;
            let is_listed_one_more = self.listed_end == Some(index) && stored.length == range.length() + 1;
            if stored.length != range.length() && !is_listed_one_more {
                return Err(incomplete(different_length(index, stored.length, range, size)));
            }
            trees.push(stored.tree);
        }
        let end = |index| self.end() - u64::from(self.listed_end == Some(index) && self.range(index, 1).first < size);
        if let Some((last, _)) = self.stored.last_key_value().filter(|(last, _)| end(**last) > size) {
            return Err(incomplete(format!(
                "part {last} ends at byte {}, but the archive has {size} bytes",
                self.end()
            )));
        }
        combine(&trees).map_err(|_| incomplete("no part was put: an archive has at least 1 byte".to_owned()))
    }

    /// Describes how the last part differs from an archive of `size` bytes, if it is listed with one byte more than it must have.
    pub(crate) fn difference_of_listed_end(&self, size: u64) -> Option<String> {
        let index = self.listed_end.filter(|_| self.end() == size + 1)?;
        let range = self.range(index, size.checked_sub(self.range(index, 1).first)?);
        Some(different_length(index, range.length() + 1, range, size))
    }

    /// Replaces the stored parts by those that the service lists. Uncertain parts stay uncertain.
    pub(crate) fn adopt(&mut self, listed: &BTreeMap<u32, ListedPart>) {
        // Sorted parts in one step make the fewest nodes.
        let stored = |(index, part): (&u32, &ListedPart)| {
            (*index, StoredPart { length: part.length(self.part_size), tree: part.tree_hash })
        };
        self.stored = listed.iter().map(stored).collect();
        let is_short = |(_, part): &(&u32, &StoredPart)| part.length < self.part_size;
        self.short = self.stored.iter().filter(is_short).map(|(index, part)| (*index, part.length)).collect();
        self.listed_end = self.short.keys().next_back().copied();
    }

    fn store(&mut self, index: u32, part: StoredPart) {
        self.listed_end = self.listed_end.filter(|end| *end != index);
        self.stored.insert(index, part);
        if part.length < self.part_size {
            self.short.insert(index, part.length);
        } else {
            self.short.remove(&index);
        }
    }

    fn check_shortness(&self, index: u32, length: u64) -> Result<()> {
        let above = index.saturating_add(1)..;
        let stored_above = self.stored.range(above.clone()).map(|(above, _)| above).next();
        let above = stored_above.or_else(|| self.in_flight.range(above).map(|(above, _)| above).next());
        if let Some(above) = above.filter(|_| length < self.part_size) {
            return Err(Error::invalid(format!(
                "part {index} has {length} bytes, less than the part size {}, but is not the last: part {above} was put",
                self.part_size
            )));
        }
        let in_flight = self.in_flight.iter().filter(|(_, length)| **length < self.part_size);
        if let Some((short, have)) = self.short.iter().chain(in_flight).find(|(other, _)| **other < index) {
            return Err(Error::invalid(format!(
                "part {short} has {have} bytes, less than the part size {}: it is the last, and part {index} cannot follow it",
                self.part_size
            )));
        }
        Ok(())
    }
}

fn different_length(index: u32, length: u64, range: ByteRange, size: u64) -> String {
    format!(
        "part {index} has {length} bytes, but in an archive of {size} bytes it must have {} (bytes {})",
        range.length(),
        range.in_bytes()
    )
}

/// Returns the parts that the service lists, by their index.
///
/// # Errors
/// `Protocol` for a part that an upload with this part size cannot have, or that is listed twice with differences.
pub(crate) fn by_index(part_size: u64, listed: &[ListedPart]) -> Result<BTreeMap<u32, ListedPart>> {
    let index_of = |part: &ListedPart| {
        let index = u32::try_from(part.range.first / part_size).ok().filter(|index| *index < PARTS_MAX)?;
        let is_valid = part.range.first.is_multiple_of(part_size) && part.range.length() <= part_size + 1;
        is_valid.then_some((index, *part))
    };
    let invalid = |part: &ListedPart| {
        Error::new(
            Kind::Protocol,
            format!(
                "the service lists a part with the bytes {}: an upload with parts of {part_size} bytes cannot have it",
                part.range.in_bytes()
            ),
        )
    };
    let mut parts = Vec::with_capacity(listed.len());
    for part in listed {
        parts.push(index_of(part).ok_or_else(|| invalid(part))?);
    }
    parts.sort_by_key(|(index, _)| *index);
    if let Some(index) = parts.windows(2).find_map(differ) {
        let text = format!("the service lists part {index} twice, with different lengths or tree hashes");
        return Err(Error::new(Kind::Protocol, text));
    }
    // Sorted parts in one step make the fewest nodes.
    Ok(parts.into_iter().collect())
}

/// Returns the index of two listed parts that have the same one and differ.
fn differ(pair: &[(u32, ListedPart)]) -> Option<u32> {
    match pair {
        [(index, one), (other_index, other)] if index == other_index && one != other => Some(*index),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MIB;

    fn hash(n: u8) -> Digest {
        Digest([n; 32])
    }

    fn put(parts: &mut Parts, index: u32, length: u64) -> Result<()> {
        parts.begin(index, length)?;
        parts.acknowledged(index, StoredPart { length, tree: hash(1) });
        Ok(())
    }

    #[test]
    fn rejects_lengths_and_indexes_out_of_range() {
        let mut parts = Parts::new(MIB);
        for (index, length) in [(0, 0), (0, MIB + 1), (10_000, MIB), (u32::MAX, 1)] {
            assert_eq!(put(&mut parts, index, length).unwrap_err().kind(), Kind::Invalid, "{index} {length}");
        }
        put(&mut parts, 9_999, MIB).unwrap();
    }

    #[test]
    fn accepts_only_the_last_part_short() {
        let mut parts = Parts::new(MIB);
        put(&mut parts, 5, MIB).unwrap();
        assert_eq!(put(&mut parts, 4, 7).unwrap_err().kind(), Kind::Invalid, "below a part");
        put(&mut parts, 6, 7).unwrap();
        assert_eq!(put(&mut parts, 7, 7).unwrap_err().kind(), Kind::Invalid, "a second short part");
        assert_eq!(put(&mut parts, 8, MIB).unwrap_err().kind(), Kind::Invalid, "above a short part");
        put(&mut parts, 6, MIB).unwrap();
        put(&mut parts, 7, 7).unwrap();
    }

    #[test]
    fn rejects_part_in_flight() {
        let mut parts = Parts::new(MIB);
        parts.begin(3, MIB).unwrap();
        assert_eq!(parts.begin(3, MIB).unwrap_err().kind(), Kind::Busy);
        assert_eq!(parts.begin(2, 1).unwrap_err().kind(), Kind::Invalid, "one in flight counts as put");
        parts.withdrawn(3);
        parts.begin(3, MIB).unwrap();
    }

    #[test]
    fn archive_hash_requires_all_parts_at_their_lengths() {
        let mut parts = Parts::new(MIB);
        let kind = |parts: &Parts, size| parts.archive_hash(size).map_err(|error| error.kind());
        assert_eq!(kind(&parts, 0), Err(Kind::Incomplete), "nothing was put");
        put(&mut parts, 0, MIB).unwrap();
        put(&mut parts, 2, 5).unwrap();
        assert_eq!(parts.end(), 2 * MIB + 5);
        assert!(parts.archive_hash(2 * MIB + 5).unwrap_err().message().contains("part 1"));
        put(&mut parts, 1, MIB).unwrap();
        parts.archive_hash(2 * MIB + 5).unwrap();
        let message = |size| parts.archive_hash(size).unwrap_err().message().to_owned();
        assert!(message(2 * MIB + 6).contains("part 2 has 5 bytes, but in an archive of 2097158 bytes it must have 6"));
        assert!(message(5 * MIB).contains("part 2 has 5 bytes"), "a short part that is not the last");
        assert!(message(2 * MIB).contains("part 2 ends at byte 2097157"), "more than the archive has");
        put(&mut parts, 2, MIB).unwrap();
        let message = parts.archive_hash(3 * MIB + 1).unwrap_err().message().to_owned();
        assert!(message.contains("part 3 is missing (bytes 3145728-3145728 of 3145729)"), "the tail: {message}");
    }

    #[test]
    fn a_listed_end_may_be_one_too_large() {
        let hash_of = |listed: &[(u32, u64)], size| {
            let mut parts = Parts::new(MIB);
            let listed = listed.iter().map(|(index, length)| {
                let first = u64::from(*index) * MIB;
                (*index, ListedPart { range: ByteRange { first, last: first + length - 1 }, tree_hash: hash(1) })
            });
            parts.adopt(&listed.collect());
            parts.archive_hash(size).is_ok()
        };
        for (length, size, is_complete) in
            [(5, 5, true), (6, 5, true), (7, 5, false), (5, 6, false), (MIB + 1, MIB, true), (1, 1, true)]
        {
            assert_eq!(hash_of(&[(0, MIB), (1, length)], MIB + size), is_complete, "{length} {size}");
        }
        assert!(!hash_of(&[(0, MIB), (1, 1)], MIB), "a part more than the archive has");
        assert!(!hash_of(&[(0, 6), (1, MIB)], MIB + 5), "only the last part");

        let mut parts = Parts::new(MIB);
        let range = ByteRange { first: 0, last: 5 };
        parts.adopt(&BTreeMap::from([(0, ListedPart { range, tree_hash: hash(1) })]));
        put(&mut parts, 0, 6).unwrap();
        assert!(parts.archive_hash(5).is_err(), "the length of a part that was put is known");
    }

    #[test]
    fn failed_part_is_missing_until_it_is_acknowledged() {
        let mut parts = Parts::new(MIB);
        put(&mut parts, 0, MIB).unwrap();
        parts.begin(1, 9).unwrap();
        parts.failed(1);
        assert!(
            parts.archive_hash(MIB).unwrap_err().message().contains("part 1"),
            "the tail may not be cut off silently"
        );
        put(&mut parts, 1, 9).unwrap();
        parts.archive_hash(MIB + 9).unwrap();
    }
}
