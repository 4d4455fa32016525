//! What compiled programs rely on: the layout of the public struct, and the functions of an early header of this ABI.
//!
//! `make check` also compares the ABI of the header with abi/glacier_mp.abi.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "that is how a test fails")]

#[path = "../support/mod.rs"]
mod support;

mod check;

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use glacier_emulator::{Emulator, Options};
use support::command::{succeed, text};
use support::compiler::{Language, compiler};
use tempfile::TempDir;

#[test]
fn layout_of_progress_struct_is_fixed() {
    for (language, standard) in [(Language::C, "c11"), (Language::Cxx, "c++17")] {
        let mut command = compiler(language, standard);
        if language == Language::Cxx {
            command.args(["-x", "c++"]);
        }
        succeed(command.arg("-fsyntax-only").arg(root().join("tests/abi/layout.c")));
    }
}

#[test]
fn exports_every_function_of_the_early_header() {
    let header = fs::read_to_string(data().join("glacier_mp.h")).unwrap();
    let list = fs::read_to_string(root().join("abi/symbols.txt")).unwrap();
    let listed: Vec<_> = list.lines().filter_map(|line| line.split(' ').next()).collect();
    let is_name = |text: &&str| text.starts_with("glacier_") && !text.ends_with(')');
    let calls = header.split('(').filter_map(|text| text.rsplit([' ', '*', '\n']).next());
    let declared: Vec<_> = calls.filter(is_name).collect();
    assert_eq!(declared.len(), 95);
    for name in declared {
        assert!(listed.contains(&name), "{name} is not in abi/symbols.txt");
    }
}

#[test]
fn runs_program_compiled_with_the_early_header() {
    let directory = TempDir::new().unwrap();
    let program = directory.path().join("program");
    for name in ["libglacier_mp.so", "libglacier_mp.so.0"] {
        symlink(library(), directory.path().join(name)).unwrap();
    }
    // Not `compiler`: it has the present header in its include path.
    let mut command = Command::new(env::var("CC").unwrap_or_else(|_| "cc".to_owned()));
    command.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-O1", "-I"]).arg(data());
    command.arg(data().join("program.c")).arg("-o").arg(&program);
    succeed(command.arg("-L").arg(directory.path()).arg("-lglacier_mp"));

    let file = directory.path().join("file");
    fs::write(&file, (0..=250).cycle().take((3 << 20) + 5).collect::<Vec<u8>>()).unwrap();
    let glacier = Emulator::start(Options::default()).unwrap();
    let Options { region, access_key, secret_key, .. } = Options::default();
    let mut command = Command::new(&program);
    command.arg(&file).arg(directory.path().join("journal")).env_clear();
    command.env("LD_LIBRARY_PATH", directory.path());
    command.env("AWS_ENDPOINT_URL_GLACIER", glacier.endpoint()).env("AWS_REGION", region);
    command.env("AWS_ACCESS_KEY_ID", access_key).env("AWS_SECRET_ACCESS_KEY", secret_key);
    assert_eq!(text(&succeed(&mut command).stdout), format!("{}\n", env!("CARGO_PKG_VERSION")));
}

/// The early header and its program.
fn data() -> PathBuf {
    root().join("tests/data/abi-0")
}

/// The library that cargo built beside this test.
fn library() -> PathBuf {
    env::current_exe().unwrap().with_file_name("libglacier_mp.so")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
