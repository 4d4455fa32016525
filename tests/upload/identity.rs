//! The rule for `Ok`: the service has exactly the bytes of the call's source. Random histories of it: tests/c_abi/histories.

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

/// A working call without arguments.
type Call = fn(&Upload) -> Result<(), Error>;

const PART: usize = 1 << 20;

/// A service, a journal, and the handles that have it one after the other.
struct Place {
    glacier: Emulator,
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { glacier: start(), directory: tempfile::tempdir().unwrap() }
    }

    fn journal(&self) -> PathBuf {
        self.directory.path().join("journal")
    }

    /// A handle of parts of 1 MiB, one in flight.
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

/// Three parts; and other bytes of the same length, which differ in the second.
fn bytes() -> (&'static [u8], &'static [u8]) {
    let bytes: Vec<u8> = (0..=250).cycle().take(2 * PART + 5).collect();
    let mut other = bytes.clone();
    other[PART + 7] ^= 1;
    (bytes.leak(), other.leak())
}

/// Changes a byte of a file, and sets its time of modification back.
fn modify_unseen(path: &Path, at: usize) {
    let time = fs::metadata(path).unwrap().modified().unwrap();
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
    File::options().write(true).open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

#[test]
fn finished_journal_is_ok_only_for_the_same_bytes_from_any_source() {
    let (bytes, other) = bytes();
    for first in SOURCES {
        let place = Place::new();
        let (made, result) = place.run(first, bytes);
        result.unwrap();
        let requests = place.glacier.requests().len();
        let id = made.archive_id().unwrap().to_str().unwrap();
        for second in SOURCES {
            let (again, result) = place.run(second, bytes);
            result.unwrap();
            assert_eq!(again.archive_id(), made.archive_id());
            for different in [other, &bytes[..bytes.len() - 1], &bytes[..1]] {
                let (changed, result) = place.run(second, different);
                let error = result.unwrap_err();
                assert_eq!(error.kind(), Kind::SourceChanged, "{first:?} {second:?} {error}");
                assert!(error.message().contains(id) && error.message().contains("another journal"), "{error}");
                assert_eq!((changed.archive_id(), changed.state()), (made.archive_id(), State::Completed));
            }
        }
        assert_eq!(place.glacier.requests().len(), requests, "nothing is sent");
    }
}

#[test]
fn completed_handle_compares_the_file_on_each_call() {
    let (bytes, _) = bytes();
    let (place, source) = (Place::new(), aged_file(bytes));
    let upload = place.of_file(source.path());
    upload.run().unwrap();
    let requests = place.glacier.requests().len();
    let calls: [Call; 3] = [Upload::run, Upload::transfer, Upload::complete];
    for call in calls {
        call(&upload).unwrap();
    }
    assert_eq!(upload.progress().unwrap().bytes_hashed, bytes.len() as u64, "nothing is read again");
    fs::set_permissions(source.path(), Permissions::from_mode(0o640)).unwrap();
    upload.run().unwrap();
    assert!(upload.progress().unwrap().bytes_hashed > bytes.len() as u64, "it is read again");
    modify_unseen(source.path(), 0);
    for call in calls {
        assert_eq!(call(&upload).unwrap_err().kind(), Kind::SourceChanged);
    }
    fs::write(source.path(), b"").unwrap();
    assert_eq!(upload.run().unwrap_err().kind(), Kind::SourceChanged, "it is empty");
    fs::remove_file(source.path()).unwrap();
    let error = upload.run().unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    assert!(error.message().contains(upload.archive_id().unwrap().to_str().unwrap()), "{error}");
    assert_eq!(place.glacier.requests().len(), requests);
}

#[test]
fn lost_complete_is_settled_and_then_compared_with_the_source() {
    let (bytes, other) = bytes();
    for (first, second) in SOURCES.into_iter().flat_map(|first| SOURCES.map(|second| (first, second))) {
        let place = Place::new();
        place.lose_complete();
        let (upload, result) = place.run(first, bytes);
        assert_eq!(result.unwrap_err().kind(), Kind::OutcomeUnknown);
        drop(upload);
        place.glacier.clear_faults();
        let seen = place.glacier.requests().len();
        let (again, result) = place.run(second, other);
        let error = result.unwrap_err();
        assert_eq!(error.kind(), Kind::SourceChanged, "{first:?} {second:?} {error}");
        let archives = place.glacier.archives();
        assert!(error.message().contains(&archives[0].archive_id) && archives.len() == 1, "{error}");
        assert_eq!(again.archive_id().unwrap().to_str().unwrap(), archives[0].archive_id);
        let since: Vec<_> = place.glacier.requests()[seen..].iter().map(|one| one.operation.unwrap()).collect();
        assert_eq!(since, [Operation::CompleteMultipartUpload]);
        place.run(second, bytes).1.unwrap();
    }
}

#[test]
fn lost_complete_with_a_missing_source_names_the_archive() {
    let place = Place::new();
    place.lose_complete();
    let (upload, kept) = place.of(Source::File, bytes().0);
    upload.run().unwrap_err();
    drop(upload);
    place.glacier.clear_faults();
    let gone = kept.unwrap().path().to_owned();
    let again = place.of_file(&gone);
    let error = again.run().unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    let id = &place.glacier.archives()[0].archive_id;
    assert!(error.message().contains(id) && error.message().contains(gone.to_str().unwrap()), "{error}");
    assert_eq!(again.archive_id().unwrap().to_str().unwrap(), id);
}

#[test]
fn detects_modification_with_restored_mtime_between_two_runs() {
    let (bytes, _) = bytes();
    for settled in [true, false] {
        let place = Place::new();
        let source = if settled { aged_file(bytes) } else { file(bytes) };
        place.refuse_part(2);
        let first = place.of_file(source.path());
        assert_eq!(first.run().unwrap_err().kind(), Kind::Access);
        drop(first);
        modify_unseen(source.path(), 0);
        let second = place.of_file(source.path());
        let error = second.run().unwrap_err();
        assert_eq!(error.kind(), Kind::SourceChanged);
        assert!(error.message().contains("part 0 (0-1048575)"), "{error}");
        modify_unseen(source.path(), 0);
        second.run().unwrap();
        assert_eq!(archive(&place.glacier), bytes);
        assert_eq!(acknowledged_parts(&place.glacier).len(), 3, "no part is sent twice");
    }
}

/// Runs an upload whose file is changed once a part is acknowledged, while the last one waits for its response.
fn changed_in_a_run(settled: bool, change: fn(&Path)) -> (Place, Result<(), Error>, u64) {
    let (bytes, _) = bytes();
    let place = Place::new();
    let source = if settled { aged_file(bytes) } else { file(bytes) };
    let upload = place.of_file(source.path());
    let (path, mut change) = (source.path().to_owned(), Some(change));
    let report = move |progress: &Progress| {
        if (1..3).contains(&progress.parts_done) {
            change.take().into_iter().for_each(|change| change(&path));
        }
        Flow::Continue
    };
    upload.set_progress(Some(Box::new(report))).unwrap();
    place
        .glacier
        .add_fault(Fault::new(Action::DelayAnswer { millis: 1500 }).on(Operation::UploadMultipartPart).part(2));
    let result = upload.run();
    let hashed = upload.progress().unwrap().bytes_hashed;
    (place, result, hashed)
}

#[test]
fn detects_modification_with_restored_mtime_during_a_run() {
    for settled in [true, false] {
        let (place, result, _) = changed_in_a_run(settled, |path| modify_unseen(path, 0));
        let error = result.unwrap_err();
        assert_eq!(error.kind(), Kind::SourceChanged);
        assert!(error.message().contains("part 0 (0-1048575)") && error.is_resumable(), "{error}");
        assert!(of(&place.glacier, Operation::CompleteMultipartUpload).is_empty());
    }
}

#[test]
fn chmod_rename_and_hard_link_do_not_end_a_run() {
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
        let (place, result, hashed) = changed_in_a_run(true, change);
        result.unwrap();
        assert_eq!(archive(&place.glacier), bytes);
        assert_eq!(hashed, bytes.len() as u64, "what is read again to compare it is not counted");
    }
}

