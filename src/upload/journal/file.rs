//! The file that lets a new process carry on with an upload: locked, only appended to, and sound after any crash.
//!
//! What it says stands in `records`. Here a record is either whole in the file or not there: half of one, whether a crash or
//! a full disk left it, is cut off before anything is written behind it.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::limits::MIB;
use crate::sync::Mutex;
use crate::sys::process::CreatorPid;
use crate::upload::journal::record::{FIRST, Header, Record, Replay, Version, read};
use crate::upload::lock;

/// The largest file that is read, in bytes: 10,000 parts are noted in 1.4 MB.
const SIZE_MAX: u64 = 64 * MIB;
/// Up to where parts are noted. Behind it there is room for what must not be lost: how the upload ends.
const PARTS_END: u64 = SIZE_MAX / 2;
/// For the owner alone, as it says what is uploaded, and where.
const MODE: u32 = 0o600;
/// How often a file that is replaced while it is being opened is opened again.
const TRIES: u32 = 8;

/// An open journal, locked against every other process and handle until it is let go, or dropped.
pub(crate) struct Journal {
    path: PathBuf,
    version: Version,
    locked: Locked,
    tail: Mutex<Tail>,
    /// Up to where a crash of the machine leaves the file as it is. StoredPart during a sync, and locked before `tail`.
    durable: Mutex<u64>,
}

/// A file, locked until this is dropped.
struct Locked {
    file: File,
    creator: CreatorPid,
}

/// The end of the file.
struct Tail {
    /// Where the last record ends.
    end: u64,
    /// The file may go on behind `end`, with what is no record.
    torn: bool,
    /// That of the upload that was begun.
    part_size: Option<u64>,
    /// Another may have the file: not a byte of it is changed any more.
    let_go: bool,
}

impl Journal {
    /// Opens, locks and reads the journal at a path. Where there is none, `create` makes one, and without it this is `None`.
    /// The file's name, first line and records are on the disk when this returns: one that is full or read-only is noticed
    /// before anything is sent. `source` is the file to be uploaded, if it is one.
    ///
    /// # Errors
    /// `Invalid` if it is the source; `Locked` if another process or handle has it open; `Journal` for one that is damaged or
    /// of a later version, and for any other file, of which not a byte is changed; `Io`, also for what is no regular file.
    pub(crate) fn open(path: &Path, create: bool, source: Option<&Metadata>) -> Result<Option<(Self, Replay)>> {
        let Some(locked) = open_locked(path, create, source)? else { return Ok(None) };
        let file = &locked.file;
        let text = contents(file, path)?;
        let (past, end) =
            read(&text).map_err(|error| error.with_context(format_args!("journal {}", path.display())))?;
        let part_size = past.head.as_ref().map(|head| head.part_size);
        let mut tail = Tail { end: end as u64, torn: end < text.len(), part_size, let_go: false };
        if tail.end == 0 {
            tail.append(file, FIRST).map_err(|cause| failed("write", path, cause))?;
            // The umask may have taken from the mode. A file system without modes refuses, and has none to mend.
            let _ = file.set_permissions(Permissions::from_mode(MODE));
        }
        file.sync_all().and_then(|()| sync_directory_of(path)).map_err(|cause| failed("sync", path, cause))?;
        let durable = Mutex::new(tail.end);
        let version = past.version;
        Ok(Some((Self { path: path.to_owned(), version, locked, tail: Mutex::new(tail), durable }, past)))
    }

    /// Writes down what the upload is. It is on the disk when this returns.
    ///
    /// # Errors
    /// `Io`; `Internal` if an upload was begun before, or cannot be so.
    pub(crate) fn begin(&self, head: &Header) -> Result<()> {
        head.check().map_err(|error| self.misused(error.message()))?;
        let line = self.version.line_of_head(head)?;
        let mut durable = lock(&self.durable);
        {
            let mut tail = lock(&self.tail);
            if tail.part_size.is_some() {
                return Err(self.misused("it is of another upload"));
            }
            tail.append(&self.locked.file, &line).map_err(|cause| failed("write", &self.path, cause))?;
        }
        self.make_durable(&mut durable)?;
        lock(&self.tail).part_size = Some(head.part_size);
        Ok(())
    }

