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

/// Returns the tree hash of an archive, from the tree hashes of its parts in order. All parts except the last have the same
/// size of 2^n MiB.
///
/// # Errors
/// [`Invalid`](crate::error::Kind::Invalid) without parts: an archive has at least one.
pub fn combine(digests: &[Digest]) -> Result<Digest> {
    combine_with(Kernels::best(), digests)
        .ok_or_else(|| Error::invalid("no hashes to combine: an archive has at least one part"))
}

/// Combines level by level: the nodes of a level are independent and can be hashed several at once.
fn combine_with(kernels: &Kernels, digests: &[Digest]) -> Option<Digest> {
    let mut level: Vec<_> = digests.iter().map(|digest| digest.0).collect();
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
            assert_eq!(combine_with(kernels, &digests[..count]), combiner.finish(), "{count}, {}", kernels.name());
        }
    }
}
