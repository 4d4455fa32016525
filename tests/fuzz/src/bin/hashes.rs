//! Fuzzes the hashers: inputs of any length in any slices, and batches of parts of any length, match the definition with
//! every kernel.
#![no_main]

use std::sync::LazyLock;

use glacier_mp::treehash::{Digest, Kernels, PartHasher, PartHashes, TreeHasher};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest as _, Sha256};

const MIB: usize = 1 << 20;

/// Random data. Each input is a slice of it.
static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let blocks = (0..64 * MIB as u64 / 32).map(|n| Sha256::digest(n.to_le_bytes()));
    blocks.flatten().collect()
});

fuzz_target!(|input: (Length, u8, Vec<Length>, [(u8, Length, u8); 2])| {
    let (length, start, cuts, parts) = input;
    slices(&BYTES[start.into()..][..size(length, 20 * MIB)], &cuts);
    // Several parts of equal length, so that they often form a batch. Their contents differ.
    let many = |(count, length, start)| {
        (0..usize::from(count % 18)).map(move |i| &BYTES[usize::from(start) + i * 997..][..size(length, 3 * MIB)])
    };
    batch(&parts.into_iter().flat_map(many).collect::<Vec<_>>());
});

/// A number and a right shift, so that short lengths are as likely as long ones.
type Length = (u32, u8);

fn size((number, bits): Length, most: usize) -> usize {
    (number as usize % most) >> (bits % 25)
}

fn slices(data: &[u8], cuts: &[Length]) {
    let expected = by_definition(data);
    for kernels in Kernels::all() {
        let (mut tree, mut part) = (TreeHasher::with_kernels(kernels), PartHasher::with_kernels(kernels));
        let mut rest = data;
        for cut in cuts {
            let (slice, after) = rest.split_at(rest.len().min(size(*cut, 20 * MIB)));
            tree.update(slice);
            part.update(slice);
            rest = after;
        }
        tree.update(rest);
        part.update(rest);
        assert_eq!((tree.finish(), part.finish()), (expected.tree, expected), "{}", kernels.name());
    }
}

fn batch(parts: &[&[u8]]) {
    let expected: Vec<_> = parts.iter().map(|part| by_definition(part)).collect();
    for kernels in Kernels::all() {
        let mut hashers = vec![PartHasher::with_kernels(kernels); parts.len()];
        kernels.update_parts(&mut hashers.iter_mut().zip(parts.iter().copied()).collect::<Vec<_>>());
        let hashes: Vec<_> = hashers.iter_mut().map(PartHasher::finish).collect();
        assert_eq!(hashes, expected, "{}", kernels.name());
    }
}

fn by_definition(data: &[u8]) -> PartHashes {
    let mut level: Vec<_> = data.chunks(MIB).map(linear).collect();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|nodes| if nodes.len() == 2 { linear(nodes.as_flattened()) } else { nodes[0] })
            .collect();
    }
    PartHashes { linear: Digest(linear(data)), tree: Digest(level.pop().unwrap_or_else(|| linear(&[]))) }
}

fn linear(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}
