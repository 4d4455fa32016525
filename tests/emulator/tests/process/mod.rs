//! The emulator as a process of a test.

#![allow(dead_code, reason = "each test file uses its own share of this")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, which clippy sees only inside of tests")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::client::Client;

/// A program that has printed its endpoint. It is killed on drop, also after a failed assertion.
pub(crate) struct Started {
    pub(crate) child: Child,
    pub(crate) endpoint: String,
}

impl Started {
    /// Starts the program and reads its endpoint.
    pub(crate) fn of(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut started = Self { child, endpoint: String::new() };
        let mut line = String::new();
        BufReader::new(started.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let endpoint = line.strip_suffix('\n').unwrap_or_else(|| panic!("no endpoint: {line:?}"));
        endpoint.clone_into(&mut started.endpoint);
        started
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect_without_tls(&self.endpoint)
    }

    pub(crate) fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Closes standard input, which ends a program with `--until-stdin-closes`. Panics if the program reports an error.
    pub(crate) fn end(mut self) {
        drop(self.child.stdin.take());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // This fails if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_glacier-emulator"))
}

pub(crate) fn send_signal(name: &str, pid: &str) {
    let command = format!("kill -{name} {pid}");
    assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success(), "{command}");
}

/// The number of entries of a directory.
pub(crate) fn entries(directory: &Path) -> usize {
    directory.read_dir().unwrap().count()
}
