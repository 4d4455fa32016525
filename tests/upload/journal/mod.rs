//! Resuming from a journal. A new client and a new handle stand for a new process.

mod archive_length;
mod source_identity;

use std::fs::{self, FileTimes, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use glacier_emulator::{Action, ConnectionEnd, Emulator, Fault, Operation, Options};
use glacier_mp::error::{Error, Kind};
use glacier_mp::log::Level;
use glacier_mp::upload::Upload;
use glacier_mp::upload::state::State;
use tempfile::TempDir;

use crate::support::glacier::{
    CapturedLog, MIB, VAULT, aged_file, archive, client, config, file, wait_until_times_are_trusted,
};
use crate::{acknowledged_parts, code, content, of, refusal, start};

/// A directory for journals.
struct Fixture(TempDir);

impl Fixture {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn journal(&self) -> PathBuf {
        self.0.path().join("upload.journal")
    }

    /// A handle as a new process creates it, with the journal and one part in flight.
    fn handle(&self, glacier: &Emulator) -> Arc<Upload> {
        self.handle_that_logs(glacier, &CapturedLog::default())
    }

    fn handle_that_logs(&self, glacier: &Emulator, lines: &CapturedLog) -> Arc<Upload> {
        let mut config = config(glacier);
        config.set_concurrency(1).unwrap();
        let upload = Upload::new(&client(config, lines), VAULT).unwrap();
        upload.set_journal(&self.journal()).unwrap();
        upload
    }

    fn of_file(&self, glacier: &Emulator, file: &Path) -> Arc<Upload> {
        let upload = self.handle(glacier);
        upload.set_source_file(file).unwrap();
        upload
    }

    /// Sends parts 0 to 2 of four and fails at the last one.
    fn send_three_parts(&self, glacier: &Emulator, file: &Path) -> String {
        glacier.add_fault(refusal(403, "AccessDeniedException", "no").on(Operation::UploadMultipartPart).part(3));
        let upload = self.of_file(glacier, file);
        upload.set_part_size(4 * MIB).unwrap();
        assert_eq!(code(upload.run()), Kind::Access);
        assert_eq!(acknowledged_parts(glacier), [0, 4 * MIB, 8 * MIB]);
        upload.id().unwrap().to_str().unwrap().to_owned()
    }
}

fn touch(path: &Path) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH)).unwrap();
}

#[test]
fn new_process_resumes_without_reading_stored_parts() {
    let (glacier, content, fixture) = (start(), content(), Fixture::new());
    let file = aged_file(&content);
    let id = fixture.send_three_parts(&glacier, file.path());

    let upload = fixture.of_file(&glacier, file.path());
    upload.run().unwrap();
    assert_eq!(archive(&glacier), content);
    assert_eq!(acknowledged_parts(&glacier), [0, 4 * MIB, 8 * MIB, 12 * MIB]);
    assert_eq!(of(&glacier, Operation::InitiateMultipartUpload).len(), 1);
    assert_eq!(upload.id().unwrap().to_str().unwrap(), id);
    let progress = upload.progress().unwrap();
    assert_eq!(progress.bytes_hashed, 16_200_000 - 12 * MIB, "no byte of a journaled part is read");
    assert_eq!((progress.bytes_resumed, progress.parts_done), (12 * MIB, 4));
}

