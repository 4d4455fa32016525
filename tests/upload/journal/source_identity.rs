//! The rule for `Ok`: the service stores exactly the bytes of the call's source. tests/c_abi/histories has random cases.

use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glacier_emulator::{Action, ConnectionEnd, Emulator, Fault, Operation};
use glacier_mp::error::{Error, Kind};
use glacier_mp::source::{ReadFn, ReadOutcome};
use glacier_mp::upload::state::State;
use glacier_mp::upload::{Flow, Progress, Upload};
use sha2::{Digest as _, Sha256};
use tempfile::{NamedTempFile, TempDir};

use crate::support::glacier::{CapturedLog, MIB, VAULT, aged_file, archive, client, config, file};
use crate::{acknowledged_parts, of, refusal, start};

/// A call without arguments that uses the service.
type Call = fn(&Upload) -> Result<(), Error>;

const PART: usize = 1 << 20;

/// A service, a journal, and handles that use the journal one after the other.
struct Fixture {
    glacier: Emulator,
    directory: TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self { glacier: start(), directory: tempfile::tempdir().unwrap() }
    }

    fn journal(&self) -> PathBuf {
        self.directory.path().join("journal")
    }

    /// A handle with parts of 1 MiB, one of them in flight.
    fn handle(&self) -> Arc<Upload> {
        let mut config = config(&self.glacier);
        config.set_concurrency(1).unwrap();
        config.set_max_attempts(2).unwrap();
        Upload::new(&client(config, &CapturedLog::default()), VAULT).unwrap()
    }

    fn with_journal(&self) -> Arc<Upload> {
        let upload = self.handle();
        upload.set_part_size(MIB).unwrap();
        upload.set_journal(&self.journal()).unwrap();
        upload
    }

    fn of_file(&self, path: &Path) -> Arc<Upload> {
        let upload = self.with_journal();
        upload.set_source_file(path).unwrap();
        upload
    }

    /// A handle with the journal and one of the sources.
    fn of(&self, source: Source, bytes: &'static [u8]) -> (Arc<Upload>, Option<NamedTempFile>) {
        let upload = self.with_journal();
        let mut kept = None;
        match source {
            Source::File => {
                let file = file(bytes);
                upload.set_source_file(file.path()).unwrap();
                kept = Some(file);
            }
            Source::Memory => upload.set_source_memory(bytes).unwrap(),
            Source::Callback { known } => {
                upload.set_source_callback(reader(bytes), known.then_some(bytes.len() as u64)).unwrap();
            }
            Source::Pushed => {}
        }
        (upload, kept)
    }

    fn run(&self, source: Source, bytes: &'static [u8]) -> (Arc<Upload>, Result<(), Error>) {
        let (upload, _kept) = self.of(source, bytes);
        let result = match source {
            Source::Pushed => upload.write(bytes).and_then(|()| upload.finish()),
            _ => upload.run(),
        };
        (upload, result)
    }

    fn lose_complete(&self) {
        let lost = Action::LostAnswer { then: ConnectionEnd::Close };
        self.glacier.add_fault(Fault::new(lost).on(Operation::CompleteMultipartUpload).always());
    }

    fn refuse_part(&self, part: u64) {
        let refusal = refusal(403, "AccessDeniedException", "no");
        self.glacier.add_fault(refusal.on(Operation::UploadMultipartPart).part(part));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    File,
    Memory,
    Callback { known: bool },
    Pushed,
}

const SOURCES: [Source; 5] =
    [Source::File, Source::Memory, Source::Callback { known: true }, Source::Callback { known: false }, Source::Pushed];

fn reader(mut rest: &'static [u8]) -> ReadFn {
    Box::new(move |room| {
        let (now, later) = rest.split_at(rest.len().min(room.len()));
        room[..now.len()].copy_from_slice(now);
        rest = later;
        ReadOutcome::Bytes(now.len())
    })
}

/// Returns three parts, and other bytes of equal length that differ in the second part.
fn bytes() -> (&'static [u8], &'static [u8]) {
    let bytes: Vec<u8> = (0..=250).cycle().take(2 * PART + 5).collect();
    let mut other = bytes.clone();
    other[PART + 7] ^= 1;
    (bytes.leak(), other.leak())
}

