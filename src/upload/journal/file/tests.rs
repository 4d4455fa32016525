//! Tests of the journal file: locking, durability, and every way in which it can be torn.

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
use crate::upload::journal::record::tests::{SAMPLE, entries, expected, header};
use crate::upload::session::parts::StoredPart;

fn directory() -> (TempDir, PathBuf) {
    with_path(tempfile::tempdir().unwrap())
}

/// In memory if possible: thousands of syncs to a disk are slow.
fn fast_directory() -> (TempDir, PathBuf) {
    with_path(tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap())
}

fn with_path(directory: TempDir) -> (TempDir, PathBuf) {
    let path = directory.path().join("upload.journal");
    (directory, path)
}

fn open(path: &Path) -> (JournalFile, Replay) {
    JournalFile::open(path, true, None).unwrap().unwrap()
}

fn begun(path: &Path) -> JournalFile {
    let (journal, _) = open(path);
    journal.begin(&header()).unwrap();
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
fn reopened_journal_has_all_records() {
    let (_directory, path) = directory();
    assert!(JournalFile::open(&path, false, None).unwrap().is_none());
    assert!(!path.exists());
    let (journal, replay) = open(&path);
    assert_eq!(replay, Replay::default());
    assert_eq!(fs::read(&path).unwrap(), FIRST);
    journal.begin(&header()).unwrap();
    for (at, record) in entries().iter().enumerate() {
        if at % 2 == 0 { journal.append(record) } else { journal.append_durably(record) }.unwrap();
    }
    journal.sync().unwrap();
    assert_eq!(fs::read(&path).unwrap(), SAMPLE);
    drop(journal);
    let (journal, replay) = JournalFile::open(&path, false, None).unwrap().unwrap();
    assert_eq!(replay, expected(Some(&header()), &entries()));
    assert_eq!(journal.path(), path);
    assert_eq!(format!("{journal:?}"), format!("JournalFile({path:?})"));
}

#[test]
fn accepts_empty_file_as_new_journal() {
    for create in [true, false] {
        let (_directory, path) = directory();
        fs::write(&path, "").unwrap();
        let (journal, replay) = JournalFile::open(&path, create, None).unwrap().unwrap();
        assert_eq!(replay, Replay::default());
        journal.begin(&header()).unwrap();
        drop(journal);
        assert_eq!(open(&path).1, expected(Some(&header()), &[]));
    }
}

#[test]
fn threads_append_and_sync_concurrently() {
    let (_directory, path) = directory();
    let journal = begun(&path);
    thread::scope(|scope| {
        for thread in 0..8 {
            let journal = &journal;
            scope.spawn(move || {
                for index in (thread * 100)..(thread * 100 + 100) {
                    journal.append(&part(index)).unwrap();
                    if index % 25 == 0 {
                        journal.sync().unwrap();
                    }
                }
            });
        }
    });
    drop(journal);
    let (_, replay) = open(&path);
    assert!(replay.parts.keys().copied().eq(0..800) && replay.trusted.len() == 800, "{replay:?}");
}

#[test]
fn released_journal_does_not_write() {
    let (_directory, path) = directory();
    let gone = begun(&path);
    gone.append(&part(1)).unwrap();
    refused(JournalFile::open(&path, true, None), Kind::Locked, &["in use"]);
    gone.release();
    let (journal, _) = open(&path);
    journal.append(&part(2)).unwrap();
    let text = fs::read(&path).unwrap();
    gone.append_durably(&part(3)).unwrap();
    lock(&gone.tail).cut(&gone.locked.file, 0).unwrap();
    drop(gone);
    assert_eq!(fs::read(&path).unwrap(), text);
    refused(JournalFile::open(&path, true, None), Kind::Locked, &["in use"]);
}

#[test]
fn requires_one_header_before_all_records() {
    let (_directory, path) = directory();
    let (journal, _) = open(&path);
    refused(journal.append(&Record::Rejected), Kind::Internal, &["no upload was begun"]);
    refused(journal.begin(&Header { part_size: 3, ..header() }), Kind::Internal, &["part size 3"]);
    journal.begin(&header()).unwrap();
    refused(journal.begin(&header()), Kind::Internal, &["another upload"]);
    refused(journal.append(&part(10_000)), Kind::Internal, &["part index 10000"]);
    drop(journal);
    let (journal, replay) = open(&path);
    assert_eq!(replay, expected(Some(&header()), &[]));
    refused(journal.begin(&header()), Kind::Internal, &["another upload"]);
}

#[test]
fn continues_after_truncation_at_any_byte() {
    let (_directory, path) = fast_directory();
    for cut in 0..=SAMPLE.len() {
        fs::write(&path, &SAMPLE[..cut]).unwrap();
        let whole = SAMPLE[..cut].iter().filter(|byte| **byte == b'\n').count();
        let mut entries = entries()[..whole.saturating_sub(2)].to_vec();
        let (journal, replay) = open(&path);
        assert_eq!(replay, expected((whole >= 2).then(header).as_ref(), &entries), "cut at {cut}");
        if replay.header.is_none() {
            journal.begin(&header()).unwrap();
        }
        journal.append(&part(5)).unwrap();
        entries.push(part(5));
        drop(journal);
        assert_eq!(open(&path).1, expected(Some(&header()), &entries), "cut at {cut}");
    }
}

#[test]
fn leaves_damaged_and_foreign_files_unchanged() {
    let (_directory, path) = directory();
    let unchanged = |text: &[u8], words: &[&str]| {
        fs::write(&path, text).unwrap();
        for create in [true, false] {
            refused(JournalFile::open(&path, create, None), Kind::Journal, words);
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
fn rejects_file_that_is_too_large() {
    let (_directory, path) = directory();
    fs::write(&path, SAMPLE).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(SIZE_MAX + 1).unwrap();
    refused(JournalFile::open(&path, true, None), Kind::Journal, &["67108865", "not overwritten"]);
    assert_eq!(fs::metadata(&path).unwrap().len(), SIZE_MAX + 1);
}

#[test]
fn full_journal_accepts_the_end_of_the_upload() {
    let (_directory, path) = directory();
    let journal = begun(&path);
    lock(&journal.tail).end = PARTS_END - 100;
    refused(journal.append(&part(0)), Kind::Io, &["no room"]);
    journal.append_durably(&Record::Completing { size: 1, tree: Digest([1; 32]) }).unwrap();
}

#[test]
fn rejects_files_that_are_not_regular() {
    let (directory, path) = directory();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    for (path, word) in [
        (path.as_path(), "not a regular file"),
        (Path::new("/dev/null"), "not a regular file"),
        (directory.path(), "directory"),
        (&path.join("below"), "Not a directory"),
    ] {
        refused(JournalFile::open(path, true, None), Kind::Io, &[path.to_str().unwrap(), word]);
        refused(JournalFile::open(path, false, None), Kind::Io, &[path.to_str().unwrap(), word]);
    }
    let nowhere = directory.path().join("missing/journal");
    refused(JournalFile::open(&nowhere, true, None), Kind::Io, &["cannot open", nowhere.to_str().unwrap()]);
}

#[test]
fn syncs_current_directory_for_bare_file_name() {
    sync_directory_of(Path::new("Cargo.toml")).unwrap();
    // /proc does not support syncing a directory.
    sync_directory_of(Path::new("/proc/version")).unwrap();
    sync_directory_of(Path::new("missing")).unwrap_err();
}

/// A directory with mode 0300 cannot be opened, except by the superuser.
#[test]
fn directory_that_cannot_be_opened_is_not_synced() {
    assert!(is_not_syncable(&io::Error::from(ErrorKind::PermissionDenied)));
    assert!(!is_not_syncable(&io::Error::from(ErrorKind::NotFound)));
    assert!(!is_not_syncable(&io::Error::from_raw_os_error(libc::EIO)));
}

#[test]
fn locks_out_a_second_handle() {
    let (_directory, path) = directory();
    let journal = begun(&path);
    for create in [true, false] {
        refused(JournalFile::open(&path, create, None), Kind::Locked, &[path.to_str().unwrap()]);
    }
    // As if a child had been forked in between.
    let shared = journal.locked.file.try_clone().unwrap();
    drop(journal);
    open(&path);
    drop(shared);
}

#[test]
fn forked_child_does_not_unlock() {
    let (_directory, path) = directory();
    let journal = begun(&path);
    let copy = Locked { file: journal.locked.file.try_clone().unwrap(), creator: CreatorPid::another() };
    drop(copy);
    refused(JournalFile::open(&path, true, None), Kind::Locked, &[]);
}

#[test]
fn rejects_file_replaced_before_the_lock() {
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
    assert!(JournalFile::open(&path, false, None).unwrap().is_some());
}

/// Runs a test of this module in a process of its own, after some shell commands. There, [`in_the_child`] returns the path of
/// the journal. `TEST_RUNNER` can name a program that runs programs of another processor.
fn child(setup: &str, test: &str, path: &Path) -> Command {
    let module = module_path!().split_once("::").unwrap().1;
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{setup}\nexec ${{TEST_RUNNER-}} \"$0\" \"$@\"")]).arg(std::env::current_exe().unwrap());
    shell.args(["--exact", &format!("{module}::{test}"), "--nocapture"]).env("GLACIER_TEST_JOURNAL", path);
    shell.stdout(Stdio::piped());
    shell
}

fn in_the_child() -> Option<PathBuf> {
    std::env::var_os("GLACIER_TEST_JOURNAL").map(PathBuf::from)
}

#[test]
fn locks_out_other_processes_until_exit_or_kill() {
    if let Some(path) = in_the_child() {
        let _journal = begun(&path);
        println!("locked");
        io::stdin().read_to_end(&mut Vec::new()).unwrap();
        return;
    }
    let (_directory, path) = directory();
    let mut other = child("", "locks_out_other_processes_until_exit_or_kill", &path);
    let mut other = other.stdin(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(other.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("locked")), "the child does not have the journal");
    refused(JournalFile::open(&path, true, None), Kind::Locked, &[path.to_str().unwrap()]);
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(open(&path).1, expected(Some(&header()), &[]));
}

#[test]
fn mode_does_not_depend_on_umask() {
    if let Some(path) = in_the_child() {
        let early = open_file(&path.with_extension("early"), true).unwrap();
        assert_eq!(early.metadata().unwrap().mode() & 0o077, 0, "readable by others before the mode is set");
        begun(&path);
        return;
    }
    for umask in ["0", "777"] {
        let (_directory, path) = directory();
        let mut run = child(&format!("umask {umask}"), "mode_does_not_depend_on_umask", &path);
        assert!(run.output().unwrap().status.success());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, MODE, "umask {umask}");
    }
}

