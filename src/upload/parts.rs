//! What is known of the parts of one upload: which the service acknowledged, with which hashes, and which are on their way.
//! Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Kind, Result};
use crate::limits::PARTS_MAX;
use crate::plan::ByteRange;
use crate::treehash::{Digest, Fold};

/// A part that the service holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) length: u64,
    pub(super) tree: Digest,
}

/// The parts of one upload.
#[derive(Debug)]
pub(super) struct Parts {
    part_size: u64,
    held: BTreeMap<u32, Held>,
    in_flight: BTreeMap<u32, u64>,
    /// Tried, and neither acknowledged nor refused: the service may hold the old bytes, the new ones, or none.
    uncertain: BTreeSet<u32>,
}

impl Parts {
    pub(super) fn new(part_size: u64) -> Self {
        Self { part_size, held: BTreeMap::new(), in_flight: BTreeMap::new(), uncertain: BTreeSet::new() }
    }

    pub(super) fn held(&self, index: u32) -> Option<Held> {
        self.held.get(&index).copied()
    }

    /// The archive's bytes that a part of a length covers.
    pub(super) fn range(&self, index: u32, length: u64) -> ByteRange {
        let first = u64::from(index) * self.part_size;
        ByteRange { first, last: first + length.max(1) - 1 }
    }

    /// Lets a part go out, if it can be one: only the last part may be short.
    pub(super) fn send(&mut self, index: u32, length: u64) -> Result<()> {
        if index >= PARTS_MAX {
            return Err(Error::invalid(format!(
                "part index {index} is not allowed: an upload has at most {PARTS_MAX} parts, with the indexes 0 to {}",
                PARTS_MAX - 1
            )));
        }
        if length == 0 || length > self.part_size {
            return Err(Error::invalid(format!(
                "part {index} has {length} bytes: it must have the part size, {}, or less but at least 1 for the last part",
                self.part_size
            )));
        }
        if self.in_flight.contains_key(&index) {
            return Err(Error::new(Kind::Busy, format!("part {index} is being sent by another call")));
        }
        self.check_shortness(index, length)?;
        self.in_flight.insert(index, length);
        Ok(())
    }

    /// The service acknowledged a part. Tells whether it is new, not an overwritten one.
    pub(super) fn acknowledged(&mut self, index: u32, part: Held) -> bool {
        self.in_flight.remove(&index);
        self.uncertain.remove(&index);
        self.held.insert(index, part).is_none()
    }

    /// Sending a part failed. What the service holds there cannot be known.
    pub(super) fn failed(&mut self, index: u32) {
        self.in_flight.remove(&index);
        self.held.remove(&index);
        self.uncertain.insert(index);
    }

    /// A part that was let out was not sent after all: nothing changed.
    pub(super) fn withdrawn(&mut self, index: u32) {
        self.in_flight.remove(&index);
    }

    /// Where the last part known here ends.
    pub(super) fn end(&self) -> u64 {
        self.held.last_key_value().map_or(0, |(index, held)| self.range(*index, held.length).last + 1)
    }

    /// The tree hash of the archive, if the parts cover all its bytes.
    pub(super) fn archive_hash(&self, size: u64) -> Result<Digest> {
        let incomplete = |what: String| Error::new(Kind::Incomplete, what);
        if let Some(index) = self.uncertain.first() {
            return Err(incomplete(format!("part {index} was tried, but not acknowledged: put it again")));
        }
        let mut fold = Fold::default();
        let mut covered = 0;
        for (index, held) in &self.held {
            let range = self.range(*index, held.length);
            if range.first != covered {
                break;
            }
            covered += held.length;
            fold.push(held.tree);
        }
        match covered {
            _ if covered > size || self.end() > size => Err(incomplete(format!(
                "the parts reach up to byte {}, but the archive has {size} bytes",
                self.end().max(covered)
            ))),
            _ if covered < size => {
                let index = covered / self.part_size;
                Err(incomplete(format!(
                    "part {index} is missing, or shorter than it must be: {covered} bytes are there, of {size}"
                )))
            }
            _ => fold.finish().ok_or_else(|| incomplete("no part was put: an archive has at least 1 byte".to_owned())),
        }
    }

    fn check_shortness(&self, index: u32, length: u64) -> Result<()> {
        let known = || {
            let held = self.held.iter().map(|(index, held)| (*index, held.length));
            held.chain(self.in_flight.iter().map(|(index, length)| (*index, *length)))
                .filter(|(other, _)| *other != index)
        };
        if length < self.part_size
            && let Some((above, _)) = known().find(|(other, _)| *other > index)
        {
            return Err(Error::invalid(format!(
                "part {index} has {length} bytes, less than the part size {}, but is not the last: part {above} was put",
                self.part_size
            )));
        }
        if let Some((short, have)) = known().find(|(other, have)| *have < self.part_size && *other < index) {
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
        parts.acknowledged(index, Held { length, tree: hash(1) });
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
        assert_eq!(kind(&parts, 2 * MIB + 6), Err(Kind::Incomplete), "the tail is missing");
        assert_eq!(kind(&parts, 2 * MIB), Err(Kind::Incomplete), "more than the archive has");
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
