//! The tree hash of a file, computed by several threads.
//!
//! One thread reads at a time, in file order, so that a spinning disk reads sequentially. Each thread hashes what it read
//! while others read. Each thread allocates its buffer before its first read: the system takes longer to provide that much
//! fresh memory than to fill it from the page cache.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{OnceLock, PoisonError};
use std::thread;

use super::combine::TreeCombiner;
use super::digest::Digest;
use super::hasher::TreeHasher;
use super::kernels::Kernels;
use crate::error::{Error, Kind, Result};
use crate::limits::{MIB, check_path};
use crate::memory::aligned::AlignedBytes;
use crate::source::file::SourceFile;
use crate::source::settling::compare_until_unchanged;
use crate::sync::cancel::Cancel;
use crate::sync::{Mutex, lock};
use crate::sys::thread::{join_all, spawn_scoped};

/// The number of bytes read between two checks for cancellation.
const READ_SIZE: usize = 256 * 1024;
/// The maximum number of threads.
const THREADS_MAX: usize = 256;

/// Returns the tree hash of a file, computed by `threads` threads. 0 means one thread per core.
///
/// The threads call `report` concurrently with the number of bytes hashed so far. The numbers may arrive out of order. The
/// tree hash of an empty file is the SHA-256 of no bytes.
///
/// # Errors
/// `Invalid` if the path is empty; `Io` if the file cannot be read or is not a regular file; `SourceChanged` if it changed
/// meanwhile; `Memory`; `Canceled`.
pub fn hash_file(path: &Path, threads: u32, report: &(dyn Fn(u64) + Sync), cancel: &Cancel) -> Result<Digest> {
    hash_file_with(Kernels::best(), path, threads, report, cancel)
}

fn hash_file_with(
    kernels: &'static Kernels,
    path: &Path,
    threads: u32,
    report: &(dyn Fn(u64) + Sync),
    cancel: &Cancel,
) -> Result<Digest> {
    cancel.check()?;
    check_path("the file", path)?;
    let source = SourceFile::open(path)?;
    if source.size() == 0 {
        source.check_unchanged()?;
        return Ok(TreeHasher::new().finish());
    }
    let hash = |report| FileHash::new(kernels, &source, report, cancel).run(thread_count(threads));
    let mut before = source.identity();
    let root = hash(report)?;
    let mut now = source.check_unchanged()?;
    if now == before {
        return Ok(root);
    }
    // Attributes changed, or content with a restored mtime.
    compare_until_unchanged(|| {
        before = now;
        if hash(&|_| ())? != root {
            let message = format!("{} changed while it was being hashed: its content is different", path.display());
            return Err(Error::new(Kind::SourceChanged, message));
        }
        now = source.check_unchanged()?;
        Ok(now == before)
    })?;
    Ok(root)
}

fn thread_count(threads: u32) -> usize {
    match usize::try_from(threads) {
        Ok(0) => thread::available_parallelism().map_or(1, NonZero::get),
        Ok(threads) => threads,
        Err(_) => THREADS_MAX,
    }
}

/// The state that the threads share.
struct FileHash<'a> {
    kernels: &'static Kernels,
    source: &'a SourceFile,
    /// The index of the next group of leaves to read. Locked while it is read.
    next: Mutex<u64>,
    /// The number of bytes hashed.
    done: AtomicU64,
    combiner: Mutex<OrderedCombiner>,
    /// The first error. It stops all threads.
    failure: OnceLock<Error>,
    report: &'a (dyn Fn(u64) + Sync),
    cancel: &'a Cancel,
}

impl<'a> FileHash<'a> {
    fn new(
        kernels: &'static Kernels,
        source: &'a SourceFile,
        report: &'a (dyn Fn(u64) + Sync),
        cancel: &'a Cancel,
    ) -> Self {
        let (next, done, combiner, failure) = (Mutex::default(), AtomicU64::new(0), Mutex::default(), OnceLock::new());
        Self { kernels, source, next, done, combiner, failure, report, cancel }
    }

    /// Returns the hash of the file. The calling thread works as well; alone if no thread can be started.
    fn run(self, threads: usize) -> Result<Digest> {
        let groups = self.source.size().div_ceil(self.group_size());
        let threads = usize::try_from(groups).unwrap_or(usize::MAX).min(threads).min(THREADS_MAX);
        thread::scope(|scope| {
            let others = (1..threads).map_while(|_| spawn_scoped(scope, "glacier-hash", || self.run_thread()).ok());
            let others = others.collect();
            self.run_thread();
            join_all(others);
        });
        if let Some(failure) = self.failure.into_inner() {
            return Err(failure);
        }
        let root = self.combiner.into_inner().unwrap_or_else(PoisonError::into_inner).subtrees.finish();
        root.ok_or_else(|| Error::new(Kind::Internal, "a non-empty file has no leaves"))
    }

    /// Hashes groups until none is left. Keeps only the first error.
    fn run_thread(&self) {
        if let Err(error) = self.hash_groups() {
            let _ = self.failure.set(error);
        }
    }

