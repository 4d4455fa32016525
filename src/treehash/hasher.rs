//! Streaming hashers: bytes in slices of any size, cut into leaves.

use super::Digest;
use super::fold::Fold;
use super::kernel::{self, BLOCK, Block, INITIAL, State};

/// Computes a tree hash.
#[derive(Clone, Debug, Default)]
pub struct TreeHasher(Leaves<1>);

impl TreeHasher {
    /// A hasher that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The tree hash of all bytes since the last `finish`; of no bytes, it is their SHA-256. Ready for the next.
    pub fn finish(&mut self) -> Digest {
        self.0.finish().0
    }
}

/// Computes both hashes of a part in one pass.
#[derive(Clone, Debug, Default)]
pub struct PartHasher(Leaves<2>);

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
        Self::default()
    }

    /// Takes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The hashes of all bytes since the last `finish`. Ready for the next.
    pub fn finish(&mut self) -> PartHashes {
        let (tree, [_, linear]) = self.0.finish();
        PartHashes { linear, tree }
    }
}

/// The hashes of a part that is in memory.
pub fn part_hashes(data: &[u8]) -> PartHashes {
    let mut hasher = PartHasher::new();
    hasher.update(data);
    hasher.finish()
}

/// The bytes of a leaf.
const LEAF: usize = 1 << 20;

/// Cuts bytes into leaves. Of the states, the first begins anew with each leaf and the others go on to the end: all
/// take the same blocks, since a leaf is a whole number of them.
#[derive(Clone, Debug)]
struct Leaves<const N: usize> {
    states: [State; N],
    /// Begins with the bytes that wait for the rest of their block.
    block: Block,
    /// The bytes taken.
    length: u64,
    /// How many of them are in the leaf that is not whole yet.
    in_leaf: usize,
    fold: Fold,
}

impl<const N: usize> Default for Leaves<N> {
    fn default() -> Self {
        Self { states: [INITIAL; N], block: [0; BLOCK], length: 0, in_leaf: 0, fold: Fold::default() }
    }
}

impl<const N: usize> Leaves<N> {
    fn update(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let (within_leaf, rest) = data.split_at(data.len().min(LEAF - self.in_leaf));
            self.absorb(within_leaf);
            if self.in_leaf == LEAF {
                self.end_leaf();
            }
            data = rest;
        }
    }

    /// The tree hash, and what each state makes of the bytes it took; for the first of them that means nothing.
    fn finish(&mut self) -> (Digest, [Digest; N]) {
        let digests = self.states.map(|state| kernel::finish(state, self.tail(), self.length));
        if self.in_leaf > 0 {
            self.end_leaf();
        }
        let tree = self.fold.finish().unwrap_or_else(|| kernel::finish(INITIAL, &[], 0));
        *self = Self::default();
        (tree, digests)
    }

    /// Takes bytes that do not reach beyond the leaf.
    fn absorb(&mut self, data: &[u8]) {
        let held = self.tail().len();
        self.length += data.len() as u64;
        self.in_leaf += data.len();
        let (head, data) = data.split_at(data.len().min(BLOCK - held));
        self.block[held..held + head.len()].copy_from_slice(head);
        if held + head.len() == BLOCK {
            kernel::compress(&mut self.states, &[self.block]);
        }
        let (blocks, tail) = data.as_chunks();
        kernel::compress(&mut self.states, blocks);
        self.block[..tail.len()].copy_from_slice(tail);
    }

    fn end_leaf(&mut self) {
        self.fold.push(kernel::finish(self.states[0], self.tail(), self.in_leaf as u64));
        self.states[0] = INITIAL;
        self.in_leaf = 0;
    }

    fn tail(&self) -> &[u8] {
        &self.block[..self.in_leaf % BLOCK]
    }
}
