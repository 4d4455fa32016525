//! Linear and tree hashes, compared with known answers and with the definition.

#![cfg(test)] // So that the lints treat shared functions as tests.

mod support;

use glacier_mp::error::Kind;
use glacier_mp::plan::Plan;
use glacier_mp::treehash::{Digest, Kernels, PartHasher, PartHashes, TreeCombiner, TreeHasher, combine, part_hashes};
use proptest::prelude::*;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use support::data::{generate, numbered};
use support::{known_answers, known_rows};

const MIB: usize = 1 << 20;

#[test]
fn hashes_match_known_answers() {
    for [generator, size, linear, tree] in known_rows("treehash.csv") {
        check(&format!("{generator} {size}"), &generator, size.parse().unwrap(), &linear, &tree);
    }
}

#[test]
fn hashes_match_published_answers() {
    #[derive(Deserialize)]
    struct Published {
        name: String,
        generator: String,
        size: usize,
        linear_sha256: String,
        tree_sha256: String,
    }
    let all: Vec<Published> = serde_json::from_str(&known_answers("treehash_peers.json")).unwrap();
    assert!(!all.is_empty());
    for one in all {
        check(&one.name, &one.generator, one.size, &one.linear_sha256, &one.tree_sha256);
    }
}

fn check(name: &str, generator: &str, size: usize, linear: &str, tree: &str) {
    let data = generate(generator, size);
    let expected = PartHashes { linear: linear.parse().unwrap(), tree: tree.parse().unwrap() };
    for kernels in Kernels::all() {
        let (mut part, mut tree) = (PartHasher::with_kernels(kernels), TreeHasher::with_kernels(kernels));
        part.update(&data);
        tree.update(&data);
        assert_eq!(part.finish(), expected, "{name}, {}", kernels.name());
        assert_eq!(tree.finish(), expected.tree, "{name}, {}", kernels.name());
        if data.len() < 8 * MIB {
            let parts = hash_batch(kernels, &[data.as_slice(); 16]);
            assert_eq!(parts, [expected; 16], "{name}, {}", kernels.name());
        }
    }
}

/// Hashes parts in one batch.
fn hash_batch(kernels: &'static Kernels, parts: &[&[u8]]) -> Vec<PartHashes> {
    let mut hashers = vec![PartHasher::with_kernels(kernels); parts.len()];
    kernels.update_parts(&mut hashers.iter_mut().zip(parts.iter().copied()).collect::<Vec<_>>());
    hashers.iter_mut().map(PartHasher::finish).collect()
}

#[test]
fn batches_of_every_size_match_the_definition() {
    const PARTS: usize = 17;
    let data = generate("sha256ctr:8", 3 * MIB);
    for length in [0, 1, 55, 56, 63, 64, 65, MIB - 1, MIB, MIB + 1, 2 * MIB + 777] {
        // Each part starts at a different offset, most of them at unaligned addresses.
        let parts: Vec<_> = (0..PARTS).map(|i| &data[i * 4099..][..length]).collect();
        let expected: Vec<_> = parts.iter().map(|part| hashes_by_definition(part)).collect();
        for kernels in Kernels::all() {
            for count in 0..=PARTS {
                assert_eq!(
                    hash_batch(kernels, &parts[..count]),
                    expected[..count],
                    "{count} of {length} bytes, {}",
                    kernels.name()
                );
            }
        }
    }
}

#[test]
fn batches_of_mixed_lengths_keep_their_order() {
    let data = generate("sha256ctr:9", 2 * MIB);
    let lengths = [MIB + 5, 7, MIB + 5, MIB + 6].into_iter().cycle().take(40);
    let parts: Vec<_> = lengths.enumerate().map(|(i, length)| &data[i * 1001..][..length]).collect();
    let expected: Vec<_> = parts.iter().map(|part| hashes_by_definition(part)).collect();
    for kernels in Kernels::all() {
        assert_eq!(hash_batch(kernels, &parts), expected, "{}", kernels.name());
    }
}

#[test]
fn batches_continue_parts_at_different_offsets() {
    let data = generate("sha256ctr:10", 6 * MIB);
    let mut random = fastrand::Rng::with_seed(11);
    for (kernels, aligned) in Kernels::all().iter().flat_map(|kernels| [(kernels, true), (kernels, false)]) {
        // The first parts end early. The others continue in smaller batches, finally one at a time.
        let mut parts: Vec<_> = (0..20).map(|i| &data[i * 1001..][..random.usize(..MIB) * (i + 1) / 4]).collect();
        let expected: Vec<_> = parts.iter().map(|part| hashes_by_definition(part)).collect();
        let mut hashers = vec![PartHasher::with_kernels(kernels); parts.len()];
        while parts.iter().any(|part| !part.is_empty()) {
            let mut slices = Vec::new();
            for (hasher, part) in hashers.iter_mut().zip(&mut parts) {
                let length = if aligned { MIB } else { random.usize(..2 * MIB) };
                if random.u8(..4) > 0 {
                    slices.push((hasher, part.split_off(..length.min(part.len())).unwrap()));
                }
            }
            kernels.update_parts(&mut slices);
        }
        let hashes: Vec<_> = hashers.iter_mut().map(PartHasher::finish).collect();
        assert_eq!(hashes, expected, "{} {aligned}", kernels.name());
    }
}

#[test]
fn roots_match_known_answers() {
    for [seed, count, root] in known_rows("treehash_fold.csv") {
        assert_eq!(combine(&leaves(seed.parse().unwrap(), count.parse().unwrap())).unwrap().to_hex(), root, "{count}");
    }
}