#[test]
fn memory_that_changed_between_two_runs_is_compared() {
    let (bytes, other) = bytes();
    let place = Place::new();
    place.refuse_part(2);
    let (upload, result) = place.run(Source::Memory, bytes);
    assert_eq!(result.unwrap_err().kind(), Kind::Access);
    drop(upload);
    let (_, result) = place.run(Source::Memory, other);
    let error = result.unwrap_err();
    assert_eq!(error.kind(), Kind::SourceChanged);
    assert!(error.message().contains("part 1 (1048576-2097151)"), "{error}");
}

#[test]
fn hashes_of_memory_are_not_those_of_the_file_that_a_journal_has() {
    let (bytes, _) = bytes();
    let mut other = bytes.to_vec();
    other[2 * PART] ^= 1;
    let (place, source) = (Place::new(), aged_file(bytes));
    place.refuse_part(2);
    place.of_file(source.path()).run().unwrap_err();
    place.glacier.add_fault(refusal(403, "AccessDeniedException", "no").on(Operation::CompleteMultipartUpload));
    let (upload, result) = place.run(Source::Memory, other.leak());
    assert_eq!(result.unwrap_err().kind(), Kind::Access);
    drop(upload);
    let error = place.of_file(source.path()).run().unwrap_err();
    assert_eq!(error.kind(), Kind::SourceChanged);
    assert!(error.message().contains("part 2 (2097152-2097156)"), "{error}");
}

