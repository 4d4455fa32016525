//! Names and values that a terminal, a shell or a parser of JSON could misread.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Command;

use crate::run::{Place, Ran};
use crate::stops::{signal, wait_for_end};

/// Creates a file for each name, and returns their paths.
fn files(place: &Place, names: &[&[u8]]) -> Vec<PathBuf> {
    let path = |name: &&[u8]| place.directory.path().join(OsStr::from_bytes(name));
    let paths: Vec<_> = names.iter().map(path).collect();
    paths.iter().for_each(|path| fs::write(path, "x").unwrap());
    paths
}

#[test]
fn names_of_files_cannot_control_the_output() {
    let place = Place::new();
    let names: [&[u8]; 5] = [b"new\nline", b"red\x1b[31m", "right\u{202e}left".as_bytes(), b"bad\xff", b"bad\xfe"];
    let paths = files(&place, &names);
    let ran = Ran::of(place.command(["upload", "--files-at-once=1"]).args(&paths).output().unwrap());
    let ends: Vec<_> = ran.expect(0).into_iter().map(|line| line.rsplit('/').next().unwrap()).collect();
    assert_eq!(ends, ["new\\nline", "red\\x1b[31m", "right\\u{202e}left", "bad\\xff", "bad\\xfe"]);
    // The catalog and JSON have the names themselves, as far as they are text.
    let expected = ["new\nline", "red\x1b[31m", "right\u{202e}left", "bad\\xff", "bad\\xfe"];
    let last = |source: &serde_json::Value| source.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let recorded: Vec<_> = place.catalog().iter().map(|record| last(&record["source"])).collect();
    assert_eq!(recorded, expected);
    let ran = Ran::of(place.command(["upload", "--json", "--files-at-once=1"]).args(&paths).output().unwrap());
    let events = ran.expect(0).into_iter().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let started: Vec<_> =
        events.filter(|event| event["event"] == "start").map(|event| last(&event["source"])).collect();
    assert_eq!(started, expected);
    for words in [&["archives"][..], &["archives", "--json"]] {
        let found = place.run(words.iter().copied());
        assert_eq!(found.expect(0).len(), 10);
        assert!(!found.stdout.contains(['\x1b', '\u{202e}']), "{found:?}");
    }
    let hashes = Ran::of(place.command(["treehash"]).args(&paths).output().unwrap());
    assert!(!hashes.stdout.contains('\x1b') && hashes.expect(0).len() == 5, "{hashes:?}");
}

#[test]
fn file_named_hyphen_is_uploaded_by_its_path() {
    let place = Place::new();
    place.file("-", b"the file");
    place.run_with_input(["upload", "./-"], b"the input").expect(0);
    place.run_with_input(["upload", "-"], b"the input").expect(0);
    let archives = place.glacier.archives();
    let contents: Vec<_> = archives.iter().map(|archive| fs::read(archive.path.as_ref().unwrap()).unwrap()).collect();
    assert!(contents.contains(&b"the file".to_vec()) && contents.contains(&b"the input".to_vec()), "{contents:?}");
}

#[test]
fn special_files_fail_at_once() {
    let place = Place::new();
    let file = place.file("f", b"x");
    let fifo = place.directory.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let directory = place.directory.path().to_str().unwrap();
    let ran = place.run(["upload", "fifo", directory, "/dev/null", &file]);
    assert_eq!(ran.expect(1).len(), 1, "{ran:?}");
    for says in ["fifo: cannot read the file: it is not a regular file", ": cannot read the file: it is a directory"] {
        assert!(ran.stderr.contains(says), "{says}: {ran:?}");
    }
    assert!(ran.stderr.contains("1 archive done, 3 files failed, 0 unfinished"), "{ran:?}");
    for words in [["plan", "fifo"], ["treehash", "fifo"]] {
        let ran = place.run(words);
        assert!(ran.expect(1).is_empty() && ran.stderr.contains("it is not a regular file"), "{ran:?}");
    }
    let ran = place.run(["upload", "--limit-file=fifo", &file]);
    assert!(ran.expect(2).is_empty() && ran.stderr.contains("it is not a regular file"), "{ran:?}");
    let ran = place.run(["upload", "--journal=fifo", &file]);
    assert!(ran.expect(1).is_empty() && ran.stderr.contains("fifo"), "{ran:?}");
}

#[test]
fn messages_name_options_and_not_functions_of_the_library() {
    let place = Place::new();
    let file = place.file("f", b"x");
    let mut command = place.command(["upload", &file]);
    let ran = Ran::of(command.env_remove("AWS_REGION").output().unwrap());
    assert!(ran.expect(1).is_empty());
    assert!(
        ran.stderr.contains("no region is set: --region is not used") && ran.stderr.contains("AWS_REGION"),
        "{ran:?}"
    );
    for (option, value) in
        [("--proxy", "ftp://user:hush-hush@proxy"), ("--ca-file", "missing.pem"), ("--endpoint", "x y")]
    {
        let ran = place.run(["upload", option, value, &file]);
        assert!(ran.status != 0 && ran.stdout.is_empty(), "{ran:?}");
        assert!(!ran.stderr.contains("glacier_") && !ran.stderr.contains("hush-hush"), "{ran:?}");
    }
    assert!(place.glacier.requests().is_empty());
}

#[test]
fn cause_of_a_retry_names_options() {
    let place = Place::new();
    let file = place.file("f", b"x");
    // No proxy listens on port 1.
    let words = ["upload", "--json", "--max-attempts=0", "--give-up-after=1h", "--proxy=127.0.0.1:1", &file];
    let mut child = place.start(words);
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let events = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap());
    let cause = events.filter_map(|event| event["last_retry"].as_str().map(str::to_owned)).next();
    signal(&child, "TERM");
    wait_for_end(child);
    let cause = cause.expect("an event has the cause");
    assert!(cause.contains("(--proxy)") && !cause.contains("glacier_"), "{cause}");
}

#[test]
fn only_an_upload_that_is_gone_can_be_started_again() {
    let place = Place::new();
    let file = place.file("f", b"x");
    let ran = place.run(["upload", "--vault=none", &file]);
    assert!(ran.expect(1).is_empty() && ran.stderr.contains("Vault not found"), "{ran:?}");
    let says = "check the vault name, the region us-east-1 and the account of the keys";
    for words in [&["upload", "--vault=none", "--restart", &file][..], &["list", "--vault=none"]] {
        let ran = place.run(words.iter().copied());
        assert!(ran.expect(1).is_empty() && ran.stderr.contains(says), "{ran:?}");
        assert!(!ran.stderr.contains("--restart"), "{ran:?}");
    }
    assert_eq!(place.unfinished(), 0);
}

#[test]
fn value_that_looks_like_an_id_is_repeated_unchanged() {
    let place = Place::new();
    let text = "-hGj3WZerNPYabcdefghijklmnop";
    for words in [
        ["list", "--max-attempts"],
        ["upload", "--part-size"],
        ["upload", "--limit-rate"],
        ["list", "--older-than"],
        ["completions", "--"],
    ] {
        let ran = place.run(words.into_iter().chain([text]));
        assert!(ran.expect(2).is_empty() && ran.stderr.contains(text), "{ran:?}");
        assert!(!ran.stderr.contains("\\x01"), "{ran:?}");
    }
}
