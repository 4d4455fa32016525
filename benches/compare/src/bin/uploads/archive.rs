//! The file to upload, and its hashes, computed without the library.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::{MIB, Result};

/// A file in which every MiB is different.
pub(crate) struct Archive {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// The SHA-256 in hex.
    pub(crate) linear: String,
    /// The tree hash in hex.
    pub(crate) tree: String,
}

impl Archive {
    /// Creates the file. It is in the page cache afterwards.
    pub(crate) fn create(path: PathBuf, bytes: u64) -> Result<Self> {
        let mut file = File::create(&path)?;
        let (mut linear, mut leaves) = (Sha256::new(), Vec::new());
        let mut state = 1_u64;
        for _ in 0..bytes / MIB {
            let words = std::iter::repeat_with(|| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state ^ state >> 32).to_le_bytes()
            });
            let leaf: Vec<_> = words.take(1 << 17).flatten().collect();
            file.write_all(&leaf)?;
            linear.update(&leaf);
            leaves.push(Sha256::digest(&leaf).into());
        }
        // Otherwise the kernel would write the file back during a measurement.
        file.sync_all()?;
        Ok(Self { path, bytes, linear: hex(&linear.finalize()), tree: hex(&tree_hash(leaves)) })
    }
}

/// Creates a sparse file in which every MiB is different.
pub(crate) fn create_sparse(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.set_len(bytes)?;
    for start in (0..bytes).step_by(1 << 20) {
        file.seek(SeekFrom::Start(start))?;
        file.write_all(&(start + 1).to_le_bytes())?;
    }
    file.sync_all()
}

/// Creates a sparse file and reads it. On the first read, the kernel allocates pages for the holes, which is not a cost of
/// the upload.
pub(crate) fn create_sparse_and_read(path: &Path, bytes: u64) -> io::Result<()> {
    create_sparse(path, bytes)?;
    io::copy(&mut File::open(path)?, &mut io::sink()).map(drop)
}

fn tree_hash(mut level: Vec<[u8; 32]>) -> [u8; 32] {
    while level.len() > 1 {
        let parent = |pair: &[[u8; 32]]| match pair {
            [left, right] => Sha256::digest([*left, *right].concat()).into(),
            single => single[0],
        };
        level = level.chunks(2).map(parent).collect();
    }
    level[0]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