/// With the file size limit of the shell, a file fills up like a disk: the last write is partial.
#[test]
fn full_disk_leaves_no_torn_record() {
    let header = Header { endpoint: String::new(), upload_id: "x".to_owned(), source: None, ..header() };
    if let Some(path) = in_the_child() {
        let (journal, _) = open(&path);
        journal.begin(&header).unwrap();
        let before = fs::read(&path).unwrap();
        let long = "x".repeat(2000);
        let long = Record::Completed { archive_id: long.clone(), location: long, tree: Digest([1; 32]) };
        for _ in 0..2 {
            refused(journal.append(&long), Kind::Io, &["cannot write", path.to_str().unwrap()]);
            refused(journal.append_durably(&long), Kind::Io, &["cannot write", path.to_str().unwrap()]);
            assert_eq!(fs::read(&path).unwrap(), before);
        }
        journal.append_durably(&Record::Rejected).unwrap();
        return;
    }
    let (_directory, path) = directory();
    // A block of `ulimit -f` has 512 or 1,024 bytes.
    let mut run = child("trap '' XFSZ; ulimit -f 1", "full_disk_leaves_no_torn_record", &path);
    let output = run.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let appended = [
        FIRST,
        &Version::Two.line_of_header(&header).unwrap(),
        &Version::Two.line_of_record(&Record::Rejected).unwrap(),
    ]
    .concat();
    assert_eq!(String::from_utf8(fs::read(&path).unwrap()).unwrap(), String::from_utf8(appended).unwrap());
}

