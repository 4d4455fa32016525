//! The catalog: one line of JSON for each finished archive. The service has no names, so the catalog is what finds an archive
//! again.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::files::{FILE_MODE, sync_directory};
use crate::console::{json_line, shown_path};
use crate::exit::{Failure, Result};
use crate::files::{open_file, open_with};

/// How often a catalog that another process has locked is tried again.
const LOCK_INTERVAL: Duration = Duration::from_millis(50);

/// A finished archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ArchiveRecord {
    /// The time at which the record was written, in UTC: `2026-01-31T23:59:59Z`.
    pub(crate) time: String,
    pub(crate) vault: String,
    pub(crate) archive_id: String,
    /// 64 hexadecimal digits.
    pub(crate) tree_hash: String,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) description: String,
    /// The path of the file, or `-` for standard input. Each byte that is not UTF-8 is written as `\xNN`. Empty if it is unknown.
    pub(crate) source: String,
    #[serde(default)]
    pub(crate) endpoint: String,
    #[serde(default)]
    pub(crate) account_id: String,
    /// The fields that a later version added.
    #[serde(flatten)]
    pub(crate) later: Map<String, Value>,
}

/// The catalog file.
#[derive(Clone, Debug)]
pub(crate) struct Catalog {
    path: PathBuf,
}

impl Catalog {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Returns the path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the file if there is none, and checks that it is a regular file that can be written and locked.
    pub(super) fn check_writable(&self) -> Result<()> {
        let checked = self.open().and_then(|file| match file.try_lock() {
            Ok(()) | Err(TryLockError::WouldBlock) => Ok(()),
            Err(TryLockError::Error(cause)) => Err(cause),
        });
        checked.map_err(|cause| self.failed("write", &cause))
    }

    /// Appends a record. It is on disk when this returns. While another process has locked the file, calls `is_waiting` with
    /// the time so far, and gives up when it returns false.
    ///
    /// # Errors
    /// The path and the cause. The file is unchanged.
    pub(crate) fn append(&self, record: &ArchiveRecord, is_waiting: impl Fn(Duration) -> bool) -> Result<()> {
        let line = json_line(record).map_err(|cause| Failure::new(cause.to_string()))?;
        self.try_append(&line, is_waiting).map_err(|cause| self.failed("write", &cause))
    }

    /// Appends a record, unless the catalog has its archive ID.
    ///
    /// # Errors
    /// As [`Catalog::append`]; the file cannot be read.
    pub(crate) fn append_once(&self, record: &ArchiveRecord, is_waiting: impl Fn(Duration) -> bool) -> Result<()> {
        let mut is_known = false;
        self.read(|known| is_known |= known.is_some_and(|known| known.archive_id == record.archive_id))?;
        if is_known { Ok(()) } else { self.append(record, is_waiting) }
    }

    /// Calls `each` with the record of each line; `None` if the line is damaged.
    ///
    /// # Errors
    /// The file exists and cannot be read.
    pub(crate) fn read(&self, mut each: impl FnMut(Option<ArchiveRecord>)) -> Result<()> {
        let file = match open_file(&self.path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file.map_err(|cause| self.failed("read", &cause))?,
        };
        let mut lines = BufReader::new(file);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).map_err(|cause| self.failed("read", &cause))? > 0 {
            each(serde_json::from_str(&String::from_utf8_lossy(&line)).ok());
            line.clear();
        }
        Ok(())
    }

    /// Returns the last record of each vault and source that is wanted. A catalog that cannot be read has none.
    pub(crate) fn last_of_each_source(
        &self,
        is_wanted: impl Fn(&ArchiveRecord) -> bool,
    ) -> HashMap<(String, String), ArchiveRecord> {
        let mut last = HashMap::new();
        let read = self.read(|record| {
            if let Some(record) = record.filter(&is_wanted) {
                last.insert((record.vault.clone(), record.source.clone()), record);
            }
        });
        // The upload itself reports a catalog that it cannot write.
        drop(read);
        last
    }

    fn try_append(&self, line: &str, is_waiting: impl Fn(Duration) -> bool) -> io::Result<()> {
        let mut file = self.open()?;
        lock(&file, is_waiting)?;
        let end = file.metadata()?.len();
        let mut last = [b'\n'];
        if end > 0 {
            file.read_exact_at(&mut last, end - 1)?;
        }
        // A crash can leave a torn line. The new record needs a line of its own.
        let separator = if last == [b'\n'] { "" } else { "\n" };
        let written = file.write_all(format!("{separator}{line}\n").as_bytes()).and_then(|()| file.sync_all());
        if written.is_err() {
            let _ = file.set_len(end);
        }
        written
    }

    fn open(&self) -> io::Result<File> {
        let is_new = !self.path.exists();
        let options = &mut OpenOptions::new();
        let file = open_with(options.read(true).append(true).create(true).mode(FILE_MODE), &self.path)?;
        if let Some(directory) = self.path.parent().filter(|_| is_new) {
            sync_directory(directory)?;
        }
        Ok(file)
    }

    fn failed(&self, what: &str, cause: &io::Error) -> Failure {
        Failure::new(format!("cannot {what} the catalog {}: {cause}", shown_path(&self.path)))
    }
}

