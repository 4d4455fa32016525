//! Sixteen streams by AVX-512: a register holds the same word of all of them.

#![allow(unsafe_code)] // Which instructions a function may use is not part of its type.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_ror_epi32, _mm512_set1_epi32, _mm512_set4_epi32, _mm512_shuffle_epi8,
    _mm512_shuffle_i32x4, _mm512_srli_epi32, _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64,
    _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
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
    for n in 0..shortest(&streams) {
        let before = all;
        let mut words = transposed(streams.map(|stream| from_block(&stream[n])));
        for (sixteen, constants) in ROUND_CONSTANTS.as_chunks::<16>().0.iter().enumerate() {
            // Written out sixteen times, so that the words stay in their registers; each word of a state is then back at
            // its place.
            macro_rules! round {
                ($t:literal) => {
                    if sixteen > 0 {
                        words[$t] = next_word([0, 1, 9, 14].map(|ahead| words[($t + ahead) % 16]));
                    }
                    let input = _mm512_add_epi32(words[$t], _mm512_set1_epi32(constants[$t].cast_signed()));
                    // The states take turns within a round, so that neither waits.
                    for state in &mut all {
                        let at = |letter: usize| (letter + 16 - $t) % 8;
                        let [a, b, c] = [state[at(0)], state[at(1)], state[at(2)]];
                        let [e, f, g] = [state[at(4)], state[at(5)], state[at(6)]];
                        // Two units of the processor share the work, one of which alone can rotate. Which takes what is
                        // settled in the order of the instructions: rotations in a row would let the other wait.
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

/// Bit by bit, the second where the first is set, else the third.
const CHOICE: i32 = 0xca;
/// Bit by bit, what at least two of three are.
const MAJORITY: i32 = 0xe8;

/// The word sixteen rounds after `now`, which needs three that come in between.
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