/// Changes a byte of a file and restores its modification time.
fn modify_unseen(path: &Path, at: usize) {
    let time = fs::metadata(path).unwrap().modified().unwrap();
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
    File::options().write(true).open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

#[test]
fn finished_journal_accepts_only_the_same_bytes_from_any_source() {
    let (bytes, other) = bytes();
    for first in SOURCES {
        let fixture = Fixture::new();
        let (made, result) = fixture.run(first, bytes);
        result.unwrap();
        let requests = fixture.glacier.requests().len();
        let id = made.archive_id().unwrap().to_str().unwrap();
        for second in SOURCES {
            let (again, result) = fixture.run(second, bytes);
            result.unwrap();
            assert_eq!(again.archive_id(), made.archive_id());
            for different in [other, &bytes[..bytes.len() - 1], &bytes[..1]] {
                let (changed, result) = fixture.run(second, different);
                let error = result.unwrap_err();
                assert_eq!(error.kind(), Kind::SourceChanged, "{first:?} {second:?} {error}");
                assert!(error.message().contains(id) && error.message().contains("another journal"), "{error}");
                assert_eq!((changed.archive_id(), changed.state()), (made.archive_id(), State::Completed));
            }
        }
        assert_eq!(fixture.glacier.requests().len(), requests, "no request is sent");
    }
}

#[test]
fn finished_journal_detects_overwritten_file() {
    let (bytes, other) = bytes();
    let (fixture, source) = (Fixture::new(), aged_file(bytes));
    fixture.of_file(source.path()).run().unwrap();
    let requests = fixture.glacier.requests().len();
    let changes: [fn(&Path, &[u8]); 2] =
        [|path, other| fs::write(path, other).unwrap(), |path, _| modify_unseen(path, 0)];
    for change in changes {
        change(source.path(), other);
        let error = fixture.of_file(source.path()).run().unwrap_err();
        assert_eq!(error.kind(), Kind::SourceChanged, "{error}");
        fs::write(source.path(), bytes).unwrap();
        fixture.of_file(source.path()).run().unwrap();
    }
    assert_eq!(fixture.glacier.requests().len(), requests, "no request is sent");
}

#[test]
fn completed_handle_compares_file_on_each_call() {
    let (bytes, _) = bytes();
    let (fixture, source) = (Fixture::new(), aged_file(bytes));
    let upload = fixture.of_file(source.path());
    upload.run().unwrap();
    let requests = fixture.glacier.requests().len();
    let calls: [Call; 3] = [Upload::run, Upload::transfer, Upload::complete];
    for call in calls {
        call(&upload).unwrap();
    }
    assert_eq!(upload.progress().unwrap().bytes_hashed, bytes.len() as u64, "the file is not read again");
    fs::set_permissions(source.path(), Permissions::from_mode(0o640)).unwrap();
    upload.run().unwrap();
    assert!(upload.progress().unwrap().bytes_hashed > bytes.len() as u64, "the file is read again");
    modify_unseen(source.path(), 0);
    for call in calls {
        assert_eq!(call(&upload).unwrap_err().kind(), Kind::SourceChanged);
    }
    fs::write(source.path(), b"").unwrap();
    assert_eq!(upload.run().unwrap_err().kind(), Kind::SourceChanged, "the file is empty");
    fs::remove_file(source.path()).unwrap();
    let error = upload.run().unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    assert!(error.message().contains(upload.archive_id().unwrap().to_str().unwrap()), "{error}");
    assert_eq!(fixture.glacier.requests().len(), requests);
}

#[test]
fn resolves_lost_complete_then_compares_source() {
    let (bytes, other) = bytes();
    for (first, second) in SOURCES.into_iter().flat_map(|first| SOURCES.map(|second| (first, second))) {
        let fixture = Fixture::new();
        fixture.lose_complete();
        let (upload, result) = fixture.run(first, bytes);
        assert_eq!(result.unwrap_err().kind(), Kind::OutcomeUnknown);
        drop(upload);
        fixture.glacier.clear_faults();
        let seen = fixture.glacier.requests().len();
        let (again, result) = fixture.run(second, other);
        let error = result.unwrap_err();
        assert_eq!(error.kind(), Kind::SourceChanged, "{first:?} {second:?} {error}");
        let archives = fixture.glacier.archives();
        assert!(error.message().contains(&archives[0].archive_id) && archives.len() == 1, "{error}");
        assert_eq!(again.archive_id().unwrap().to_str().unwrap(), archives[0].archive_id);
        let since: Vec<_> = fixture.glacier.requests()[seen..].iter().map(|one| one.operation.unwrap()).collect();
        assert_eq!(since, [Operation::CompleteMultipartUpload]);
        fixture.run(second, bytes).1.unwrap();
    }
}

#[test]
fn lost_complete_with_missing_source_names_archive() {
    let fixture = Fixture::new();
    fixture.lose_complete();
    let (upload, kept) = fixture.of(Source::File, bytes().0);
    upload.run().unwrap_err();
    drop(upload);
    fixture.glacier.clear_faults();
    let gone = kept.unwrap().path().to_owned();
    let again = fixture.of_file(&gone);
    let error = again.run().unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    let id = &fixture.glacier.archives()[0].archive_id;
    assert!(error.message().contains(id) && error.message().contains(gone.to_str().unwrap()), "{error}");
    assert_eq!(again.archive_id().unwrap().to_str().unwrap(), id);
}

/// An upload by hand has no size in its journal until it is completed.
#[test]
fn finished_journal_rejects_another_archive_size() {
    let fixture = Fixture::new();
    let by_hand = fixture.with_journal();
    by_hand.initiate().unwrap();
    by_hand.put_part(0, b"12345", None).unwrap();
    by_hand.complete().unwrap();
    let archive = by_hand.archive_id().unwrap().to_str().unwrap();
    for (size, source) in [(6, None), (6, Some(Source::Memory)), (6, Some(Source::File)), (5, None)] {
        let (upload, _kept) = fixture.of(source.unwrap_or(Source::Pushed), b"12345");
        upload.set_archive_size(size).unwrap();
        let result = if source.is_some() { upload.run() } else { upload.complete() };
        if size == 5 {
            result.unwrap();
            continue;
        }
        let error = result.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{error}");
        assert!(error.message().contains("archive size 6 was set") && error.message().contains(archive), "{error}");
    }
}

#[test]
fn canceled_comparison_with_archive_names_archive() {
    let fixture = Fixture::new();
    let (bytes, _) = bytes();
    let (upload, result) = fixture.run(Source::Memory, bytes);
    result.unwrap();
    let archive = upload.archive_id().unwrap().to_str().unwrap().to_owned();
    drop(upload);
    let (again, _) = fixture.of(Source::Memory, bytes);
    again.cancel();
    let error = again.run().unwrap_err();
    assert_eq!((error.kind(), error.is_resumable()), (Kind::Canceled, false));
    assert!(error.message().contains(&archive), "{error}");
    again.run().unwrap();
}

#[test]
fn detects_modification_with_restored_mtime_between_runs() {
    let (bytes, _) = bytes();
    for settled in [true, false] {
        let fixture = Fixture::new();
        let source = if settled { aged_file(bytes) } else { file(bytes) };
        fixture.refuse_part(2);
        let first = fixture.of_file(source.path());
        assert_eq!(first.run().unwrap_err().kind(), Kind::Access);
        drop(first);
        modify_unseen(source.path(), 0);
        let second = fixture.of_file(source.path());
        let error = second.run().unwrap_err();
        assert_eq!(error.kind(), Kind::SourceChanged);
        assert!(error.message().contains("part 0 (bytes 0-1048575)"), "{error}");
        modify_unseen(source.path(), 0);
        second.run().unwrap();
        assert_eq!(archive(&fixture.glacier), bytes);
        assert_eq!(acknowledged_parts(&fixture.glacier).len(), 3, "no part is sent twice");
    }
}

/// Runs an upload and changes its file after a part is acknowledged, while the last part waits for its response.
fn changed_in_a_run(settled: bool, change: fn(&Path)) -> (Fixture, Result<(), Error>, u64) {
    let (bytes, _) = bytes();
    let fixture = Fixture::new();
    let source = if settled { aged_file(bytes) } else { file(bytes) };
    let upload = fixture.of_file(source.path());
    let (path, mut change) = (source.path().to_owned(), Some(change));
    let report = move |progress: &Progress| {
        if (1..3).contains(&progress.parts_done) {
            change.take().into_iter().for_each(|change| change(&path));
        }
        Flow::Continue
    };
    upload.set_progress(Some(Box::new(report))).unwrap();
    fixture
        .glacier
        .add_fault(Fault::new(Action::DelayAnswer { millis: 1500 }).on(Operation::UploadMultipartPart).part(2));
    let result = upload.run();
    let hashed = upload.progress().unwrap().bytes_hashed;
    (fixture, result, hashed)
}

#[test]
fn detects_modification_with_restored_mtime_during_run() {
    for settled in [true, false] {
        let (fixture, result, _) = changed_in_a_run(settled, |path| modify_unseen(path, 0));
        let error = result.unwrap_err();
        assert_eq!(error.kind(), Kind::SourceChanged);
        assert!(error.message().contains("part 0 (bytes 0-1048575)") && error.is_resumable(), "{error}");
        assert!(of(&fixture.glacier, Operation::CompleteMultipartUpload).is_empty());
    }
}

#[test]
fn chmod_rename_and_hard_link_do_not_end_run() {
    let changes: [fn(&Path); 3] = [
        |path| fs::set_permissions(path, Permissions::from_mode(0o400)).unwrap(),
        |path| {
            let moved = path.with_extension("moved");
            fs::rename(path, &moved).unwrap();
            fs::rename(moved, path).unwrap();
        },
        |path| {
            let link = path.with_extension("link");
            fs::hard_link(path, &link).unwrap();
            fs::remove_file(link).unwrap();
        },
    ];
    let (bytes, _) = bytes();
    for change in changes {
        let (fixture, result, hashed) = changed_in_a_run(true, change);
        result.unwrap();
        assert_eq!(archive(&fixture.glacier), bytes);
        assert_eq!(hashed, bytes.len() as u64, "bytes read for a comparison are not counted");
    }
}

#[test]
fn detects_memory_change_between_runs() {
    let (bytes, other) = bytes();
    let fixture = Fixture::new();
    fixture.refuse_part(2);
    let (upload, result) = fixture.run(Source::Memory, bytes);
    assert_eq!(result.unwrap_err().kind(), Kind::Access);
    drop(upload);
    let (_, result) = fixture.run(Source::Memory, other);
    let error = result.unwrap_err();
    assert_eq!(error.kind(), Kind::SourceChanged);
    assert!(error.message().contains("part 1 (bytes 1048576-2097151)"), "{error}");
}

#[test]
fn does_not_trust_journal_hashes_for_memory_source() {
    let (bytes, _) = bytes();
    let mut other = bytes.to_vec();
    other[2 * PART] ^= 1;
    let (fixture, source) = (Fixture::new(), aged_file(bytes));
    fixture.refuse_part(2);
    fixture.of_file(source.path()).run().unwrap_err();
    fixture.glacier.add_fault(refusal(403, "AccessDeniedException", "no").on(Operation::CompleteMultipartUpload));
    let (upload, result) = fixture.run(Source::Memory, other.leak());
    assert_eq!(result.unwrap_err().kind(), Kind::Access);
    drop(upload);
    let error = fixture.of_file(source.path()).run().unwrap_err();
    assert_eq!(error.kind(), Kind::SourceChanged);
    assert!(error.message().contains("part 2 (bytes 2097152-2097156)"), "{error}");
}

#[test]
fn does_not_complete_broken_stream_from_older_journal() {
    let (bytes, other) = bytes();
    for source in [Source::Callback { known: false }, Source::Pushed] {
        let fixture = Fixture::new();
        fixture.glacier.add_fault(refusal(403, "AccessDeniedException", "no").on(Operation::CompleteMultipartUpload));
        let (first, result) = fixture.run(Source::File, bytes);
        assert_eq!(result.unwrap_err().kind(), Kind::Access);
        drop(first);
        // The journal has all parts. The second stream fails at its second part.
        fixture.refuse_part(1);
        let (second, result) = fixture.run(source, other);
        assert_eq!(result.unwrap_err().kind(), Kind::Access);
        let again = if source == Source::Pushed { second.finish() } else { second.run() };
        again.unwrap_err();
        second.complete().unwrap_err();
        assert!(fixture.glacier.archives().is_empty());
    }
}

#[test]
fn complete_compares_parts_with_source() {
    let (bytes, other) = bytes();
    let fixture = Fixture::new();
    let by_hand = fixture.handle();
    by_hand.set_part_size(MIB).unwrap();
    by_hand.initiate().unwrap();
    for (index, part) in (0..).zip(bytes.chunks(PART)) {
        by_hand.put_part(index, part, None).unwrap();
    }
    let complete = |bytes: &'static [u8]| {
        let source = file(bytes);
        let upload = fixture.handle();
        upload.set_upload_id(by_hand.id().unwrap().to_str().unwrap()).unwrap();
        upload.set_source_file(source.path()).unwrap();
        upload.complete()
    };
    let error = complete(other).unwrap_err();
    assert_eq!(error.kind(), Kind::SourceChanged);
    assert!(error.message().contains("part 1 (bytes 1048576-2097151)"), "{error}");
    let unread = fixture.handle();
    unread.set_upload_id(by_hand.id().unwrap().to_str().unwrap()).unwrap();
    unread.set_archive_size(bytes.len() as u64).unwrap();
    unread.set_source_callback(reader(other), None).unwrap();
    assert_eq!(unread.complete().unwrap_err().kind(), Kind::Invalid);
    complete(bytes).unwrap();
    assert_eq!(archive(&fixture.glacier), bytes);
}

