//! Portable kernels. They use the `sha2` crate, which compresses one stream into one state.

use super::lanes::shortest;
use crate::treehash::sha256::{BLOCK, Block, State, compress};

pub(super) fn dual(states: &mut [State; 2], [blocks]: [&[Block]; 1]) {
    // Small enough that the blocks are still in the L1 cache for the second state.
    const STRIPE: usize = 16 * 1024 / BLOCK;
    for stripe in blocks.chunks(STRIPE) {
        for state in states.iter_mut() {
            compress(state, stripe);
        }
    }
}

pub(super) fn pair(states: &mut [State; 2], streams: [&[Block]; 2]) {
    let blocks = shortest(&streams);
    for (state, stream) in states.iter_mut().zip(streams) {
        compress(state, &stream[..blocks]);
    }
}
