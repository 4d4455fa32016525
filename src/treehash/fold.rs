//! From the hashes of subtrees to the root above them.

use super::{Digest, sha256};
use crate::error::{Error, Result};

/// Folds subtrees of one size, in order, as they come; the last may be smaller. Holds at most one subtree a level.
#[derive(Clone, Debug, Default)]
pub struct Fold {
    /// The whole subtrees that still wait for a right neighbour, the largest first.
    waiting: Vec<Digest>,
    /// How many were pushed. Its set bits are the levels of those that wait.
    count: u64,
}

impl Fold {
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
    let mut fold = Fold::default();
    for &digest in digests {
        fold.push(digest);
    }
    fold.finish().ok_or_else(|| Error::invalid("there are no hashes to combine: an archive has at least one part"))
}