#[test]
fn finished_callback_source_keeps_its_outcome() {
    let (bytes, other) = bytes();
    let fixture = Fixture::new();
    let (made, result) = fixture.run(Source::Callback { known: true }, bytes);
    result.unwrap();
    made.run().unwrap();
    made.complete().unwrap();
    let (changed, result) = fixture.run(Source::Callback { known: true }, other);
    assert_eq!(result.unwrap_err().kind(), Kind::SourceChanged);
    assert_eq!(changed.run().unwrap_err().kind(), Kind::SourceChanged);
    assert_eq!(changed.complete().unwrap_err().kind(), Kind::SourceChanged);
    let (stopped, _) = fixture.of(Source::Callback { known: false }, bytes);
    stopped.complete().map_err(|error| error.kind()).unwrap_err();
    assert_eq!(stopped.archive_id(), made.archive_id());
    stopped.run().unwrap();
    stopped.complete().unwrap();
}

/// A journal in the format of an earlier version of the library.
fn to_version_1(journal: &Path) {
    let text = fs::read_to_string(journal).unwrap();
    let mut old = "glacier_mp journal 1\n".to_owned();
    for line in text.lines().skip(1) {
        let json = line.split_once(' ').unwrap().1.replace(",\"trusted\":true", "").replace(",\"trusted\":false", "");
        let mut json: serde_json::Value = serde_json::from_str(&json).unwrap();
        if let Some(source) = json.get_mut("source").and_then(serde_json::Value::as_object_mut) {
            source.remove("device");
            source.remove("changed_ns");
        }
        let json = json.to_string();
        old += &format!("{} {json}\n", hex::encode(&Sha256::digest(&json)[..8]));
    }
    fs::write(journal, old).unwrap();
}

