//! The tree hash of a file, by several threads.
//!
//! Each thread takes the next chunk, a whole subtree, and reads it by position in small pieces: what is held does not
//! grow with the file.

use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use super::{Digest, TreeHasher, combine};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::file::SteadyFile;
use crate::limits::MIB;
use crate::sys::thread::{join_all, spawn_scoped};

/// The smallest chunk, in bytes.
const CHUNK_MIN: u64 = 8 * MIB;
/// The most chunks of one file: their hashes take 2 MiB.
const CHUNKS_MAX: u64 = 1 << 16;
/// What a thread reads at a time: small enough to be still in its cache when it is hashed.
const READ: usize = 256 * 1024;
/// The most threads that are started, whatever is asked for.
const THREADS_MAX: usize = 256;

/// The tree hash of a file, computed by `threads` threads; 0 means one for each core.
///
/// `report` is called from these threads, several at once, with the number of bytes hashed so far; the calls may come
/// in another order than their numbers. An empty file has the hash of no bytes.
///
/// # Errors
/// `Io` if the file cannot be read or is not a regular file, `SourceChanged` if it changed meanwhile, `Canceled`.
pub fn hash_file(path: &Path, threads: u32, report: &(dyn Fn(u64) + Sync), cancel: &Cancel) -> Result<Digest> {
    cancel.check()?;
    let source = SteadyFile::open(path)?;
    let size = source.identity().size;
    if size == 0 {
        source.check_unchanged()?;
        return Ok(TreeHasher::new().finish());
    }
    let work = Work {
        source: &source,
        chunk: chunk_size(size),
        next: AtomicU64::new(0),
        done: AtomicU64::new(0),
        roots: Mutex::default(),
        failure: OnceLock::new(),
        report,
        cancel,
    };
    let roots = work.run(wanted(threads))?;
    source.check_unchanged()?;
    combine(&roots)
}

/// A power of two of MiB, so that a chunk is a subtree.
fn chunk_size(size: u64) -> u64 {
    size.div_ceil(CHUNKS_MAX).next_power_of_two().max(CHUNK_MIN)
}

fn wanted(threads: u32) -> usize {
    match usize::try_from(threads) {
        Ok(0) => thread::available_parallelism().map_or(1, NonZero::get),
        Ok(threads) => threads,
        Err(_) => THREADS_MAX,
    }
}

/// What the threads share.
struct Work<'a> {
    source: &'a SteadyFile,
    chunk: u64,
    /// The next chunk that nobody took yet.
    next: AtomicU64,
    /// The bytes hashed.
    done: AtomicU64,
    /// The hashes of the chunks with their numbers, as they come.
    roots: Mutex<Vec<(u64, Digest)>>,
    /// The first error, which stops all.
    failure: OnceLock<Error>,
    report: &'a (dyn Fn(u64) + Sync),
    cancel: &'a Cancel,
}

impl Work<'_> {
    /// The hashes of all chunks, in order. The calling thread does its share, and all of it if there are no others.
    fn run(self, threads: usize) -> Result<Vec<Digest>> {
        let chunks = self.source.identity().size.div_ceil(self.chunk);
        let threads = usize::try_from(chunks).unwrap_or(usize::MAX).min(threads).min(THREADS_MAX);
        thread::scope(|scope| {
            let others =
                (1..threads).map_while(|_| spawn_scoped(scope, "glacier-hash", || self.take_chunks(chunks)).ok());
            let others = others.collect();
            self.take_chunks(chunks);
            join_all(others);
        });
        if let Some(failure) = self.failure.into_inner() {
            return Err(failure);
        }
        let mut roots = self.roots.into_inner().unwrap_or_else(PoisonError::into_inner);
        roots.sort_unstable_by_key(|&(index, _)| index);
        Ok(roots.into_iter().map(|(_, root)| root).collect())
    }

    fn take_chunks(&self, chunks: u64) {
        #[cfg(feature = "test-panics")]
        crate::panics::in_this_thread();
        let mut buffer = vec![0; READ];
        let mut hasher = TreeHasher::new();
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= chunks || self.failure.get().is_some() {
                return;
            }
            match self.hash_chunk(index, &mut hasher, &mut buffer) {
                Ok(root) => self.roots.lock().unwrap_or_else(PoisonError::into_inner).push((index, root)),
                Err(error) => {
                    // An error after the first adds nothing.
                    let _ = self.failure.set(error);
                    return;
                }
            }
        }
    }

    fn hash_chunk(&self, index: u64, hasher: &mut TreeHasher, buffer: &mut [u8]) -> Result<Digest> {
        let mut at = index * self.chunk;
        let end = self.source.identity().size.min(at + self.chunk);
        while at < end {
            self.cancel.check()?;
            if self.failure.get().is_some() {
                // What is returned is not looked at any more.
                break;
            }
            let length = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
            let piece = &mut buffer[..length];
            self.source.read_at(at, piece)?;
            hasher.update(piece);
            at += length as u64;
            (self.report)(self.done.fetch_add(length as u64, Ordering::Relaxed) + length as u64);
        }
        Ok(hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ARCHIVE_SIZE_MAX;

    #[test]
    fn chunks_are_subtrees_and_never_too_many() {
        for size in [1, CHUNK_MIN, CHUNK_MIN + 1, CHUNK_MIN * CHUNKS_MAX, CHUNK_MIN * CHUNKS_MAX + 1, ARCHIVE_SIZE_MAX]
        {
            let chunk = chunk_size(size);
            assert!(chunk.is_power_of_two() && chunk >= CHUNK_MIN, "{size}: {chunk}");
            assert!(size.div_ceil(chunk) <= CHUNKS_MAX, "{size}: {chunk}");
        }
    }
}
