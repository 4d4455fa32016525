//! Kernels for the SHA instructions of x86. They interleave two states: one computes while the other waits for its last
//! result.

#![allow(unsafe_code)] // A function pointer cannot express the required CPU features.

use std::arch::asm;
use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi32, _mm_set_epi64x, _mm_sha256msg2_epu32,
    _mm_shuffle_epi8, _mm_slli_epi32, _mm_srli_epi32, _mm_xor_si128,
};
use std::mem::transmute;

use super::Kernel;
use super::lanes::shortest;
use super::two_states::sixteen_rounds;
use crate::treehash::sha256::{Block, ROUND_CONSTANTS, State};

/// Returns the kernels for two states of one stream, which share the message schedule, and for two states of two streams.
pub(super) fn detect() -> Option<(Kernel<1>, Kernel<2>)> {
    let can_run = is_x86_feature_detected!("sha") && is_x86_feature_detected!("avx");
    can_run.then_some((compress_checked::<1>, compress_checked::<2>))
}

fn compress_checked<const STREAMS: usize>(states: &mut [State; 2], streams: [&[Block]; STREAMS]) {
    // SAFETY: only `detect` returns this function, after it found the CPU features that `compress` requires.
    unsafe { compress(states, streams) }
}

/// The words of a state in the order of the instructions: F, E, B, A from the lowest lane up, and H, G, D, C.
type Halves = [__m128i; 2];

#[target_feature(enable = "sha,avx")]
fn compress<const STREAMS: usize>(states: &mut [State; 2], streams: [&[Block]; STREAMS]) {
    let mut both = [halves(&states[0]), halves(&states[1])];
    for n in 0..shortest(&streams) {
        let before = both;
        let mut words = streams.map(|stream| words(&stream[n]));
        for (group, constants) in CONSTANTS.iter().enumerate() {
            sixteen_rounds!(both, words, STREAMS, group, constants, _mm_add_epi32, 0 1 2 3);
        }
        for (halves, before) in both.iter_mut().zip(before) {
            *halves = [_mm_add_epi32(halves[0], before[0]), _mm_add_epi32(halves[1], before[1])];
        }
    }
    *states = [state(both[0]), state(both[1])];
}

/// Computes four rounds.
#[target_feature(enable = "sha,avx")]
fn four_rounds([feba, hgdc]: &mut Halves, input: __m128i) {
    // In assembly, because the compiler would schedule all rounds of one state before those of the other: too far apart for
    // the processor to overlap them.
    // SAFETY: the instructions change only the named registers, and the caller has the CPU features.
    unsafe {
        asm!(
            "sha256rnds2 {hgdc}, {feba}, xmm0",
            "vpshufd xmm0, xmm0, 14",
            "sha256rnds2 {feba}, {hgdc}, xmm0",
            feba = inout(xmm_reg) *feba,
            hgdc = inout(xmm_reg) *hgdc,
            inout("xmm0") input => _,
            options(nomem, nostack, preserves_flags),
        );
    }
}

/// Returns the four words of the message schedule 16 rounds after `now`.
#[target_feature(enable = "sha,avx")]
fn next_words([now, second, third, fourth]: [__m128i; 4]) -> __m128i {
    // Without sha256msg1: on some processors it blocks the pipeline for seven cycles.
    let next = _mm_alignr_epi8::<4>(second, now);
    let of_next = xor(xor(rotate::<7, 25>(next), rotate::<18, 14>(next)), _mm_srli_epi32::<3>(next));
    let sum = _mm_add_epi32(_mm_add_epi32(now, of_next), _mm_alignr_epi8::<4>(fourth, third));
    _mm_sha256msg2_epu32(sum, fourth)
}

#[target_feature(enable = "avx")]
fn rotate<const RIGHT: i32, const LEFT: i32>(words: __m128i) -> __m128i {
    xor(_mm_srli_epi32::<RIGHT>(words), _mm_slli_epi32::<LEFT>(words))
}

#[target_feature(enable = "avx")]
fn xor(a: __m128i, b: __m128i) -> __m128i {
    _mm_xor_si128(a, b)
}

#[target_feature(enable = "avx")]
fn halves(state: &State) -> Halves {
    let [a, b, c, d, e, f, g, h] = state.map(u32::cast_signed);
    [_mm_set_epi32(a, b, e, f), _mm_set_epi32(c, d, g, h)]
}

#[target_feature(enable = "avx")]
fn state([feba, hgdc]: Halves) -> State {
    let [a, b] = [_mm_extract_epi32::<3>(feba), _mm_extract_epi32::<2>(feba)];
    let [e, f] = [_mm_extract_epi32::<1>(feba), _mm_extract_epi32::<0>(feba)];
    let [c, d] = [_mm_extract_epi32::<3>(hgdc), _mm_extract_epi32::<2>(hgdc)];
    let [g, h] = [_mm_extract_epi32::<1>(hgdc), _mm_extract_epi32::<0>(hgdc)];
    [a, b, c, d, e, f, g, h].map(i32::cast_unsigned)
}

/// Returns the 16 big-endian words of a block.
#[target_feature(enable = "avx")]
fn words(block: &Block) -> [__m128i; 4] {
    let swap = _mm_set_epi64x(0x0c0d0e0f_08090a0b, 0x04050607_00010203);
    // SAFETY: both types have 64 bytes, and every bit pattern is valid for both.
    let words = unsafe { transmute::<Block, [__m128i; 4]>(*block) };
    words.map(|words| _mm_shuffle_epi8(words, swap))
}

// SAFETY: both types have 256 bytes, and every bit pattern is valid for both.
const CONSTANTS: [[__m128i; 4]; 4] = unsafe { transmute(ROUND_CONSTANTS) };
