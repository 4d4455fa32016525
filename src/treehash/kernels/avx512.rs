//! Kernels for AVX-512, 16 streams at once. A register holds the same word of all streams.

#![allow(unsafe_code)] // A function pointer cannot express the required CPU features.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_ror_epi32, _mm512_set1_epi32, _mm512_set4_epi32, _mm512_shuffle_epi8,
    _mm512_shuffle_i32x4, _mm512_srli_epi32, _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64,
    _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};
use std::mem::transmute;

use super::lanes::{LANES, States, shortest};
use crate::treehash::sha256::{Block, ROUND_CONSTANTS};

type Kernel<const STATES: usize> = fn(&mut [States; STATES], [&[Block]; LANES]);

/// Returns the kernels for one state per stream, and for two states per stream, which share the message schedule.
pub(super) fn detect() -> Option<(Kernel<1>, Kernel<2>)> {
    let can_run = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
    can_run.then_some((compress_checked::<1>, compress_checked::<2>))
}

fn compress_checked<const STATES: usize>(states: &mut [States; STATES], streams: [&[Block]; LANES]) {
    // SAFETY: only `detect` returns this function, after it found the CPU features that `compress` requires.
    unsafe { compress(states, streams) }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn compress<const STATES: usize>(states: &mut [States; STATES], streams: [&[Block]; LANES]) {
    let mut all = states.map(|states| registers(states));
    for n in 0..shortest(&streams) {
        let before = all;
        let mut words = transpose(streams.map(|stream| from_block(&stream[n])));
        for (group, constants) in ROUND_CONSTANTS.as_chunks::<16>().0.iter().enumerate() {
            // Unrolled 16 times, so that the words stay in their registers. After 16 rounds, each word of a state is back at
            // its index.
            macro_rules! round {
                ($t:literal) => {
                    if group > 0 {
                        words[$t] = next_word([0, 1, 9, 14].map(|ahead| words[($t + ahead) % 16]));
                    }
                    let input = _mm512_add_epi32(words[$t], _mm512_set1_epi32(constants[$t].cast_signed()));
                    // The states are interleaved within a round, so that neither waits for its last result.
                    for state in &mut all {
                        let at = |letter: usize| (letter + 16 - $t) % 8;
                        let [a, b, c] = [state[at(0)], state[at(1)], state[at(2)]];
                        let [e, f, g] = [state[at(4)], state[at(5)], state[at(6)]];
                        // Two ports of the processor execute these instructions; only one of them can rotate. The
                        // processor assigns ports in program order, so rotations in a row would leave the other idle.
                        let e6 = _mm512_ror_epi32::<6>(e);
                        let sum = _mm512_add_epi32(state[at(7)], input);
                        let e11 = _mm512_ror_epi32::<11>(e);
                        let sum = _mm512_add_epi32(sum, _mm512_ternarylogic_epi32::<CHOICE>(e, f, g));
                        let e25 = _mm512_ror_epi32::<25>(e);
                        let sum = _mm512_add_epi32(sum, xor(e6, e11, e25));
                        let a2 = _mm512_ror_epi32::<2>(a);
                        let majority = _mm512_ternarylogic_epi32::<MAJORITY>(a, b, c);
                        let a13 = _mm512_ror_epi32::<13>(a);
                        state[at(3)] = _mm512_add_epi32(state[at(3)], sum);
                        let a22 = _mm512_ror_epi32::<22>(a);
                        let sum = _mm512_add_epi32(sum, majority);
                        state[at(7)] = _mm512_add_epi32(sum, xor(a2, a13, a22));
                    }
                };
            }
            round!(0);
            round!(1);
            round!(2);
            round!(3);
            round!(4);
            round!(5);
            round!(6);
            round!(7);
            round!(8);
            round!(9);
            round!(10);
            round!(11);
            round!(12);
            round!(13);
            round!(14);
            round!(15);
        }
        for (state, before) in all.iter_mut().zip(before) {
            for (word, before) in state.iter_mut().zip(before) {
                *word = _mm512_add_epi32(*word, before);
            }
        }
    }
    *states = all.map(|registers| words(registers));
}

/// The bitwise choice: the second operand where the first is set, otherwise the third.
const CHOICE: i32 = 0xca;
/// The bitwise majority of three operands.
const MAJORITY: i32 = 0xe8;

/// Returns the word of the message schedule 16 rounds after `now`.
#[target_feature(enable = "avx512f")]
fn next_word([now, next, ninth, fourteenth]: [__m512i; 4]) -> __m512i {
    let of_next = xor(_mm512_ror_epi32::<7>(next), _mm512_ror_epi32::<18>(next), _mm512_srli_epi32::<3>(next));
    let of_fourteenth = xor(
        _mm512_ror_epi32::<17>(fourteenth),
        _mm512_ror_epi32::<19>(fourteenth),
        _mm512_srli_epi32::<10>(fourteenth),
    );
    _mm512_add_epi32(_mm512_add_epi32(now, ninth), _mm512_add_epi32(of_next, of_fourteenth))
}

#[target_feature(enable = "avx512f")]
fn xor(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0x96>(a, b, c)
}

/// Transposes the blocks of 16 streams into registers of first words, second words, and so on.
///
/// Each block is loaded only once: the blocks of equally long parts map to the same set of the L1 cache, which is too
/// small to keep them for a second load.
#[target_feature(enable = "avx512f,avx512bw")]
fn transpose(blocks: [__m512i; 16]) -> [__m512i; 16] {
    // The words of a block are big-endian.
    let swap = _mm512_set4_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203);
    let mut rows = blocks.map(|block| _mm512_shuffle_epi8(block, swap));
    // First within each 128-bit lane: four words of four streams.
    for four in rows.as_chunks_mut::<4>().0 {
        let [a, b, c, d] = *four;
        let (ab_low, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let (cd_low, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        *four = [
            _mm512_unpacklo_epi64(ab_low, cd_low),
            _mm512_unpackhi_epi64(ab_low, cd_low),
            _mm512_unpacklo_epi64(ab_high, cd_high),
            _mm512_unpackhi_epi64(ab_high, cd_high),
        ];
    }
    // Then whole 128-bit lanes.
    for i in 0..4 {
        let [a, b, c, d] = [rows[i], rows[i + 4], rows[i + 8], rows[i + 12]];
        let (ab_even, ab_odd) = (_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0xdd>(a, b));
        let (cd_even, cd_odd) = (_mm512_shuffle_i32x4::<0x88>(c, d), _mm512_shuffle_i32x4::<0xdd>(c, d));
        rows[i] = _mm512_shuffle_i32x4::<0x88>(ab_even, cd_even);
        rows[i + 4] = _mm512_shuffle_i32x4::<0x88>(ab_odd, cd_odd);
        rows[i + 8] = _mm512_shuffle_i32x4::<0xdd>(ab_even, cd_even);
        rows[i + 12] = _mm512_shuffle_i32x4::<0xdd>(ab_odd, cd_odd);
    }
    rows
}

#[target_feature(enable = "avx512f")]
fn from_block(block: &Block) -> __m512i {
    // SAFETY: both types have 64 bytes, and every bit pattern is valid for both.
    unsafe { transmute(*block) }
}

#[target_feature(enable = "avx512f")]
fn registers(states: States) -> [__m512i; 8] {
    // SAFETY: both types have 512 bytes, and every bit pattern is valid for both.
    unsafe { transmute(states) }
}

#[target_feature(enable = "avx512f")]
fn words(registers: [__m512i; 8]) -> States {
    // SAFETY: both types have 512 bytes, and every bit pattern is valid for both.
    unsafe { transmute(registers) }
}
