//! Glacier's two hashes: the linear SHA-256 of some bytes, and their tree hash.
//!
//! The tree hash takes the SHA-256 of each MiB, the last of which may be short, and folds neighbours pair by pair to
//! one root; a node without a neighbour moves up as it is. A part of 2^n MiB is therefore a whole subtree, and the hash
//! of an archive folds from the hashes of its parts ([`combine`]) without reading a byte again.
//!
//! Each file holds one layer: `sha256` knows blocks and padding, `kernels` compresses blocks in bulk, `messages`
//! and `parts` hash several of these at once, `fold` joins subtrees, `hasher` takes bytes in slices of any size, `file`
//! spreads a file over threads.

mod batch;
mod combine;
mod digest;
mod file;
mod hasher;
mod kernels;
mod messages;
mod sha256;

pub use combine::{TreeCombiner, combine};
pub use digest::Digest;
pub use file::hash_file;
pub use hasher::{PartHasher, PartHashes, TreeHasher, part_hashes};
pub use kernels::{BatchPolicy, Kernels};
