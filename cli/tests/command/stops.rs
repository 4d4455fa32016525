//! Signals, kills, locks, and the commands that resume.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use glacier_emulator::{Action, Fault, Operation, RequestRecord};

use crate::run::{MIB, Place, Ran, content, program};

/// The number of bytes that a new pipe holds.
const PIPE_SIZE: usize = 64 << 10;

/// Starts an upload of 4 parts whose part 3 does not end, and waits until the other parts are stored.
pub(crate) fn start_stalled<'a>(place: &Place, words: impl IntoIterator<Item = &'a str>) -> Child {
    stall(place);
    let child = place.start(words);
    wait_for_parts(place, 3);
    child
}

pub(crate) fn stall(place: &Place) {
    let stall = Fault::new(Action::Stall { after_bytes: Some(1) }).on(Operation::UploadMultipartPart).part(3);
    place.glacier.add_fault(stall.always());
}

/// Waits until the only upload has this number of parts.
pub(crate) fn wait_for_parts(place: &Place, count: usize) {
    let start = Instant::now();
    while place.glacier.uploads().first().is_none_or(|upload| upload.parts.len() < count) {
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", place.glacier.uploads());
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn signal(child: &Child, name: &str) {
    // The shell has kill built in. A bare system has no program of that name.
    let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", child.id())).status().unwrap();
    assert!(status.success(), "kill -{name} {}", child.id());
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

/// Reads standard error up to a line that contains a text. The rest of standard error stays readable.
pub(crate) fn wait_for_line(child: &mut Child, text: &str) {
    let stderr = child.stderr.as_mut().unwrap();
    let mut read = Vec::new();
    let mut byte = [0];
    loop {
        if stderr.read(&mut byte).unwrap() == 0 {
            panic!("no line contains {text:?}: {}", String::from_utf8_lossy(&read));
        }
        read.push(byte[0]);
        if byte == *b"\n" && String::from_utf8_lossy(&read).contains(text) {
            return;
        }
    }
}

/// Asks for the status line until it has a text: the command may not have read the last response yet.
fn wait_for_status(child: &Child, stderr: &mut impl BufRead, expected: &str) {
    let start = Instant::now();
    let mut line = String::new();
    while !line.contains(expected) {
        assert!(start.elapsed() < Duration::from_secs(60), "{line}");
        line.clear();
        signal(child, "USR1");
        stderr.read_line(&mut line).unwrap();
        assert!(line.contains(" of 4.0 MiB, "), "{line}");
    }
}

/// Waits until a command ends. A command that does not end is killed, and the test fails.
pub(crate) fn wait_for_end(mut child: Child) -> Ran {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("the command does not end: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ran::of(child.wait_with_output().unwrap())
}

/// Runs a command that was printed, with bytes as standard input.
pub(crate) fn run_printed(place: &Place, command: &str, input: &[u8]) -> Ran {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env_clear().envs(place.variables()).stdin(Stdio::piped());
    let mut child = shell.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    Ran::of(child.wait_with_output().unwrap())
}

#[test]
fn second_signal_ends_a_command_whose_messages_nobody_reads() {
    let place = Place::new();
    place.file("f", &content(4 * MIB));
    let (reader, mut full) = std::io::pipe().unwrap();
    full.write_all(&[b'x'; PIPE_SIZE]).unwrap();
    let mut command = place.command(["upload", "--part-size=1M", "f"]);
    stall(&place);
    let mut child = command.stderr(full).spawn().unwrap();
    drop(command);
    wait_for_parts(&place, 3);
    // A signal that comes before the last one is handled is merged with it.
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(60));
        signal(&child, "INT");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(child.wait().unwrap().code(), Some(3));
    drop(reader);
    place.glacier.clear_faults();
    place.run(["upload", "--part-size=1M", "f"]).expect(0);
    let sent = place.glacier.requests().iter().filter(|request| request.part.is_some_and(|part| part < 3)).count();
    assert_eq!(sent, 3, "stored parts are not sent again");
}

#[test]
fn signal_that_is_ignored_at_the_start_stays_ignored() {
    for name in ["INT", "HUP"] {
        let place = Place::new();
        place.file("f", &content(4 * MIB));
        stall(&place);
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("trap '' {name}; exec \"$0\" upload --part-size=1M f")]).arg(program());
        shell.env_clear().envs(place.variables()).current_dir(place.directory.path());
        let mut child = shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for_parts(&place, 3);
        signal(&child, name);
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        wait_for_status(&child, &mut stderr, "3/4 parts");
        signal(&child, "TERM");
        let mut line = String::new();
        stderr.read_to_string(&mut line).unwrap();
        assert!(line.contains("stopping") && line.contains("to resume, run:"), "{name}: {line}");
        assert_eq!(child.wait().unwrap().code(), Some(3));
    }
}

#[test]
fn signal_stops_a_tree_hash_of_standard_input_that_waits() {
    let place = Place::new();
    let mut child = place.command(["treehash", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // More than a pipe holds, so the command has read some of it and handles signals.
    input.write_all(&content(MIB)).unwrap();
    signal(&child, "INT");
    let ran = wait_for_end(child);
    assert!(ran.expect(1).is_empty() && ran.stderr.contains("canceled"), "{ran:?}");
    drop(input);
}

#[test]
fn signal_stops_the_abort_of_a_restart() {
    let place = Place::new();
    place.file("f", &content(4 * MIB));
    let mut child = start_stalled(&place, ["upload", "--part-size=1M", "f"]);
    child.kill().unwrap();
    child.wait().unwrap();
    place
        .glacier
        .add_fault(Fault::new(Action::Stall { after_bytes: None }).on(Operation::AbortMultipartUpload).always());
    let child = place.start(["upload", "--part-size=1M", "--restart", "f"]);
    let start = Instant::now();
    let is_abort = |request: &RequestRecord| request.operation == Some(Operation::AbortMultipartUpload);
    while !place.glacier.requests().iter().any(is_abort) {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    signal(&child, "TERM");
    let ran = wait_for_end(child);
    assert!(ran.status != 0 && ran.stderr.contains("canceled"), "{ran:?}");
    assert_eq!(place.glacier.uploads().len(), 1);
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
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&content(2 * MIB)).unwrap();
    wait_for_parts(&place, 1);
    signal(&child, "INT");
    let ran = Ran::of(child.wait_with_output().unwrap());
    ran.expect(3);
    assert!(ran.stderr.contains("to resume, run this with the same standard input, from its start:"), "{ran:?}");
    drop(input);
    let ran = run_printed(&place, ran.stderr.lines().last().unwrap(), &content(3 * MIB));
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
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    wait_for_status(&child, &mut stderr, "3/4 parts");
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

/// Returns a value of `TZ` that makes the local time about this hour, so that no test is near a change of the limit.
fn time_zone_with_hour(hour: u64) -> String {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    // POSIX counts hours west of Greenwich: UTC minus this number is the local time.
    format!("TEST{}", (seconds / 3600 % 24 + 24 - hour) % 24)
}

#[test]
fn schedule_limits_the_rate_by_the_local_time() {
    for (hour, limit) in [(6, Some(7 << 20)), (15, Some(9 << 20)), (21, None)] {
        let place = Place::new();
        place.file("f", b"x");
        let mut command = place.command(["upload", "--json", "--limit-rate=03:00-12:00=7M,12:00-18:00=9M,*=0", "f"]);
        let ran = Ran::of(command.env("TZ", time_zone_with_hour(hour)).output().unwrap());
        let events = ran.expect(0).into_iter().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let limits: Vec<_> =
            events.filter(|event| event["event"] == "limit").map(|event| event["limit"].as_u64()).collect();
        assert_eq!(limits, limit.map(Some).into_iter().collect::<Vec<_>>(), "{hour} o'clock: {ran:?}");
    }
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
