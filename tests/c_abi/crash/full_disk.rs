//! A disk that becomes full after each byte of a journal: no file may exceed a maximum size. Library threads block
//! SIGXFSZ, which would end the process.

use std::collections::BTreeSet;
use std::fs;

use glacier_emulator::{Action, Fault, Operation};

use super::journal::Journal;
use super::{Fixture, IdStore, MIB, SourceKind, program};
use crate::harness::{Outcome, run, succeed};

/// The size of four parts.
const SIZE: usize = 3 * MIB + 1;
/// A limit in bytes that is below the length of any record.
const STEP: usize = 50;

#[test]
fn with_file_source() {
    fail_from_each_byte_on(SourceKind::File);
}

#[test]
fn with_write_stream() {
    fail_from_each_byte_on(SourceKind::WriteSession);
}

/// The record that did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Missing {
    FirstLine,
    Head,
    Completing,
    Completed,
    Nothing,
}

impl Missing {
    fn of(fixture: &Fixture<'_>) -> Self {
        match fixture.journal() {
            _ if fs::metadata(&fixture.path).unwrap().len() == 0 => Self::FirstLine,
            Journal { upload_id: None, .. } => Self::Head,
            Journal { completed: true, .. } => Self::Nothing,
            Journal { completing: true, .. } => Self::Completed,
            _ => Self::Completing,
        }
    }
}

fn fail_from_each_byte_on(source_kind: SourceKind) {
    let program = program();
    let mut met = BTreeSet::new();
    for limit in (0..).step_by(STEP) {
        let mut fixture = Fixture::new(&program, source_kind, IdStore::Journal, SIZE);
        let outcome = run_with_file_limit(&mut fixture, limit);
        let missing = Missing::of(&fixture);
        println!("room for {limit} bytes: {missing:?}");
        match missing {
            Missing::FirstLine => assert_nothing_sent(&mut fixture, &outcome),
            Missing::Head => assert_upload_kept(&mut fixture, &outcome, (limit / STEP).is_multiple_of(2)),
            Missing::Completing => assert_outcome_unknown(&mut fixture, &outcome),
            Missing::Completed => assert_complete_repeated(&mut fixture, &outcome),
            Missing::Nothing => assert!(fixture.assert_complete(&outcome).is_empty()),
        }
        met.insert(missing);
        if missing == Missing::Nothing {
            assert_eq!(warnings(&outcome).count(), 0, "{outcome:?}");
            break;
        }
    }
    assert_eq!(met.len(), 5, "{met:?}");
}

fn run_with_file_limit(fixture: &mut Fixture<'_>, bytes: usize) -> Outcome {
    run(fixture.next_process().env("FILE_LIMIT", bytes.to_string()))
}

fn assert_nothing_sent(fixture: &mut Fixture<'_>, outcome: &Outcome) {
    assert_io_error(fixture, outcome, "0");
    assert!(fixture.glacier.requests().is_empty());
    let next = succeed(&mut fixture.next_process());
    assert!(fixture.assert_complete(&next).is_empty());
}

/// No part is sent, because the next process would not know of the upload. The message has the upload ID.
fn assert_upload_kept(fixture: &mut Fixture<'_>, outcome: &Outcome, message_is_read: bool) {
    assert_io_error(fixture, outcome, "1");
    let id = outcome.value("upload-id").to_owned();
    assert!(!id.is_empty() && outcome.value("message").contains(&id), "{outcome:?}");
    assert_eq!(operations(fixture), [Operation::InitiateMultipartUpload]);
    let mut next = fixture.next_process();
    if message_is_read {
        next.env("UPLOAD_ID", &id);
    }
    let next = succeed(&mut next);
    let left: Vec<_> = fixture.assert_complete(&next).into_iter().map(|upload| upload.upload_id).collect();
    let expected = if message_is_read { vec![] } else { vec![id] };
    assert_eq!(left, expected);
}

