//! `glacier_treehash_t`: tree hashes of bytes, of parts and of files.

use std::ffi::{c_char, c_void};
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, TryLockError};
use std::time::Instant;

use super::args;
use super::boundary;
use super::callback::{self, UserData, glacier_progress_fn};
use super::error::glacier_error_t;
use super::infallible;
use super::result::glacier_result_t;
use crate::callback_loop::{WakeEvent, run_on_worker};
use crate::error::{Error, Kind, Result};
use crate::sync::cancel::Cancel;
use crate::treehash::{self, Digest, TreeHasher};
use crate::upload::{Flow, Progress, ProgressFn};

/// A tree hash of bytes added in pieces.
#[derive(Debug)]
pub struct glacier_treehash_t(Mutex<TreeHasher>);

/// Creates a tree hash of no bytes. Returns NULL if out of memory. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn glacier_treehash_new() -> *mut glacier_treehash_t {
    infallible::run(ptr::null_mut(), || args::into_handle(glacier_treehash_t(Mutex::new(TreeHasher::new()))))
}

/// Adds len bytes. The hash does not depend on how the bytes are divided into calls. With 16 MiB or more per call, some
/// processors are twice as fast.
///
/// Results: GLACIER_E_INVALID (len is more than memory can hold); GLACIER_E_BUSY. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_treehash_update(
    treehash: *mut glacier_treehash_t,
    data: *const c_void,
    len: usize,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || {
        let treehash = args::borrow(treehash, "treehash")?;
        let data = args::slice_arg(data.cast::<u8>(), len, "data")?;
        treehash.with(|hasher| hasher.update(data))
    })
}

/// Writes the tree hash of all added bytes, 32 bytes, to out. This empties the handle. The tree hash of no bytes is
/// the SHA-256 of no bytes.
///
/// Results: GLACIER_E_BUSY. Since: 0.1
///
/// cbindgen:ptrs-as-arrays=[[out; 32]]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_treehash_finish(
    treehash: *mut glacier_treehash_t,
    out: *mut u8,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || {
        let treehash = args::borrow(treehash, "treehash")?;
        let out = digest_out(out)?;
        out.set(treehash.with(TreeHasher::finish)?.0);
        Ok(())
    })
}

/// Frees a tree hash. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_treehash_free(treehash: *mut glacier_treehash_t) {
    infallible::run((), || drop(args::take_back(treehash)));
}

/// Computes the tree hash of an archive from the tree hashes of its parts, and writes 32 bytes to out.
///
/// digests holds count hashes of 32 bytes each, in the order of the parts. The part size is 1 MiB times a power of
/// two; the last part may be shorter.
///
/// Results: GLACIER_E_INVALID (count is 0, or more than memory can hold). Since: 0.1
///
/// cbindgen:ptrs-as-arrays=[[out; 32]]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_treehash_combine(
    digests: *const u8,
    count: usize,
    out: *mut u8,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || {
        let digests = args::slice_arg(digests.cast::<[u8; 32]>(), count, "digests")?;
        let out = digest_out(out)?;
        out.set(treehash::combine_all(digests.iter().copied())?.0);
        Ok(())
    })
}

/// Computes the tree hash of a regular file with the given number of threads, 0 for one per core, and writes 32 bytes
/// to out. At most 256 threads are used, each with at most 16 MiB of memory. The hash of an empty file is that of no
/// bytes.
///
/// callback may be NULL. It runs on the calling thread, at least 4 times a second and once at the end, with
/// bytes_total, bytes_hashed and elapsed_ms; the other fields are 0. user_data stays the caller's. All threads end
/// before the function returns.
///
/// Results: GLACIER_E_INVALID (path is empty); GLACIER_E_IO (the file cannot be read, or is not regular);
/// GLACIER_E_SOURCE_CHANGED (the file changed meanwhile); GLACIER_E_CALLBACK. Since: 0.1
///
/// cbindgen:ptrs-as-arrays=[[out; 32]]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_treehash_file(
    path: *const c_char,
    threads: u32,
    callback: glacier_progress_fn,
    user_data: *mut c_void,
    out: *mut u8,
    err: *mut *mut glacier_error_t,
) -> glacier_result_t {
    boundary::call(err, || {
        let path = args::path_arg(path, "path")?;
        let out = digest_out(out)?;
        // The caller keeps user_data: this call alone uses it.
        let digest = match callback::progress_fn(callback, UserData::new(user_data, None)) {
            None => treehash::hash_file(path, threads, &|_| {}, &Cancel::default())?,
            Some(mut callback) => hash_file_with_progress(path, threads, &mut callback)?,
        };
        out.set(digest.0);
        Ok(())
    })
}