    /// Writes down what happened. It is in the file when this returns, and on the disk after the next sync.
    ///
    /// # Errors
    /// `Io`: it is not noted, and the journal is as it was. `Internal` if no upload was begun, or it cannot have the part.
    pub(crate) fn note(&self, entry: &Record) -> Result<()> {
        let line = self.version.line_of_entry(entry)?;
        let mut tail = lock(&self.tail);
        let part_size = tail.part_size.ok_or_else(|| self.misused("no upload was begun"))?;
        entry.check(part_size).map_err(|error| self.misused(error.message()))?;
        if matches!(entry, Record::Part(_)) && tail.end + line.len() as u64 > PARTS_END {
            let full = format!(
                "cannot write the journal {}: it has {} bytes, and no room for parts",
                self.path.display(),
                tail.end
            );
            return Err(Error::new(Kind::Io, full));
        }
        tail.append(&self.locked.file, &line).map_err(|cause| failed("write", &self.path, cause))
    }

    /// Writes down what happened. It is on the disk when this returns.
    ///
    /// # Errors
    /// As [`Journal::note`].
    pub(crate) fn note_durably(&self, entry: &Record) -> Result<()> {
        // Locked before it is noted: else the failing sync of another thread could take it back unseen.
        let mut durable = lock(&self.durable);
        self.note(entry)?;
        self.make_durable(&mut durable)
    }

    /// Brings what was noted to the disk. Records of other threads do not wait for it.
    ///
    /// # Errors
    /// `Io`: what was noted since the last sync is lost.
    pub(crate) fn sync(&self) -> Result<()> {
        self.make_durable(&mut lock(&self.durable))
    }

    /// Lets another process or handle have the file, though this one may still be in use: what is noted from now on is lost.
    pub(crate) fn let_go(&self) {
        let mut tail = lock(&self.tail);
        tail.let_go = true;
        self.locked.unlock();
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn make_durable(&self, durable: &mut u64) -> Result<()> {
        let noted = lock(&self.tail).end;
        if noted == *durable {
            return Ok(());
        }
        match self.locked.file.sync_data() {
            Ok(()) => {
                *durable = noted;
                Ok(())
            }
            Err(cause) => {
                // The system forgets what it could not write: there may be holes now, and a later sync would not tell.
                let _ = lock(&self.tail).cut(&self.locked.file, *durable);
                Err(failed("sync", &self.path, cause))
            }
        }
    }

    fn misused(&self, why: &str) -> Error {
        Error::new(Kind::Internal, format!("the journal {} cannot take a record: {why}", self.path.display()))
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Journal").field(&self.path).finish()
    }
}

impl Locked {
    fn unlock(&self) {
        // A child forked meanwhile shares the lock: closing the file here would leave it locked by the child, and the child
        // must not unlock what is still in use here.
        if self.creator.check().is_ok() {
            let _ = self.file.unlock();
        }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.unlock();
    }
}

impl Tail {
    /// Puts a line behind the last record, whole or not at all.
    fn append(&mut self, mut file: &File, line: &[u8]) -> io::Result<()> {
        if self.let_go {
            return Ok(());
        }
        if self.torn {
            self.cut(file, self.end)?;
        }
        match file.write_all(line) {
            Ok(()) => {
                self.end += line.len() as u64;
                Ok(())
            }
            Err(cause) => {
                let _ = self.cut(file, self.end);
                Err(cause)
            }
        }
    }

