//! The tree hash of a file: threads, cancellation, and files that change.

#![cfg(test)] // So that the lints treat shared functions as tests.

mod support;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use glacier_mp::error::{Error, Kind, Result};
use glacier_mp::sync::cancel::Cancel;
use glacier_mp::treehash::{Digest, hash_file, part_hashes};
use support::data::generate;
use tempfile::{NamedTempFile, TempDir};

const MIB: usize = 1 << 20;

#[test]
fn hash_and_progress_do_not_depend_on_threads() {
    for size in [0, 1, MIB, 2 * MIB + 1, 16 * MIB, 16 * MIB + 1, 43 * MIB + 777] {
        let (file, hash) = file_of(size);
        for threads in [0, 1, 2, 3, 7, u32::MAX] {
            let reports = Mutex::new(Vec::new());
            let report = |done| reports.lock().unwrap().push(done);
            assert_eq!(hash_file(file.path(), threads, &report, &Cancel::default()).unwrap(), hash, "{size} {threads}");

            let mut reports = reports.into_inner().unwrap();
            reports.sort_unstable();
            assert!(reports.is_sorted_by(|a, b| a < b), "each number is reported once");
            assert_eq!(reports.last().copied().unwrap_or(0), size as u64);
        }
    }
}

#[test]
fn cancellation_stops_all_threads() {
    let (file, _) = file_of(64 * MIB);
    for threads in [1, 3] {
        let cancel = Cancel::default();
        let last = Mutex::new(0);
        let report = |done| {
            *last.lock().unwrap() = done;
            cancel.raise();
        };
        assert_eq!(hash_file(file.path(), threads, &report, &cancel).unwrap_err().kind(), Kind::Canceled);
        assert!(
            last.into_inner().unwrap() <= u64::from(threads) * 16 * MIB as u64,
            "each thread finishes at most its current group"
        );
    }
    let cancel = Cancel::default();
    cancel.raise();
    let report = |_| panic!("hashed after the cancellation");
    for file in [file, file_of(0).0] {
        assert_eq!(hash_file(file.path(), 1, &report, &cancel).unwrap_err().kind(), Kind::Canceled);
    }
}

#[test]
fn rejects_file_that_changes_meanwhile() {
    let changes: [fn(&File); 4] = [
        |file| file.set_len(100).unwrap(),
        |file| file.set_len(0).unwrap(),
        |file| {
            let modified = file.metadata().unwrap().modified().unwrap();
            file.set_len(25 * MIB as u64).unwrap();
            file.set_modified(modified).unwrap();
        },
        |mut file| {
            file.write_all(b"other bytes").unwrap();
            // The file system's clock may not advance between two writes.
            file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        },
    ];
    for threads in [1, 3] {
        for change in changes {
            let (file, _) = file_of(24 * MIB);
            let report = |_| change(&OpenOptions::new().write(true).open(file.path()).unwrap());
            let error = hash_file(file.path(), threads, &report, &Cancel::default()).unwrap_err();
            assert_eq!(error.kind(), Kind::SourceChanged, "{error}");
            assert_names(&error, file.path());
        }
    }
}

#[test]
fn rejects_directories_special_and_missing_files() {
    let directory = TempDir::new().unwrap();
    let fifo = directory.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for path in [directory.path(), &fifo, Path::new("/dev/zero"), &directory.path().join("missing")] {
        let error = hash(path).unwrap_err();
        assert_eq!(error.kind(), Kind::Io, "{error}");
        assert_names(&error, path);
    }
    let message = hash(directory.path()).unwrap_err().message().to_owned();
    assert!(message.contains("a directory"), "{message}");
}

#[cfg(target_os = "linux")]
#[test]
fn rejects_file_with_more_bytes_than_its_reported_size() {
    assert_eq!(hash(Path::new("/proc/self/status")).unwrap_err().kind(), Kind::SourceChanged);
}

fn hash(path: &Path) -> Result<Digest> {
    hash_file(path, 2, &|_| {}, &Cancel::default())
}

fn assert_names(error: &Error, path: &Path) {
    assert!(error.message().contains(path.to_str().unwrap()), "{error}");
}

fn file_of(size: usize) -> (NamedTempFile, Digest) {
    let data = generate("mod251", size);
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&data).unwrap();
    (file, part_hashes(&data).tree)
}
