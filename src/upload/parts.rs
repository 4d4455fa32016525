//! What is known of the parts of one upload: which the service acknowledged, with which hashes, and which are on their way.
//! Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::resume::StoredListing;
use crate::error::{Error, Kind, Result};
use crate::limits::check_part;
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
    held: BTreeMap<u32, StoredPart>,
    /// The lengths of those held that are short: looked at for each part that goes out, of which there may be 10,000.
    short: BTreeMap<u32, u64>,
    in_flight: BTreeMap<u32, u64>,
    /// Tried, and neither acknowledged nor refused: the service may hold the old bytes, the new ones, or none.
    uncertain: BTreeSet<u32>,
}

impl Parts {
    pub(crate) fn new(part_size: u64) -> Self {
        let (held, short, in_flight) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { part_size, held, short, in_flight, uncertain: BTreeSet::new() }
    }

    pub(crate) fn held(&self, index: u32) -> Option<StoredPart> {
        self.held.get(&index).copied()
    }

    /// The archive's bytes that a part of a length covers.
    pub(crate) fn range(&self, index: u32, length: u64) -> ByteRange {
        let first = u64::from(index) * self.part_size;
        ByteRange { first, last: first + length.max(1) - 1 }
    }

    /// Lets a part go out, if it can be one: only the last part may be short.
    pub(crate) fn send(&mut self, index: u32, length: u64) -> Result<()> {
        check_part(index, length, self.part_size)?;
        if self.in_flight.contains_key(&index) {
            return Err(Error::new(Kind::Busy, format!("part {index} is being sent by another call")));
        }
        self.check_shortness(index, length)?;
        self.in_flight.insert(index, length);
        Ok(())
    }

    /// The service acknowledged a part.
    pub(crate) fn acknowledged(&mut self, index: u32, part: StoredPart) {
        self.in_flight.remove(&index);
        self.uncertain.remove(&index);
        self.hold(index, part);
    }

    /// Sending a part failed. What the service holds there cannot be known.
    pub(crate) fn failed(&mut self, index: u32) {
        self.in_flight.remove(&index);
        self.held.remove(&index);
        self.short.remove(&index);
        self.uncertain.insert(index);
    }

    /// A part that was let out was not sent after all: nothing changed.
    pub(crate) fn withdrawn(&mut self, index: u32) {
        self.in_flight.remove(&index);
    }

    /// Where the last part known here ends.
    pub(crate) fn end(&self) -> u64 {
        self.held.last_key_value().map_or(0, |(index, held)| self.range(*index, held.length).last + 1)
    }

    /// The tree hash of the archive, if the parts are all its bytes.
    ///
    /// # Errors
    /// `Incomplete` names the part that is not as it should be.
    pub(crate) fn archive_hash(&self, size: u64) -> Result<Digest> {
        let incomplete = |what: String| Error::new(Kind::Incomplete, what);
        if let Some(index) = self.uncertain.first() {
            return Err(incomplete(format!("part {index} was tried, but not acknowledged: put it again")));
        }
        let mut trees = Vec::with_capacity(self.held.len());
        for (index, first) in (0..).zip((0..size).step_by(usize::try_from(self.part_size).unwrap_or(usize::MAX))) {
            let range = self.range(index, self.part_size.min(size - first));
            let held = self.held(index).ok_or_else(|| {
                incomplete(format!("part {index} is missing ({}, of {size} bytes)", range.in_bytes()))
            })?;
            if held.length != range.length() {
                return Err(incomplete(format!(
                    "part {index} has {} bytes, but in an archive of {size} bytes it must have {} ({})",
                    held.length,
                    range.length(),
                    range.in_bytes()
                )));
            }
            trees.push(held.tree);
        }
        if let Some((last, _)) = self.held.last_key_value().filter(|_| self.end() > size) {
            return Err(incomplete(format!(
                "part {last} reaches up to byte {}, but the archive has {size} bytes",
                self.end()
            )));
        }
        combine(&trees).map_err(|_| incomplete("no part was put: an archive has at least 1 byte".to_owned()))
    }

