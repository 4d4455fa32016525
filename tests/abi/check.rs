//! `scripts/abi check` with stand-ins for `abidw` and `abidiff`: its exit status, and what it tells the author of a change.
//!
//! `make check` runs it with the real programs.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::root;
use crate::support::command::text;

/// The bits of the exit status of abidiff.
const ERROR: u8 = 1;
const CHANGE: u8 = 4;
const INCOMPATIBLE: u8 = 8;

#[test]
fn accepts_header_without_abi_change() {
    let output = check(0, None);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn rejects_abi_change_and_says_what_to_do() {
    for status in [CHANGE, CHANGE | INCOMPATIBLE] {
        let output = check(status, None);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = text(&output.stderr);
        for expected in [
            "report of abidiff\n",
            "compiled programs break: restore it, and add a new function instead.",
            "run make abi, and commit abi/ together with the change.",
        ] {
            assert!(said.contains(expected), "{expected} is not in {said}");
        }
    }
}

#[test]
fn failure_of_abidiff_is_no_abi_change() {
    let output = check(ERROR, None);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(!text(&output.stderr).contains("make abi"), "{output:?}");
}

#[test]
fn says_that_another_architecture_is_not_compared() {
    let output = check(CHANGE, Some("other"));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).starts_with("the ABI was not compared"), "{output:?}");
}

/// Runs `scripts/abi check`. abidiff exits with `status`. The architecture is that of the baseline by default.
fn check(status: u8, architecture: Option<&str>) -> Output {
    let directory = TempDir::new().unwrap();
    let baseline = fs::read_to_string(root().join("abi/glacier_mp.abi")).unwrap();
    let recorded = baseline.split("architecture='").nth(1).unwrap().split('\'').next().unwrap();
    let architecture = architecture.unwrap_or(recorded);
    for (name, script) in [
        ("abidw", format!("echo \"<abi-corpus version='2.1' architecture='{architecture}'>\"")),
        ("abidiff", format!("echo 'report of abidiff'; exit {status}")),
    ] {
        let path = directory.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let inherited = env::var_os("PATH").unwrap();
    let path = [directory.path().to_owned()].into_iter().chain(env::split_paths(&inherited));
    let mut command = Command::new(root().join("scripts/abi"));
    command.arg("check").arg(directory.path()).env("PATH", env::join_paths(path).unwrap());
    command.output().unwrap()
}