#[test]
fn finished_journal_returns_archive_and_sends_nothing() {
    let (glacier, content, fixture) = (start(), content(), Fixture::new());
    let file = aged_file(&content);
    let first = fixture.of_file(&glacier, file.path());
    first.run().unwrap();
    let requests = glacier.requests().len();

    // The first handle still exists but has released the journal.
    let second = fixture.of_file(&glacier, file.path());
    second.run().unwrap();
    assert_eq!(glacier.requests().len(), requests);
    assert_eq!(second.state(), State::Completed);
    assert_eq!((second.archive_id(), second.tree_hash()), (first.archive_id(), first.tree_hash()));
    assert_eq!((second.id(), second.archive_location()), (first.id(), first.archive_location()));
    assert_eq!(second.part_size(), first.part_size());
    let progress = second.progress().unwrap();
    assert_eq!(progress.bytes_hashed, 0, "the source is not read");
    let size = content.len() as u64;
    assert_eq!((progress.bytes_total, progress.bytes_done, progress.bytes_resumed), (size, 0, size));
    assert_eq!(progress.parts_done, progress.parts_total);
    first.run().unwrap();
    assert_eq!(first.progress().unwrap().bytes_hashed, content.len() as u64, "the first handle does not read it again");
    assert_eq!(glacier.requests().len(), requests);
}

#[test]
fn finished_journal_keeps_wrong_tree_hash_error() {
    let (glacier, fixture) = (start(), Fixture::new());
    let source = file(b"x");
    glacier.add_fault(Fault::new(Action::WrongTreeHash).on(Operation::CompleteMultipartUpload));
    assert_eq!(code(fixture.of_file(&glacier, source.path()).run()), Kind::TreeHash);
    let again = fixture.of_file(&glacier, source.path());
    let error = again.run().unwrap_err();
    assert_eq!(error.kind(), Kind::TreeHash);
    assert!(error.message().contains(&glacier.archives()[0].archive_id) && !error.is_resumable(), "{error}");
}

#[test]
fn stream_is_compared_with_archive_of_finished_journal() {
    let (glacier, content, fixture) = (start(), content(), Fixture::new());
    let push = |content: &[u8]| {
        let upload = fixture.handle(&glacier);
        content
            .chunks(1 << 20)
            .try_for_each(|piece| upload.write(piece))
            .and_then(|()| upload.finish())
            .map(|()| upload)
    };
    let first = push(&content).unwrap();
    let requests = glacier.requests().len();
    let second = push(&content).unwrap();
    assert_eq!(second.archive_id(), first.archive_id());
    assert_eq!(push(&content[1..]).unwrap_err().kind(), Kind::SourceChanged);
    assert_eq!(glacier.requests().len(), requests);
}

#[test]
fn stream_resumes_from_journal() {
    let (glacier, content, fixture) = (start(), content(), Fixture::new());
    glacier.add_fault(refusal(403, "AccessDeniedException", "no").on(Operation::UploadMultipartPart).part(3));
    let first = fixture.handle(&glacier);
    first.set_part_size(4 * MIB).unwrap();
    let mut pushed = content.chunks(1 << 20).try_for_each(|piece| first.write(piece));
    pushed = pushed.and_then(|()| first.finish());
    assert_eq!(code(pushed), Kind::Access);
    drop(first);

    let second = fixture.handle(&glacier);
    content.chunks(1 << 20).for_each(|piece| second.write(piece).unwrap());
    second.finish().unwrap();
    assert_eq!(archive(&glacier), content);
    assert_eq!(acknowledged_parts(&glacier), [0, 4 * MIB, 8 * MIB, 12 * MIB]);
}

#[test]
fn locked_journal_rejects_second_handle() {
    let (glacier, content, fixture) = (start(), content(), Fixture::new());
    let file = file(&content);
    glacier.add_fault(refusal(403, "AccessDeniedException", "no").on(Operation::CompleteMultipartUpload));
    let first = fixture.of_file(&glacier, file.path());
    first.run().unwrap_err();
    let second = fixture.of_file(&glacier, file.path());
    let error = second.run().unwrap_err();
    assert_eq!(error.kind(), Kind::Locked);
    assert!(error.message().contains("upload.journal"), "{error}");
    let requests = glacier.requests().len();
    drop(first);
    second.run().unwrap();
    assert!(glacier.requests().len() > requests);
}