    fn hash_groups(&self) -> Result<()> {
        #[cfg(feature = "test-panics")]
        crate::test_panics::panic_in_this_thread();
        let mut hasher = TreeHasher::with_kernels(self.kernels);
        let mut buffer = self.buffer()?;
        while let Some((index, bytes)) = self.read_group(&mut buffer)? {
            hasher.update(bytes);
            lock(&self.combiner).push(index, hasher.finish());
            let length = bytes.len() as u64;
            (self.report)(self.done.fetch_add(length, Ordering::Relaxed) + length);
        }
        Ok(())
    }

    /// Allocates a buffer for one group, or for the whole file if it is shorter.
    fn buffer(&self) -> Result<AlignedBytes> {
        let length = usize::try_from(self.group_size().min(self.source.size())).unwrap_or(usize::MAX);
        AlignedBytes::new(length).map_err(|cause| {
            let message = format!("out of memory: cannot allocate a read buffer of {length} bytes");
            Error::new(Kind::Memory, message).caused_by(cause)
        })
    }

    /// Reads the next group and returns its index and bytes; `None` after the last group or after an error.
    fn read_group<'b>(&self, buffer: &'b mut [u8]) -> Result<Option<(u64, &'b [u8])>> {
        let mut next = lock(&self.next);
        let start = *next * self.group_size();
        let left = self.source.size().saturating_sub(start);
        if left == 0 || self.failure.get().is_some() {
            return Ok(None);
        }
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let bytes = &mut buffer[..length];
        for (offset, chunk) in (start..).step_by(READ_SIZE).zip(bytes.chunks_mut(READ_SIZE)) {
            self.cancel.check()?;
            self.source.read_at(offset, chunk)?;
        }
        *next += 1;
        Ok(Some((*next - 1, bytes)))
    }

    /// Returns the size of a group in bytes: 2^n MiB, so that a group is a complete subtree.
    fn group_size(&self) -> u64 {
        self.kernels.preferred_leaves() as u64 * MIB
    }
}

/// Combines subtrees that arrive in any order.
#[derive(Default)]
struct OrderedCombiner {
    subtrees: TreeCombiner,
    /// The index of the next subtree to combine.
    next: u64,
    /// Subtrees that arrived early.
    out_of_order: BTreeMap<u64, Digest>,
}

impl OrderedCombiner {
    fn push(&mut self, index: u64, root: Digest) {
        self.out_of_order.insert(index, root);
        while let Some(root) = self.out_of_order.remove(&self.next) {
            self.subtrees.push(root);
            self.next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::treehash::{combine, part_hashes};

    #[test]
    fn hash_does_not_depend_on_group_size_and_threads() {
        let data: Vec<u8> = (0..=250).cycle().take(35 << 20).collect();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&data).unwrap();
        for kernels in Kernels::all() {
            for threads in [1, 3] {
                let hash = hash_file_with(kernels, file.path(), threads, &|_| {}, &Cancel::default()).unwrap();
                assert_eq!(hash, part_hashes(&data).tree, "{} {threads}", kernels.name());
            }
        }
    }

    #[test]
    fn rejects_an_empty_path() {
        let error = hash_file(Path::new(""), 1, &|_| {}, &Cancel::default()).unwrap_err();
        assert_eq!((error.kind(), error.message()), (Kind::Invalid, "the path of the file is empty"));
    }

    #[test]
    fn detects_modification_with_restored_mtime_and_allows_chmod() {
        use std::fs::{File, FileTimes, Permissions};
        use std::os::unix::fs::{FileExt, PermissionsExt};
        use std::sync::atomic::AtomicBool;

        let data: Vec<u8> = (0..=250).cycle().take(35 << 20).collect();
        let modify: fn(&File) = |file| {
            let time = file.metadata().unwrap().modified().unwrap();
            file.write_all_at(b"x", 0).unwrap();
            file.set_times(FileTimes::new().set_modified(time)).unwrap();
        };
        let chmod: fn(&File) = |file| file.set_permissions(Permissions::from_mode(0o640)).unwrap();
        for (change, expected) in [(chmod, Ok(part_hashes(&data).tree)), (modify, Err(Kind::SourceChanged))] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(&data).unwrap();
            let is_changed = AtomicBool::new(false);
            let report = |_| {
                if !is_changed.swap(true, Ordering::Relaxed) {
                    change(file.as_file());
                }
            };
            let hash = hash_file(file.path(), 1, &report, &Cancel::default());
            assert_eq!(hash.map_err(|error| error.kind()), expected);
        }
    }

    #[test]
    fn combines_groups_in_any_order() {
        let digests: Vec<_> = (0..9).map(|n| Digest([n; 32])).collect();
        for order in [[0, 1, 2, 3, 4, 5, 6, 7, 8], [8, 7, 6, 5, 4, 3, 2, 1, 0], [4, 0, 8, 2, 6, 1, 7, 3, 5]] {
            let mut combiner = OrderedCombiner::default();
            for index in order {
                combiner.push(index, digests[usize::try_from(index).unwrap()]);
            }
            assert_eq!(combiner.subtrees.finish(), combine(&digests).ok(), "{order:?}");
        }
    }
}
