//! What is left to do of an upload that exists already: the plan against what the service lists. Pure.

use std::collections::BTreeMap;

use crate::api::PartEntry;
use crate::error::{Error, Kind, Result};
use crate::plan::{ByteRange, Plan};
use crate::treehash::Digest;

/// One part that is not known to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Todo {
    pub(super) index: u32,
    pub(super) range: ByteRange,
    /// What the service holds there: if the source's bytes have the same hash, the part need not be sent.
    pub(super) listed: Option<Digest>,
}

/// All parts of a plan, as of an upload that has none yet.
pub(super) fn everything(plan: &Plan) -> Vec<Todo> {
    let part = |index| plan.range(index).map(|range| Todo { index, range, listed: None });
    (0..plan.part_count()).filter_map(part).collect()
}

/// How a plan and a list of parts compare.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    /// The parts that are still to be looked at.
    pub(super) left: Vec<Todo>,
    /// The parts that are done, with their hashes.
    pub(super) done: Vec<(u32, Digest)>,
}

/// Compares what is planned with what the service lists.
///
/// `hash` is what the bytes of a part are known to have, if that is known without reading them. A part is done only if its
/// range and its hash are the expected ones.
///
/// # Errors
/// `SourceChanged` if the service holds bytes that the source does not have, `Protocol` for parts that cannot be.
pub(super) fn what_is_left(
    plan: &Plan,
    listed: &[PartEntry],
    hash: impl Fn(u32) -> Option<Digest>,
) -> Result<Comparison> {
    let listed = by_index(plan, listed)?;
    let mut done = Vec::new();
    let mut left = everything(plan);
    left.retain_mut(|todo| {
        todo.listed = listed.get(&todo.index).copied();
        match (todo.listed, hash(todo.index)) {
            (Some(theirs), Some(ours)) if theirs == ours => {
                done.push((todo.index, ours));
                false
            }
            (Some(_), Some(_)) => {
                todo.listed = None;
                true
            }
            _ => true,
        }
    });
    Ok(Comparison { left, done })
}

/// The listed parts that cover what the plan wants covered; one of another length is as good as none.
fn by_index(plan: &Plan, listed: &[PartEntry]) -> Result<BTreeMap<u32, Digest>> {
    let mut found = BTreeMap::new();
    for part in listed {
        let index = part.range.first / plan.part_size();
        if part.range.first % plan.part_size() != 0 || part.range.length() > plan.part_size() + 1 {
            return Err(Error::new(
                Kind::Protocol,
                format!(
                    "the service lists a part {}, which parts of {} bytes cannot be",
                    part.range.in_bytes(),
                    plan.part_size()
                ),
            ));
        }
        let planned = u32::try_from(index).ok().and_then(|index| Some((index, plan.range(index)?)));
        let Some((index, planned)) = planned else {
            return Err(source_is_smaller(plan, part));
        };
        // The live service was seen to give an end that is one too large.
        if part.range.last == planned.last || part.range.last == planned.last + 1 {
            found.insert(index, part.tree_hash);
        } else if part.range.last > planned.last {
            return Err(source_is_smaller(plan, part));
        }
    }
    Ok(found)
}

fn source_is_smaller(plan: &Plan, part: &PartEntry) -> Error {
    Error::new(
        Kind::SourceChanged,
        format!(
            "the source has {} bytes, but the upload already holds the bytes {}: it is of another source",
            plan.archive_size(),
            part.range.in_bytes()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MIB;

    fn plan() -> Plan {
        Plan::new(3 * MIB + 5, Some(MIB)).unwrap()
    }

    fn entry(first: u64, last: u64, n: u8) -> PartEntry {
        PartEntry { range: ByteRange { first, last }, tree_hash: Digest([n; 32]) }
    }

    fn compare(listed: &[PartEntry], known: &[(u32, u8)]) -> Result<Comparison> {
        what_is_left(&plan(), listed, |index| {
            known.iter().find(|(have, _)| *have == index).map(|(_, n)| Digest([*n; 32]))
        })
    }

    /// The indexes of the parts that are left, and whether the service holds something to compare them with.
    fn left(listed: &[PartEntry]) -> Vec<(u32, bool)> {
        let left = compare(listed, &[]).unwrap().left;
        left.iter().map(|todo| (todo.index, todo.listed.is_some())).collect()
    }

    #[test]
    fn done_compared_and_missing() {
        let listed = [entry(0, MIB - 1, 1), entry(MIB, 2 * MIB - 1, 2), entry(3 * MIB, 3 * MIB + 4, 4)];
        let Comparison { left, done } = compare(&listed, &[(0, 1), (1, 9), (2, 3)]).unwrap();
        assert_eq!(done, [(0, Digest([1; 32]))]);
        let left: Vec<_> = left.iter().map(|todo| (todo.index, todo.listed.is_some())).collect();
        assert_eq!(left, [(1, false), (2, false), (3, true)], "1 differs, 2 is missing, 3 has to be read to know");
    }

    #[test]
    fn a_part_of_another_length_is_sent_again() {
        assert_eq!(left(&[entry(MIB, MIB + 9, 1)])[1], (1, false));
        assert_eq!(left(&[entry(3 * MIB, 3 * MIB + 3, 1)])[3], (3, false));
    }

    #[test]
    fn an_end_that_is_one_too_large_is_taken() {
        assert_eq!(left(&[entry(0, MIB, 1)])[0], (0, true));
    }

    #[test]
    fn another_source_is_noticed() {
        for listed in [entry(3 * MIB, 4 * MIB - 1, 1), entry(4 * MIB, 5 * MIB - 1, 1)] {
            assert_eq!(compare(&[listed], &[]).unwrap_err().kind(), Kind::SourceChanged);
        }
        for listed in [entry(7, MIB - 1, 1), entry(0, 2 * MIB - 1, 1)] {
            assert_eq!(compare(&[listed], &[]).unwrap_err().kind(), Kind::Protocol);
        }
    }
}