impl glacier_treehash_t {
    fn with<T>(&self, body: impl FnOnce(&mut TreeHasher) -> T) -> Result<T> {
        match self.0.try_lock() {
            Ok(mut hasher) => Ok(body(&mut hasher)),
            Err(TryLockError::Poisoned(hasher)) => Ok(body(&mut hasher.into_inner())),
            Err(TryLockError::WouldBlock) => Err(Error::new(Kind::Busy, "the tree hash is in use by another call")),
        }
    }
}

/// Hashes on other threads, while this one tells `callback` how far they are, until it asks to stop.
fn hash_file_with_progress(path: &Path, threads: u32, callback: &mut ProgressFn) -> Result<Digest> {
    let start = Instant::now();
    // The hashing below opens the file and reports an error if it cannot.
    let bytes_total = std::fs::metadata(path).map_or(0, |file| file.len());
    let hashed = AtomicU64::new(0);
    let cancel = Cancel::default();
    // Several threads report, and a smaller sum may arrive last.
    let report = |so_far| _ = hashed.fetch_max(so_far, Ordering::Relaxed);

    let mut flow = Flow::Continue;
    let digest = run_on_worker(
        &WakeEvent::default(),
        || treehash::hash_file(path, threads, &report, &cancel),
        || {
            if flow == Flow::Continue {
                let bytes_hashed = hashed.load(Ordering::Relaxed);
                let elapsed_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
                flow = callback(&Progress { bytes_total, bytes_hashed, elapsed_ms, ..Progress::default() });
            }
            if flow == Flow::Stop {
                cancel.raise();
            }
        },
    );
    match flow {
        Flow::Continue => digest,
        Flow::Stop => Err(Error::new(Kind::Callback, "the progress callback did not return GLACIER_CONTINUE")),
    }
}

fn digest_out(out: *mut u8) -> Result<args::Out<[u8; 32]>> {
    args::Out::new(out.cast(), "out")
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::thread::{self, ThreadId};

    use super::super::callback::glacier_progress_t;
    use super::super::result::glacier_result_names::*;
    use super::*;

    // The SHA-256 of "abc" (FIPS 180-2, appendix B.1). Up to 1 MiB the tree hash equals it.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn hashes_pieces_and_starts_again() {
        let treehash = glacier_treehash_new();
        for _ in 0..2 {
            for piece in ["a", "", "bc"] {
                // SAFETY: the handle and the bytes are alive.
                let result =
                    unsafe { glacier_treehash_update(treehash, piece.as_ptr().cast(), piece.len(), ptr::null_mut()) };
                assert_eq!(result, 0);
            }
            let mut out = [0; 32];
            // SAFETY: the handle is alive, out has 32 bytes.
            assert_eq!(unsafe { glacier_treehash_finish(treehash, out.as_mut_ptr(), ptr::null_mut()) }, 0);
            assert_eq!(hex::encode(out), ABC);
        }
        // SAFETY: created above, freed once.
        unsafe { glacier_treehash_free(treehash) };
    }

    struct ProgressProbe {
        thread: ThreadId,
        last: glacier_progress_t,
        returns: i32,
    }

    unsafe extern "C" fn record_progress(user_data: *mut c_void, progress: *const glacier_progress_t) -> i32 {
        // SAFETY: the test passes a ProgressProbe that outlives the call.
        let probe = unsafe { &mut *user_data.cast::<ProgressProbe>() };
        assert_eq!(thread::current().id(), probe.thread, "callbacks come on the calling thread");
        // SAFETY: the library passes a valid struct.
        probe.last = unsafe { *progress };
        probe.returns
    }

    fn hash_with_progress(path: &str, returns: i32) -> (glacier_result_t, [u8; 32], ProgressProbe) {
        let mut probe = ProgressProbe { thread: thread::current().id(), last: glacier_progress_t::default(), returns };
        let path = CString::new(path).unwrap();
        let mut out = [0; 32];
        let user_data = (&raw mut probe).cast();
        // SAFETY: path ends with NUL; `probe` and `out` outlive the call.
        let result = unsafe {
            glacier_treehash_file(path.as_ptr(), 2, Some(record_progress), user_data, out.as_mut_ptr(), ptr::null_mut())
        };
        (result, out, probe)
    }

    #[test]
    fn hashes_file_with_progress_callback() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        let path = path.to_str().unwrap();

        let (result, out, probe) = hash_with_progress(path, 1);
        assert_eq!((result, hex::encode(out).as_str()), (0, ABC));
        assert_eq!((probe.last.bytes_hashed, probe.last.bytes_total), (3, 3));
        assert_eq!(probe.last.struct_size, 96);

        for returns in [0, 2, -1] {
            let (result, out, _) = hash_with_progress(path, returns);
            assert_eq!((result, out), (GLACIER_E_CALLBACK as i32, [0; 32]), "nothing is written");
        }
        assert_eq!(hash_with_progress("/nonexistent/file", 1).0, GLACIER_E_IO as i32);
    }
}