    /// Makes the file end here. While that cannot be done, nothing is appended.
    fn cut(&mut self, file: &File, end: u64) -> io::Result<()> {
        if self.let_go {
            return Ok(());
        }
        self.end = end;
        self.torn = true;
        file.set_len(end)?;
        self.torn = false;
        Ok(())
    }
}

fn open_locked(path: &Path, create: bool, source: Option<&Metadata>) -> Result<Option<Locked>> {
    for _ in 0..TRIES {
        let file = match open_file(path, create) {
            Err(cause) if cause.kind() == ErrorKind::NotFound && !create => return Ok(None),
            opened => opened.map_err(|cause| failed("open", path, cause))?,
        };
        if let Some(locked) = lock_file(file, path, source)? {
            return Ok(Some(locked));
        }
    }
    Err(Error::new(Kind::Io, format!("cannot open the journal {}: it is replaced again and again", path.display())))
}

fn open_file(path: &Path, create: bool) -> io::Result<File> {
    // A FIFO or a terminal is neither waited for nor taken over; for a regular file the flags mean nothing.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    OpenOptions::new().read(true).append(true).create(create).mode(MODE).custom_flags(flags).open(path)
}

/// Locks an open file. `None` if it is not the one at the path any more: a lock on that keeps nobody out.
fn lock_file(file: File, path: &Path, source: Option<&Metadata>) -> Result<Option<Locked>> {
    let opened = file.metadata().map_err(|cause| failed("look at", path, cause))?;
    if !opened.is_file() {
        let what = format!("cannot use {} as a journal: it is not a regular file", path.display());
        return Err(Error::new(Kind::Io, what));
    }
    if source.is_some_and(|source| is_same_file(source, &opened)) {
        return Err(is_source(path));
    }
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => {
            let what = format!("the journal {} is in use by another process or handle", path.display());
            Error::new(Kind::Locked, what)
        }
        TryLockError::Error(cause) => failed("lock", path, cause),
    })?;
    let locked = Locked { file, creator: CreatorPid::current() };
    match fs::metadata(path) {
        Ok(there) => Ok(is_same_file(&there, &opened).then_some(locked)),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(failed("look at", path, cause)),
    }
}

fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// The error of a journal that would be written into what is uploaded.
pub(crate) fn is_source(path: &Path) -> Error {
    Error::invalid(format!("the journal {} is the source file: set another path for the journal", path.display()))
}

fn contents(file: &File, path: &Path) -> Result<Vec<u8>> {
    let size = file.metadata().map_err(|cause| failed("look at", path, cause))?.len();
    if size > SIZE_MAX {
        let what = format!("it has {size} bytes, and a journal at most {SIZE_MAX}; it is not overwritten");
        return Err(Error::new(Kind::Journal, what).with_context(format_args!("journal {}", path.display())));
    }
    let mut text = Vec::new();
    file.take(SIZE_MAX).read_to_end(&mut text).map_err(|cause| failed("read", path, cause))?;
    Ok(text)
}

