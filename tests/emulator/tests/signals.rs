//! The end of the program by signals.

#![allow(clippy::unwrap_used, reason = "this is test code, which clippy sees only inside of tests")]

mod client;
mod process;

use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use client::{MIB, Request, data};
use process::{Started, entries, send_signal};

const DEFAULT: &str = "--default-signal=HUP,INT,QUIT,TERM";

/// Starts the program through `env` with this option. Its temporary directory is in `directory`.
fn start_in(directory: &Path, dispositions: &str) -> Started {
    let mut command = Command::new("env");
    Started::of(command.args([dispositions, env!("CARGO_BIN_EXE_glacier-emulator")]).env("TMPDIR", directory))
}

/// A failed assertion drops the value too.
#[test]
fn dropped_program_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let running = start_in(directory.path(), DEFAULT);
    let address = running.endpoint.strip_prefix("http://").unwrap().to_owned();
    assert!(TcpStream::connect(&address).is_ok());
    drop(running);
    assert!(TcpStream::connect(&address).is_err());
}

#[test]
fn signals_remove_the_temporary_directory() {
    for (name, number) in [("HUP", 1), ("INT", 2), ("QUIT", 3), ("TERM", 15)] {
        let directory = tempfile::tempdir().unwrap();
        let mut running = start_in(directory.path(), DEFAULT);
        // A connection in the middle of a request does not delay the end.
        let mut client = running.client();
        let id = client.initiate(MIB);
        client.write(&Request::part(&id, 0, &[7; MIB]).head(&client.host)).unwrap();
        assert_eq!(entries(directory.path()), 1);
        send_signal(name, &running.pid());
        assert_eq!(running.child.wait().unwrap().signal(), Some(number), "{name}");
        assert_eq!(entries(directory.path()), 0, "{name}");
    }
}

#[test]
fn ignored_signal_stays_ignored() {
    let directory = tempfile::tempdir().unwrap();
    let mut running = start_in(directory.path(), "--ignore-signal=HUP");
    send_signal("HUP", &running.pid());
    assert_eq!(running.client().send(&Request::list_uploads("")).status, 200);
    send_signal("TERM", &running.pid());
    assert_eq!(running.child.wait().unwrap().signal(), Some(15));
}

#[test]
fn signals_in_quick_succession_remove_the_temporary_directory() {
    for (first, second) in [("TERM", "TERM"), ("INT", "INT"), ("HUP", "HUP"), ("HUP", "TERM")] {
        let directory = tempfile::tempdir().unwrap();
        let mut running = start_in(directory.path(), DEFAULT);
        let mut client = running.client();
        // Many files, which take time to remove.
        for _ in 0..100 {
            client.initiate(MIB);
        }
        let id = client.initiate(MIB);
        assert_eq!(client.send(&Request::part(&id, 0, &data(MIB))).status, 204);
        let pid = running.pid();
        let signals = format!("kill -{first} {pid}; kill -{second} {pid}; kill -{second} {pid}; true");
        Command::new("sh").args(["-c", &signals]).stderr(Stdio::null()).status().unwrap();
        let status = running.child.wait().unwrap();
        assert!(status.signal().is_some(), "{first} {second}: {status}");
        assert_eq!(entries(directory.path()), 0, "{first} {second}");
    }
}

/// `timeout` and a terminal that closes send a signal to the process and then to its group.
#[test]
fn different_pending_signals_remove_the_temporary_directory() {
    let directory = tempfile::tempdir().unwrap();
    let mut running = start_in(directory.path(), DEFAULT);
    let mut client = running.client();
    for _ in 0..100 {
        client.initiate(MIB);
    }
    let pid = running.pid();
    let signals = format!("for signal in STOP TERM HUP INT QUIT CONT; do kill -$signal {pid}; done");
    assert!(Command::new("sh").args(["-c", &signals]).status().unwrap().success());
    assert!(running.child.wait().unwrap().signal().is_some());
    assert_eq!(entries(directory.path()), 0);
}
