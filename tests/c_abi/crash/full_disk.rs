//! A disk that is full from each moment of a journal's life on: no file may have more than so many bytes. Threads of the
//! library take no SIGXFSZ, which would be the end of the process.

use std::collections::BTreeSet;
use std::fs;

use glacier_emulator::{Action, Fault, Operation};

use super::journal::Journal;
use super::{MIB, Memory, Scene, Way, program};
use crate::harness::{Outcome, run, succeed};

/// Four parts.
const SIZE: usize = 3 * MIB + 1;
/// In bytes: less than any record has.
const STEP: usize = 50;

#[test]
fn with_a_file() {
    from_each_moment_on(Way::File);
}

#[test]
fn with_a_pushed_stream() {
    from_each_moment_on(Way::WriteSession);
}

/// What there was no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Missing {
    FirstLine,
    Head,
    Completing,
    Completed,
    Nothing,
}

impl Missing {
    fn of(scene: &Scene<'_>) -> Self {
        match scene.journal() {
            _ if fs::metadata(&scene.path).unwrap().len() == 0 => Self::FirstLine,
            Journal { upload_id: None, .. } => Self::Head,
            Journal { completed: true, .. } => Self::Nothing,
            Journal { completing: true, .. } => Self::Completed,
            _ => Self::Completing,
        }
    }
}

fn from_each_moment_on(way: Way) {
    let program = program();
    let mut met = BTreeSet::new();
    for limit in (0..).step_by(STEP) {
        let mut scene = Scene::new(&program, way, Memory::Journal, SIZE);
        let outcome = run_with_room(&mut scene, limit);
        let missing = Missing::of(&scene);
        println!("room for {limit} bytes: {missing:?}");
        match missing {
            Missing::FirstLine => nothing_is_sent(&mut scene, &outcome),
            Missing::Head => the_upload_is_kept(&mut scene, &outcome, (limit / STEP).is_multiple_of(2)),
            Missing::Completing => the_archive_cannot_be_learned_of(&mut scene, &outcome),
            Missing::Completed => complete_is_repeated(&mut scene, &outcome),
            Missing::Nothing => assert!(scene.assert_right(&outcome).is_empty()),
        }
        met.insert(missing);
        if missing == Missing::Nothing {
            assert_eq!(warnings(&outcome).count(), 0, "{outcome:?}");
            break;
        }
    }
    assert_eq!(met.len(), 5, "{met:?}");
}

fn run_with_room(scene: &mut Scene<'_>, bytes: usize) -> Outcome {
    run(scene.next_process().env("FILE_LIMIT", bytes.to_string()))
}

fn nothing_is_sent(scene: &mut Scene<'_>, outcome: &Outcome) {
    assert_io_error(scene, outcome, "0");
    assert!(scene.glacier.requests().is_empty());
    let next = succeed(&mut scene.next_process());
    assert!(scene.assert_right(&next).is_empty());
}

/// Not a part of it is sent, as the next process would not know of it: but who reads the message does.
fn the_upload_is_kept(scene: &mut Scene<'_>, outcome: &Outcome, message_is_read: bool) {
    assert_io_error(scene, outcome, "1");
    let id = outcome.value("upload-id").to_owned();
    assert!(!id.is_empty() && outcome.value("message").contains(&id), "{outcome:?}");
    assert_eq!(operations(scene), [Operation::InitiateMultipartUpload]);
    let mut next = scene.next_process();
    if message_is_read {
        next.env("UPLOAD_ID", &id);
    }
    let next = succeed(&mut next);
    let left: Vec<_> = scene.assert_right(&next).into_iter().map(|upload| upload.upload_id).collect();
    let expected = if message_is_read { vec![] } else { vec![id] };
    assert_eq!(left, expected);
}