/// Makes the file's name durable.
fn sync_directory_of(path: &Path) -> io::Result<()> {
    let file = fs::canonicalize(path)?;
    match File::open(file.parent().unwrap_or(&file))?.sync_all() {
        // Some file systems have nothing to sync there.
        Err(cause) if cause.kind() == ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
}

fn failed(to: &str, path: &Path, cause: io::Error) -> Error {
    let kind = Kind::of_io(&cause, Kind::Io);
    Error::new(kind, format!("cannot {to} the journal {}: {cause}", path.display())).caused_by(cause)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::process::{Command, Stdio};
    use std::thread;

    use proptest::prelude::*;
    use proptest::sample::Index;
    use tempfile::TempDir;

    use super::*;
    use crate::source::file::Identity;
    use crate::treehash::Digest;
    use crate::upload::journal::record::PartRecord;
    use crate::upload::journal::record::tests::{SAMPLE, entries, expected, head};
    use crate::upload::parts::StoredPart;

    fn directory() -> (TempDir, PathBuf) {
        with_path(tempfile::tempdir().unwrap())
    }

    /// In memory, if the system has a place for it: a disk takes its time for thousands of syncs.
    fn fast_directory() -> (TempDir, PathBuf) {
        with_path(tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap())
    }

    fn with_path(directory: TempDir) -> (TempDir, PathBuf) {
        let path = directory.path().join("upload.journal");
        (directory, path)
    }

    fn open(path: &Path) -> (Journal, Replay) {
        Journal::open(path, true, None).unwrap().unwrap()
    }

    fn begun(path: &Path) -> Journal {
        let (journal, _) = open(path);
        journal.begin(&head()).unwrap();
        journal
    }

    fn part(index: u32) -> Record {
        Record::Part(PartRecord { index, part: StoredPart { length: 1 << 20, tree: Digest([7; 32]) }, trusted: true })
    }

    fn refused(result: Result<impl fmt::Debug>, kind: Kind, words: &[&str]) {
        let error = result.expect_err("must be refused");
        assert_eq!(error.kind(), kind, "{error}");
        for word in words {
            assert!(error.message().contains(word), "{word:?} is not in {:?}", error.message());
        }
    }

    #[test]
    fn what_is_noted_is_told() {
        let (_directory, path) = directory();
        assert!(Journal::open(&path, false, None).unwrap().is_none());
        assert!(!path.exists());
        let (journal, past) = open(&path);
        assert_eq!(past, Replay::default());
        assert_eq!(fs::read(&path).unwrap(), FIRST);
        journal.begin(&head()).unwrap();
        for (at, entry) in entries().iter().enumerate() {
            if at % 2 == 0 { journal.note(entry) } else { journal.note_durably(entry) }.unwrap();
        }
        journal.sync().unwrap();
        assert_eq!(fs::read(&path).unwrap(), SAMPLE);
        drop(journal);
        let (journal, past) = Journal::open(&path, false, None).unwrap().unwrap();
        assert_eq!(past, expected(Some(&head()), &entries()));
        assert_eq!(journal.path(), path);
        assert_eq!(format!("{journal:?}"), format!("Journal({path:?})"));
    }

    #[test]
    fn an_empty_file_is_a_new_journal() {
        for create in [true, false] {
            let (_directory, path) = directory();
            fs::write(&path, "").unwrap();
            let (journal, past) = Journal::open(&path, create, None).unwrap().unwrap();
            assert_eq!(past, Replay::default());
            journal.begin(&head()).unwrap();
            drop(journal);
            assert_eq!(open(&path).1, expected(Some(&head()), &[]));
        }
    }

    #[test]
    fn threads_may_note_and_sync_at_once() {
        let (_directory, path) = directory();
        let journal = begun(&path);
        thread::scope(|scope| {
            for thread in 0..8 {
                let journal = &journal;
                scope.spawn(move || {
                    for index in (thread * 100)..(thread * 100 + 100) {
                        journal.note(&part(index)).unwrap();
                        if index % 25 == 0 {
                            journal.sync().unwrap();
                        }
                    }
                });
            }
        });
        drop(journal);
        let (_, past) = open(&path);
        assert!(past.parts.keys().copied().eq(0..800) && past.trusted.len() == 800, "{past:?}");
    }

    #[test]
    fn a_journal_that_was_let_go_changes_nothing_of_what_another_writes() {
        let (_directory, path) = directory();
        let gone = begun(&path);
        gone.note(&part(1)).unwrap();
        refused(Journal::open(&path, true, None), Kind::Locked, &["in use"]);
        gone.let_go();
        let (journal, _) = open(&path);
        journal.note(&part(2)).unwrap();
        let text = fs::read(&path).unwrap();
        gone.note_durably(&part(3)).unwrap();
        lock(&gone.tail).cut(&gone.locked.file, 0).unwrap();
        drop(gone);
        assert_eq!(fs::read(&path).unwrap(), text);
        refused(Journal::open(&path, true, None), Kind::Locked, &["in use"]);
    }

    #[test]
    fn an_upload_is_begun_once_and_before_all_else() {
        let (_directory, path) = directory();
        let (journal, _) = open(&path);
        refused(journal.note(&Record::Refused), Kind::Internal, &["no upload was begun"]);
        refused(journal.begin(&Header { part_size: 3, ..head() }), Kind::Internal, &["part size 3"]);
        journal.begin(&head()).unwrap();
        refused(journal.begin(&head()), Kind::Internal, &["another upload"]);
        refused(journal.note(&part(10_000)), Kind::Internal, &["part index 10000"]);
        drop(journal);
        let (journal, past) = open(&path);
        assert_eq!(past, expected(Some(&head()), &[]));
        refused(journal.begin(&head()), Kind::Internal, &["another upload"]);
    }

    #[test]
    fn a_journal_that_is_cut_anywhere_is_carried_on() {
        let (_directory, path) = fast_directory();
        for cut in 0..=SAMPLE.len() {
            fs::write(&path, &SAMPLE[..cut]).unwrap();
            let whole = SAMPLE[..cut].iter().filter(|byte| **byte == b'\n').count();
            let mut entries = entries()[..whole.saturating_sub(2)].to_vec();
            let (journal, past) = open(&path);
            assert_eq!(past, expected((whole >= 2).then(head).as_ref(), &entries), "cut at {cut}");
            if past.head.is_none() {
                journal.begin(&head()).unwrap();
            }
            journal.note(&part(5)).unwrap();
            entries.push(part(5));
            drop(journal);
            assert_eq!(open(&path).1, expected(Some(&head()), &entries), "cut at {cut}");
        }
    }

    #[test]
    fn what_is_damaged_or_foreign_is_left_as_it_is() {
        let (_directory, path) = directory();
        let unchanged = |text: &[u8], words: &[&str]| {
            fs::write(&path, text).unwrap();
            for create in [true, false] {
                refused(Journal::open(&path, create, None), Kind::Journal, words);
            }
            assert!(fs::read(&path).unwrap() == text, "{words:?}");
        };
        let name = path.to_str().unwrap();
        let last = SAMPLE[..SAMPLE.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        for at in 0..last {
            let mut text = SAMPLE.to_vec();
            text[at] ^= 1;
            unchanged(&text, &[name, if at < FIRST.len() { "not overwritten" } else { "is damaged" }]);
        }
        for text in [&b"x"[..], b"a text\n", b"{\"upload_id\":\"x\"}\n", b"\0\xff\x89PNG\r\n", &[0; 100_000]] {
            unchanged(text, &[name, "not a journal of glacier_mp", "not overwritten"]);
        }
        unchanged(b"glacier_mp journal 3\n", &[name, "version 3", "not overwritten"]);
    }

    #[test]
    fn a_file_too_large_is_not_read() {
        let (_directory, path) = directory();
        fs::write(&path, SAMPLE).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(SIZE_MAX + 1).unwrap();
        refused(Journal::open(&path, true, None), Kind::Journal, &["67108865", "not overwritten"]);
        assert_eq!(fs::metadata(&path).unwrap().len(), SIZE_MAX + 1);
    }

    #[test]
    fn a_journal_full_of_parts_takes_the_end() {
        let (_directory, path) = directory();
        let journal = begun(&path);
        lock(&journal.tail).end = PARTS_END - 100;
        refused(journal.note(&part(0)), Kind::Io, &["no room"]);
        journal.note_durably(&Record::Completing { size: 1, tree: Digest([1; 32]) }).unwrap();
    }

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let (directory, path) = directory();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        for (path, word) in [
            (path.as_path(), "not a regular file"),
            (Path::new("/dev/null"), "not a regular file"),
            (directory.path(), "directory"),
            (&path.join("below"), "Not a directory"),
        ] {
            refused(Journal::open(path, true, None), Kind::Io, &[path.to_str().unwrap(), word]);
            refused(Journal::open(path, false, None), Kind::Io, &[path.to_str().unwrap(), word]);
        }
        let nowhere = directory.path().join("missing/journal");
        refused(Journal::open(&nowhere, true, None), Kind::Io, &["cannot open", nowhere.to_str().unwrap()]);
    }

    #[test]
    fn a_file_without_a_directory_in_its_path_has_one_all_the_same() {
        sync_directory_of(Path::new("Cargo.toml")).unwrap();
        // The system has nothing to sync there.
        sync_directory_of(Path::new("/proc/version")).unwrap();
        sync_directory_of(Path::new("missing")).unwrap_err();
    }

    #[test]
    fn one_handle_at_a_time() {
        let (_directory, path) = directory();
        let journal = begun(&path);
        for create in [true, false] {
            refused(Journal::open(&path, create, None), Kind::Locked, &[path.to_str().unwrap()]);
        }
        // As a child has it that was forked meanwhile.
        let shared = journal.locked.file.try_clone().unwrap();
        drop(journal);
        open(&path);
        drop(shared);
    }

    #[test]
    fn a_forked_child_does_not_unlock() {
        let (_directory, path) = directory();
        let journal = begun(&path);
        let copy = Locked { file: journal.locked.file.try_clone().unwrap(), creator: CreatorPid::another() };
        drop(copy);
        refused(Journal::open(&path, true, None), Kind::Locked, &[]);
    }

    #[test]
    fn a_file_that_was_replaced_before_the_lock_is_not_taken() {
        let (_directory, path) = directory();
        let opened = || open_file(&path, true).unwrap();
        assert!(lock_file(opened(), &path, None).unwrap().is_some());
        let file = opened();
        fs::remove_file(&path).unwrap();
        assert!(lock_file(file, &path, None).unwrap().is_none(), "deleted");
        let file = opened();
        let other = path.with_extension("new");
        fs::write(&other, "").unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(lock_file(file, &path, None).unwrap().is_none(), "replaced");
        assert!(Journal::open(&path, false, None).unwrap().is_some());
    }

    /// Runs a test of this module again in a process of its own, after some shell commands. It finds its journal by
    /// [`in_the_child`].
    fn child(setup: &str, test: &str, path: &Path) -> Command {
        let module = module_path!().split_once("::").unwrap().1;
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{setup}\nexec \"$0\" \"$@\"")]).arg(std::env::current_exe().unwrap());
        shell.args(["--exact", &format!("{module}::{test}"), "--nocapture"]).env("GLACIER_TEST_JOURNAL", path);
        shell.stdout(Stdio::piped());
        shell
    }

    fn in_the_child() -> Option<PathBuf> {
        std::env::var_os("GLACIER_TEST_JOURNAL").map(PathBuf::from)
    }

    #[test]
    fn one_process_at_a_time_until_it_ends_or_is_killed() {
        if let Some(path) = in_the_child() {
            let _journal = begun(&path);
            println!("locked");
            io::stdin().read_to_end(&mut Vec::new()).unwrap();
            return;
        }
        let (_directory, path) = directory();
        let mut other = child("", "one_process_at_a_time_until_it_ends_or_is_killed", &path);
        let mut other = other.stdin(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(other.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with("locked")), "the child does not have the journal");
        refused(Journal::open(&path, true, None), Kind::Locked, &[path.to_str().unwrap()]);
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(open(&path).1, expected(Some(&head()), &[]));
    }

    #[test]
    fn the_mode_does_not_depend_on_the_umask() {
        if let Some(path) = in_the_child() {
            let early = open_file(&path.with_extension("early"), true).unwrap();
            assert_eq!(early.metadata().unwrap().mode() & 0o077, 0, "open to others for a moment");
            begun(&path);
            return;
        }
        for umask in ["0", "777"] {
            let (_directory, path) = directory();
            let mut run = child(&format!("umask {umask}"), "the_mode_does_not_depend_on_the_umask", &path);
            assert!(run.output().unwrap().status.success());
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, MODE, "umask {umask}");
        }
    }

    /// The shell limits the size of files, which then fill up like a disk: the last write is done in part.
    #[test]
    fn a_full_disk_leaves_no_half_a_record() {
        let head = Header { endpoint: String::new(), upload_id: "x".to_owned(), source: None, ..head() };
        if let Some(path) = in_the_child() {
            let (journal, _) = open(&path);
            journal.begin(&head).unwrap();
            let before = fs::read(&path).unwrap();
            let long = "x".repeat(2000);
            let long = Record::Completed { archive_id: long.clone(), location: long, tree: Digest([1; 32]) };
            for _ in 0..2 {
                refused(journal.note(&long), Kind::Io, &["cannot write", path.to_str().unwrap()]);
                refused(journal.note_durably(&long), Kind::Io, &["cannot write", path.to_str().unwrap()]);
                assert_eq!(fs::read(&path).unwrap(), before);
            }
            journal.note_durably(&Record::Refused).unwrap();
            return;
        }
        let (_directory, path) = directory();
        // One block is 512 bytes, or 1024.
        let mut run = child("trap '' XFSZ; ulimit -f 1", "a_full_disk_leaves_no_half_a_record", &path);
        let output = run.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let noted =
            [FIRST, &Version::Two.line_of_head(&head).unwrap(), &Version::Two.line_of_entry(&Record::Refused).unwrap()]
                .concat();
        assert_eq!(String::from_utf8(fs::read(&path).unwrap()).unwrap(), String::from_utf8(noted).unwrap());
    }

    #[test]
    fn a_disk_that_is_full_before_is_noticed_at_once() {
        if let Some(path) = in_the_child() {
            refused(Journal::open(&path, true, None), Kind::Io, &["cannot write", path.to_str().unwrap()]);
            println!("refused");
            return;
        }
        let (_directory, path) = directory();
        let mut run = child("trap '' XFSZ; ulimit -f 0", "a_disk_that_is_full_before_is_noticed_at_once", &path);
        let output = String::from_utf8(run.output().unwrap().stdout).unwrap();
        assert!(output.contains("refused"), "{output}");
        assert_eq!(open(&path).1, Replay::default());
    }

    /// A socket can be written to, but not cut.
    #[test]
    fn nothing_is_appended_to_half_a_record_that_cannot_be_cut_off() {
        let (_directory, path) = directory();
        let mut journal = begun(&path);
        journal.note(&part(0)).unwrap();
        fs::write(&path, [fs::read(&path).unwrap(), b"half a rec".to_vec()].concat()).unwrap();
        lock(&journal.tail).torn = true;
        let (socket, mut peer) = UnixStream::pair().unwrap();
        let file = std::mem::replace(&mut journal.locked.file, File::from(OwnedFd::from(socket)));
        for _ in 0..2 {
            refused(journal.note(&part(1)), Kind::Io, &["cannot write"]);
        }
        drop(std::mem::replace(&mut journal.locked.file, file));
        let mut written = Vec::new();
        peer.read_to_end(&mut written).unwrap();
        assert!(written.is_empty());
        journal.note(&part(2)).unwrap();
        drop(journal);
        assert_eq!(open(&path).1, expected(Some(&head()), &[part(0), part(2)]));
    }

    /// What is written to /dev/null is taken, and cannot be synced.
    #[test]
    fn what_could_not_be_synced_is_not_noted() {
        let (_directory, path) = directory();
        let mut journal = begun(&path);
        journal.note_durably(&part(0)).unwrap();
        journal.note(&part(1)).unwrap();
        let null = || File::options().append(true).open("/dev/null").unwrap();
        let file = std::mem::replace(&mut journal.locked.file, null());
        refused(journal.sync(), Kind::Io, &["cannot sync", path.to_str().unwrap()]);
        journal.sync().unwrap();
        let null = std::mem::replace(&mut journal.locked.file, file);
        journal.note(&part(2)).unwrap();
        journal.sync().unwrap();
        let file = std::mem::replace(&mut journal.locked.file, null);
        refused(journal.note_durably(&part(3)), Kind::Io, &["cannot sync"]);
        journal.locked.file = file;
        journal.note(&Record::Refused).unwrap();
        drop(journal);
        assert_eq!(open(&path).1, expected(Some(&head()), &[part(0), part(2), Record::Refused]));
    }

    #[test]
    fn an_upload_that_could_not_be_synced_is_not_begun() {
        let (_directory, path) = directory();
        let (mut journal, _) = open(&path);
        let null = File::options().append(true).open("/dev/null").unwrap();
        let file = std::mem::replace(&mut journal.locked.file, null);
        refused(journal.begin(&head()), Kind::Io, &["cannot sync"]);
        refused(journal.note(&Record::Refused), Kind::Internal, &["no upload was begun"]);
        journal.locked.file = file;
        let other = Header { upload_id: "another".to_owned(), ..head() };
        journal.begin(&other).unwrap();
        drop(journal);
        assert_eq!(open(&path).1, expected(Some(&other), &[]));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Begin,
        Note(Record),
        NoteDurably(Record),
        Sync,
        /// The file is cut somewhere, and goes on with what was never written.
        Crash(Index, Vec<u8>),
    }

    fn entry() -> impl Strategy<Value = Record> {
        let digest = || any::<u8>().prop_map(|n| Digest([n; 32]));
        let identity = (any::<(u64, u64, u64)>(), any::<(i64, i64)>());
        let part = (0..5_u32, 1..=1_u64 << 20, digest(), any::<bool>());
        prop_oneof![
            4 => part.prop_map(|(index, length, tree, trusted)| {
                Record::Part(PartRecord { index, part: StoredPart { length, tree }, trusted })
            }),
            1 => identity.prop_map(|((device, inode, size), (modified, changed))| {
                let (modified_ns, changed_ns) = (modified.into(), changed.into());
                Record::Source(Identity { device, inode, size, modified_ns, changed_ns })
            }),
            1 => (any::<u64>(), digest()).prop_map(|(size, tree)| Record::Completing { size, tree }),
            1 => Just(Record::Refused),
            1 => ("[ -~]{0,9}", "[ -~]{0,9}", digest())
                .prop_map(|(archive_id, location, tree)| Record::Completed { archive_id, location, tree }),
            1 => Just(Record::Aborted),
        ]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            2 => Just(Step::Begin),
            6 => entry().prop_map(Step::Note),
            2 => entry().prop_map(Step::NoteDurably),
            1 => Just(Step::Sync),
            2 => (any::<Index>(), prop::collection::vec(any::<u8>(), 0..40))
                .prop_map(|(cut, garbage)| Step::Crash(cut, garbage)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_crash_makes_a_journal_tell_what_was_not_noted(steps in prop::collection::vec(step(), 1..40)) {
            let (_directory, path) = fast_directory();
            let end = || usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
            let mut journal = Some(open(&path).0);
            let mut begun: Option<usize> = None;
            let mut noted: Vec<(Record, usize)> = Vec::new();
            for step in steps {
                let open_journal = journal.as_ref().unwrap();
                match step {
                    Step::Begin => {
                        prop_assert_eq!(open_journal.begin(&head()).is_ok(), begun.is_none());
                        begun = begun.or_else(|| Some(end()));
                    }
                    Step::Note(entry) | Step::NoteDurably(entry) if begun.is_none() => {
                        prop_assert!(open_journal.note(&entry).is_err());
                    }
                    Step::Note(entry) => {
                        open_journal.note(&entry).unwrap();
                        noted.push((entry, end()));
                    }
                    Step::NoteDurably(entry) => {
                        open_journal.note_durably(&entry).unwrap();
                        noted.push((entry, end()));
                    }
                    Step::Sync => open_journal.sync().unwrap(),
                    Step::Crash(cut, garbage) => {
                        drop(journal.take());
                        let mut text = fs::read(&path).unwrap();
                        text.truncate(cut.index(text.len() + 1));
                        begun = begun.filter(|end| *end <= text.len());
                        noted.retain(|(_, end)| *end <= text.len());
                        // The first line is on the disk before anything else is written.
                        // A newline that follows what was cut off could make the line whole again.
                        if text.len() >= FIRST.len() && garbage.first() != Some(&b'\n') {
                            text.extend(garbage);
                        }
                        fs::write(&path, text).unwrap();
                        let (opened, past) = open(&path);
                        journal = Some(opened);
                        let entries: Vec<_> = noted.iter().map(|(entry, _)| entry.clone()).collect();
                        prop_assert_eq!(past, expected(begun.map(|_| head()).as_ref(), &entries));
                    }
                }
            }
        }
    }
}
