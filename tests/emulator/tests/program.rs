//! The emulator as a program: what it takes on its command line, and what its manual says.

#![allow(clippy::unwrap_used, reason = "this is test code, which clippy sees only inside of tests")]

mod client;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use client::{Client, MIB, Request, start};
use glacier_emulator::FaultKind;

/// A running one, until this is dropped.
struct Program {
    child: Child,
    endpoint: String,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut child = program()
            .args(["--until-stdin-closes", "--storage", "hashes"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, endpoint: line.strip_suffix('\n').unwrap().to_owned() }
    }

    fn client(&self) -> Client {
        Client::connect_without_tls(&self.endpoint)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_glacier-emulator"))
}

fn list() -> Request {
    Request::list_uploads("")
}

#[test]
fn it_says_where_it_is_and_ends_with_its_input() {
    let running = Program::start(&["--vault", "a", "--vault", "b"]);
    assert!(running.endpoint.starts_with("http://127.0.0.1:"));
    let vault = |name: &str| Request::new("GET", format!("/-/vaults/{name}/multipart-uploads"));
    assert_eq!(["a", "b", "c"].map(|name| running.client().send(&vault(name)).status), [200, 200, 404]);
}

#[test]
fn a_wrong_command_line_is_refused() {
    for (wrong, says) in [
        (&["--nonsense"][..], "unknown option --nonsense"),
        (&["--port"], "--port needs a value"),
        (&["--port", "x"], "--port takes a number, not x"),
        (&["--storage", "tape"], "unknown storage tape"),
        (&["--ca-out", "f"], "--ca-out needs --tls"),
        (&["--token-seconds", "60"], "--token-seconds needs --session-token"),
        (&["--token-seconds", "soon"], "--token-seconds takes a number, not soon"),
        (&["--clock-offset", "noon"], "--clock-offset takes a number, not noon"),
        (&["--requests-per-second", "-1"], "--requests-per-second takes a number, not -1"),
        (&["--fault", "{}"], "--fault {}: missing field `action`"),
        (&["--fault", r#"{"action": {"kind": "flood"}}"#], "unknown variant `flood`"),
        (&["--random-faults", r#"{"seed": 1, "probability": 7}"#], "7 is no share: it goes from 0 to 1"),
    ] {
        let output = program().args(wrong).output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{wrong:?}");
        let why = String::from_utf8(output.stderr).unwrap();
        assert!(why.starts_with("glacier-emulator: ") && why.contains(says), "{wrong:?}: {why}");
    }
}

#[test]
fn faults_come_from_the_command_line() {
    let running = Program::start(&[
        "--fault",
        r#"{"action": {"kind": "status", "status": 501}}"#,
        "--fault",
        r#"{"skip": 1, "action": {"kind": "refuse", "because": "throttling"}, "and": [{"kind": "truncated_answer"}]}"#,
        "--random-faults",
        r#"{"seed": 7, "probability": 1, "kinds": {"502": 1}, "in_a_row": 3, "operations": ["ListMultipartUploads"]}"#,
    ]);
    let mut client = running.client();
    assert_eq!(client.send(&list()).status, 501);
    assert_eq!(client.try_send(&list()).unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
    let mut client = running.client();
    assert_eq!([(); 3].map(|()| client.send(&list()).status), [502, 200, 502]);
    client.initiate(MIB);
}

#[test]
fn clock_token_and_rate_come_from_the_command_line() {
    let running = Program::start(&["--clock-offset", "-3600", "--session-token", "t", "--token-seconds", "1000"]);
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

    let running = Program::start(&["--requests-per-second", "0"]);
    running.client().send(&list("t", 0)).expect_refusal(400, "ThrottlingException", "Rate exceeded");
}

#[test]
fn the_help_is_exact() {
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
    // Each option that the program knows stands between quotes in its source.
    let known = include_str!("../src/main.rs").split('"').filter(|text| text.starts_with("--") && !text.contains(' '));
    let mut known: Vec<_> = known.collect();
    known.sort_unstable();
    named.sort_unstable();
    assert_eq!(known, named);
}

#[test]
fn the_manual_is_right() {
    let manual = include_str!("../README.md");
    let (emulator, mut client) = start();
    let mut examples = 0;
    for example in manual.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
        let place = if example.contains("\"seed\"") { "random" } else { "faults" };
        let post = Request::new("POST", format!("/.admin/{place}")).with(|request| request.authorization = false);
        assert_eq!(client.send(&post.body(example.as_bytes())).status, 204, "{example}");
        examples += 1;
    }
    assert!(examples >= 5, "{examples}");
    emulator.set_random_faults(None);
    emulator.clear_faults();
    let (_, rest) = manual.split_once("## Faults at random").unwrap();
    let (at_random, records) = rest.split_once("## The record of requests").unwrap();
    for kind in FaultKind::ALL {
        let name = serde_json::to_value(kind).unwrap();
        assert!(at_random.contains(&format!("`{}`", name.as_str().unwrap())), "{name}");
    }
    client.initiate(MIB);
    let requests = Request::new("GET", "/.admin/requests").with(|request| request.authorization = false);
    for name in client.send(&requests).json()[0].as_object().unwrap().keys() {
        assert!(records.contains(&format!("`{name}`")), "{name}");
    }
}
