//! SHA-256 down to its blocks. Every block that this crate hashes in bulk passes through [`compress`].

use std::array;

use sha2::block_api::compress256;

use super::Digest;

/// What SHA-256 carries from block to block.
pub(super) type State = [u32; 8];

/// What SHA-256 takes at a time.
pub(super) type Block = [u8; BLOCK];

/// The length of a [`Block`].
pub(super) const BLOCK: usize = 64;

/// The state before the first block (FIPS 180-4, 5.3.3).
pub(super) const INITIAL: State =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

/// Lets each of the states take all of the blocks.
pub(super) fn compress<const N: usize>(states: &mut [State; N], blocks: &[Block]) {
    // So few at a time that the second state finds them in the first-level cache.
    const STRIPE: usize = 16 * 1024 / BLOCK;
    for stripe in blocks.chunks(STRIPE) {
        for state in states.iter_mut() {
            compress256(state, stripe);
        }
    }
}

/// The digest of `length` bytes: `state` has taken all their whole blocks, `tail` is the rest.
pub(super) fn finish(state: State, tail: &[u8], length: u64) -> Digest {
    const LENGTH_AT: usize = 2 * BLOCK - size_of::<u64>();
    // The padding: a set bit, zeros, and at the end of the last block the length in bits.
    let mut padded = [0; 2 * BLOCK];
    padded[..tail.len()].copy_from_slice(tail);
    padded[tail.len()] = 0x80;
    // A tail that leaves no room for the length takes two blocks; a shorter one is moved up into the second.
    let blocks = (tail.len() + 1 + size_of::<u64>()).div_ceil(BLOCK);
    let start = (2 - blocks) * BLOCK;
    padded.copy_within(..BLOCK, start);
    padded[LENGTH_AT..].copy_from_slice(&(length << 3).to_be_bytes());
    let mut states = [state];
    compress(&mut states, padded[start..].as_chunks().0);
    let [words] = states;
    Digest(array::from_fn(|i| words[i / 4].to_be_bytes()[i % 4]))
}

/// The node above two neighbours.
pub(super) fn node(left: Digest, right: Digest) -> Digest {
    let mut states = [INITIAL];
    let mut pair = [0; BLOCK];
    pair[..32].copy_from_slice(&left.0);
    pair[32..].copy_from_slice(&right.0);
    compress(&mut states, &[pair]);
    finish(states[0], &[], BLOCK as u64)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn padding_at_every_length_of_the_tail() {
        let data: Vec<u8> = (0..=255).collect();
        for length in 0..=data.len() {
            let (blocks, tail) = data[..length].as_chunks();
            let mut states = [INITIAL, INITIAL];
            compress(&mut states, blocks);
            let expected = Digest(Sha256::digest(&data[..length]).into());
            for state in states {
                assert_eq!(finish(state, tail, length as u64), expected, "{length} bytes");
            }
        }
    }

    #[test]
    fn lengths_that_need_more_than_32_bits() {
        let short = finish(INITIAL, &[], 0);
        for length in [1 << 29, 1 << 32, 1 << 60] {
            assert_ne!(finish(INITIAL, &[], length), short, "{length} bytes are padded like none");
        }
    }
}