#[test]
fn resumes_version_1_journal_and_rereads_source() {
    let (bytes, _) = bytes();
    for modified in [true, false] {
        let (fixture, source) = (Fixture::new(), aged_file(bytes));
        fixture.refuse_part(2);
        fixture.of_file(source.path()).run().unwrap_err();
        to_version_1(&fixture.journal());
        if modified {
            modify_unseen(source.path(), 0);
        }
        let second = fixture.of_file(source.path());
        let result = second.run();
        assert_eq!(result.map_err(|error| error.kind()), if modified { Err(Kind::SourceChanged) } else { Ok(()) });
        drop(second);
        let text = fs::read_to_string(fixture.journal()).unwrap();
        assert!(text.starts_with("glacier_mp journal 1\n") && !text.contains("trusted"), "{text}");
        if !modified {
            fixture.of_file(source.path()).run().unwrap();
            modify_unseen(source.path(), 0);
            assert_eq!(
                fixture.of_file(source.path()).run().unwrap_err().kind(),
                Kind::SourceChanged,
                "also when completed"
            );
        }
    }
}

#[test]
fn rejects_journal_path_equal_to_source() {
    let fixture = Fixture::new();
    let source = fixture.directory.path().join("source");
    let (link, hard_link) = (fixture.directory.path().join("link"), fixture.directory.path().join("hard-link"));
    for bytes in [&b""[..], b"some bytes"] {
        fs::write(&source, bytes).unwrap();
        let _ = (fs::remove_file(&link), fs::remove_file(&hard_link));
        symlink(&source, &link).unwrap();
        fs::hard_link(&source, &hard_link).unwrap();
        let calls: [Call; 4] = [Upload::run, Upload::transfer, Upload::initiate, Upload::complete];
        for (journal, call) in [&source, &link, &hard_link].into_iter().flat_map(|one| calls.map(|call| (one, call))) {
            let upload = fixture.handle();
            upload.set_source_file(&source).unwrap();
            upload.set_journal(journal).unwrap();
            let error = call(&upload).unwrap_err();
            assert_eq!(error.kind(), Kind::Invalid, "{error}");
            assert!(error.message().contains(journal.to_str().unwrap()), "{error}");
            assert_eq!(fs::read(&source).unwrap(), bytes);
        }
    }
    fs::remove_file(&source).unwrap();
    for (journal, kind) in [(&source, Kind::Invalid), (&link, Kind::Io)] {
        let upload = fixture.handle();
        upload.set_source_file(&source).unwrap();
        upload.set_journal(journal).unwrap();
        assert_eq!(upload.run().unwrap_err().kind(), kind);
        assert!(!source.exists(), "the journal is not created at the path of the source");
    }
    assert!(fixture.glacier.requests().is_empty());
}