#[test]
fn finish_resets_the_combiner() {
    let leaves = leaves(3, 7);
    let mut combiner = TreeCombiner::default();
    for _ in 0..2 {
        assert_eq!(combiner.finish(), None);
        for &leaf in &leaves {
            combiner.push(leaf);
        }
        assert_eq!(combiner.finish(), combine(&leaves).ok());
    }
}

#[test]
fn rejects_combination_of_no_parts() {
    assert_eq!(combine(&[]).unwrap_err().kind(), Kind::Invalid);
}

#[test]
fn combined_parts_match_the_archive() {
    #[derive(Deserialize)]
    struct Archive {
        generator: String,
        archive_size: usize,
        part_size: usize,
        archive_tree_sha256: String,
        parts: Vec<Part>,
    }
    #[derive(Deserialize)]
    struct Part {
        content_range: String,
        range_in_bytes: String,
        length: u64,
        linear_sha256: String,
        tree_sha256: String,
    }
    let archives: Vec<Archive> = serde_json::from_str(&known_answers("multipart_plans.json")).unwrap();
    assert!(!archives.is_empty());
    for archive in archives {
        let data = generate(&archive.generator, archive.archive_size);
        let plan = Plan::new(data.len() as u64, Some(archive.part_size as u64)).unwrap();
        assert_eq!(plan.part_count() as usize, archive.parts.len());
        let mut trees = Vec::new();
        for ((index, part), bytes) in (0..).zip(&archive.parts).zip(data.chunks(archive.part_size)) {
            let range = plan.range(index).unwrap();
            assert_eq!(range.content_range(), part.content_range);
            assert_eq!(range.in_bytes(), part.range_in_bytes);
            assert_eq!(range.length(), part.length);
            let hashes = part_hashes(bytes);
            assert_eq!(hashes.linear.to_hex(), part.linear_sha256);
            assert_eq!(hashes.tree.to_hex(), part.tree_sha256);
            trees.push(hashes.tree);
        }
        assert_eq!(combine(&trees).unwrap().to_hex(), archive.archive_tree_sha256);
        assert_eq!(tree_hash(&data).to_hex(), archive.archive_tree_sha256);
    }
}

#[test]
fn finish_resets_the_hashers() {
    let data = generate("mod251", MIB + 777);
    let mut tree = TreeHasher::new();
    let mut part = PartHasher::new();
    for _ in 0..2 {
        tree.update(&data);
        part.update(&data);
        let expected = part_hashes(&data);
        assert_eq!((tree.finish(), part.finish()), (expected.tree, expected));
    }
    assert_eq!((tree.finish(), part.finish()), (part_hashes(&[]).tree, part_hashes(&[])));
}

#[test]
fn digest_converts_to_and_from_text() {
    let digest = Digest(numbered(1, 2));
    let text = digest.to_hex();
    assert_eq!(text.len(), 64);
    assert_eq!(text, text.to_lowercase());
    assert_eq!((format!("{digest}"), format!("{digest:?}")), (text.clone(), text.clone()));
    assert_eq!(text.parse::<Digest>().unwrap(), digest);
    assert_eq!(text.to_uppercase().parse::<Digest>().unwrap(), digest);
    for wrong in ["", &text[1..], &text[2..], &format!("{text}00"), &text.replace(&text[..1], "g"), &"é".repeat(32)] {
        assert_eq!(wrong.parse::<Digest>().unwrap_err().kind(), Kind::Invalid, "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hashes_do_not_depend_on_slices(
        leaves in prop_oneof![4 => 0..5_usize, 1 => 5..35_usize],
        extra in prop_oneof![Just(0_usize), 0..200_usize, 0..MIB],
        cuts in prop::collection::vec(
            prop_oneof![1..200_usize, 1..MIB, Just(MIB), Just(64), Just(3 * MIB), Just(17 * MIB), Just(32 * MIB + 1)],
            1..30,
        ),
    ) {
        let data = generate("mod251", (leaves * MIB + extra).saturating_sub(100));
        let expected = hashes_by_definition(&data);
        for kernels in Kernels::all() {
            let mut tree = TreeHasher::with_kernels(kernels);
            let mut part = PartHasher::with_kernels(kernels);
            let mut rest = data.as_slice();
            for cut in cuts.iter().cycle() {
                let (slice, after) = rest.split_at(rest.len().min(*cut));
                tree.update(slice);
                part.update(slice);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(part.finish(), expected, "{}", kernels.name());
            prop_assert_eq!(tree.finish(), expected.tree, "{}", kernels.name());
        }
    }

    #[test]
    fn combination_matches_the_definition(seed: u64, count in 1..600_u64) {
        let leaves = leaves(seed, count);
        prop_assert_eq!(combine(&leaves).unwrap(), by_definition(leaves));
    }
}

fn hashes_by_definition(data: &[u8]) -> PartHashes {
    PartHashes { linear: linear(data), tree: by_definition(data.chunks(MIB).map(linear).collect()) }
}

/// Combines level by level, as in the developer guide.
fn by_definition(mut level: Vec<Digest>) -> Digest {
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|nodes| match nodes {
                [left, right] => linear(&[left.0, right.0].concat()),
                single => single[0],
            })
            .collect();
    }
    level.pop().unwrap_or_else(|| linear(&[]))
}

fn linear(data: &[u8]) -> Digest {
    Digest(Sha256::digest(data).into())
}

fn leaves(seed: u64, count: u64) -> Vec<Digest> {
    (0..count).map(|i| Digest(numbered(seed, i))).collect()
}

fn tree_hash(data: &[u8]) -> Digest {
    let mut hasher = TreeHasher::new();
    hasher.update(data);
    hasher.finish()
}
