//! Special files in the state directory.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::run::{Place, Ran};
use crate::service::unfinished;
use crate::stops::wait_for_end;

const SAYS: &str = "it is not a regular file";

fn make_fifo(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Runs the command. One that waits for a special file is killed, and the test fails.
fn run<'a>(place: &Place, words: impl IntoIterator<Item = &'a str>) -> Ran {
    wait_for_end(place.start(words))
}

#[test]
fn special_file_among_the_unfinished_uploads_is_not_waited_for() {
    let place = Place::new();
    let id = unfinished(&place, 2).remove(0);
    make_fifo(&place.state().join("uploads/x.json"));
    make_fifo(&place.state().join("uploads/x.journal"));
    assert_eq!(run(&place, ["resume", "--list"]).expect(0).len(), 2);
    assert_eq!(run(&place, ["abort", "--yes", &id]).expect(0), [id.as_str()]);
    assert_eq!(run(&place, ["resume"]).expect(0).len(), 1);
}

#[test]
fn special_file_in_place_of_an_entry_fails_its_upload() {
    let place = Place::new();
    unfinished(&place, 1);
    let mut entries = fs::read_dir(place.state().join("uploads")).unwrap().map(|entry| entry.unwrap().path());
    let description = entries.find(|path| path.extension().is_some_and(|extension| extension == "json")).unwrap();
    fs::remove_file(&description).unwrap();
    make_fifo(&description);
    let requests = place.glacier.requests().len();
    let ran = run(&place, ["upload", "f0"]);
    assert!(ran.expect(1).is_empty() && ran.stderr.contains(SAYS), "{ran:?}");
    assert_eq!(place.glacier.requests().len(), requests, "nothing is sent");
}

#[test]
fn catalog_that_is_no_regular_file_is_reported_before_anything_is_sent() {
    let place = Place::new();
    let file = place.file("f", b"x");
    let catalog = place.state().join("archives.jsonl");
    make_fifo(&catalog);
    for device in [None, Some("/dev/full"), Some("/dev/null"), Some("/dev/zero")] {
        if let Some(device) = device {
            fs::remove_file(&catalog).unwrap();
            symlink(device, &catalog).unwrap();
        }
        for words in [&["upload", &file][..], &["resume"]] {
            let ran = run(&place, words.iter().copied());
            assert!(ran.expect(1).is_empty() && ran.stderr.contains(SAYS), "{device:?}: {ran:?}");
            assert!(ran.stderr.contains("nothing was sent") && ran.stderr.contains("archives.jsonl"), "{ran:?}");
        }
        let ran = run(&place, ["archives"]);
        assert!(ran.expect(1).is_empty() && ran.stderr.contains(SAYS), "{device:?}: {ran:?}");
    }
    assert!(place.glacier.requests().is_empty());
}
