//! Streaming hashers. They accept slices of any size and split them into leaves.

use super::combine::TreeCombiner;
use super::digest::Digest;
use super::kernels::Kernels;
use super::messages::hash_each;
use super::sha256::{BLOCK, Block, INITIAL, State, compress, finish};

/// The size of a leaf in bytes, a whole number of blocks.
pub(super) const LEAF: usize = 1 << 20;

/// Computes a tree hash. Large slices are faster: whole leaves in a slice are hashed several at once.
#[derive(Clone, Debug)]
pub struct TreeHasher(LeafHasher<false>);

impl TreeHasher {
    /// Creates a hasher with the fastest kernels.
    pub fn new() -> Self {
        Self::with_kernels(Kernels::best())
    }

    /// Creates a hasher with other kernels, for tests and benchmarks.
    pub fn with_kernels(kernels: &'static Kernels) -> Self {
        Self(LeafHasher::new(kernels))
    }

    /// Hashes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        let hasher = &mut self.0;
        let (rest_of_leaf, data) = data.split_at(data.len().min((LEAF - hasher.in_leaf) % LEAF));
        hasher.update(rest_of_leaf);
        let (leaves, rest) = data.as_chunks();
        hash_each::<LEAF>(hasher.kernels, leaves, |leaf| hasher.combiner.push(leaf));
        hasher.update(rest);
    }

    /// Returns the tree hash of all bytes since the last `finish`, and resets. The tree hash of no bytes is their SHA-256.
    pub fn finish(&mut self) -> Digest {
        self.0.finish()
    }
}

impl Default for TreeHasher {
    fn default() -> Self {
        Self::new()
    }
}

/// Computes both hashes of a part in one pass.
#[derive(Clone, Debug)]
pub struct PartHasher(LeafHasher<true>);

/// The two hashes of a part, as the service requires them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartHashes {
    /// The SHA-256.
    pub linear: Digest,
    /// The tree hash.
    pub tree: Digest,
}

impl PartHasher {
    /// Creates a hasher with the fastest kernels.
    pub fn new() -> Self {
        Self::with_kernels(Kernels::best())
    }

    /// Creates a hasher with other kernels, for tests and benchmarks.
    pub fn with_kernels(kernels: &'static Kernels) -> Self {
        Self(LeafHasher::new(kernels))
    }

    /// Hashes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// Returns the hashes of all bytes since the last `finish`, and resets.
    pub fn finish(&mut self) -> PartHashes {
        PartHashes { linear: self.0.linear(), tree: self.0.finish() }
    }

    /// Returns whether the hasher is in its first leaf. There both hashes have the same state.
    pub(super) fn in_first_leaf(&self) -> bool {
        self.0.in_first_leaf()
    }

    /// Returns how many of the next `length` bytes are whole blocks of the current leaf: compression alone hashes them.
    pub(super) fn blocks_within_leaf(&self, length: usize) -> usize {
        if self.0.tail().is_empty() { length.min(LEAF - self.0.in_leaf) / BLOCK } else { 0 }
    }

    /// Returns the states of the linear hash and of the leaf.
    pub(super) fn states(&self) -> [State; 2] {
        let LeafHasher { linear, leaf, .. } = self.0;
        if self.in_first_leaf() { [leaf; 2] } else { [linear, leaf] }
    }

    /// Sets the states after `blocks` more blocks of the current leaf.
    pub(super) fn advance(&mut self, [linear, leaf]: [State; 2], blocks: usize) {
        let hasher = &mut self.0;
        (hasher.linear, hasher.leaf) = (linear, leaf);
        hasher.length += (blocks * BLOCK) as u64;
        hasher.in_leaf += blocks * BLOCK;
        if hasher.in_leaf == LEAF {
            hasher.end_leaf();
        }
    }
}

impl Default for PartHasher {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the hashes of a part in memory.
pub fn part_hashes(data: &[u8]) -> PartHashes {
    let mut hasher = PartHasher::new();
    hasher.update(data);
    hasher.finish()
}

/// Splits bytes into leaves and hashes them; with `LINEAR`, also computes the linear hash. Both hashes compress the same
/// blocks, because a leaf is a whole number of blocks.
#[derive(Clone, Debug)]
struct LeafHasher<const LINEAR: bool> {
    kernels: &'static Kernels,
    /// The state of the current leaf.
    leaf: State,
    /// The state of the linear hash. Unused within the first leaf, where it equals `leaf`.
    linear: State,
    /// The bytes of an incomplete block, at the start.
    block: Block,
    /// The number of bytes hashed.
    length: u64,
    /// The number of bytes in the current leaf.
    in_leaf: usize,
    combiner: TreeCombiner,
}

impl<const LINEAR: bool> LeafHasher<LINEAR> {
    fn new(kernels: &'static Kernels) -> Self {
        Self {
            kernels,
            leaf: INITIAL,
            linear: INITIAL,
            block: [0; BLOCK],
            length: 0,
            in_leaf: 0,
            combiner: TreeCombiner::default(),
        }
    }

    fn update(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let (within_leaf, rest) = data.split_at(data.len().min(LEAF - self.in_leaf));
            self.update_leaf(within_leaf);
            if self.in_leaf == LEAF {
                self.end_leaf();
            }
            data = rest;
        }
    }

    /// Returns the SHA-256 of all bytes.
    fn linear(&self) -> Digest {
        let state = if self.in_first_leaf() { self.leaf } else { self.linear };
        finish(state, self.tail(), self.length)
    }

    /// Returns the tree hash, and resets.
    fn finish(&mut self) -> Digest {
        if self.in_leaf > 0 {
            self.end_leaf();
        }
        let tree = self.combiner.tree_hash();
        *self = Self::new(self.kernels);
        tree
    }

    /// Hashes bytes of the current leaf.
    fn update_leaf(&mut self, data: &[u8]) {
        let pending = self.tail().len();
        self.length += data.len() as u64;
        self.in_leaf += data.len();
        let (head, data) = data.split_at(data.len().min(BLOCK - pending));
        self.block[pending..pending + head.len()].copy_from_slice(head);
        if pending + head.len() == BLOCK {
            self.compress(&[self.block]);
        }
        let (blocks, tail) = data.as_chunks();
        self.compress(blocks);
        self.block[..tail.len()].copy_from_slice(tail);
    }

    fn compress(&mut self, blocks: &[Block]) {
        if !LINEAR || self.in_first_leaf() {
            return compress(&mut self.leaf, blocks);
        }
        let mut both = [self.leaf, self.linear];
        (self.kernels.dual)(&mut both, [blocks]);
        [self.leaf, self.linear] = both;
    }

    fn end_leaf(&mut self) {
        if self.in_first_leaf() {
            self.linear = self.leaf;
        }
        self.combiner.push(finish(self.leaf, self.tail(), self.in_leaf as u64));
        self.leaf = INITIAL;
        self.in_leaf = 0;
    }

    fn in_first_leaf(&self) -> bool {
        self.combiner.is_empty()
    }

    fn tail(&self) -> &[u8] {
        &self.block[..self.in_leaf % BLOCK]
    }
}
