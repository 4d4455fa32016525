//! Kernels for the SHA-256 instructions of ARMv8. They interleave two states: one computes while the other waits for its
//! last result.

#![allow(unsafe_code)] // A function pointer cannot express the required CPU features.

use std::arch::aarch64::{
    uint32x4_t, vaddq_u32, vreinterpretq_u8_u32, vreinterpretq_u32_u8, vrev32q_u8, vsha256h2q_u32, vsha256hq_u32,
    vsha256su0q_u32, vsha256su1q_u32,
};
use std::arch::is_aarch64_feature_detected;
use std::mem::transmute;

use super::Kernel;
use super::lanes::shortest;
use super::two_states::sixteen_rounds;
use crate::treehash::sha256::{Block, ROUND_CONSTANTS, State};

/// Returns the kernels for two states of one stream, which share the message schedule, and for two states of two streams.
pub(super) fn detect() -> Option<(Kernel<1>, Kernel<2>)> {
    is_aarch64_feature_detected!("sha2").then_some((compress_checked::<1>, compress_checked::<2>))
}

fn compress_checked<const STREAMS: usize>(states: &mut [State; 2], streams: [&[Block]; STREAMS]) {
    // SAFETY: only `detect` returns this function, after it found the CPU feature that `compress` requires.
    unsafe { compress(states, streams) }
}

/// The words A to D of a state, and the words E to H.
type Halves = [uint32x4_t; 2];

#[target_feature(enable = "sha2")]
fn compress<const STREAMS: usize>(states: &mut [State; 2], streams: [&[Block]; STREAMS]) {
    let mut both = states.map(halves);
    for n in 0..shortest(&streams) {
        let before = both;
        let mut words = streams.map(|stream| words(&stream[n]));
        for (group, constants) in CONSTANTS.iter().enumerate() {
            sixteen_rounds!(both, words, STREAMS, group, constants, vaddq_u32, 0 1 2 3);
        }
        for (halves, before) in both.iter_mut().zip(before) {
            *halves = [vaddq_u32(halves[0], before[0]), vaddq_u32(halves[1], before[1])];
        }
    }
    *states = both.map(state);
}

/// Computes four rounds.
#[target_feature(enable = "sha2")]
fn four_rounds(halves: &mut Halves, input: uint32x4_t) {
    let [abcd, efgh] = *halves;
    *halves = [vsha256hq_u32(abcd, efgh, input), vsha256h2q_u32(efgh, abcd, input)];
}

/// Returns the four words of the message schedule 16 rounds after `now`.
#[target_feature(enable = "sha2")]
fn next_words([now, second, third, fourth]: [uint32x4_t; 4]) -> uint32x4_t {
    vsha256su1q_u32(vsha256su0q_u32(now, second), third, fourth)
}

/// Returns the 16 big-endian words of a block.
#[target_feature(enable = "neon")]
fn words(block: &Block) -> [uint32x4_t; 4] {
    // SAFETY: both types have 64 bytes, and every bit pattern is valid for both.
    let words = unsafe { transmute::<Block, [uint32x4_t; 4]>(*block) };
    words.map(|words| vreinterpretq_u32_u8(vrev32q_u8(vreinterpretq_u8_u32(words))))
}

fn halves(state: State) -> Halves {
    // SAFETY: both types have 32 bytes, and every bit pattern is valid for both.
    unsafe { transmute::<State, Halves>(state) }
}

fn state(halves: Halves) -> State {
    // SAFETY: both types have 32 bytes, and every bit pattern is valid for both.
    unsafe { transmute::<Halves, State>(halves) }
}

// SAFETY: both types have 256 bytes, and every bit pattern is valid for both.
const CONSTANTS: [[uint32x4_t; 4]; 4] = unsafe { transmute(ROUND_CONSTANTS) };
