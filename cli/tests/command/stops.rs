//! Signals, kills, locks, and the commands that resume.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use glacier_emulator::{Action, Fault, Operation};

use crate::run::{MIB, Place, Ran, content};

/// Starts an upload of 4 parts whose part 3 does not end, and waits until the other parts are stored.
pub(crate) fn start_stalled<'a>(place: &Place, words: impl IntoIterator<Item = &'a str>) -> Child {
    let stall = Fault::new(Action::Stall { after_bytes: Some(1) }).on(Operation::UploadMultipartPart).part(3);
    place.glacier.add_fault(stall.always());
    let child = place.start(words);
    wait_for_parts(place, 3);
    child
}

/// Waits until the only upload has this number of parts.
pub(crate) fn wait_for_parts(place: &Place, count: usize) {
    let start = Instant::now();
    while place.glacier.uploads().first().is_none_or(|upload| upload.parts.len() < count) {
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", place.glacier.uploads());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap().success());
}

#[test]
fn signal_stops_and_the_printed_command_resumes() {
    for name in ["INT", "TERM", "HUP"] {
        let place = Place::new();
        let file = place.file("it's a file", &content(4 * MIB));
        let child = start_stalled(&place, ["upload", "--part-size=1M", &file]);
        signal(&child, name);
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert!(ran.expect(3).is_empty(), "{ran:?}");
        let mut lines = ran.stderr.lines().skip_while(|line| !line.ends_with("to resume, run:"));
        let command = lines.nth(1).unwrap_or_else(|| panic!("{ran:?}"));
        assert!(command.contains("'\\''s a file'"), "{command}");
        place.glacier.clear_faults();
        let resumed = Command::new("sh").args(["-c", command]).env_clear().envs(place.variables()).output().unwrap();
        assert_eq!(Ran::of(resumed).expect(0).len(), 1);
        let sent = place.glacier.requests().iter().filter(|request| request.part.is_some_and(|part| part < 3)).count();
        assert_eq!((sent, place.archives().len(), place.unfinished()), (3, 1, 0), "stored parts are not sent again");
    }
}

#[test]
fn killed_upload_is_resumed_by_the_same_command() {
    let place = Place::new();
    let file = place.file("f", &content(4 * MIB));
    let words = ["upload", "--part-size=1M", "f"];
    let mut child = start_stalled(&place, words);
    child.kill().unwrap();
    child.wait().unwrap();
    place.glacier.clear_faults();
    assert_eq!(place.run(words).expect(0), [format!("{}  {file}", place.archives()[0])]);
    let sent = place.glacier.requests().iter().filter(|request| request.part.is_some_and(|part| part < 3)).count();
    assert_eq!((sent, place.unfinished()), (3, 0));
}

#[test]
fn second_upload_of_the_same_file_is_rejected() {
    let place = Place::new();
    place.file("f", &content(4 * MIB));
    let words = ["upload", "--part-size=1M", "f"];
    let mut child = start_stalled(&place, words);
    let second = place.run(words);
    assert!(second.expect(1).is_empty(), "{second:?}");
    assert!(
        second.stderr.contains("another process uploads") && second.stderr.contains("vault examplevault"),
        "{second:?}"
    );
    let mut with_journal = words.to_vec();
    with_journal.insert(1, "--journal=j");
    child.kill().unwrap();
    child.wait().unwrap();
    let mut holder = place.start(with_journal.clone());
    let start = Instant::now();
    while !place.directory.path().join("j").exists() || place.glacier.uploads().len() < 2 {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    let second = place.run(with_journal);
    assert!(second.stderr.contains("in use by another process"), "{second:?}");
    holder.kill().unwrap();
    holder.wait().unwrap();
}

#[test]
fn upload_without_a_journal_is_resumed_by_its_id() {
    let place = Place::new();
    place.file("f", &content(4 * MIB));
    let child = start_stalled(&place, ["upload", "--no-journal", "--part-size=1M", "f"]);
    signal(&child, "TERM");
    let ran = Ran::of(child.wait_with_output().unwrap());
    ran.expect(3);
    let id = &place.glacier.uploads()[0].upload_id;
    let command = ran.stderr.lines().last().unwrap();
    assert!(command.contains(&format!("--upload-id={id}")) && command.contains(" resume "), "{ran:?}");
    place.glacier.clear_faults();
    let resumed = Command::new("sh").args(["-c", command]).env_clear().envs(place.variables()).output().unwrap();
    Ran::of(resumed).expect(0);
    assert_eq!((place.archives().len(), place.unfinished()), (1, 0));
}

#[test]
fn standard_input_that_waits_can_be_stopped_and_has_a_journal_by_option() {
    let place = Place::new();
    let mut command = place.command(["upload", "--part-size=1M", "--journal=j", "-"]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, &content(2 * MIB)).unwrap();
    wait_for_parts(&place, 1);
    signal(&child, "INT");
    let ran = Ran::of(child.wait_with_output().unwrap());
    ran.expect(3);
    assert!(ran.stderr.contains("--journal="), "{ran:?}");
    drop(input);
    let ran = place.run_with_input(["upload", "--part-size=1M", "--journal=j", "-"], &content(3 * MIB));
    assert_eq!(ran.expect(0).len(), 1, "{ran:?}");
    let uploads = place.glacier.requests();
    let initiated = uploads.iter().filter(|request| request.operation == Some(Operation::InitiateMultipartUpload));
    assert_eq!((initiated.count(), place.directory.path().join("j").exists()), (1, false));
}

#[test]
fn sigusr1_prints_the_status_and_the_upload_goes_on() {
    let place = Place::new();
    place.file("f", &content(4 * MIB));
    let mut child = start_stalled(&place, ["upload", "--quiet", "--part-size=1M", "f"]);
    signal(&child, "USR1");
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("4.0 MiB, 3/4 parts"), "{line}");
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn limit_file_is_read_again_while_the_upload_runs() {
    let place = Place::new();
    place.file("limit", b"1K");
    place.file("f", &content(MIB));
    let child = place.start(["upload", "--json", "--limit-file=limit", "f"]);
    let start = Instant::now();
    while place.glacier.uploads().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    place.file("limit", b"0");
    let ran = Ran::of(child.wait_with_output().unwrap());
    ran.expect(0);
    let position = |text: &str| ran.stdout.find(text).unwrap_or_else(|| panic!("{text}: {ran:?}"));
    assert!(position("\"event\":\"limit\",\"limit\":1024") < position("\"event\":\"limit\",\"limit\":0"));
}