#[test]
fn open_fails_on_full_disk() {
    if let Some(path) = in_the_child() {
        refused(JournalFile::open(&path, true, None), Kind::Io, &["cannot write", path.to_str().unwrap()]);
        println!("refused");
        return;
    }
    let (_directory, path) = directory();
    let mut run = child("trap '' XFSZ; ulimit -f 0", "open_fails_on_full_disk", &path);
    let output = String::from_utf8(run.output().unwrap().stdout).unwrap();
    assert!(output.contains("refused"), "{output}");
    assert_eq!(open(&path).1, Replay::default());
}

/// A socket can be written, but not truncated.
#[test]
fn appends_nothing_after_a_torn_record_that_cannot_be_truncated() {
    let (_directory, path) = directory();
    let mut journal = begun(&path);
    journal.append(&part(0)).unwrap();
    fs::write(&path, [fs::read(&path).unwrap(), b"half a rec".to_vec()].concat()).unwrap();
    lock(&journal.tail).torn = true;
    let (socket, mut peer) = UnixStream::pair().unwrap();
    let file = std::mem::replace(&mut journal.locked.file, File::from(OwnedFd::from(socket)));
    for _ in 0..2 {
        refused(journal.append(&part(1)), Kind::Io, &["cannot write"]);
    }
    drop(std::mem::replace(&mut journal.locked.file, file));
    let mut written = Vec::new();
    peer.read_to_end(&mut written).unwrap();
    assert!(written.is_empty());
    journal.append(&part(2)).unwrap();
    drop(journal);
    assert_eq!(open(&path).1, expected(Some(&header()), &[part(0), part(2)]));
}

