//! The linear SHA-256 and Glacier's tree hash of a payload, computed in one pass.

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest.
pub(crate) type Digest = [u8; 32];

/// The SHA-256 of no bytes in hex: the payload hash of a request without a body.
pub(crate) const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The bytes of one leaf of the tree.
const LEAF: usize = 1 << 20;

/// A hasher for a payload in pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct Hasher {
    linear: Sha256,
    leaf: Sha256,
    in_leaf: usize,
    leaves: Vec<Digest>,
}

impl Hasher {
    /// Adds bytes.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        self.linear.update(bytes);
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(LEAF - self.in_leaf));
            self.leaf.update(now);
            self.in_leaf += now.len();
            if self.in_leaf == LEAF {
                self.leaves.push(self.leaf.finalize_reset().into());
                self.in_leaf = 0;
            }
            bytes = later;
        }
    }

    /// Returns the linear hash and the tree hash.
    pub(crate) fn finish(mut self) -> (Digest, Digest) {
        // An empty payload has one empty leaf.
        if self.in_leaf > 0 || self.leaves.is_empty() {
            self.leaves.push(self.leaf.finalize().into());
        }
        (self.linear.finalize().into(), fold(self.leaves))
    }
}

/// Returns the root of the hashes of adjacent ranges. Each pair is hashed together; an odd last hash moves up unchanged.
pub(crate) fn fold(mut level: Vec<Digest>) -> Digest {
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => Sha256::new().chain_update(left).chain_update(right).finalize().into(),
                odd => odd[0],
            })
            .collect();
    }
    level.first().copied().unwrap_or_else(|| Sha256::digest([]).into())
}

/// Parses a digest in Glacier's format: 64 hex digits in lower case.
pub(crate) fn parse_hex(text: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    hex::decode_to_slice(text, &mut digest).ok()?;
    (hex::encode(digest) == text).then_some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Generates the data of the known answers.
    fn generate(generator: &str, size: usize) -> Vec<u8> {
        let (name, argument) = generator.split_once(':').unwrap_or((generator, ""));
        match name {
            "zeros" => vec![0; size],
            "byte" => vec![u8::from_str_radix(argument, 16).unwrap(); size],
            "mod251" => (0..size).map(|i| u8::try_from(i % 251).unwrap()).collect(),
            "repeat" => argument.bytes().cycle().take(size).collect(),
            "sha256ctr" => {
                let seed = argument.parse::<u64>().unwrap().to_le_bytes();
                let block = |i: u64| Sha256::new().chain_update(seed).chain_update(i.to_le_bytes()).finalize();
                (0u64..).flat_map(block).take(size).collect()
            }
            _ => panic!("unknown generator {generator}"),
        }
    }

    #[test]
    fn matches_known_answers_for_any_piece_size() {
        let table = include_str!("../tests/data/treehash.csv");
        let mut checked = 0;
        for line in table.lines().skip(1) {
            let fields: Vec<_> = line.split(',').collect();
            let size = fields[1].parse::<usize>().unwrap();
            if size > 20 << 20 {
                continue;
            }
            let data = generate(fields[0], size);
            for piece in [LEAF + 7, 65_521] {
                let mut hasher = Hasher::default();
                data.chunks(piece).for_each(|bytes| hasher.update(bytes));
                let (linear, tree) = hasher.finish();
                assert_eq!(
                    (hex::encode(linear).as_str(), hex::encode(tree).as_str()),
                    (fields[2], fields[3]),
                    "{line}"
                );
            }
            checked += 1;
        }
        assert!(checked > 10, "only {checked} known answers checked");
    }

    #[test]
    fn matches_known_roots() {
        for line in include_str!("../tests/data/treehash_fold.csv").lines().skip(1) {
            let fields: Vec<_> = line.split(',').collect();
            let seed = fields[0].parse::<u64>().unwrap().to_le_bytes();
            let leaf = |i: u64| Sha256::new().chain_update(seed).chain_update(i.to_le_bytes()).finalize().into();
            let leaves = (0..fields[1].parse::<u64>().unwrap()).map(leaf).collect();
            assert_eq!(hex::encode(fold(leaves)), fields[2], "{line}");
        }
    }

    #[test]
    fn rejects_upper_case_hex() {
        assert!(parse_hex(EMPTY).is_some());
        assert!(parse_hex(&EMPTY.to_uppercase()).is_none());
        assert!(parse_hex(&EMPTY[1..]).is_none());
    }
}
