//! Hashes on one core, compared with sha2, ring and OpenSSL. `hashes [REPETITIONS]`

use std::hint::black_box;

use compare::{Candidate, ClockId, candidate, compare, compare_by};
use glacier_mp::sync::cancel::Cancel;
use glacier_mp::treehash::{Kernels, PartHasher, TreeHasher, combine, hash_file};
use sha2::{Digest, Sha256};

const MIB: usize = 1 << 20;
const PARTS: usize = 16;
const PART: usize = 16 * MIB;
const CACHE_LINE: usize = 64;

type Sha = fn(&[u8]) -> [u8; 32];

/// Other implementations. The first is the reference.
const OTHERS: [(&str, Sha); 3] = [
    ("sha2", |data| Sha256::digest(data).into()),
    ("ring", |data| ring::digest::digest(&ring::digest::SHA256, data).as_ref().try_into().expect("32 bytes")),
    ("OpenSSL", openssl::sha::sha256),
];

fn main() {
    let repetitions = std::env::args().nth(1).map_or(15, |text| text.parse().expect("REPETITIONS is a number"));
    println!("kernels: {}", Kernels::all().iter().map(Kernels::name).collect::<Vec<_>>().join(", "));
    let mut state = 1_u64;
    let data: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    })
    .take(PARTS * PART + CACHE_LINE)
    .collect();
    let data = &data[data.as_ptr().align_offset(CACHE_LINE)..][..PARTS * PART];

    linear(&data[..64 * MIB], repetitions);
    tree(&data[..64 * MIB], repetitions);
    both(data, repetitions);
    batches(data, repetitions);
    file(data, repetitions);
    combining(repetitions * 10);
}

fn linear(data: &[u8], repetitions: usize) {
    let candidates = OTHERS.iter().map(|(name, sha)| candidate(*name, || _ = black_box(sha(data))));
    compare("Linear hash alone, 64 MiB", data.len(), repetitions, &[0], candidates.collect());
}

fn tree(data: &[u8], repetitions: usize) {
    let others = OTHERS.iter().map(|(name, sha)| {
        candidate(format!("{name}, one leaf at a time"), move || {
            data.chunks(MIB).for_each(|leaf| _ = black_box(sha(leaf)))
        })
    });
    let by = |kernels: &'static Kernels, slice: usize| {
        let mut hasher = TreeHasher::with_kernels(kernels);
        data.chunks(slice).for_each(|slice| hasher.update(slice));
        black_box(hasher.finish());
    };
    let ours = Kernels::all()
        .iter()
        .map(|kernels| candidate(format!("TreeHasher, {}", kernels.name()), move || by(kernels, data.len())));
    let in_slices = [2, 256]
        .map(|kib| candidate(format!("TreeHasher, slices of {kib} KiB"), move || by(Kernels::best(), kib * 1024)));
    let candidates = others.chain(ours).chain(in_slices).collect();
    compare("Tree hash alone, 64 MiB", data.len(), repetitions, &[0], candidates);
}

fn both(data: &[u8], repetitions: usize) {
    let parts: Vec<_> = data.chunks(PART).collect();
    let parts = parts.as_slice();
    let linear =
        candidate("sha2, linear hash alone", move || parts.iter().for_each(|part| _ = black_box(OTHERS[0].1(part))));
    let two_passes = OTHERS.iter().map(|(name, sha)| {
        candidate(format!("{name}, two passes"), move || {
            for part in parts {
                black_box(sha(part));
                part.chunks(MIB).for_each(|leaf| _ = black_box(sha(leaf)));
            }
        })
    });
    let ours = Kernels::all().iter().flat_map(|kernels| {
        let alone = candidate(format!("one part at a time, {}", kernels.name()), move || hash_singly(kernels, parts));
        [Some(alone), (kernels.batch_policy().max() > 1).then(|| hash_batch(kernels, parts))]
    });
    let candidates = [linear].into_iter().chain(two_passes).chain(ours.flatten()).collect();
    compare("Linear and tree hash, 16 parts of 16 MiB", data.len(), repetitions, &[0, 1], candidates);
}

fn batches(data: &[u8], repetitions: usize) {
    let kernels = Kernels::best();
    for count in [5, 6, 7, 8, 9, 10, 11, 12, 15] {
        let parts: Vec<_> = data.chunks(PART).take(count).collect();
        let candidates =
            vec![candidate("one part at a time", || hash_singly(kernels, &parts)), hash_batch(kernels, &parts)];
        compare(&format!("{count} parts of 16 MiB ready"), count * PART, repetitions, &[0], candidates);
    }
}

fn hash_singly(kernels: &'static Kernels, parts: &[&[u8]]) {
    for part in parts {
        let mut hasher = PartHasher::with_kernels(kernels);
        hasher.update(part);
        black_box(hasher.finish());
    }
}

fn hash_batch<'a>(kernels: &'static Kernels, parts: &'a [&[u8]]) -> Candidate<'a> {
    candidate(format!("in one batch, {}", kernels.name()), move || {
        let mut hashers = vec![PartHasher::with_kernels(kernels); parts.len()];
        kernels.update_parts(&mut hashers.iter_mut().zip(parts.iter().copied()).collect::<Vec<_>>());
        hashers.iter_mut().for_each(|hasher| _ = black_box(hasher.finish()));
    })
}

fn file(data: &[u8], repetitions: usize) {
    let path = std::env::temp_dir().join(format!("glacier-bench-{}", std::process::id()));
    std::fs::write(&path, data).expect("creates the file");
    let by_sha2 = candidate("sha2, reads of 1 MiB", || {
        let mut file = std::fs::File::open(&path).expect("opens the file");
        let mut leaf = vec![0; MIB];
        while std::io::Read::read_exact(&mut file, &mut leaf).is_ok() {
            black_box(OTHERS[0].1(&leaf));
        }
    });
    let ours = [1, 2].map(|threads| {
        let path = &path;
        candidate(format!("hash_file, {threads} threads"), move || {
            _ = black_box(hash_file(path, threads, &|_| {}, &Cancel::default()));
        })
    });
    let candidates = [by_sha2].into_iter().chain(ours).collect();
    let title = "Tree hash of a file of 256 MiB, in the page cache, wall-clock time";
    compare_by(ClockId::Monotonic, title, data.len(), repetitions, &[0, 1], candidates);
    std::fs::remove_file(&path).expect("removes the file");
}

fn combining(repetitions: usize) {
    let digests: Vec<_> =
        (0..10_000_u32).map(|n| glacier_mp::treehash::Digest(Sha256::digest(n.to_le_bytes()).into())).collect();
    let candidates = vec![candidate("combine", || _ = black_box(combine(&digests)))];
    compare("10,000 part hashes combined", digests.len() * 64, repetitions, &[0], candidates);
}