/// The next process knows the upload, but not that Complete was sent.
fn the_archive_cannot_be_learned_of(scene: &mut Scene<'_>, outcome: &Outcome) {
    assert!(scene.assert_right(outcome).is_empty());
    assert!(warnings(outcome).any(|line| line.contains("cannot learn the outcome")), "{outcome:?}");
    assert!(warnings(outcome).any(|line| line.ends_with("keep the archive ID")), "{outcome:?}");
    let next = run(&mut scene.next_process());
    assert_eq!((next.value("result"), next.value("resumable")), ("GLACIER_E_NOT_FOUND", "0"));
    for named in [outcome.value("upload-id"), scene.path.to_str().unwrap()] {
        assert!(next.value("message").contains(named), "{next:?}");
    }
    assert_eq!(operations(scene), [Operation::ListParts]);
    scene.assert_archive();
}

fn complete_is_repeated(scene: &mut Scene<'_>, outcome: &Outcome) {
    assert!(scene.assert_right(outcome).is_empty());
    assert!(warnings(outcome).any(|line| line.ends_with("keep the archive ID")), "{outcome:?}");
    let next = succeed(&mut scene.next_process());
    assert!(scene.assert_right(&next).is_empty());
    assert_eq!(operations(scene), [Operation::CompleteMultipartUpload]);
}

#[test]
fn what_the_journal_misses_is_read_again_and_not_sent() {
    let program = program();
    let mut missed = BTreeSet::new();
    for limit in (0..).step_by(STEP) {
        let mut scene = Scene::new(&program, Way::File, Memory::Journal, SIZE);
        let refusal = Action::error(403, "AccessDeniedException", "No.");
        scene.glacier.add_fault(Fault::new(refusal).on(Operation::CompleteMultipartUpload));
        let outcome = run_with_room(&mut scene, limit);
        if outcome.value("result") == "GLACIER_E_IO" {
            continue;
        }
        assert_eq!((outcome.value("result"), outcome.value("resumable")), ("GLACIER_E_ACCESS", "1"));
        let parts = scene.journal().parts.len();
        let told = warnings(&outcome).filter(|line| line.ends_with("reads more of the source for it")).count();
        assert_eq!(told, 4 - parts, "{outcome:?}");
        let next = succeed(&mut scene.next_process());
        assert!(scene.assert_right(&next).is_empty());
        assert!(!operations(&scene).contains(&Operation::UploadMultipartPart));
        missed.insert(4 - parts);
        if warnings(&outcome).count() == 0 {
            break;
        }
    }
    assert_eq!(missed, BTreeSet::from([0, 1, 2, 3, 4]));
}

/// What is written then must not stand behind half a record.
#[test]
fn room_that_comes_back_is_used() {
    let program = program();
    for limit in (450..900).step_by(STEP) {
        let mut scene = Scene::new(&program, Way::File, Memory::Journal, SIZE);
        let mut process = scene.next_process();
        let outcome = run(process.env("FILE_LIMIT", limit.to_string()).env("MAKE_ROOM", "1"));
        assert!(scene.assert_right(&outcome).is_empty());
        assert_eq!(warnings(&outcome).count(), 1, "{outcome:?}");
        let journal = scene.journal();
        assert!(journal.parts.len() == 3 && journal.completed, "{journal:?}");
        let next = succeed(&mut scene.next_process());
        assert_eq!(next.value("archive-id"), outcome.value("archive-id"));
        assert!(scene.requests_of_last().is_empty());
    }
}

fn assert_io_error(scene: &Scene<'_>, outcome: &Outcome, resumable: &str) {
    assert_eq!((outcome.value("result"), outcome.value("resumable")), ("GLACIER_E_IO", resumable), "{outcome:?}");
    assert!(outcome.value("message").contains(scene.path.to_str().unwrap()), "{outcome:?}");
}

/// What the log told of the journal.
fn warnings(outcome: &Outcome) -> impl Iterator<Item = &str> {
    outcome.stderr.lines().filter(|line| line.starts_with("log: journal write failed"))
}

/// What the last process asked for.
fn operations(scene: &Scene<'_>) -> Vec<Operation> {
    scene.requests_of_last().iter().map(|request| request.operation.unwrap()).collect()
}
