//! SHA-256 of messages of equal length, several at once: leaves, and pairs of nodes.

use super::digest::Digest;
use super::kernels::lanes::{LANES, broadcast, fill_lanes, lane_state};
use super::kernels::{Kernels, SixteenLanes};
use super::sha256::{BLOCK, Block, INITIAL, State, compress, digest, padding};

/// Hashes messages, each a whole number of blocks, and passes the digests to `output` in order.
pub(super) fn hash_each<const LENGTH: usize>(
    kernels: &Kernels,
    messages: &[[u8; LENGTH]],
    mut output: impl FnMut(Digest),
) {
    const { assert!(LENGTH.is_multiple_of(BLOCK)) };
    for group in messages.chunks(LANES) {
        match kernels.sixteen {
            Some(sixteen) if group.len() >= sixteen.min_streams => hash_batch(sixteen, group, &mut output),
            _ => hash_pairs(kernels, group, &mut output),
        }
    }
}

/// Hashes 1 to 16 messages at once.
fn hash_batch<const LENGTH: usize>(sixteen: SixteenLanes, messages: &[[u8; LENGTH]], output: &mut impl FnMut(Digest)) {
    let mut states = [broadcast(INITIAL)];
    (sixteen.single_state)(&mut states, fill_lanes(messages).map(blocks));
    (sixteen.single_state)(&mut states, [&[padding(LENGTH)]; LANES]);
    for lane in 0..messages.len() {
        output(digest(lane_state(&states[0], lane)));
    }
}

/// Hashes messages two at once.
fn hash_pairs<const LENGTH: usize>(kernels: &Kernels, messages: &[[u8; LENGTH]], output: &mut impl FnMut(Digest)) {
    let (pairs, last) = messages.as_chunks::<2>();
    for pair in pairs {
        let mut states = [INITIAL; 2];
        (kernels.pair)(&mut states, pair.each_ref().map(blocks));
        (kernels.pair)(&mut states, [&[padding(LENGTH)]; 2]);
        states.into_iter().map(digest).for_each(&mut *output);
    }
    for message in last {
        let mut state: State = INITIAL;
        compress(&mut state, blocks(message));
        compress(&mut state, &[padding(LENGTH)]);
        output(digest(state));
    }
}

fn blocks<const LENGTH: usize>(message: &[u8; LENGTH]) -> &[Block] {
    message.as_chunks().0
}
