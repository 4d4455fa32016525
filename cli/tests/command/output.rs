//! Closed and full streams, a locked catalog, and many files.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use glacier_emulator::{Action, Fault, Operation, error_document};

use crate::advice::restart_command;
use crate::run::{LIMIT_FILE_SIZES, MIB, Place, Ran, content, program};
use crate::stops::{run_printed, signal, wait_for_line};

/// Runs a script of a shell in which `$0` is the command.
fn shell(place: &Place, script: &str) -> Ran {
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(program()).env_clear().envs(place.variables()).current_dir(place.directory.path());
    Ran::of(shell.stdin(Stdio::null()).output().unwrap())
}

/// Checks that the catalog has each archive.
fn assert_recorded(place: &Place, count: usize) {
    let catalog = place.catalog();
    let mut recorded: Vec<_> = catalog.iter().map(|record| record["archive_id"].as_str().unwrap()).collect();
    let mut archives = place.archives();
    recorded.sort_unstable();
    archives.sort();
    assert_eq!((recorded.len(), place.unfinished()), (count, 0));
    assert_eq!(recorded, archives);
}

#[test]
fn streams_that_are_closed_or_full_lose_no_archive() {
    for (redirection, status) in [
        // The runtime of the program replaces a closed stream by /dev/null.
        (">&-", 0),
        (">&- 2>&-", 0),
        (">&- 2>&- <&-", 0),
        ("2>&-", 0),
        (">/dev/full", 1),
        (">/dev/full 2>/dev/full", 1),
        ("--json >/dev/full 2>&1", 1),
    ] {
        let place = Place::new();
        place.file("one", b"1");
        place.file("two", b"2");
        let ran = shell(&place, &format!("\"$0\" upload one two {redirection}"));
        assert_eq!(ran.status, status, "{redirection}: {ran:?}");
        assert_recorded(&place, 2);
    }
}

#[test]
fn text_that_cannot_be_written_is_an_error() {
    let place = Place::new();
    for line in
        ["--help", "-h", "--version", "help upload", "upload --help", "completions bash", "treehash f", "config"]
    {
        place.file("f", b"x");
        let ran = shell(&place, &format!("\"$0\" {line} >/dev/full"));
        assert_eq!(ran.status, 1, "{line}: {ran:?}");
        assert!(
            ran.stderr.starts_with("glacier-mp: cannot write to standard output: No space left"),
            "{line}: {ran:?}"
        );
    }
}

#[test]
fn standard_input_that_is_closed_is_an_error() {
    let place = Place::new();
    place.file("f", b"x");
    let says = "cannot read standard input: it is closed";
    for (line, lines) in [("treehash -", 0), ("treehash --json -", 0), ("treehash - f", 1), ("treehash f -", 1)] {
        let ran = shell(&place, &format!("\"$0\" {line} <&-"));
        assert_eq!(ran.expect(1).len(), lines, "{ran:?}");
        assert!(ran.stderr.contains(says), "{ran:?}");
    }
    for line in ["upload -", "upload --journal=j -", "resume --journal=j --vault=v --upload-id=x -"] {
        let ran = shell(&place, &format!("\"$0\" {line} <&-"));
        assert!(ran.expect(1).is_empty() && ran.stderr.contains(says), "{ran:?}");
    }
    assert!(place.glacier.requests().is_empty(), "nothing is sent");
    let of_nothing = shell(&place, "\"$0\" treehash - </dev/null");
    assert!(of_nothing.expect(0)[0].starts_with("e3b0c44298fc1c14"), "{of_nothing:?}");
    assert_eq!(shell(&place, "\"$0\" treehash f <&-").expect(0).len(), 1);
}