/// The next process knows the upload, but not that Complete was sent.
fn assert_outcome_unknown(fixture: &mut Fixture<'_>, outcome: &Outcome) {
    assert!(fixture.assert_complete(outcome).is_empty());
    assert!(warnings(outcome).any(|line| line.contains("cannot learn the outcome")), "{outcome:?}");
    assert!(warnings(outcome).any(|line| line.ends_with("keep the archive ID")), "{outcome:?}");
    let next = run(&mut fixture.next_process());
    assert_eq!((next.value("result"), next.value("resumable")), ("GLACIER_E_NOT_FOUND", "0"));
    for named in [outcome.value("upload-id"), fixture.path.to_str().unwrap()] {
        assert!(next.value("message").contains(named), "{next:?}");
    }
    assert_eq!(operations(fixture), [Operation::ListParts]);
    fixture.assert_archive();
}

fn assert_complete_repeated(fixture: &mut Fixture<'_>, outcome: &Outcome) {
    assert!(fixture.assert_complete(outcome).is_empty());
    assert!(warnings(outcome).any(|line| line.ends_with("keep the archive ID")), "{outcome:?}");
    let next = succeed(&mut fixture.next_process());
    assert!(fixture.assert_complete(&next).is_empty());
    assert_eq!(operations(fixture), [Operation::CompleteMultipartUpload]);
}

#[test]
fn reads_unrecorded_parts_again_without_sending_them() {
    let program = program();
    let mut missed = BTreeSet::new();
    for limit in (0..).step_by(STEP) {
        let mut fixture = Fixture::new(&program, SourceKind::File, IdStore::Journal, SIZE);
        let refusal = Action::error(403, "AccessDeniedException", "No.");
        fixture.glacier.add_fault(Fault::new(refusal).on(Operation::CompleteMultipartUpload));
        let outcome = run_with_file_limit(&mut fixture, limit);
        if outcome.value("result") == "GLACIER_E_IO" {
            continue;
        }
        assert_eq!((outcome.value("result"), outcome.value("resumable")), ("GLACIER_E_ACCESS", "1"));
        let parts = fixture.journal().parts.len();
        let reported =
            warnings(&outcome).filter(|line| line.ends_with("resuming will re-read more of the source")).count();
        assert_eq!(reported, 4 - parts, "{outcome:?}");
        let next = succeed(&mut fixture.next_process());
        assert!(fixture.assert_complete(&next).is_empty());
        assert!(!operations(&fixture).contains(&Operation::UploadMultipartPart));
        missed.insert(4 - parts);
        if warnings(&outcome).count() == 0 {
            break;
        }
    }
    assert_eq!(missed, BTreeSet::from([0, 1, 2, 3, 4]));
}

/// A record that follows must not be appended to half a record.
#[test]
fn appends_again_when_disk_has_room() {
    let program = program();
    for limit in (450..900).step_by(STEP) {
        let mut fixture = Fixture::new(&program, SourceKind::File, IdStore::Journal, SIZE);
        let mut process = fixture.next_process();
        let outcome = run(process.env("FILE_LIMIT", limit.to_string()).env("MAKE_ROOM", "1"));
        assert!(fixture.assert_complete(&outcome).is_empty());
        assert_eq!(warnings(&outcome).count(), 1, "{outcome:?}");
        let journal = fixture.journal();
        assert!(journal.parts.len() == 3 && journal.completed, "{journal:?}");
        let next = succeed(&mut fixture.next_process());
        assert_eq!(next.value("archive-id"), outcome.value("archive-id"));
        assert!(fixture.requests_of_last().is_empty());
    }
}

fn assert_io_error(fixture: &Fixture<'_>, outcome: &Outcome, resumable: &str) {
    assert_eq!((outcome.value("result"), outcome.value("resumable")), ("GLACIER_E_IO", resumable), "{outcome:?}");
    assert!(outcome.value("message").contains(fixture.path.to_str().unwrap()), "{outcome:?}");
}

/// Returns the log warnings about the journal.
fn warnings(outcome: &Outcome) -> impl Iterator<Item = &str> {
    outcome.stderr.lines().filter(|line| line.starts_with("log: journal write failed"))
}

/// Returns the operations that the last process requested.
fn operations(fixture: &Fixture<'_>) -> Vec<Operation> {
    fixture.requests_of_last().iter().map(|request| request.operation.unwrap()).collect()
}
