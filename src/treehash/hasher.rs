//! Streaming hashers: bytes in slices of any size, cut into leaves.

use super::Digest;
use super::combine::TreeCombiner;
use super::kernels::Kernels;
use super::messages::hash_each;
use super::sha256::{BLOCK, Block, INITIAL, State, compress, finish};

/// The bytes of a leaf. It is a whole number of blocks.
pub(super) const LEAF: usize = 1 << 20;

/// Computes a tree hash. The larger the slices, the faster: leaves that come whole are hashed several at a time.
#[derive(Clone, Debug)]
pub struct TreeHasher(LeafHasher<false>);

impl TreeHasher {
    /// A hasher that has seen nothing.
    pub fn new() -> Self {
        Self::with_kernels(Kernels::best())
    }

    /// The same by other kernels: for tests and measurements.
    pub fn with_kernels(kernels: &'static Kernels) -> Self {
        Self(LeafHasher::new(kernels))
    }

    /// Takes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        let hasher = &mut self.0;
        let (rest_of_leaf, data) = data.split_at(data.len().min((LEAF - hasher.in_leaf) % LEAF));
        hasher.update(rest_of_leaf);
        let (leaves, rest) = data.as_chunks();
        hash_each::<LEAF>(hasher.kernels, leaves, |leaf| hasher.combiner.push(leaf));
        hasher.update(rest);
    }

    /// The tree hash of all bytes since the last `finish`; of no bytes, it is their SHA-256. Ready for the next.
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

/// What the service wants to know of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartHashes {
    /// The SHA-256 of the bytes.
    pub linear: Digest,
    /// Their tree hash.
    pub tree: Digest,
}

impl PartHasher {
    /// A hasher that has seen nothing.
    pub fn new() -> Self {
        Self::with_kernels(Kernels::best())
    }

    /// The same by other kernels: for tests and measurements.
    pub fn with_kernels(kernels: &'static Kernels) -> Self {
        Self(LeafHasher::new(kernels))
    }

    /// Takes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The hashes of all bytes since the last `finish`. Ready for the next.
    pub fn finish(&mut self) -> PartHashes {
        PartHashes { linear: self.0.linear(), tree: self.0.finish() }
    }

    /// Whether it is still in its first leaf, up to whose end both hashes are one.
    pub(super) fn in_first_leaf(&self) -> bool {
        self.0.in_first_leaf()
    }

    /// How many of the next bytes are blocks of one leaf: to take them is to compress them, and no more.
    pub(super) fn blocks_within_leaf(&self, length: usize) -> usize {
        if self.0.tail().is_empty() { length.min(LEAF - self.0.in_leaf) / BLOCK } else { 0 }
    }

    /// The states of the linear hash and of the leaf.
    pub(super) fn states(&self) -> [State; 2] {
        let LeafHasher { linear, leaf, .. } = self.0;
        if self.in_first_leaf() { [leaf; 2] } else { [linear, leaf] }
    }

    /// Takes blocks of one leaf by the states after them.
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

/// The hashes of a part that is in memory.
pub fn part_hashes(data: &[u8]) -> PartHashes {
    let mut hasher = PartHasher::new();
    hasher.update(data);
    hasher.finish()
}

/// Cuts bytes into leaves, and keeps the linear hash beside if it is wanted: both take the same blocks, since a leaf is
/// a whole number of them.
#[derive(Clone, Debug)]
struct LeafHasher<const LINEAR: bool> {
    kernels: &'static Kernels,
    /// Of the bytes of the leaf that is not whole yet.
    leaf: State,
    /// Of all bytes. Within the first leaf it would be the same as `leaf`, which stands for both.
    linear: State,
    /// Begins with the bytes that wait for the rest of their block.
    block: Block,
    /// The bytes taken.
    length: u64,
    /// How many of them are in the leaf that is not whole yet.
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

    /// The SHA-256 of all bytes.
    fn linear(&self) -> Digest {
        let state = if self.in_first_leaf() { self.leaf } else { self.linear };
        finish(state, self.tail(), self.length)
    }

    /// The tree hash. Ready for the next.
    fn finish(&mut self) -> Digest {
        if self.in_leaf > 0 {
            self.end_leaf();
        }
        let tree = self.combiner.tree_hash();
        *self = Self::new(self.kernels);
        tree
    }

    /// Takes bytes that do not reach beyond the leaf.
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