/// /dev/null accepts writes, but cannot be synced.
#[test]
fn failed_sync_removes_the_record() {
    let (_directory, path) = directory();
    let mut journal = begun(&path);
    journal.append_durably(&part(0)).unwrap();
    journal.append(&part(1)).unwrap();
    let null = || File::options().append(true).open("/dev/null").unwrap();
    let file = std::mem::replace(&mut journal.locked.file, null());
    refused(journal.sync(), Kind::Io, &["cannot sync", path.to_str().unwrap()]);
    journal.sync().unwrap();
    let null = std::mem::replace(&mut journal.locked.file, file);
    journal.append(&part(2)).unwrap();
    journal.sync().unwrap();
    let file = std::mem::replace(&mut journal.locked.file, null);
    refused(journal.append_durably(&part(3)), Kind::Io, &["cannot sync"]);
    journal.locked.file = file;
    journal.append(&Record::Rejected).unwrap();
    drop(journal);
    assert_eq!(open(&path).1, expected(Some(&header()), &[part(0), part(2), Record::Rejected]));
}

#[test]
fn failed_sync_removes_the_header() {
    let (_directory, path) = directory();
    let (mut journal, _) = open(&path);
    let null = File::options().append(true).open("/dev/null").unwrap();
    let file = std::mem::replace(&mut journal.locked.file, null);
    refused(journal.begin(&header()), Kind::Io, &["cannot sync"]);
    refused(journal.append(&Record::Rejected), Kind::Internal, &["no upload was begun"]);
    journal.locked.file = file;
    let other = Header { upload_id: "another".to_owned(), ..header() };
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
    /// The file is truncated, and garbage follows.
    Crash(Index, Vec<u8>),
}

fn record() -> impl Strategy<Value = Record> {
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
        1 => Just(Record::Rejected),
        1 => ("[ -~]{1,9}", "[ -~]{1,9}", digest())
            .prop_map(|(archive_id, location, tree)| Record::Completed { archive_id, location, tree }),
        1 => Just(Record::Aborted),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Begin),
        6 => record().prop_map(Step::Note),
        2 => record().prop_map(Step::NoteDurably),
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
        let mut appended: Vec<(Record, usize)> = Vec::new();
        for step in steps {
            let open_journal = journal.as_ref().unwrap();
            match step {
                Step::Begin => {
                    prop_assert_eq!(open_journal.begin(&header()).is_ok(), begun.is_none());
                    begun = begun.or_else(|| Some(end()));
                }
                Step::Note(record) | Step::NoteDurably(record) if begun.is_none() => {
                    prop_assert!(open_journal.append(&record).is_err());
                }
                Step::Note(record) => {
                    open_journal.append(&record).unwrap();
                    appended.push((record, end()));
                }
                Step::NoteDurably(record) => {
                    open_journal.append_durably(&record).unwrap();
                    appended.push((record, end()));
                }
                Step::Sync => open_journal.sync().unwrap(),
                Step::Crash(cut, garbage) => {
                    drop(journal.take());
                    let mut text = fs::read(&path).unwrap();
                    text.truncate(cut.index(text.len() + 1));
                    begun = begun.filter(|end| *end <= text.len());
                    appended.retain(|(_, end)| *end <= text.len());
                    // The first line is on disk before anything else is written.
                    // A newline after the truncated part could complete the line again.
                    if text.len() >= FIRST.len() && garbage.first() != Some(&b'\n') {
                        text.extend(garbage);
                    }
                    fs::write(&path, text).unwrap();
                    let (opened, replay) = open(&path);
                    journal = Some(opened);
                    let entries: Vec<_> = appended.iter().map(|(record, _)| record.clone()).collect();
                    prop_assert_eq!(replay, expected(begun.map(|_| header()).as_ref(), &entries));
                }
            }
        }
    }
}
