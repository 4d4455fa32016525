//! Both hashes of several parts at once.

use std::array;

use super::hasher::PartHasher;
use super::kernels::lanes::{LANES, States, fill_lanes, lane_state};
use super::kernels::{Kernels, SixteenLanes};
use super::sha256::{BLOCK, Block, State};

impl Kernels {
    /// Hashes the next bytes of several parts. Hashes as many parts at once as [`batch_policy`](Self::batch_policy) allows
    /// while all of them have bytes left, and the rest one part at a time. This is fastest if all parts are at the start
    /// of a MiB and have the same number of bytes. Their offsets in their parts may differ.
    pub fn update_parts(&self, mut parts: &mut [(&mut PartHasher, &[u8])]) {
        while !parts.is_empty() {
            let (group, others) = parts.split_at_mut(self.batch_policy().batch_size(parts.len()));
            if let Some(sixteen) = self.sixteen.filter(|_| group.len() > 1) {
                update_batch(sixteen, group);
            }
            for (hasher, rest) in group {
                hasher.update(rest);
            }
            parts = others;
        }
    }
}

/// Hashes the bytes of 1 to 16 hashers at once, until one of them has no whole block left.
fn update_batch(sixteen: SixteenLanes, parts: &mut [(&mut PartHasher, &[u8])]) {
    loop {
        let count = parts.iter().map(|(hasher, bytes)| hasher.blocks_within_leaf(bytes.len())).min().unwrap_or(0);
        if count == 0 {
            return;
        }
        let blocks: Vec<&[Block]> = parts.iter().map(|(_, bytes)| &bytes.as_chunks().0[..count]).collect();
        let (linear, leaf): (Vec<_>, Vec<_>) = parts.iter().map(|(hasher, _)| <(_, _)>::from(hasher.states())).unzip();
        let (linear, leaf) = if parts.iter().all(|(hasher, _)| hasher.in_first_leaf()) {
            let leaf = compress_one(sixteen, &leaf, &blocks);
            (leaf.clone(), leaf)
        } else if parts.len() <= LANES / 2 {
            let mut linear = compress_one(sixteen, &[linear, leaf].concat(), &blocks.repeat(2));
            let leaf = linear.split_off(parts.len());
            (linear, leaf)
        } else {
            let mut both = [transpose(&linear), transpose(&leaf)];
            (sixteen.dual_state)(&mut both, lanes(&blocks));
            let [linear, leaf] = both.map(|states| untranspose(&states, parts.len()));
            (linear, leaf)
        };
        for ((hasher, bytes), states) in parts.iter_mut().zip(linear.into_iter().zip(leaf)) {
            hasher.advance(states.into(), count);
            *bytes = &bytes[count * BLOCK..];
        }
    }
}

/// Compresses blocks into 1 to 16 states, each with its own blocks.
fn compress_one(sixteen: SixteenLanes, states: &[State], blocks: &[&[Block]]) -> Vec<State> {
    let mut all = transpose(states);
    (sixteen.single_state)(array::from_mut(&mut all), lanes(blocks));
    untranspose(&all, states.len())
}

fn lanes<'a>(blocks: &[&'a [Block]]) -> [&'a [Block]; LANES] {
    fill_lanes(blocks).map(|blocks| *blocks)
}

/// Arranges states word by word, for all lanes.
fn transpose(states: &[State]) -> States {
    let states = fill_lanes(states);
    array::from_fn(|word| states.map(|state| state[word]))
}

/// Returns the states of the first `count` lanes.
fn untranspose(all: &States, count: usize) -> Vec<State> {
    (0..count).map(|lane| lane_state(all, lane)).collect()
}
