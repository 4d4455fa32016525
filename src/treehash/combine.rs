//! Combination of subtree hashes into a root hash.

use super::digest::Digest;
use super::kernels::Kernels;
use super::messages::hash_each;
use super::sha256::{self, BLOCK, INITIAL};
use crate::error::{Error, Result};

/// Combines subtrees of equal size, pushed in order; the last one may be smaller. Keeps at most one subtree per level.
#[derive(Clone, Debug, Default)]
pub struct TreeCombiner {
    /// Complete subtrees without a right sibling so far, the largest first.
    pending: Vec<Digest>,
    /// The number of subtrees pushed. Its set bits are the levels of the pending subtrees.
    count: u64,
}

impl TreeCombiner {
    /// Adds the next subtree.
    pub fn push(&mut self, subtree: Digest) {
        let mut node = subtree;
        // As in binary addition of 1: each carry joins two subtrees of one level.
        for _ in 0..self.count.trailing_ones() {
            if let Some(left) = self.pending.pop() {
                node = sha256::node(left, node);
            }
        }
        self.pending.push(node);
        self.count += 1;
    }

    /// Returns the tree hash of the pushed leaves and resets. Without leaves, this is the SHA-256 of no bytes.
    pub(super) fn tree_hash(&mut self) -> Digest {
        self.finish().unwrap_or_else(|| sha256::finish(INITIAL, &[], 0))
    }

    /// Returns whether no subtree was pushed.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the root of the pushed subtrees and resets. Without subtrees, returns `None`.
    pub fn finish(&mut self) -> Option<Digest> {
        self.count = 0;
        // A subtree without a right sibling moves up unchanged, to the level of the next larger one.
        self.pending.drain(..).rev().reduce(|right, left| sha256::node(left, right))
    }
}

/// The number of subtrees that are combined level by level. Their memory does not depend on the size of the archive.
const GROUP: usize = 4096;
const _: () = assert!(GROUP.is_power_of_two(), "a group is a complete subtree");

/// Returns the tree hash of an archive, from the tree hashes of its parts in order. All parts except the last have the same
/// size of 2^n MiB.
///
/// # Errors
/// [`Invalid`](crate::error::Kind::Invalid) without parts: an archive has at least one.
pub fn combine(digests: &[Digest]) -> Result<Digest> {
    combine_all(digests.iter().map(|digest| digest.0))
}

/// As [`combine`]. Does not copy all hashes, because there may be any number of them.
///
/// # Errors
/// As [`combine`].
pub(crate) fn combine_all(hashes: impl Iterator<Item = [u8; 32]>) -> Result<Digest> {
    combine_with(Kernels::best(), hashes)
        .ok_or_else(|| Error::invalid("no hashes to combine: an archive has at least one part"))
}

fn combine_with(kernels: &Kernels, mut hashes: impl Iterator<Item = [u8; 32]>) -> Option<Digest> {
    let mut combiner = TreeCombiner::default();
    loop {
        let group: Vec<_> = hashes.by_ref().take(GROUP).collect();
        let Some(root) = combine_group(kernels, group) else { return combiner.finish() };
        combiner.push(root);
    }
}

/// Combines level by level: the nodes of a level are independent and can be hashed several at once.
fn combine_group(kernels: &Kernels, mut level: Vec<[u8; 32]>) -> Option<Digest> {
    while level.len() > 1 {
        let (siblings, single) = level.as_flattened().as_chunks::<BLOCK>();
        let mut above = Vec::with_capacity(siblings.len() + 1);
        hash_each(kernels, siblings, |node| above.push(node.0));
        above.extend_from_slice(single.as_chunks().0);
        level = above;
    }
    level.pop().map(Digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combines_level_by_level_as_incrementally() {
        let digests: Vec<_> = (0..100_u8).map(|n| Digest([n; 32])).collect();
        for (kernels, count) in Kernels::all().iter().flat_map(|kernels| (0..=100).map(move |count| (kernels, count))) {
            let mut combiner = TreeCombiner::default();
            digests[..count].iter().for_each(|&digest| combiner.push(digest));
            let combined = combine_with(kernels, digests[..count].iter().map(|digest| digest.0));
            assert_eq!(combined, combiner.finish(), "{count}, {}", kernels.name());
        }
    }

    #[test]
    fn combines_more_subtrees_than_one_group() {
        let count = 2 * GROUP + GROUP / 2 + 3;
        let digests: Vec<_> = (0..count).map(|n| Digest(sha256_of(n))).collect();
        for count in [GROUP - 1, GROUP, GROUP + 1, 2 * GROUP, count] {
            let mut combiner = TreeCombiner::default();
            digests[..count].iter().for_each(|&digest| combiner.push(digest));
            assert_eq!(combine(&digests[..count]).ok(), combiner.finish(), "{count}");
        }
    }

    fn sha256_of(n: usize) -> [u8; 32] {
        use sha2::Digest as _;
        sha2::Sha256::digest(n.to_le_bytes()).into()
    }
}