    /// Takes the list of the service for what it holds. What was tried and not acknowledged stays uncertain.
    pub(crate) fn adopt(&mut self, listed: &BTreeMap<u32, StoredListing>) {
        self.held.clear();
        self.short.clear();
        for (index, part) in listed {
            self.hold(*index, StoredPart { length: part.length(self.part_size), tree: part.tree });
        }
    }

    fn hold(&mut self, index: u32, part: StoredPart) {
        self.held.insert(index, part);
        if part.length < self.part_size {
            self.short.insert(index, part.length);
        } else {
            self.short.remove(&index);
        }
    }

    fn check_shortness(&self, index: u32, length: u64) -> Result<()> {
        let above = index.saturating_add(1)..;
        let held_above = self.held.range(above.clone()).map(|(above, _)| above).next();
        let above = held_above.or_else(|| self.in_flight.range(above).map(|(above, _)| above).next());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MIB;

    fn hash(n: u8) -> Digest {
        Digest([n; 32])
    }

    fn put(parts: &mut Parts, index: u32, length: u64) -> Result<()> {
        parts.send(index, length)?;
        parts.acknowledged(index, StoredPart { length, tree: hash(1) });
        Ok(())
    }

    #[test]
    fn lengths_and_indexes() {
        let mut parts = Parts::new(MIB);
        for (index, length) in [(0, 0), (0, MIB + 1), (10_000, MIB), (u32::MAX, 1)] {
            assert_eq!(put(&mut parts, index, length).unwrap_err().kind(), Kind::Invalid, "{index} {length}");
        }
        put(&mut parts, 9_999, MIB).unwrap();
    }

    #[test]
    fn only_the_last_part_may_be_short() {
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
    fn one_index_is_in_flight_once() {
        let mut parts = Parts::new(MIB);
        parts.send(3, MIB).unwrap();
        assert_eq!(parts.send(3, MIB).unwrap_err().kind(), Kind::Busy);
        assert_eq!(parts.send(2, 1).unwrap_err().kind(), Kind::Invalid, "one in flight counts as put");
        parts.withdrawn(3);
        parts.send(3, MIB).unwrap();
    }

    #[test]
    fn coverage() {
        let mut parts = Parts::new(MIB);
        let kind = |parts: &Parts, size| parts.archive_hash(size).map_err(|error| error.kind());
        assert_eq!(kind(&parts, 0), Err(Kind::Incomplete), "nothing was put");
        put(&mut parts, 0, MIB).unwrap();
        put(&mut parts, 2, 5).unwrap();
        assert_eq!(parts.end(), 2 * MIB + 5);
        assert!(parts.archive_hash(2 * MIB + 5).unwrap_err().message().contains("part 1"));
        put(&mut parts, 1, MIB).unwrap();
        parts.archive_hash(2 * MIB + 5).unwrap();
        let told = |size| parts.archive_hash(size).unwrap_err().message().to_owned();
        assert!(told(2 * MIB + 6).contains("part 2 has 5 bytes, but in an archive of 2097158 bytes it must have 6"));
        assert!(told(5 * MIB).contains("part 2 has 5 bytes"), "a short part that is not the last");
        assert!(told(2 * MIB).contains("part 2 reaches up to byte 2097157"), "more than the archive has");
        put(&mut parts, 2, MIB).unwrap();
        let told = parts.archive_hash(3 * MIB + 1).unwrap_err().message().to_owned();
        assert!(told.contains("part 3 is missing (3145728-3145728"), "the tail: {told}");
    }

    #[test]
    fn a_part_that_failed_is_missing_until_it_is_put_again() {
        let mut parts = Parts::new(MIB);
        put(&mut parts, 0, MIB).unwrap();
        parts.send(1, 9).unwrap();
        parts.failed(1);
        assert!(
            parts.archive_hash(MIB).unwrap_err().message().contains("part 1"),
            "the tail may not be cut off silently"
        );
        put(&mut parts, 1, 9).unwrap();
        parts.archive_hash(MIB + 9).unwrap();
    }
}
