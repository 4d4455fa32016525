//! Paths at which a journal cannot be created, and some at which it can.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::journal::Journal;
use super::{Fixture, IdStore, MIB, SourceKind, program};
use crate::harness::{
    assert_holds, data, data_file, finish, local_glacier, only_archive, run, start, succeed, wait_until,
};

const SIZE: usize = 3 * MIB + 1;

#[test]
fn sends_nothing_if_journal_cannot_be_created() {
    let (glacier, program) = (local_glacier(), program());
    let (directory, source) = data_file("source", SIZE);
    let fifo = directory.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for path in [
        directory.path(),
        &fifo,
        Path::new("/dev/full"),
        Path::new("/dev/null"),
        &source.join("below-a-file"),
        &directory.path().join("missing/journal"),
        // A directory in which not even root can create a file.
        Path::new("/sys/kernel/journal"),
    ] {
        let outcome = run(program.command_at(&glacier).args(["file", "journal"]).arg(path).arg(&source));
        assert_eq!((outcome.value("result"), outcome.value("resumable")), ("GLACIER_E_IO", "0"), "{outcome:?}");
        assert!(outcome.value("message").contains(path.to_str().unwrap()), "{outcome:?}");
    }
    assert!(glacier.requests().is_empty());
}

#[test]
fn accepts_journal_name_not_utf8() {
    let program = program();
    let mut fixture =
        Fixture::at(&program, SourceKind::File, IdStore::Journal, SIZE, OsStr::from_bytes(b"\xff\xfe journal"));
    let refused = run(fixture.next_process().env("FILE_LIMIT", "0"));
    assert_eq!(refused.value("result"), "GLACIER_E_IO");
    assert!(refused.value("message").contains("\u{fffd}\u{fffd} journal"), "{refused:?}");
    let died = run(fixture.next_process().env("DIE_AT", "15"));
    assert!(!died.status.success() && fixture.known_id().is_some());
    let carried_on = succeed(&mut fixture.next_process());
    assert!(fixture.assert_complete(&carried_on).is_empty());
    let asked_again = succeed(&mut fixture.next_process());
    assert_eq!(asked_again.value("archive-id"), carried_on.value("archive-id"));
    assert!(fixture.requests_of_last().is_empty());
}

/// Only a later process is affected: it does not know of the upload.
#[test]
fn continues_if_journal_is_removed() {
    let program = program();
    let mut fixture = Fixture::slow(&program, SourceKind::File, IdStore::Journal);
    let process = start(&mut fixture.next_process());
    wait_until("a part is acknowledged", || !Journal::read(&fixture.path).parts.is_empty());
    fs::remove_file(&fixture.path).unwrap();
    let outcome = finish(process);
    assert_eq!(outcome.value("result"), "GLACIER_OK", "{outcome:?}");
    let archive = only_archive(&fixture.glacier);
    assert_holds(&archive, &data(fixture.size));
    assert_eq!(outcome.value("archive-id"), archive.archive_id);
    assert!(!fixture.path.exists());
}
