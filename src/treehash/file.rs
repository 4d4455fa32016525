//! The tree hash of a file, by several threads.
//!
//! Each thread takes the next chunk, a whole subtree, and reads it by position in small pieces: what is held does not
//! grow with the file.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::num::NonZero;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use super::{Digest, TreeHasher, combine};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::limits::MIB;

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
    let source = Source::open(path)?;
    let size = source.opened_as.len();
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
    source: &'a Source<'a>,
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
        let chunks = self.source.opened_as.len().div_ceil(self.chunk);
        let threads = usize::try_from(chunks).unwrap_or(usize::MAX).min(threads).min(THREADS_MAX);
        thread::scope(|scope| {
            for _ in 1..threads {
                let builder = thread::Builder::new().name("glacier-hash".to_owned());
                if builder.spawn_scoped(scope, || self.take_chunks(chunks)).is_err() {
                    break;
                }
            }
            self.take_chunks(chunks);
        });
        if let Some(failure) = self.failure.into_inner() {
            return Err(failure);
        }
        let mut roots = self.roots.into_inner().unwrap_or_else(PoisonError::into_inner);
        roots.sort_unstable_by_key(|&(index, _)| index);
        Ok(roots.into_iter().map(|(_, root)| root).collect())
    }

    fn take_chunks(&self, chunks: u64) {
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
        let end = self.source.opened_as.len().min(at + self.chunk);
        while at < end {
            self.cancel.check()?;
            if self.failure.get().is_some() {
                // What is returned is not looked at any more.
                break;
            }
            let length = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
            let piece = &mut buffer[..length];
            self.source.read(piece, at)?;
            hasher.update(piece);
            at += length as u64;
            (self.report)(self.done.fetch_add(length as u64, Ordering::Relaxed) + length as u64);
        }
        Ok(hasher.finish())
    }
}

/// The open file, and what it was when it was opened.
struct Source<'a> {
    path: &'a Path,
    file: File,
    opened_as: Metadata,
}

impl<'a> Source<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        // Without O_NONBLOCK, opening a FIFO would wait for its writer; for a regular file it means nothing.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
        let file = file.map_err(|error| failed("open", path, error))?;
        let opened_as = file.metadata().map_err(|error| failed("look at", path, error))?;
        if !opened_as.is_file() {
            let what = if opened_as.is_dir() { "a directory" } else { "not a regular file" };
            return Err(Error::new(Kind::Io, format!("cannot hash {}: it is {what}", path.display())));
        }
        Ok(Self { path, file, opened_as })
    }

    fn read(&self, piece: &mut [u8], at: u64) -> Result<()> {
        self.file.read_exact_at(piece, at).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => self.changed(),
            _ => failed("read", self.path, error),
        })
    }

    /// Fails if the hash may be of bytes that never stood in the file together.
    fn check_unchanged(&self) -> Result<()> {
        let now = self.file.metadata().map_err(|error| failed("look at", self.path, error))?;
        // Some files, as those of /proc, have more bytes than their size says.
        let beyond = self.file.read_at(&mut [0], now.len()).map_err(|error| failed("read", self.path, error))?;
        let same = now.len() == self.opened_as.len() && now.modified().ok() == self.opened_as.modified().ok();
        if same && beyond == 0 { Ok(()) } else { Err(self.changed()) }
    }

    fn changed(&self) -> Error {
        Error::new(Kind::SourceChanged, format!("{} changed while it was being hashed", self.path.display()))
    }
}

fn failed(to: &str, path: &Path, error: io::Error) -> Error {
    Error::new(Kind::Io, format!("cannot {to} {}: {error}", path.display())).caused_by(error)
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