#[test]
fn free_during_run_releases_journal() {
    let content = content();
    let source = file(&content);
    let write = |upload: &Arc<Upload>| upload.write(&content[..5 << 20]);
    let start_it = |upload: &Arc<Upload>| upload.set_source_file(source.path()).and_then(|()| upload.start(None));
    type Begin<'a> = &'a dyn Fn(&Arc<Upload>) -> Result<(), Error>;
    for begin in [&write as Begin<'_>, &start_it] {
        let (glacier, fixture) = (start(), Fixture::new());
        glacier
            .add_fault(Fault::new(Action::Stall { after_bytes: Some(9) }).on(Operation::UploadMultipartPart).always());
        for round in 0..10 {
            let upload = fixture.handle(&glacier);
            if round == 0 {
                upload.set_part_size(4 * MIB).unwrap();
            }
            begin(&upload).unwrap();
            while upload.progress().unwrap().parts_in_flight == 0 {
                assert_ne!(upload.wait(Duration::ZERO).map_err(|error| error.kind()), Err(Kind::Locked));
                std::thread::yield_now();
            }
            upload.release();
            drop(upload);
        }
        glacier.clear_faults();
        let last = fixture.of_file(&glacier, source.path());
        last.run().unwrap();
        assert_eq!(of(&glacier, Operation::InitiateMultipartUpload).len(), 1);
        assert_eq!(archive(&glacier), content);
    }
}

#[test]
fn free_during_complete_records_archive() {
    let (glacier, content, fixture) = (start(), content(), Fixture::new());
    let source = file(&content);
    glacier.add_fault(Fault::new(Action::DelayAnswer { millis: 500 }).on(Operation::CompleteMultipartUpload));
    let upload = fixture.of_file(&glacier, source.path());
    upload.start(None).unwrap();
    while upload.state() != State::Completing {
        std::thread::yield_now();
    }
    upload.release();
    drop(upload);
    let again = fixture.of_file(&glacier, source.path());
    while let Err(error) = again.run() {
        assert_eq!(error.kind(), Kind::Locked);
        std::thread::yield_now();
    }
    assert_eq!(of(&glacier, Operation::CompleteMultipartUpload).len(), 1, "the journal has the archive");
    assert_eq!(archive(&glacier), content);
}

#[test]
fn rejects_journal_of_other_upload_and_keeps_it() {
    let (glacier, content, fixture) = (start(), content(), Fixture::new());
    let file = file(&content);
    fixture.send_three_parts(&glacier, file.path());
    let before = fs::read(fixture.journal()).unwrap();
    let requests = glacier.requests().len();
    let refused = |change: &dyn Fn(&Upload), expected: &str| {
        let upload = fixture.of_file(&glacier, file.path());
        change(&upload);
        let error = upload.run().unwrap_err();
        assert_eq!(error.kind(), Kind::Journal, "{error}");
        assert!(error.message().contains(expected) && error.message().contains("upload.journal"), "{error}");
    };
    refused(&|upload| upload.set_part_size(8 * MIB).unwrap(), "its part size is 4194304, not 8388608");
    refused(&|upload| upload.set_description("another").unwrap(), "its description");
    refused(&|upload| upload.set_upload_id("another").unwrap(), "its upload ID");
    refused(&|upload| upload.set_archive_size(16_200_001).unwrap(), "its archive size is 16200000");

    let elsewhere = |vault: &str, change: &dyn Fn(&mut glacier_mp::config::Config), expected: &str| {
        let mut config = config(&glacier);
        change(&mut config);
        let upload = Upload::new(&client(config, &CapturedLog::default()), vault).unwrap();
        upload.set_journal(&fixture.journal()).unwrap();
        upload.set_source_file(file.path()).unwrap();
        let error = upload.run().unwrap_err();
        assert_eq!(error.kind(), Kind::Journal, "{error}");
        assert!(error.message().contains(expected), "{error}");
    };
    elsewhere("another", &|_| (), "its vault is examplevault, not another");
    elsewhere(VAULT, &|config| config.set_region("eu-west-1").unwrap(), "its region");
    elsewhere(VAULT, &|config| config.set_account_id("123456789012").unwrap(), "its account");
    elsewhere(VAULT, &|config| config.set_endpoint("http://127.0.0.1:1").unwrap(), "its endpoint");
    assert_eq!(glacier.requests().len(), requests, "no request is sent");
    assert_eq!(fs::read(fixture.journal()).unwrap(), before);
}

