//! The bytes that known answers are about, made from the names they go by.

use sha2::{Digest, Sha256};

/// `size` bytes of what `spec` names:
/// `zeros`; `byte:HH`, one byte repeated; `mod251`, byte i is i mod 251; `repeat:TEXT`, a text repeated;
/// `sha256ctr:S`, SHA-256(LE64(S) || LE64(i)) for i = 0, 1, … one behind the other.
pub(crate) fn generate(spec: &str, size: usize) -> Vec<u8> {
    let (kind, argument) = spec.split_once(':').unwrap_or((spec, ""));
    match kind {
        "zeros" => vec![0; size],
        "byte" => vec![u8::from_str_radix(argument, 16).expect(spec); size],
        "mod251" => (0..=250).cycle().take(size).collect(),
        "repeat" => argument.bytes().cycle().take(size).collect(),
        "sha256ctr" => {
            let seed = argument.parse().expect(spec);
            (0..).flat_map(|i| numbered(seed, i)).take(size).collect()
        }
        _ => panic!("unknown data {spec}"),
    }
}

/// SHA-256(LE64(seed) || LE64(i)).
pub(crate) fn numbered(seed: u64, i: u64) -> [u8; 32] {
    Sha256::new().chain_update(seed.to_le_bytes()).chain_update(i.to_le_bytes()).finalize().into()
}
