//! The data of the known answers, generated from their names.

use sha2::{Digest, Sha256};

/// Generates `size` bytes. `spec` is one of:
/// `zeros`; `byte:HH`, one repeated byte; `mod251`, byte i is i mod 251; `repeat:TEXT`, a repeated text;
/// `sha256ctr:S`, the concatenation of SHA-256(LE64(S) || LE64(i)) for i = 0, 1, …
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