#[test]
fn rejects_file_that_is_not_a_journal_and_keeps_it() {
    let glacier = start();
    let fixture = Fixture::new();
    fs::write(fixture.journal(), "somebody's notes\n").unwrap();
    let source = file(b"x");
    assert_eq!(code(fixture.of_file(&glacier, source.path()).run()), Kind::Journal);
    assert_eq!(fs::read(fixture.journal()).unwrap(), b"somebody's notes\n");

    fs::remove_file(fixture.journal()).unwrap();
    fs::create_dir(fixture.journal()).unwrap();
    assert_eq!(code(fixture.of_file(&glacier, source.path()).run()), Kind::Io);
    let nowhere = fixture.handle(&glacier);
    nowhere.set_journal(Path::new("/no/such/directory/journal")).unwrap();
    nowhere.set_source_file(source.path()).unwrap();
    assert_eq!(code(nowhere.run()), Kind::Io);
    assert_eq!(code(nowhere.set_journal(Path::new(""))), Kind::Invalid);
    assert!(glacier.requests().is_empty());
}

#[test]
fn invalid_call_creates_no_journal() {
    let glacier = start();
    let fixture = Fixture::new();
    assert_eq!(code(fixture.handle(&glacier).run()), Kind::State, "no source");
    fixture.handle(&glacier).abort().unwrap();
    assert_eq!(code(fixture.handle(&glacier).complete()), Kind::State);
    assert!(!fixture.journal().exists());
}

#[test]
fn rereads_touched_source_and_resumes() {
    let (glacier, content, fixture) = (start(), content(), Fixture::new());
    let file = file(&content);
    fixture.send_three_parts(&glacier, file.path());
    touch(file.path());
    wait_until_times_are_trusted();
    let lines = CapturedLog::default();
    glacier.add_fault(refusal(403, "AccessDeniedException", "no").on(Operation::CompleteMultipartUpload));
    let second = fixture.handle_that_logs(&glacier, &lines);
    second.set_source_file(file.path()).unwrap();
    second.run().unwrap_err();
    assert!(lines.of(Level::Warn).iter().any(|line| line.contains("may have changed")), "{lines:?}");
    assert_eq!(second.progress().unwrap().bytes_hashed, 16_200_000, "the whole source is read again");
    assert_eq!(acknowledged_parts(&glacier), [0, 4 * MIB, 8 * MIB, 12 * MIB], "no part is sent twice");
    drop(second);
    let third = fixture.of_file(&glacier, file.path());
    third.run().unwrap();
    assert_eq!(third.progress().unwrap().bytes_hashed, 0, "the journal has the hashes of the second run");
    assert_eq!(archive(&glacier), content);
}

#[test]
fn rejects_changed_source_and_names_part() {
    let (glacier, mut content, fixture) = (start(), content(), Fixture::new());
    let file = file(&content);
    let id = fixture.send_three_parts(&glacier, file.path());
    content[5_000_000] ^= 1;
    fs::write(file.path(), &content).unwrap();
    let error = fixture.of_file(&glacier, file.path()).run().unwrap_err();
    assert_eq!(error.kind(), Kind::SourceChanged);
    assert!(error.message().contains("part 1 (bytes 4194304-8388607)") && error.message().contains(&id), "{error}");
    assert!(error.is_resumable());
    assert!(of(&glacier, Operation::CompleteMultipartUpload).is_empty());

    fs::write(file.path(), &content[1..]).unwrap();
    let error = fixture.of_file(&glacier, file.path()).run().unwrap_err();
    assert_eq!(error.kind(), Kind::SourceChanged);
    assert!(error.message().contains("16199999") && error.message().contains("16200000"), "{error}");

    content[5_000_000] ^= 1;
    fs::write(file.path(), &content).unwrap();
    fixture.of_file(&glacier, file.path()).run().unwrap();
    assert_eq!(archive(&glacier), content);
}

