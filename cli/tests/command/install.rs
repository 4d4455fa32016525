//! `make command`, `make install` and `make uninstall` with the built command.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::run::program;

#[test]
fn make_installs_the_command_with_manual_pages_and_completions() {
    let directory = TempDir::with_prefix("glacier-mp-test-").unwrap();
    let release = directory.path().join("target/release");
    std::fs::create_dir_all(&release).unwrap();
    std::fs::copy(program(), release.join("glacier-mp")).unwrap();
    // make install copies the library too. Its content does not matter here.
    std::fs::copy(program(), release.join("libglacier_mp.so")).unwrap();
    let prefix = directory.path().join("prefix");

    // The command is already built, so cargo has nothing to do.
    make(directory.path(), &["command", "CARGO=true"]);
    make(directory.path(), &["install", "CARGO=true"]);
    let version = succeed(Command::new(prefix.join("bin/glacier-mp")).arg("--version"));
    assert_eq!(version, concat!("glacier-mp ", env!("CARGO_PKG_VERSION"), "\n"));
    let read =
        |path: &str| std::fs::read_to_string(prefix.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert!(read("share/man/man1/glacier-mp.1").contains("\n.TH glacier-mp 1 "));
    assert!(read("share/man/man1/glacier-mp-upload.1").contains("\n.TH glacier-mp-upload 1 "));
    assert!(read("share/zsh/site-functions/_glacier-mp").starts_with("#compdef glacier-mp\n"));
    assert!(read("share/fish/vendor_completions.d/glacier-mp.fish").contains("complete -c glacier-mp "));
    // bash loads the file that has the name of the command.
    let script = prefix.join("share/bash-completion/completions/glacier-mp");
    let function = succeed(Command::new("bash").arg("-c").arg("source \"$0\" && complete -p glacier-mp").arg(script));
    assert!(function.ends_with(" glacier-mp\n"), "{function}");

    make(directory.path(), &["uninstall", "CARGO=true"]);
    let left = files(&prefix);
    assert!(left.is_empty(), "{left:?}");
}

/// Runs `make` with a target directory and a prefix in this directory.
fn make(directory: &Path, arguments: &[&str]) {
    let mut command = Command::new("make");
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()).args(arguments);
    for name in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "DESTDIR", "CARGO_BUILD_TARGET"] {
        command.env_remove(name);
    }
    for name in ["bindir", "libdir", "includedir", "datadir", "mandir", "docdir"] {
        command.env_remove(name);
    }
    command.arg(format!("PREFIX={}", directory.join("prefix").display()));
    succeed(command.env("CARGO_TARGET_DIR", directory.join("target")));
}

/// Runs a command that must succeed. Returns its output.
fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// Returns the files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
