//! Places where a journal cannot be, and some where it can.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::journal::Journal;
use super::{MIB, Memory, Scene, Way, program};
use crate::harness::{
    assert_holds, data, data_file, finish, local_glacier, only_archive, run, start, succeed, wait_until,
};

const SIZE: usize = 3 * MIB + 1;

#[test]
fn nothing_is_sent_without_the_journal_that_was_asked_for() {
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
        // A directory that takes no file, not even root's.
        Path::new("/sys/kernel/journal"),
    ] {
        let outcome = run(program.command_at(&glacier).args(["file", "journal"]).arg(path).arg(&source));
        assert_eq!((outcome.value("result"), outcome.value("resumable")), ("GLACIER_E_IO", "0"), "{outcome:?}");
        assert!(outcome.value("message").contains(path.to_str().unwrap()), "{outcome:?}");
    }
    assert!(glacier.requests().is_empty());
}

#[test]
fn a_name_that_is_no_text() {
    let program = program();
    let mut scene = Scene::at(&program, Way::File, Memory::Journal, SIZE, OsStr::from_bytes(b"\xff\xfe journal"));
    let refused = run(scene.next_process().env("FILE_LIMIT", "0"));
    assert_eq!(refused.value("result"), "GLACIER_E_IO");
    assert!(refused.value("message").contains("\u{fffd}\u{fffd} journal"), "{refused:?}");
    let died = run(scene.next_process().env("DIE_AT", "15"));
    assert!(!died.status.success() && scene.remembered().is_some());
    let carried_on = succeed(&mut scene.next_process());
    assert!(scene.assert_right(&carried_on).is_empty());
    let asked_again = succeed(&mut scene.next_process());
    assert_eq!(asked_again.value("archive-id"), carried_on.value("archive-id"));
    assert!(scene.requests_of_last().is_empty());
}

/// Only that a later process will not know of the upload.
#[test]
fn a_journal_that_is_removed_meanwhile_stops_nothing() {
    let program = program();
    let mut scene = Scene::slow(&program, Way::File, Memory::Journal);
    let process = start(&mut scene.next_process());
    wait_until("a part is acknowledged", || !Journal::read(&scene.path).parts.is_empty());
    fs::remove_file(&scene.path).unwrap();
    let outcome = finish(process);
    assert_eq!(outcome.value("result"), "GLACIER_OK", "{outcome:?}");
    let archive = only_archive(&scene.glacier);
    assert_holds(&archive, &data(scene.size));
    assert_eq!(outcome.value("archive-id"), archive.archive_id);
    assert!(!scene.path.exists());
}