#[test]
fn resends_part_lost_or_replaced_by_service() {
    let (glacier, content, fixture) = (start(), content(), Fixture::new());
    let file = file(&content);
    let id = fixture.send_three_parts(&glacier, file.path());
    let other = crate::support::glacier::upload(&glacier);
    other.set_upload_id(&id).unwrap();
    other.put_part(1, &vec![9; 4 << 20], None).unwrap();
    fixture.of_file(&glacier, file.path()).run().unwrap();
    assert_eq!(archive(&glacier), content);
    assert_eq!(acknowledged_parts(&glacier), [0, 4 * MIB, 4 * MIB, 4 * MIB, 8 * MIB, 12 * MIB]);
}

#[test]
fn not_found_upload_is_not_replaced_and_error_names_journal() {
    let (glacier, content, fixture) = (start(), content(), Fixture::new());
    let file = file(&content);
    let id = fixture.send_three_parts(&glacier, file.path());
    glacier.set_clock_offset(25 * 3600);
    let upload = fixture.of_file(&glacier, file.path());
    let error = loop {
        // Either the clock or the missing upload may be detected first.
        match upload.run().unwrap_err() {
            error if error.kind() == Kind::NotFound => break error,
            error => assert_eq!(error.kind(), Kind::Credentials, "{error}"),
        }
        glacier.set_clock_offset(0);
    };
    assert!(!error.is_resumable());
    assert!(error.message().contains(&id) && error.message().contains("upload.journal"), "{error}");
    assert_eq!(of(&glacier, Operation::InitiateMultipartUpload).len(), 1);
}

#[test]
fn repeats_pending_complete_before_list_parts() {
    let (glacier, content, fixture) = (start(), content(), Fixture::new());
    let file = aged_file(&content);
    // The archive is created, and the response is lost.
    let lost = Fault::new(Action::LostAnswer { then: ConnectionEnd::Reset }).on(Operation::CompleteMultipartUpload);
    glacier.add_fault(lost.always());
    let mut settings = config(&glacier);
    settings.set_max_attempts(2).unwrap();
    let first = Upload::new(&client(settings, &CapturedLog::default()), VAULT).unwrap();
    first.set_journal(&fixture.journal()).unwrap();
    first.set_source_file(file.path()).unwrap();
    let error = first.run().unwrap_err();
    assert_eq!(error.kind(), Kind::OutcomeUnknown);
    assert!(error.is_resumable() && error.message().contains("same journal"), "{error}");
    drop(first);
    glacier.clear_faults();
    let seen = glacier.requests().len();

    let second = fixture.of_file(&glacier, file.path());
    second.run().unwrap();
    let since: Vec<_> = glacier.requests()[seen..].iter().map(|request| request.operation.unwrap()).collect();
    assert_eq!(since, [Operation::CompleteMultipartUpload]);
    assert_eq!(second.archive_id().unwrap().to_str().unwrap(), glacier.archives()[0].archive_id);
    assert_eq!(second.progress().unwrap().bytes_hashed, 0);
}

#[test]
fn unknown_outcome_stays_unknown() {
    let (glacier, fixture) = (start(), Fixture::new());
    let source = file(b"x");
    let complete = Operation::CompleteMultipartUpload;
    glacier.add_fault(Fault::new(Action::Reset { after_bytes: None }).on(complete));
    let gone = refusal(404, "ResourceNotFoundException", "The upload ID was not found: x");
    glacier.add_fault(gone.on(complete).skip(1).always());
    for _ in 0..2 {
        let upload = fixture.of_file(&glacier, source.path());
        let error = upload.run().unwrap_err();
        assert_eq!(error.kind(), Kind::OutcomeUnknown);
        assert!(!error.is_resumable() && error.message().contains("inventory"), "{error}");
        assert_eq!(code(upload.abort()), Kind::OutcomeUnknown);
    }
    assert_eq!(of(&glacier, Operation::InitiateMultipartUpload).len(), 1, "the library does not upload again");
}

