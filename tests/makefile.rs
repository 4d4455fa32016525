//! The Makefile and its scripts on machines without some tools.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "that is how a test fails")]

mod support;

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::compiler::{Language, compiler};
use tempfile::TempDir;

#[test]
fn install_copies_the_library_without_cargo() {
    let directory = TempDir::new().unwrap();
    let target = directory.path().join("target directory");
    fs::create_dir_all(target.join("release")).unwrap();
    fs::copy(library(), target.join("release/libglacier_mp.so")).unwrap();
    let prefix = directory.path().join("prefix");
    let run = |goal: &str| {
        let mut make = make(goal);
        make.arg(variable("PREFIX", &prefix)).arg("CARGO=/nonexistent/cargo").env("CARGO_TARGET_DIR", &target);
        succeed(&mut make)
    };
    let output = run("install");
    assert!(text(&output.stdout).contains("LD_LIBRARY_PATH"), "{output:?}");
    let settings = fs::read_to_string(prefix.join("lib/pkgconfig/glacier_mp.pc")).unwrap();
    assert!(settings.contains(&format!("\nlibdir={}/lib\n", prefix.display())), "{settings}");

    // A program that links only the installed library.
    let program = directory.path().join("program");
    let source = directory.path().join("program.c");
    fs::write(&source, "#include <glacier_mp.h>\nint main(void) { return (int)glacier_abi_version(); }\n").unwrap();
    let library_directory = prefix.join("lib");
    let mut command = compiler(Language::C, "c99");
    command.arg("-I").arg(prefix.join("include")).arg(&source).arg("-o").arg(&program);
    command.arg("-L").arg(&library_directory).arg("-lglacier_mp");
    succeed(&mut command);
    succeed(Command::new(&program).env("LD_LIBRARY_PATH", &library_directory));

    run("uninstall");
    let left = files(&prefix);
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn install_without_build_fails_with_one_sentence() {
    let directory = TempDir::new().unwrap();
    let mut make = make("install");
    make.arg(variable("PREFIX", &directory.path().join("prefix"))).env("CARGO_TARGET_DIR", directory.path());
    let output = make.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said: Vec<_> = text(&output.stderr).lines().filter(|line| !line.starts_with("make: ")).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("libglacier_mp.so does not exist: run make first"), "{said:?}");
    assert!(files(directory.path()).is_empty());
}

#[test]
fn prerequisites_prints_the_command_that_installs_what_is_missing() {
    let tools = Tools::new(&["cargo", "rustc"]);
    for (target, missing) in [("demo", &["a C compiler"][..]), ("test", &["a C compiler", "clang", "valgrind", "venv"])]
    {
        let output = tools.prerequisites(target);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = text(&output.stderr);
        for name in missing {
            assert!(said.contains(name), "{name} is not in {said}");
        }
        assert_eq!(said.lines().count(), 2, "{said}");
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn prerequisites_requires_the_minimum_rust_version() {
    let tools = Tools::new(&[]);
    let output = tools.prerequisites("demo");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("install Rust"), "{output:?}");

    for (version, accepted) in [("1.9.1", false), ("1.88.0", false), (env!("CARGO_PKG_RUST_VERSION"), true)] {
        for program in ["cargo", "rustc"] {
            tools.script(program, &format!("echo {program} {version} '(0123456 2025-01-01)'"));
        }
        let output = tools.prerequisites("demo");
        let is_old = text(&output.stderr).contains(&format!("cargo is {version}: run rustup update"));
        assert_eq!(is_old, !accepted, "{version}: {output:?}");
    }
}

/// A directory for PATH with only the tools of a bare system.
struct Tools(TempDir);

impl Tools {
    fn new(more: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let basic = ["sh", "dirname", "grep", "head", "id", "sed", "sort"];
        for name in basic.iter().chain(more) {
            let found = env::split_paths(&env::var_os("PATH").unwrap()).map(|d| d.join(name)).find(|p| p.exists());
            let path = found.unwrap_or_else(|| panic!("{name} is not in PATH"));
            symlink(path, directory.path().join(name)).unwrap();
        }
        Self(directory)
    }

    fn script(&self, name: &str, line: &str) {
        let path = self.0.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{line}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn prerequisites(&self, target: &str) -> Output {
        let mut command = Command::new(root().join("scripts/prerequisites"));
        command.arg(target).env("PATH", self.0.path()).env("GLACIER_NO_INSTALL", "1");
        for name in ["CC", "CXX", "PYTHON", "CARGO", "RUSTC", "SSL_CERT_FILE"] {
            command.env_remove(name);
        }
        command.output().unwrap()
    }
}

/// `make` without the variables that an outer make passes on.
fn make(goal: &str) -> Command {
    let mut command = Command::new("make");
    command.current_dir(root()).args(["--no-print-directory", goal]);
    for name in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "DESTDIR", "CARGO_BUILD_TARGET", "CARGO"] {
        command.env_remove(name);
    }
    command
}

fn variable(name: &str, value: &Path) -> String {
    format!("{name}={}", value.display())
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Returns the files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The library that cargo built beside this test.
fn library() -> PathBuf {
    env::current_exe().unwrap().with_file_name("libglacier_mp.so")
}
