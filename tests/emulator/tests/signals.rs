//! The end of the program by signals.

#![allow(clippy::unwrap_used, reason = "this is test code, which clippy sees only inside of tests")]

mod client;

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use client::{Client, MIB, Request, data};

/// Starts the program with the default action of each signal. Its temporary directory is in `directory`.
fn start_in(directory: &std::path::Path) -> (Child, String) {
    let mut command = Command::new("env");
    command.args(["--default-signal=HUP,INT,QUIT,TERM", env!("CARGO_BIN_EXE_glacier-emulator")]);
    let mut child = command.env("TMPDIR", directory).stdout(Stdio::piped()).spawn().unwrap();
    let mut endpoint = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut endpoint).unwrap();
    (child, endpoint.trim_end().to_owned())
}

#[test]
fn signals_in_quick_succession_remove_the_temporary_directory() {
    for (first, second) in [("TERM", "TERM"), ("INT", "INT"), ("HUP", "HUP"), ("HUP", "TERM")] {
        let directory = tempfile::tempdir().unwrap();
        let (mut child, endpoint) = start_in(directory.path());
        let mut client = Client::connect_without_tls(&endpoint);
        // Many files, which take time to remove.
        for _ in 0..100 {
            client.initiate(MIB);
        }
        let id = client.initiate(MIB);
        assert_eq!(client.send(&Request::part(&id, 0, &data(MIB))).status, 204);
        let pid = child.id();
        let signals = format!("kill -{first} {pid}; kill -{second} {pid}; kill -{second} {pid}; true");
        Command::new("sh").args(["-c", &signals]).stderr(Stdio::null()).status().unwrap();
        let status = child.wait().unwrap();
        assert!(status.signal().is_some(), "{first} {second}: {status}");
        assert_eq!(directory.path().read_dir().unwrap().count(), 0, "{first} {second}");
    }
}

/// `timeout` and a terminal that closes send a signal to the process and then to its group.
#[test]
fn different_pending_signals_remove_the_temporary_directory() {
    let directory = tempfile::tempdir().unwrap();
    let (mut child, endpoint) = start_in(directory.path());
    let mut client = Client::connect_without_tls(&endpoint);
    for _ in 0..100 {
        client.initiate(MIB);
    }
    let pid = child.id();
    let signals = format!("for signal in STOP TERM HUP INT QUIT CONT; do kill -$signal {pid}; done");
    assert!(Command::new("sh").args(["-c", &signals]).status().unwrap().success());
    assert!(child.wait().unwrap().signal().is_some());
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
}