#[test]
fn rejected_complete_is_not_repeated_by_next_process() {
    let (glacier, content, fixture) = (start(), content(), Fixture::new());
    let file = file(&content);
    glacier.add_fault(refusal(403, "AccessDeniedException", "no").on(Operation::CompleteMultipartUpload));
    fixture.of_file(&glacier, file.path()).run().unwrap_err();
    let seen = glacier.requests().len();
    fixture.of_file(&glacier, file.path()).run().unwrap();
    let first = glacier.requests()[seen].operation.unwrap();
    assert_eq!(first, Operation::ListParts);
    assert_eq!(archive(&glacier), content);
}

#[test]
fn aborted_journal_stays_aborted() {
    let (glacier, content, fixture) = (start(), content(), Fixture::new());
    let file = file(&content);
    fixture.send_three_parts(&glacier, file.path());
    fixture.handle(&glacier).abort().unwrap();
    assert!(glacier.uploads().is_empty());
    let again = fixture.of_file(&glacier, file.path());
    assert_eq!(code(again.run()), Kind::State);
    assert_eq!(again.state(), State::Aborted);
    again.abort().unwrap();
    assert_eq!(of(&glacier, Operation::AbortMultipartUpload).len(), 1);
}

#[test]
fn journals_multipart_operations_and_attached_uploads() {
    let (glacier, fixture) = (start(), Fixture::new());
    let by_hand = fixture.handle(&glacier);
    by_hand.set_part_size(MIB).unwrap();
    by_hand.initiate().unwrap();
    by_hand.put_part(0, &vec![1; 1 << 20], None).unwrap();
    let id = by_hand.id().unwrap().to_str().unwrap().to_owned();
    drop(by_hand);
    let second = fixture.handle(&glacier);
    second.put_part(1, b"end", None).unwrap();
    assert_eq!(second.id().unwrap().to_str().unwrap(), id);
    drop(second);

    // Another process has its own journal.
    let elsewhere = Fixture::new();
    let third = elsewhere.handle(&glacier);
    third.set_upload_id(&id).unwrap();
    third.set_archive_size(MIB + 3).unwrap();
    third.put_part(1, b"END", None).unwrap();
    drop(third);
    let fourth = elsewhere.handle(&glacier);
    fourth.set_archive_size(MIB + 3).unwrap();
    fourth.complete().unwrap();
    assert_eq!(archive(&glacier), [vec![1; 1 << 20], b"END".to_vec()].concat());
}

#[test]
fn journal_has_no_secrets_and_mode_0600() {
    let glacier = Emulator::start(Options::default()).unwrap();
    let fixture = Fixture::new();
    let source = file(b"x");
    fixture.of_file(&glacier, source.path()).run().unwrap();
    let text = fs::read_to_string(fixture.journal()).unwrap();
    assert!(!text.contains(&Options::default().secret_key));
    assert!(!text.contains(&Options::default().access_key));
    assert_eq!(fs::metadata(fixture.journal()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn ignores_torn_last_record() {
    let (glacier, content, fixture) = (start(), content(), Fixture::new());
    let file = file(&content);
    fixture.send_three_parts(&glacier, file.path());
    let whole = fs::read(fixture.journal()).unwrap();
    fs::write(fixture.journal(), &whole[..whole.len() - 7]).unwrap();
    let upload = fixture.of_file(&glacier, file.path());
    upload.run().unwrap();
    assert_eq!(archive(&glacier), content);
    assert_eq!(acknowledged_parts(&glacier).len(), 4, "the part of the torn record is read again and not sent");
}
