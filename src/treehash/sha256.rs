//! SHA-256 by blocks (FIPS 180-4).

use std::array;

use sha2::block_api::compress256;

use super::digest::Digest;

/// The chaining state between two blocks.
pub(super) type State = [u32; 8];

/// The input block of SHA-256.
pub(super) type Block = [u8; 64];

/// The length of a [`Block`], in bytes.
pub(super) const BLOCK: usize = size_of::<Block>();

/// The initial state (5.3.3).
pub(super) const INITIAL: State =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

/// The round constants (4.2.2).
#[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little")))]
pub(super) const ROUND_CONSTANTS: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, //
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, //
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, //
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, //
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, //
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, //
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, //
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

/// Compresses blocks into a state.
pub(super) fn compress(state: &mut State, blocks: &[Block]) {
    compress256(state, blocks);
}

/// Returns the digest of `length` bytes. `state` is the state after all whole blocks, `tail` the remaining bytes.
pub(super) fn finish(mut state: State, tail: &[u8], length: u64) -> Digest {
    const LENGTH_AT: usize = 2 * BLOCK - size_of::<u64>();
    // The padding: a one bit, zeros, and the length in bits at the end of the last block.
    let mut padded = [0; 2 * BLOCK];
    padded[..tail.len()].copy_from_slice(tail);
    padded[tail.len()] = 0x80;
    // A tail without room for the length needs two blocks. A shorter one is moved to the second block.
    let blocks = (tail.len() + 1 + size_of::<u64>()).div_ceil(BLOCK);
    let start = (2 - blocks) * BLOCK;
    padded.copy_within(..BLOCK, start);
    padded[LENGTH_AT..].copy_from_slice(&(length << 3).to_be_bytes());
    compress(&mut state, padded[start..].as_chunks().0);
    digest(state)
}

/// Returns the padding block of a message of `length` bytes, a whole number of blocks.
pub(super) fn padding(length: usize) -> Block {
    let mut block = [0; BLOCK];
    block[0] = 0x80;
    block[BLOCK - size_of::<u64>()..].copy_from_slice(&((length as u64) << 3).to_be_bytes());
    block
}

/// Returns the digest of a message, from the state after its last block and its padding.
pub(super) fn digest(state: State) -> Digest {
    Digest(array::from_fn(|i| state[i / 4].to_be_bytes()[i % 4]))
}

/// Returns the parent of two sibling nodes.
pub(super) fn node(left: Digest, right: Digest) -> Digest {
    let mut state = INITIAL;
    let mut pair = [0; BLOCK];
    pair[..32].copy_from_slice(&left.0);
    pair[32..].copy_from_slice(&right.0);
    compress(&mut state, &[pair]);
    finish(state, &[], BLOCK as u64)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn pads_tails_of_every_length() {
        let data: Vec<u8> = (0..=255).collect();
        for length in 0..=data.len() {
            let (blocks, tail) = data[..length].as_chunks();
            let mut state = INITIAL;
            compress(&mut state, blocks);
            let expected = Digest(Sha256::digest(&data[..length]).into());
            assert_eq!(finish(state, tail, length as u64), expected, "{length} bytes");
        }
    }

    #[test]
    fn pads_lengths_above_32_bits() {
        let short = finish(INITIAL, &[], 0);
        for length in [1 << 29, 1 << 32, 1 << 60] {
            assert_ne!(finish(INITIAL, &[], length), short, "{length} bytes have the padding of 0 bytes");
        }
    }
}
