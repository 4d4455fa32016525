//! Uploads, the catalog and the journals.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use glacier_emulator::{Action, Fault, Operation};

use crate::run::{MIB, Place, Ran, content};

#[test]
fn uploads_a_file_and_records_its_archive() {
    let place = Place::new();
    let file = place.file("backup 1.tar", &content(3 * MIB));
    let ran = place.run(["upload", "--part-size", "1M", &file]);
    let lines = ran.expect(0);
    let id = &place.archives()[0];
    assert_eq!(lines, [format!("{id}  {file}")]);
    let catalog = place.catalog();
    let record = &catalog[0];
    assert_eq!((catalog.len(), record["archive_id"].as_str()), (1, Some(id.as_str())));
    assert_eq!((record["size"].as_u64(), record["vault"].as_str()), (Some(3 << 20), Some("examplevault")));
    assert_eq!(
        (record["description"].as_str(), record["source"].as_str()),
        (Some("backup 1.tar"), Some(file.as_str()))
    );
    let hash = place.run(["treehash", &file]);
    assert_eq!(hash.expect(0), [format!("{}  {file}", record["tree_hash"].as_str().unwrap())]);
    assert_eq!(place.unfinished(), 0, "the journal is removed");
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(place.state()), mode(place.state().join("archives.jsonl"))), (0o700, 0o600));
    let found = place.run(["archives", "BACKUP"]);
    assert!(found.expect(0)[0].starts_with(&format!("{id}  ")), "{found:?}");
    assert!(place.run(["archives", "other"]).expect(0).is_empty());
    let found = place.run(["archives", id, "--json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(found.expect(0)[0]).unwrap(), *record);
}

#[test]
fn same_file_becomes_a_new_archive_the_next_time() {
    let place = Place::new();
    let file = place.file("f", b"x");
    let first = place.run(["upload", &file]);
    assert!(first.expect(0).len() == 1 && first.stderr.is_empty(), "{first:?}");
    let second = place.run(["upload", &file]);
    second.expect(0);
    let known = &place.catalog()[0]["archive_id"];
    let says = format!("the catalog has archive {} of ", known.as_str().unwrap());
    assert!(second.stderr.contains(&says), "{second:?}");
    assert_eq!((place.archives().len(), place.catalog().len()), (2, 2));
    let other = place.file("f", b"other size");
    assert_eq!(place.run(["upload", &other]).stderr, "");
}

#[test]
fn file_that_cannot_be_read_fails_alone() {
    let place = Place::new();
    let (one, two) = (place.file("one", b"1"), place.file("two", b"2"));
    let ran = place.run(["upload", &one, "missing", &two]);
    assert_eq!(ran.expect(1).len(), 2);
    assert!(ran.stderr.contains("missing: cannot read the file: No such file or directory"), "{ran:?}");
    assert!(ran.stderr.contains("2 archives done, 1 file failed, 0 unfinished"), "{ran:?}");
    assert_eq!(place.catalog().len(), 2);
}

#[test]
fn rejects_invalid_command_lines() {
    let place = Place::new();
    let file = place.file("f", b"x");
    for (words, says) in [
        (&["upload"][..], "required arguments"),
        (&["upload", &file, &file], "is given twice"),
        (&["upload", "--part-size", "x", &file], "is not a size"),
        (&["upload", "--part-size", "3M", &file], "power of two"),
        (&["plan", "--part-size", "5G", "--size", "1T"], "part size"),
        (&["resume", "--upload-id", "x", &file], "add --vault, or set GLACIER_MP_VAULT"),
        (&["upload", &file], "the environment variable GLACIER_MP_VAULT also sets the vault"),
        (&["abort"], "--older-than=TIME selects uploads by their age"),
        (&["upload", "--journal", "j", &file, "-"], "--journal is the journal of one source"),
        (&["upload", "--concurrency=+3", &file], "\"+3\" is not a number from 1 to 32"),
        (&["upload", "--files-at-once=+1", &file], "\"+1\" is not a number from 1 to 16"),
        (&["upload", "--max-attempts", "+3", &file], "\"+3\" is not a number from 0"),
        (&["treehash", "--threads=1_0", &file], "\"1_0\" is not a number from 0"),
        (&["upload", "--a\x1b[2J\nforged\u{202e}", &file], r"unexpected argument '--a\x1b[2J\nforged\u{202e}'"),
        (&["b\x1b[2J\u{9b}"], r"unrecognized subcommand 'b\x1b[2J\u{9b}'"),
        (&["list", "-hGj3WZerNPYabcdefghijklmnop"], "unexpected argument '-hGj3WZerNPYabcdefghijklmnop'"),
        (&["upload", "--limit-rate", "8-9=1M", &file], "HH:MM-HH:MM=RATE"),
        (&["upload", "--limit-rate", "0.5", &file], "\"0.5\" is less than 1 byte"),
        (&["upload", "--region", "EU WEST", &file], "region"),
        (&["upload", "--profile=", &file], "profile"),
        (&["upload", "--account-id=1", &file], "account ID"),
        (&["upload", "--endpoint=x", &file], "endpoint"),
        (&["upload", "--proxy=socks5://x", &file], "proxy"),
        (&["upload", "--stall-timeout=0s", &file], "at least 1 millisecond"),
        (&["upload", "--vault", "a b", &file], "vault name \"a b\" is not allowed"),
        (&["list", "--vault", "a b"], "vault name \"a b\" is not allowed"),
        (&["resume", "--vault", ".."], "vault name \"..\" is not allowed"),
        (&["upload", "--description", "\u{fc}", &file], "byte 0xC3 at offset 0"),
        (&["upload", "--description", " x", &file], "begins or ends with a space"),
        (&["upload", "--description", "\x1b[2J\nforged", &file], r"'\x1b[2J\nforged'"),
        (&["upload", "--memory=1", &file], "memory limit 1 is not allowed"),
        (&["resume", "--memory=1"], "memory limit 1 is not allowed"),
        (&["upload", "--memory=100M", "-"], "a memory limit of at least 134217728"),
        (&["upload", "--part-size=256M", "-", &file], "a memory limit of at least 536870912"),
        (&["upload", "--expected-size=0", "-"], "at least 1 byte"),
        (&["upload", "--expected-size=50T", "-"], "at most 42949672960000 bytes"),
        (&["plan", "--size=0"], "at least 1 byte"),
        (&["plan", "--size=50T"], "at most 42949672960000 bytes"),
        (&["plan", "--size=1T", "--part-size=1M"], "too small"),
        (&["parts", ""], "upload ID \"\" is not allowed"),
        (&["abort", "--yes", "."], "upload ID \".\" is not allowed"),
        (&["resume", "--upload-id=.", &file], "upload ID \".\" is not allowed"),
        (&["upload", ""], "the path is empty"),
        (&["upload", "--journal=", &file], "the path is empty"),
        (&["upload", "--limit-file=", &file], "the path is empty"),
        (&["upload", "--ca-file=", &file], "the path is empty"),
        (&["upload", "--state-dir=", &file], "the path is empty"),
        (&["upload", "--expected-size=1G", &file], "--expected-size is the size of standard input"),
        (&["resume", "--upload-id", "x"], "needs one FILE"),
        (&["abort", "x"], "add --yes"),
    ] {
        let mut command = place.command(words.iter().copied());
        if says.contains("GLACIER_MP_VAULT") {
            command.env_remove("GLACIER_MP_VAULT");
        }
        let ran = Ran::of(command.output().unwrap());
        ran.expect(2);
        assert!(ran.stderr.contains(says), "{says}: {ran:?}");
        assert!(!ran.stderr.contains('\x1b') && !ran.stderr.contains("\nforged"), "{ran:?}");
        assert!(!place.state().exists(), "{words:?} wrote to the state directory");
    }
    assert!(place.glacier.requests().is_empty());
}

#[test]
fn does_not_show_a_known_secret_in_a_rejected_option() {
    let place = Place::new();
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let mut command = place.command(["list", "--region", secret]);
    let ran = Ran::of(command.env("AWS_SECRET_ACCESS_KEY", secret).output().unwrap());
    ran.expect(2);
    assert!(ran.stderr.contains("region \"[redacted]\""), "{ran:?}");
}

#[test]
fn uploads_standard_input() {
    let place = Place::new();
    let ran = place.run_with_input(["upload", "--part-size=1M", "--description", "a dump", "-"], &content(2 * MIB + 5));
    ran.expect(0);
    let record = &place.catalog()[0];
    assert_eq!((record["source"].as_str(), record["description"].as_str()), (Some("-"), Some("a dump")));
    assert_eq!(record["size"].as_u64(), Some((2 << 20) + 5));
    let archive = place.glacier.archives().remove(0);
    assert_eq!(fs::read(archive.path.unwrap()).unwrap(), content(2 * MIB + 5));
    assert_eq!(place.unfinished(), 0);
}

#[test]
fn empty_standard_input_fails_and_leaves_nothing() {
    let place = Place::new();
    let ran = place.run_with_input(["upload", "-"], b"");
    assert!(ran.expect(1).is_empty() && ran.stderr.contains("at least 1 byte"), "{ran:?}");
    assert!(place.glacier.uploads().is_empty());
}

#[test]
fn journal_must_not_be_the_file_of_standard_input() {
    let place = Place::new();
    let input = place.file("input", b"");
    let mut command = place.command(["upload", "--journal", &input, "-"]);
    let ran = Ran::of(command.stdin(fs::File::open(&input).unwrap()).output().unwrap());
    assert!(ran.expect(1).is_empty() && ran.stderr.contains("is the file of standard input"), "{ran:?}");
    assert_eq!(fs::read(&input).unwrap(), b"");
    assert!(place.glacier.requests().is_empty());
}

#[test]
fn no_output_has_control_characters_of_outside() {
    let place = Place::new();
    let name = "a\x1b[31m\nforged\u{9b}2J\u{202e}\u{2028}";
    let file = place.file(name, b"x");
    let description = "\u{9b}2J\u{202e}\x7f";
    let body = serde_json::json!({"Marker": null, "UploadsList": [{"ArchiveDescription": description,
        "CreationDate": "2012-03-20T17:03:43.221Z", "MultipartUploadId": "id\u{202e}", "PartSizeInBytes": 1 << 20}]});
    let list = Action::Status { status: 200, body: Some(body.to_string()), content_type: None, headers: Vec::new() };
    place.glacier.add_fault(Fault::new(list).on(Operation::ListMultipartUploads).always());
    for words in [
        &["upload", &file][..],
        &["upload", "--json", &file],
        &["upload", &format!("{file}-missing")],
        &["upload", "--json", &format!("{file}-missing")],
        &["list"],
        &["list", "--json"],
        &["abort", "--yes", "--older-than=1d"],
        &["archives"],
        &["archives", "--json"],
        &["resume", &file],
        &["treehash", &file],
        &["config", "--state-dir", &file],
        &["config", "--json", "--ca-file", &file],
        &["upload", "--limit-file", &file, &file],
        &["upload", "--vault", name, &file],
    ] {
        let ran = place.run(words.iter().copied());
        let text = ran.stdout.clone() + &ran.stderr;
        let is_printable = |c: char| c == '\n' || !(c.is_control() || matches!(c, '\u{202e}' | '\u{2028}'));
        assert!(text.chars().all(is_printable), "{words:?}: {text:?}");
        assert!(!text.lines().any(|line| line.starts_with("forged")), "{words:?}: {text:?}");
    }
    let listed = place.run(["list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(listed.expect(0)[0]).unwrap();
    assert_eq!(listed["description"].as_str(), Some(description));
}

#[test]
fn unwritable_state_directory_is_reported_before_anything_is_sent() {
    let place = Place::new();
    let file = place.file("f", b"x");
    place.file("blocked", b"");
    let ran = place.run(["upload", "--state-dir", "blocked/state", &file]);
    assert!(ran.expect(1).is_empty());
    assert!(ran.stderr.contains("cannot create the state directory") && ran.stderr.contains("--state-dir"), "{ran:?}");
    assert!(place.glacier.requests().is_empty());
}

#[test]
fn closed_standard_output_loses_no_archive() {
    let place = Place::new();
    let (one, two) = (place.file("one", b"1"), place.file("two", b"2"));
    let mut command = place.command(["upload", &one, &two]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ran = Ran::of(child.wait_with_output().unwrap());
    ran.expect(1);
    assert!(ran.stderr.contains("cannot write to standard output: Broken pipe"), "{ran:?}");
    assert!(ran.stderr.contains("the archive IDs are in the catalog"), "{ran:?}");
    let mut recorded: Vec<_> =
        place.catalog().iter().map(|record| record["archive_id"].as_str().unwrap().to_owned()).collect();
    let mut archives = place.archives();
    recorded.sort();
    archives.sort();
    assert_eq!(recorded, archives);
}

#[test]
fn prints_one_json_object_for_each_event() {
    let place = Place::new();
    let file = place.file("f", &content(MIB));
    let ran = place.run(["upload", "--json", &file, "missing"]);
    let events: Vec<serde_json::Value> =
        ran.expect(1).into_iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &str| events.iter().filter(|event| event["event"] == name).collect::<Vec<_>>();
    assert_eq!((of("start").len(), of("archive").len(), of("error").len()), (2, 1, 1), "{events:?}");
    assert_eq!(of("archive")[0]["archive_id"].as_str(), Some(place.archives()[0].as_str()));
    assert_eq!((&of("end")[0]["done"], &of("end")[0]["failed"]), (&1.into(), &1.into()));
    assert!(events.iter().all(|event| event["time"].is_string()));
    assert_eq!(ran.stderr, "");
}

#[test]
fn lost_response_to_complete_with_a_vanished_upload_is_an_unknown_outcome() {
    let place = Place::new();
    let file = place.file("f", &content(MIB));
    let status = |status, body| Action::Status { status, body, content_type: None, headers: Vec::new() };
    let gone = glacier_emulator::error_document(404, "ResourceNotFoundException", "The upload ID was not found");
    let fault = |action| Fault::new(action).on(Operation::CompleteMultipartUpload);
    place.glacier.add_fault(fault(status(500, None)));
    place.glacier.add_fault(fault(status(404, Some(gone))).always());
    for _ in 0..2 {
        let ran = place.run(["upload", &file]);
        ran.expect(4);
        assert!(ran.stderr.contains("--restart") && !ran.stderr.contains("remove the journal"), "{ran:?}");
    }
}
