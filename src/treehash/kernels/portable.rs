//! The kernels of any processor: the `sha2` crate, which takes one stream into one state, as fast as that can be done.

use super::shortest;
use crate::treehash::sha256::{BLOCK, Block, State, compress};

pub(super) fn dual(states: &mut [State; 2], [blocks]: [&[Block]; 1]) {
    // So few at a time that the second state finds them in the first-level cache.
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
