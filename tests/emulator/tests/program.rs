//! The emulator as a program: its command line and its README.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, which clippy sees only inside of tests")]

mod client;
mod process;

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use client::{MIB, Request, start};
use glacier_emulator::FaultKind;
use process::{Started, entries, program};

/// Starts the program without storage of bytes. It ends with its standard input.
fn run(command: &mut Command) -> Started {
    Started::of(command.args(["--until-stdin-closes", "--storage", "hashes"]))
}

fn list() -> Request {
    Request::list_uploads("")
}

#[test]
fn prints_endpoint_and_ends_with_standard_input() {
    let running = run(program().args(["--vault", "a", "--vault", "b"]));
    assert!(running.endpoint.starts_with("http://127.0.0.1:"));
    let vault = |name: &str| Request::new("GET", format!("/-/vaults/{name}/multipart-uploads"));
    assert_eq!(["a", "b", "c"].map(|name| running.client().send(&vault(name)).status), [200, 200, 404]);
    running.end();
}

#[test]
fn rejects_invalid_command_line() {
    for (wrong, says) in [
        (&["--nonsense"][..], "unknown option --nonsense"),
        (&["--port"], "--port takes a number in digits only, not --until-stdin-closes"),
        (&["--port", "x"], "--port takes a number in digits only, not x"),
        (&["--port", "+0"], "--port takes a number in digits only, not +0"),
        (&["--port", ""], "--port takes a number in digits only, not \"\""),
        (&["--port", "65536"], "--port takes a number from 0 to 65535, not 65536"),
        (&["--port", "99999999999999999999"], "--port takes a number from 0 to 65535, not 99999999999999999999"),
        (&["--page-max", "+5"], "--page-max takes a number in digits only, not +5"),
        (&["--storage", "tape"], "unknown storage tape"),
        (&["--ca-out", "f"], "--ca-out needs --tls"),
        (&["--token-seconds", "60"], "--token-seconds needs --session-token"),
        (&["--token-seconds", "soon"], "--token-seconds takes a number in digits only, not soon"),
        (&["--clock-offset", "noon"], "--clock-offset takes a number in digits only, with - or without, not noon"),
        (&["--clock-offset", "+5"], "--clock-offset takes a number in digits only, with - or without, not +5"),
        (&["--requests-per-second", "-1"], "--requests-per-second takes a number in digits only, not -1"),
        (&["--response-delay", "1.5"], "--response-delay takes a number in digits only, not 1.5"),
        (&["--response-delay", "3600001"], "--response-delay takes a number from 0 to 3600000, not 3600001"),
        (&["--page-max", "0"], "--page-max takes a number from 1 to 50, not 0"),
        (&["--page-max", "51"], "--page-max takes a number from 1 to 50, not 51"),
        (&["--page-max", "99999999999999999999"], "--page-max takes a number from 1 to 50, not 99999999999999999999"),
        (
            &["--session-token", "t", "--token-seconds", "9223372036854775808"],
            "--token-seconds takes a number from 0 to 9223372036854775807, not 9223372036854775808",
        ),
        (
            &["--clock-offset", "9223372036854775808"],
            "--clock-offset takes a number from -9223372036854775808 to 9223372036854775807, not 9223372036854775808",
        ),
        (
            &["--clock-offset", "-99999999999999999999"],
            "--clock-offset takes a number from -9223372036854775808 to 9223372036854775807, not -99999999999999999999",
        ),
        (
            &["--requests-per-second", "18446744073709551616"],
            "--requests-per-second takes a number from 0 to 18446744073709551615, not 18446744073709551616",
        ),
        (&["--region", "a b"], "a b is no region: it has 1 to 63 letters, digits and inner hyphens, not only digits"),
        (&["--region", ""], "\"\" is no region"),
        (&["--access-key", "a b"], "a b is no access key: it has printable ASCII characters without spaces, / and ,"),
        (&["--access-key", ""], "\"\" is no access key"),
        (&["--secret-key", ""], "the secret key is empty: it must have only printable ASCII characters without spaces"),
        (
            &["--session-token", "se cret"],
            "the session token has a character that is not allowed: it must have only printable ASCII characters",
        ),
        (&["--account", ""], "\"\" is no account ID: it has 12 digits"),
        (&["--data", ""], "\"\" is no directory for the data"),
        (&["--tls", "--ca-out", ""], "--ca-out needs the name of a file, not \"\""),
        (&["--account", "1111-2222-3333"], "1111-2222-3333 is no account ID: it has 12 digits"),
        (
            &["--vault", "a", "--vault", "a/b"],
            "a/b is no vault name: it has 1 to 255 of the characters A-Z a-z 0-9 _ - .",
        ),
        (&["--vault", ""], "\"\" is no vault name"),
        (&["--background"], "--background and --until-stdin-closes exclude each other"),
        (&["--fault", "{}"], "--fault {}: missing field `action`"),
        (&["--fault", r#"{"action": {"kind": "flood"}}"#], "unknown variant `flood`"),
        (&["--random-faults", r#"{"seed": 1, "probability": 7}"#], "7 is no share: it goes from 0 to 1"),
    ] {
        // If the option is accepted, the program ends with its empty standard input.
        let output = program().args(wrong).arg("--until-stdin-closes").output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{wrong:?}");
        let why = String::from_utf8(output.stderr).unwrap();
        assert!(why.starts_with("glacier-emulator: ") && why.contains(says), "{wrong:?}: {why}");
        assert!(!why.contains("se cret"), "{why}");
    }
}

#[test]
fn arguments_with_other_bytes_are_errors_on_one_line() {
    for (wrong, says) in [
        (&b"--data=\xff"[..], "the argument --data=\u{fffd} is not UTF-8"),
        (b"--a\nb\x1b[2J\xc2\x9b\xe2\x80\xae", r"unknown option --a\nb\u{1b}[2J\u{9b}\u{202e}; see --help"),
    ] {
        let output = program().arg(OsStr::from_bytes(wrong)).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("glacier-emulator: {says}\n"));
    }
}

#[test]
fn full_standard_output_is_an_error() {
    for option in ["--help", "--until-stdin-closes", "--print-exports", "--background"] {
        let directory = tempfile::tempdir().unwrap();
        let full = std::fs::File::create("/dev/full").unwrap();
        let output = program().arg(option).env("TMPDIR", directory.path()).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{option}");
        let why = String::from_utf8(output.stderr).unwrap();
        assert!(why.starts_with("glacier-emulator: standard output: No space left"), "{option}: {why}");
        assert_eq!(entries(directory.path()), 0, "{option}");
    }
}

/// Runs the program with options and a redirection of the shell. Its temporary directory is in `directory`.
fn redirected(options: &str, redirection: &str, directory: &Path) -> Output {
    let script = format!("exec \"$0\" {options} {redirection}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_glacier-emulator")]).env("TMPDIR", directory).output().unwrap()
}

#[test]
fn closed_standard_output_is_an_error_if_only_it_has_the_result() {
    for (options, what) in [
        ("--help", "--help prints the options"),
        ("--background", "--background prints the process ID"),
        ("--background --port 1", "--background prints the process ID"),
        ("--print-exports --until-stdin-closes", "--print-exports prints the variables"),
        ("--print-exports --until-stdin-closes --port 1", "--print-exports prints the variables"),
        ("--until-stdin-closes", "without --port, the program prints the chosen port"),
        ("--until-stdin-closes --port 0", "without --port, the program prints the chosen port"),
    ] {
        for redirection in [">&-", ">&- <&-"] {
            let directory = tempfile::tempdir().unwrap();
            let output = redirected(options, redirection, directory.path());
            let why = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{options} {redirection}: {why}");
            let says = format!("glacier-emulator: {what} on standard output, which is closed: redirect it\n");
            assert_eq!(why, says, "{options} {redirection}");
            assert_eq!(entries(directory.path()), 0, "{options} {redirection}");
        }
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(redirected(options, ">&- 2>&-", directory.path()).status.code(), Some(1), "{options}");
    }
}

#[test]
fn closed_or_discarded_standard_output_is_no_error_if_the_result_is_known() {
    let directory = tempfile::tempdir().unwrap();
    for options in ["--help", "--print-exports --until-stdin-closes", "--until-stdin-closes"] {
        // The runtime replaces a closed stream by /dev/null for reading and writing.
        for redirection in [">/dev/null", "1<>/dev/null"] {
            let output = redirected(options, redirection, directory.path());
            assert!(output.status.success() && output.stderr.is_empty(), "{options} {redirection}: {output:?}");
        }
    }
    // Another process may take the port first.
    let mut outputs = (0..100).map(|_| {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        redirected(&format!("--until-stdin-closes --port {free}"), ">&-", directory.path())
    });
    let output = outputs.find(|output| !String::from_utf8_lossy(&output.stderr).contains("in use")).unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn command_line_sets_faults() {
    let running = run(program().args([
        "--fault",
        r#"{"action": {"kind": "status", "status": 501}}"#,
        "--fault",
        r#"{"skip": 1, "action": {"kind": "refuse", "because": "throttling"}, "and": [{"kind": "truncated_answer"}]}"#,
        "--random-faults",
        r#"{"seed": 7, "probability": 1, "kinds": {"502": 1}, "in_a_row": 3, "operations": ["ListMultipartUploads"]}"#,
    ]));
    let mut client = running.client();
    assert_eq!(client.send(&list()).status, 501);
    assert_eq!(client.try_send(&list()).unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
    let mut client = running.client();
    assert_eq!([(); 3].map(|()| client.send(&list()).status), [502, 200, 502]);
    client.initiate(MIB);
    running.end();
}

#[test]
fn command_line_sets_clock_token_and_rate() {
    let running = run(program().args(["--clock-offset", "-3600", "--session-token", "t", "--token-seconds", "1000"]));
    let mut client = running.client();
    let list = |token: &str, offset: i64| {
        list().header("x-amz-security-token", token).with(|request| request.clock_offset = offset)
    };
    client.send(&list("t", 0)).expect_refusal(403, "InvalidSignatureException", "not yet current");
    assert_eq!(client.send(&list("t", -3600)).status, 200);
    assert_eq!(client.send(&list("u", -3600)).status, 400);
    let clock = Request::new("POST", "/.admin/clock").with(|request| request.authorization = false);
    assert_eq!(client.send(&clock.body(br#"{"offset": 0}"#)).status, 204);
    client.send(&list("t", 0)).expect_refusal(403, "ExpiredTokenException", "");
    running.end();

    let running = run(program().args(["--requests-per-second", "0"]));
    running.client().send(&list("t", 0)).expect_refusal(400, "ThrottlingException", "Rate exceeded");
    running.end();
}

#[test]
fn each_response_is_delayed() {
    const VARIABLE: &str = "GLACIER_EMULATOR_RESPONSE_DELAY";
    let mut by_variable = program();
    by_variable.env(VARIABLE, "300");
    for running in [run(program().args(["--response-delay", "300"])), run(&mut by_variable)] {
        let start = Instant::now();
        assert_eq!(running.client().send(&list()).status, 200);
        assert!(start.elapsed() >= Duration::from_millis(300));
        running.end();
    }
    let wrong = program().env(VARIABLE, "-1").arg("--until-stdin-closes").output().unwrap();
    let why = String::from_utf8(wrong.stderr).unwrap();
    assert!(why.contains("GLACIER_EMULATOR_RESPONSE_DELAY takes a number in digits only, not -1"), "{why}");
}

#[test]
fn failed_background_start_reports_reason() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = program().args(["--background", "--port", &port]).output().unwrap();
    let why = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{why}");
    assert!(
        why.starts_with(&format!("glacier-emulator: cannot start: port {port} of 127.0.0.1: "))
            && why.lines().count() == 1,
        "{why}"
    );
}

#[test]
fn help_lists_all_options() {
    let run = |arguments: &[&str]| program().args(arguments).output().unwrap();
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    let mut named = Vec::new();
    for line in help.lines().filter(|line| line.starts_with("  --")) {
        let mut words = line.split_whitespace();
        let (option, next) = (words.next().unwrap(), words.next().unwrap());
        if next.bytes().all(|b| b.is_ascii_uppercase()) {
            let why = String::from_utf8(run(&[option]).stderr).unwrap();
            assert!(why.contains(&format!("{option} needs a value")), "{why}");
        } else {
            assert!(run(&[option, "--help"]).status.success(), "{option}");
        }
        named.push(option);
    }
    // In the source, each known option is a string literal of its own.
    let known = include_str!("../src/bin/glacier-emulator/settings.rs")
        .split('"')
        .filter(|text| text.starts_with("--") && !text.contains(' '));
    let mut known: Vec<_> = known.collect();
    known.sort_unstable();
    named.sort_unstable();
    assert_eq!(known, named);
}

#[test]
fn readme_matches_the_program() {
    let readme = include_str!("../README.md");
    let (emulator, mut client) = start();
    let mut examples = 0;
    for example in readme.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
        let place = if example.contains("\"seed\"") { "random" } else { "faults" };
        let post = Request::new("POST", format!("/.admin/{place}")).with(|request| request.authorization = false);
        assert_eq!(client.send(&post.body(example.as_bytes())).status, 204, "{example}");
        examples += 1;
    }
    assert!(examples >= 5, "{examples}");
    emulator.set_random_faults(None);
    emulator.clear_faults();
    let (_, rest) = readme.split_once("## Random faults").unwrap();
    let (random, records) = rest.split_once("## Request records").unwrap();
    for kind in FaultKind::ALL {
        let name = serde_json::to_value(kind).unwrap();
        assert!(random.contains(&format!("`{}`", name.as_str().unwrap())), "{name}");
    }
    client.initiate(MIB);
    let requests = Request::new("GET", "/.admin/requests").with(|request| request.authorization = false);
    for name in client.send(&requests).json()[0].as_object().unwrap().keys() {
        assert!(records.contains(&format!("`{name}`")), "{name}");
    }
}