#[test]
fn a_stream_that_broke_off_is_not_completed_from_an_older_journal() {
    let (bytes, other) = bytes();
    for source in [Source::Callback { known: false }, Source::Pushed] {
        let place = Place::new();
        place.glacier.add_fault(refusal(403, "AccessDeniedException", "no").on(Operation::CompleteMultipartUpload));
        let (first, result) = place.run(Source::File, bytes);
        assert_eq!(result.unwrap_err().kind(), Kind::Access);
        drop(first);
        // All parts are in the journal. The second stream fails at its second part.
        place.refuse_part(1);
        let (second, result) = place.run(source, other);
        assert_eq!(result.unwrap_err().kind(), Kind::Access);
        let again = if source == Source::Pushed { second.finish() } else { second.run() };
        again.unwrap_err();
        second.complete().unwrap_err();
        assert!(place.glacier.archives().is_empty());
    }
}

#[test]
fn complete_compares_the_parts_with_the_source_that_is_set() {
    let (bytes, other) = bytes();
    let place = Place::new();
    let by_hand = place.handle();
    by_hand.set_part_size(MIB).unwrap();
    by_hand.initiate().unwrap();
    for (index, part) in (0..).zip(bytes.chunks(PART)) {
        by_hand.put_part(index, part, None).unwrap();
    }
    let complete = |bytes: &'static [u8]| {
        let source = file(bytes);
        let upload = place.handle();
        upload.set_upload_id(by_hand.id().unwrap().to_str().unwrap()).unwrap();
        upload.set_source_file(source.path()).unwrap();
        upload.complete()
    };
    let error = complete(other).unwrap_err();
    assert_eq!(error.kind(), Kind::SourceChanged);
    assert!(error.message().contains("part 1 (1048576-2097151)"), "{error}");
    let unread = place.handle();
    unread.set_upload_id(by_hand.id().unwrap().to_str().unwrap()).unwrap();
    unread.set_archive_size(bytes.len() as u64).unwrap();
    unread.set_source_callback(reader(other), None).unwrap();
    assert_eq!(unread.complete().unwrap_err().kind(), Kind::Invalid);
    complete(bytes).unwrap();
    assert_eq!(archive(&place.glacier), bytes);
}

#[test]
fn finished_callback_cannot_be_compared_twice_and_keeps_its_outcome() {
    let (bytes, other) = bytes();
    let place = Place::new();
    let (made, result) = place.run(Source::Callback { known: true }, bytes);
    result.unwrap();
    made.run().unwrap();
    made.complete().unwrap();
    let (changed, result) = place.run(Source::Callback { known: true }, other);
    assert_eq!(result.unwrap_err().kind(), Kind::SourceChanged);
    assert_eq!(changed.run().unwrap_err().kind(), Kind::SourceChanged);
    assert_eq!(changed.complete().unwrap_err().kind(), Kind::SourceChanged);
    let (stopped, _) = place.of(Source::Callback { known: false }, bytes);
    stopped.complete().map_err(|error| error.kind()).unwrap_err();
    assert_eq!(stopped.archive_id(), made.archive_id());
    stopped.run().unwrap();
    stopped.complete().unwrap();
}

