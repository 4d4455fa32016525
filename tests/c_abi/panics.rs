//! Panics in a separate build of the library, which panics on request of the environment.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::harness::{
    Build, Program, assert_holds, data, in_both_builds, library, local_glacier, only_archive, under_valgrind,
};

in_both_builds!(panics_on_threads);
under_valgrind!(panics_on_threads);

fn panics_on_threads(build: Build) {
    let glacier = local_glacier();
    let program = Program::c_with("tests/c/panics.c", build, &panicking_library());
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    program.check(program.command_at(&glacier).arg(directory.path().join("hashed")));
    assert_holds(&only_archive(&glacier), &data((3 << 20) + 1));
}

#[test]
fn library_has_no_panics_on_request() {
    let panics_on_request = |library: &Path| {
        let name = b"GLACIER_MP_TEST_PANIC";
        fs::read(library).unwrap().windows(name.len()).any(|bytes| bytes == name)
    };
    assert!(panics_on_request(&panicking_library()));
    assert!(!panics_on_request(&library()));
}

/// Returns the library with the feature `test-panics`, which the package in tests/panics builds.
pub(crate) fn panicking_library() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build).clone()
}

/// Builds nothing after `cargo test --workspace`. With fewer packages, cargo would build the dependencies with other features.
fn build() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["test", "--quiet", "--offline", "--locked", "--workspace"]);
    cargo.args(["--test", "panics_on_request", "--no-run", "--message-format", "json"]);
    // Cargo sets these variables for this test. They are inputs of build scripts, which would then run again.
    let is_set_by_cargo =
        |name: &str| ["CARGO_MANIFEST_", "CARGO_PKG_", "OUT_DIR"].iter().any(|start| name.starts_with(start));
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_set_by_cargo)) {
        cargo.env_remove(name);
    }
    // The target directory of this test.
    cargo.arg("--target-dir").arg(Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap());
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8(output.stdout).unwrap();
    let built = messages.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut files = built.filter(|message| message["target"]["name"] == "glacier_mp_test_panics");
    files.find_map(|message| message["filenames"][0].as_str().map(PathBuf::from)).expect("cargo names the library")
}