/// Locks the file until it is closed.
fn lock(file: &File, is_waiting: impl Fn(Duration) -> bool) -> io::Result<()> {
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(cause)) => return Err(cause),
            Err(TryLockError::WouldBlock) if is_waiting(start.elapsed()) => thread::sleep(LOCK_INTERVAL),
            Err(TryLockError::WouldBlock) => return Err(io::Error::other("another command or thread has locked it")),
        }
    }
}

/// Returns the current time in the format of the catalog.
pub(crate) fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Parses a time in the format of the catalog. Returns seconds since 1970-01-01 UTC.
pub(crate) fn parse(time: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(time).ok().map(|time| time.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str) -> ArchiveRecord {
        ArchiveRecord {
            time: now(),
            vault: "v".to_owned(),
            archive_id: id.to_owned(),
            tree_hash: "00".repeat(32),
            size: 1,
            description: "line\nbreak".to_owned(),
            source: "/s".to_owned(),
            endpoint: "https://e".to_owned(),
            account_id: "-".to_owned(),
            later: Map::new(),
        }
    }

    fn append(catalog: &Catalog, id: &str) -> Result<()> {
        catalog.append(&record(id), |_| true)
    }

    fn ids(catalog: &Catalog) -> Vec<Option<String>> {
        let mut ids = Vec::new();
        catalog.read(|record| ids.push(record.map(|record| record.archive_id))).unwrap();
        ids
    }

    #[test]
    fn appends_one_line_for_each_archive() {
        let directory = tempfile::tempdir().unwrap();
        let catalog = Catalog::new(directory.path().join("archives.jsonl"));
        assert_eq!(ids(&catalog), []);
        append(&catalog, "a").unwrap();
        catalog.append_once(&record("a"), |_| true).unwrap();
        catalog.append_once(&record("b"), |_| true).unwrap();
        assert_eq!(ids(&catalog), [Some("a".to_owned()), Some("b".to_owned())]);
        assert_eq!(std::fs::read_to_string(catalog.path()).unwrap().lines().count(), 2);
    }

    #[test]
    fn keeps_the_fields_of_later_versions() {
        let directory = tempfile::tempdir().unwrap();
        let catalog = Catalog::new(directory.path().join("archives.jsonl"));
        let mut line = serde_json::to_value(record("a")).unwrap();
        assert!(line.as_object().unwrap().values().all(|field| !field.is_object()), "{line}");
        line["later"] = serde_json::json!({"of": [1, "two"]});
        std::fs::write(catalog.path(), format!("{line}\n")).unwrap();
        let mut read = Vec::new();
        catalog.read(|record| read.push(serde_json::to_value(record.unwrap()).unwrap())).unwrap();
        assert_eq!(read, [line]);
    }

    #[test]
    fn appends_a_whole_line_after_a_torn_one() {
        let directory = tempfile::tempdir().unwrap();
        let catalog = Catalog::new(directory.path().join("archives.jsonl"));
        std::fs::write(catalog.path(), "{\"time\":\"20").unwrap();
        append(&catalog, "a").unwrap();
        assert_eq!(ids(&catalog), [None, Some("a".to_owned())]);
    }

    #[test]
    fn concurrent_appends_do_not_mix() {
        let directory = tempfile::tempdir().unwrap();
        let catalog = Catalog::new(directory.path().join("archives.jsonl"));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let catalog = &catalog;
                scope.spawn(move || (0..10).for_each(|n| append(catalog, &format!("{thread}-{n}")).unwrap()));
            }
        });
        let mut ids = ids(&catalog);
        ids.sort();
        ids.dedup();
        assert_eq!((ids.len(), ids.contains(&None)), (40, false));
    }

    #[test]
    fn waits_for_the_lock_of_another_process_until_it_is_stopped() {
        let directory = tempfile::tempdir().unwrap();
        let catalog = Catalog::new(directory.path().join("archives.jsonl"));
        let holder = catalog.open().unwrap();
        holder.lock().unwrap();
        let tries = std::cell::Cell::new(0);
        let failure = catalog.append(&record("a"), |_| tries.replace(tries.get() + 1) < 2).unwrap_err();
        assert!(failure.message.ends_with("another command or thread has locked it"), "{failure}");
        assert_eq!((tries.get(), ids(&catalog)), (3, Vec::new()));
        catalog.check_writable().unwrap();
        let holder = std::cell::Cell::new(Some(holder));
        catalog.append(&record("a"), |_| holder.take().is_some()).unwrap();
        assert_eq!(ids(&catalog), [Some("a".to_owned())]);
    }

    #[test]
    fn device_is_no_catalog() {
        let catalog = Catalog::new(PathBuf::from("/dev/full"));
        for failure in [append(&catalog, "a").unwrap_err(), catalog.check_writable().unwrap_err()] {
            assert_eq!(failure.message, "cannot write the catalog /dev/full: it is not a regular file");
        }
        let failure = catalog.read(|_| panic!()).unwrap_err();
        assert_eq!(failure.message, "cannot read the catalog /dev/full: it is not a regular file");
    }
}
