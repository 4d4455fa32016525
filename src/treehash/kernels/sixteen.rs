//! Sixteen streams by AVX-512: a register holds the same word of all of them.

#![allow(unsafe_code)] // Which instructions a function may use is not part of its type.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_ror_epi32, _mm512_set1_epi32, _mm512_set4_epi32, _mm512_setzero_si512,
    _mm512_shuffle_epi8, _mm512_shuffle_i32x4, _mm512_srli_epi32, _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32,
    _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};
use std::mem::transmute;

use super::{LANES, States, shortest};
use crate::treehash::sha256::{Block, ROUND_CONSTANTS};

type Kernel<const STATES: usize> = fn(&mut [States; STATES], [&[Block]; LANES]);

/// One state a stream, and two states a stream, which prepare its words for the rounds only once.
pub(super) fn detect() -> Option<(Kernel<1>, Kernel<2>)> {
    let can_run = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
    can_run.then_some((take::<1>, take::<2>))
}

fn take<const STATES: usize>(states: &mut [States; STATES], streams: [&[Block]; LANES]) {
    // SAFETY: only `detect` hands this function out, after it found all the instructions that `compress` is built for.
    unsafe { compress(states, streams) }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn compress<const STATES: usize>(states: &mut [States; STATES], streams: [&[Block]; LANES]) {
    let mut all = states.map(|states| registers(states));
    let mut inputs = [_mm512_setzero_si512(); 64];
    for n in 0..shortest(&streams) {
        let before = all;
        fill_schedule(&mut inputs, transposed(streams.map(|stream| from_block(&stream[n]))));
        for inputs in inputs.as_chunks::<8>().0 {
            // The states take turns within a round, so that neither waits. Eight rounds bring each word of a state back
            // to its place.
            macro_rules! round {
                ($t:literal) => {
                    for state in &mut all {
                        let at = |letter: usize| (letter + 8 - $t) % 8;
                        let [a, b, c] = [state[at(0)], state[at(1)], state[at(2)]];
                        let [e, f, g] = [state[at(4)], state[at(5)], state[at(6)]];
                        let choice = _mm512_ternarylogic_epi32::<0xca>(e, f, g);
                        let majority = _mm512_ternarylogic_epi32::<0xe8>(a, b, c);
                        let of_a = xor(_mm512_ror_epi32::<2>(a), _mm512_ror_epi32::<13>(a), _mm512_ror_epi32::<22>(a));
                        let of_e = xor(_mm512_ror_epi32::<6>(e), _mm512_ror_epi32::<11>(e), _mm512_ror_epi32::<25>(e));
                        let sum = _mm512_add_epi32(
                            _mm512_add_epi32(state[at(7)], inputs[$t]),
                            _mm512_add_epi32(of_e, choice),
                        );
                        state[at(3)] = _mm512_add_epi32(state[at(3)], sum);
                        state[at(7)] = _mm512_add_epi32(sum, _mm512_add_epi32(of_a, majority));
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
        }
        for (state, before) in all.iter_mut().zip(before) {
            for (word, before) in state.iter_mut().zip(before) {
                *word = _mm512_add_epi32(*word, before);
            }
        }
    }
    *states = all.map(|registers| words(registers));
}

/// What each round takes, its constant included.
#[target_feature(enable = "avx512f")]
fn fill_schedule(inputs: &mut [__m512i; 64], mut words: [__m512i; 16]) {
    let (inputs, constants) = (inputs.as_chunks_mut::<16>().0, ROUND_CONSTANTS.as_chunks::<16>().0);
    for (sixteen, (inputs, constants)) in inputs.iter_mut().zip(constants).enumerate() {
        // Written out sixteen times, so that the words stay in their registers.
        macro_rules! step {
            ($t:literal) => {
                if sixteen > 0 {
                    let [near, far] = [words[($t + 1) % 16], words[($t + 14) % 16]];
                    let of_near =
                        xor(_mm512_ror_epi32::<7>(near), _mm512_ror_epi32::<18>(near), _mm512_srli_epi32::<3>(near));
                    let of_far =
                        xor(_mm512_ror_epi32::<17>(far), _mm512_ror_epi32::<19>(far), _mm512_srli_epi32::<10>(far));
                    words[$t] = _mm512_add_epi32(
                        _mm512_add_epi32(words[$t], words[($t + 9) % 16]),
                        _mm512_add_epi32(of_near, of_far),
                    );
                }
                inputs[$t] = _mm512_add_epi32(words[$t], _mm512_set1_epi32(constants[$t].cast_signed()));
            };
        }
        step!(0);
        step!(1);
        step!(2);
        step!(3);
        step!(4);
        step!(5);
        step!(6);
        step!(7);
        step!(8);
        step!(9);
        step!(10);
        step!(11);
        step!(12);
        step!(13);
        step!(14);
        step!(15);
    }
}

#[target_feature(enable = "avx512f")]
fn xor(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0x96>(a, b, c)
}

/// From the blocks of sixteen streams to their first words, their second words, and so on.
///
/// A block is loaded as a whole: the lanes of equally long parts share one set of the first-level cache, which would
/// not hold their blocks until a second look.
#[target_feature(enable = "avx512f,avx512bw")]
fn transposed(blocks: [__m512i; 16]) -> [__m512i; 16] {
    // Blocks hold their words as big-endian numbers.
    let swap = _mm512_set4_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203);
    let mut rows = blocks.map(|block| _mm512_shuffle_epi8(block, swap));
    // Within each quarter of a register first: four words of four streams.
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
    // Then whole quarters.
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
    // SAFETY: both types are 64 bytes, and any 64 bytes are a value of either.
    unsafe { transmute(*block) }
}

#[target_feature(enable = "avx512f")]
fn registers(states: States) -> [__m512i; 8] {
    // SAFETY: both types are 512 bytes, and any 512 bytes are a value of either.
    unsafe { transmute(states) }
}

#[target_feature(enable = "avx512f")]
fn words(registers: [__m512i; 8]) -> States {
    // SAFETY: both types are 512 bytes, and any 512 bytes are a value of either.
    unsafe { transmute(registers) }
}