/// A journal as an earlier version of the library has left it.
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
fn journal_of_version_1_is_continued_and_read_again() {
    let (bytes, _) = bytes();
    for modified in [true, false] {
        let (place, source) = (Place::new(), aged_file(bytes));
        place.refuse_part(2);
        place.of_file(source.path()).run().unwrap_err();
        to_version_1(&place.journal());
        if modified {
            modify_unseen(source.path(), 0);
        }
        let second = place.of_file(source.path());
        let result = second.run();
        assert_eq!(result.map_err(|error| error.kind()), if modified { Err(Kind::SourceChanged) } else { Ok(()) });
        drop(second);
        let text = fs::read_to_string(place.journal()).unwrap();
        assert!(text.starts_with("glacier_mp journal 1\n") && !text.contains("trusted"), "{text}");
        if !modified {
            place.of_file(source.path()).run().unwrap();
            modify_unseen(source.path(), 0);
            assert_eq!(place.of_file(source.path()).run().unwrap_err().kind(), Kind::SourceChanged, "finished, too");
        }
    }
}

#[test]
fn journal_that_is_the_source_is_refused_before_anything_is_sent_or_written() {
    let place = Place::new();
    let source = place.directory.path().join("source");
    let (link, hard_link) = (place.directory.path().join("link"), place.directory.path().join("hard-link"));
    for bytes in [&b""[..], b"some bytes"] {
        fs::write(&source, bytes).unwrap();
        let _ = (fs::remove_file(&link), fs::remove_file(&hard_link));
        symlink(&source, &link).unwrap();
        fs::hard_link(&source, &hard_link).unwrap();
        let calls: [Call; 4] = [Upload::run, Upload::transfer, Upload::initiate, Upload::complete];
        for (journal, call) in [&source, &link, &hard_link].into_iter().flat_map(|one| calls.map(|call| (one, call))) {
            let upload = place.handle();
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
        let upload = place.handle();
        upload.set_source_file(&source).unwrap();
        upload.set_journal(journal).unwrap();
        assert_eq!(upload.run().unwrap_err().kind(), kind);
        assert!(!source.exists(), "the journal does not become the source");
    }
    assert!(place.glacier.requests().is_empty());
}

#[test]
fn journal_of_an_upload_that_is_gone_says_to_remove_it() {
    let (bytes, _) = bytes();
    let (place, source) = (Place::new(), file(bytes));
    place.refuse_part(2);
    place.of_file(source.path()).run().unwrap_err();
    let elsewhere = place.handle();
    elsewhere.set_upload_id(&place.glacier.uploads()[0].upload_id).unwrap();
    elsewhere.abort().unwrap();
    let error = place.of_file(source.path()).run().unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    let remove = format!("remove its journal {}", place.journal().display());
    assert!(error.message().contains(&remove) && !error.is_resumable(), "{error}");

    let aborted = Place::new();
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
fn list_whose_part_size_contradicts_the_journal_is_an_error() {
    let (bytes, _) = bytes();
    let (place, source) = (Place::new(), file(bytes));
    place.refuse_part(2);
    place.of_file(source.path()).run().unwrap_err();
    let text = fs::read_to_string(place.journal()).unwrap();
    let head = text
        .lines()
        .nth(1)
        .unwrap()
        .split_once(' ')
        .unwrap()
        .1
        .replace("\"part_size\":1048576", "\"part_size\":2097152");
    let line = format!("{} {head}\n", hex::encode(&Sha256::digest(&head)[..8]));
    fs::write(place.journal(), format!("glacier_mp journal 2\n{line}")).unwrap();
    let upload = place.handle();
    upload.set_journal(&place.journal()).unwrap();
    upload.set_source_file(source.path()).unwrap();
    let error = upload.run().unwrap_err();
    assert_eq!(error.kind(), Kind::Protocol);
    assert!(error.message().contains("1048576") && error.message().contains("2097152"), "{error}");
}
