//! The hashes of whole leaves, as many at a time as the processor takes.

use super::Digest;
use super::fold::Fold;
use super::kernels::{Kernels, LANES, Sixteen, in_lanes, one_of, sixteen_times};
use super::sha256::{Block, INITIAL, State, compress, finish};

/// The bytes of a leaf.
pub(super) const LEAF: usize = 1 << 20;

/// A whole leaf. It is a whole number of blocks.
type Leaf = [u8; LEAF];

/// Computes the hashes of leaves and gives them away, in order.
pub(super) fn hash_leaves(kernels: &Kernels, leaves: &[Leaf], mut give: impl FnMut(Digest)) {
    for group in leaves.chunks(LANES) {
        match kernels.sixteen {
            Some(sixteen) if group.len() >= sixteen.from => hash_together(sixteen, group, &mut give),
            _ => hash_by_twos(kernels, group, &mut give),
        }
    }
}

/// The tree hash over all leaves; of no bytes, it is their SHA-256. The fold is then empty again.
pub(super) fn root(fold: &mut Fold) -> Digest {
    fold.finish().unwrap_or_else(|| finish(INITIAL, &[], 0))
}

/// At most sixteen leaves, and at least one.
fn hash_together(sixteen: Sixteen, leaves: &[Leaf], give: &mut impl FnMut(Digest)) {
    let mut states = [sixteen_times(INITIAL)];
    (sixteen.one)(&mut states, in_lanes(leaves).map(blocks));
    for lane in 0..leaves.len() {
        give(digest(one_of(&states[0], lane)));
    }
}

fn hash_by_twos(kernels: &Kernels, leaves: &[Leaf], give: &mut impl FnMut(Digest)) {
    let (pairs, last) = leaves.as_chunks::<2>();
    for pair in pairs {
        let mut states = [INITIAL; 2];
        (kernels.pair)(&mut states, pair.each_ref().map(blocks));
        states.into_iter().map(digest).for_each(&mut *give);
    }
    for leaf in last {
        let mut state = INITIAL;
        compress(&mut state, blocks(leaf));
        give(digest(state));
    }
}

fn blocks(leaf: &Leaf) -> &[Block] {
    leaf.as_chunks().0
}

fn digest(state: State) -> Digest {
    finish(state, &[], LEAF as u64)
}
