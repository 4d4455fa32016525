//! From the hashes of subtrees to the root above them.

use super::Digest;
use super::kernels::Kernels;
use super::messages::hash_each;
use super::sha256::{self, BLOCK, INITIAL};
use crate::error::{Error, Result};

/// Folds subtrees of one size, in order, as they come; the last may be smaller. Holds at most one subtree a level.
#[derive(Clone, Debug, Default)]
pub struct TreeCombiner {
    /// The whole subtrees that still wait for a right neighbour, the largest first.
    waiting: Vec<Digest>,
    /// How many were pushed. Its set bits are the levels of those that wait.
    count: u64,
}

impl TreeCombiner {
    /// Takes the next subtree.
    pub fn push(&mut self, subtree: Digest) {
        let mut node = subtree;
        // Adding one to a binary number: each carry joins two subtrees of one level.
        for _ in 0..self.count.trailing_ones() {
            if let Some(left) = self.waiting.pop() {
                node = sha256::node(left, node);
            }
        }
        self.waiting.push(node);
        self.count += 1;
    }

    /// The tree hash over all leaves, which were pushed; of no bytes, it is their SHA-256. The fold is then empty again.
    pub(super) fn tree_hash(&mut self) -> Digest {
        self.finish().unwrap_or_else(|| sha256::finish(INITIAL, &[], 0))
    }

    /// Whether nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The root over all that was pushed, or nothing if nothing was. The fold is then empty again.
    pub fn finish(&mut self) -> Option<Digest> {
        self.count = 0;
        // What has no right neighbour moved up as it was, to stand beside the next larger.
        self.waiting.drain(..).rev().reduce(|right, left| sha256::node(left, right))
    }
}

/// The tree hash over parts, from their tree hashes in order. All parts but the last have one size of 2^n MiB.
///
/// # Errors
/// [`Invalid`](crate::error::Kind::Invalid) for no parts at all: there is no archive without a part.
pub fn combine(digests: &[Digest]) -> Result<Digest> {
    combine_with(Kernels::best(), digests)
        .ok_or_else(|| Error::invalid("there are no hashes to combine: an archive has at least one part"))
}

/// Level by level: a level has many nodes that do not wait for each other.
fn combine_with(kernels: &Kernels, digests: &[Digest]) -> Option<Digest> {
    let mut level: Vec<_> = digests.iter().map(|digest| digest.0).collect();
    while level.len() > 1 {
        let (neighbours, alone) = level.as_flattened().as_chunks::<BLOCK>();
        let mut above = Vec::with_capacity(neighbours.len() + 1);
        hash_each(kernels, neighbours, |node| above.push(node.0));
        above.extend_from_slice(alone.as_chunks().0);
        level = above;
    }
    level.pop().map(Digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_by_level_as_one_after_the_other() {
        let digests: Vec<_> = (0..100_u8).map(|n| Digest([n; 32])).collect();
        for (kernels, count) in Kernels::all().iter().flat_map(|kernels| (0..=100).map(move |count| (kernels, count))) {
            let mut combiner = TreeCombiner::default();
            digests[..count].iter().for_each(|&digest| combiner.push(digest));
            assert_eq!(combine_with(kernels, &digests[..count]), combiner.finish(), "{count}, {}", kernels.name());
        }
    }
}
