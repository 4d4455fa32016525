//! The two hashes of Glacier: the linear SHA-256 and the SHA-256 tree hash.
//!
//! The tree hash of data is the root of a hash tree. Its leaves are the SHA-256 hashes of each MiB; the last MiB may be
//! short. Each node is the hash of its two children. A node without a sibling moves up unchanged. A part of 2^n MiB is a
//! complete subtree, so the tree hash of an archive follows from those of its parts ([`combine`]).
//!
//! Each file implements one layer:
//! - `sha256`: blocks and padding
//! - `kernels`: compression of several blocks at once
//! - `messages`: hashes of several messages at once
//! - `hasher`: streaming hashers
//! - `batch`: several part hashers at once
//! - `combine`: subtrees to a root
//! - `file`: a file, hashed by several threads

mod batch;
mod combine;
mod digest;
mod file;
mod hasher;
mod kernels;
mod messages;
mod sha256;

pub(crate) use combine::combine_all;
pub use combine::{TreeCombiner, combine};
pub use digest::Digest;
pub use file::hash_file;
pub use hasher::{PartHasher, PartHashes, TreeHasher, part_hashes};
pub use kernels::{BatchPolicy, Kernels};