#[test]
fn catalog_that_another_process_has_locked_is_waited_for() {
    let place = Place::new();
    let file = place.file("f", &content(MIB));
    fs::create_dir_all(place.state()).unwrap();
    let holder = File::create(place.state().join("archives.jsonl")).unwrap();
    holder.lock().unwrap();
    let mut child = place.start(["upload", &file]);
    wait_for_line(&mut child, "waiting for another command or thread that has locked the catalog");
    signal(&child, "TERM");
    let ran = Ran::of(child.wait_with_output().unwrap());
    let id = &place.archives()[0];
    assert!(ran.expect(3).is_empty(), "{ran:?}");
    assert!(ran.stderr.contains(&format!("the archive exists as {id}")), "{ran:?}");
    drop(holder);
    let requests = place.glacier.requests().len();
    let ran = run_printed(&place, ran.stderr.lines().last().unwrap(), b"");
    assert_eq!(ran.expect(0), [format!("{id}  {file}")]);
    assert_eq!(place.glacier.requests().len(), requests, "nothing is sent again");
    assert_recorded(&place, 1);
}

#[test]
fn many_files_need_few_descriptors() {
    let place = Place::new();
    (0..200).for_each(|number| drop(place.file(&format!("f{number}"), b"x")));
    let ran = shell(&place, "ulimit -n 64; \"$0\" upload f*");
    assert_eq!(ran.expect(0).len(), 200, "{ran:?}");
    assert_recorded(&place, 200);
}

#[test]
fn upload_that_is_gone_names_restart() {
    let place = Place::new();
    let file = place.file("f", &content(MIB));
    let body = Some(error_document(403, "AccessDeniedException", "Complete is not allowed"));
    let fault = Fault::new(Action::Status { status: 403, body, content_type: None, headers: Vec::new() });
    place.glacier.add_fault(fault.on(Operation::CompleteMultipartUpload).always());
    place.run(["upload", &file]).expect(3);
    place.glacier.clear_faults();
    let id = place.glacier.uploads().remove(0).upload_id;
    place.run(["abort", "--state-dir=other", "--yes", &id]).expect(0);
    let mut restart = String::new();
    for words in [&["upload", &file][..], &["resume"]] {
        let ran = place.run(words.iter().copied());
        assert!(ran.expect(1).is_empty() && !ran.stderr.contains("remove its journal"), "{ran:?}");
        restart = restart_command(&ran);
    }
    assert_eq!(run_printed(&place, &restart, b"").expect(0).len(), 1);
    assert_recorded(&place, 1);
}

/// Returns a script that runs the command with this rest of its line, at the limit of file sizes.
fn limited(line: &str) -> String {
    format!("{LIMIT_FILE_SIZES} \"$0\" {line}")
}

#[test]
fn catalog_at_the_limit_of_file_sizes_loses_no_archive() {
    let place = Place::new();
    let file = place.file("f", &content(MIB));
    fs::create_dir_all(place.state()).unwrap();
    fs::write(place.state().join("archives.jsonl"), "{}\n".repeat(32 << 10)).unwrap();
    let ran = shell(&place, &limited("upload f"));
    assert!(ran.expect(1).is_empty(), "{ran:?}");
    let id = &place.archives()[0];
    assert!(ran.stderr.contains("File too large") && ran.stderr.contains(id.as_str()), "{ran:?}");
    assert_eq!(place.unfinished(), 2, "the journal is kept");
    let requests = place.glacier.requests().len();
    assert_eq!(place.run(["upload", "f"]).expect(0), [format!("{id}  {file}")]);
    assert_eq!((place.glacier.requests().len(), place.unfinished()), (requests, 0));
    assert_eq!(place.catalog().last().unwrap()["archive_id"].as_str(), Some(id.as_str()));
}

#[test]
fn output_at_the_limit_of_file_sizes_is_a_failed_write() {
    let place = Place::new();
    place.file("f", b"x");
    place.file("out", &[b'x'; 32 << 10]);
    for line in ["upload f >>out", "upload --json f >>out", "treehash f >>out", "plan f >>out"] {
        let ran = shell(&place, &limited(line));
        ran.expect(1);
        assert!(ran.stderr.contains("cannot write to standard output: File too large"), "{line}: {ran:?}");
        shell(&place, &limited(&format!("{line} 2>&1"))).expect(1);
    }
    assert_recorded(&place, 4);
}