#[test]
fn not_found_upload_error_says_to_look_for_the_archive_before_removing_the_journal() {
    let (bytes, _) = bytes();
    let (fixture, source) = (Fixture::new(), file(bytes));
    fixture.refuse_part(2);
    fixture.of_file(source.path()).run().unwrap_err();
    let elsewhere = fixture.handle();
    elsewhere.set_upload_id(&fixture.glacier.uploads()[0].upload_id).unwrap();
    elsewhere.abort().unwrap();
    let error = fixture.of_file(source.path()).run().unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    // It may have been completed: the journal is removed only after a look for the archive.
    let look = "look for its archive in an inventory of the vault before you upload it again";
    let remove = format!("{look}; to upload again, remove its journal {}", fixture.journal().display());
    assert!(error.message().contains(&remove) && !error.is_resumable(), "{error}");

    let aborted = Fixture::new();
    aborted.refuse_part(2);
    let upload = aborted.of_file(source.path());
    upload.run().unwrap_err();
    upload.abort().unwrap();
    let error = aborted.of_file(source.path()).run().unwrap_err();
    assert!(error.message().contains("remove the journal"), "{error}");
    fs::remove_file(aborted.journal()).unwrap();
    aborted.of_file(source.path()).run().unwrap();
}

#[test]
fn rejects_list_with_part_size_other_than_journal() {
    let (bytes, _) = bytes();
    let (fixture, source) = (Fixture::new(), file(bytes));
    fixture.refuse_part(2);
    fixture.of_file(source.path()).run().unwrap_err();
    let text = fs::read_to_string(fixture.journal()).unwrap();
    let head = text
        .lines()
        .nth(1)
        .unwrap()
        .split_once(' ')
        .unwrap()
        .1
        .replace("\"part_size\":1048576", "\"part_size\":2097152");
    let line = format!("{} {head}\n", hex::encode(&Sha256::digest(&head)[..8]));
    fs::write(fixture.journal(), format!("glacier_mp journal 2\n{line}")).unwrap();
    let upload = fixture.handle();
    upload.set_journal(&fixture.journal()).unwrap();
    upload.set_source_file(source.path()).unwrap();
    let error = upload.run().unwrap_err();
    assert_eq!(error.kind(), Kind::Protocol);
    assert!(error.message().contains("1048576") && error.message().contains("2097152"), "{error}");
}
