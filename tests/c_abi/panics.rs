//! Panics in the library, which a build of its own lets the environment ask for.

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
fn nobody_can_ask_the_library_itself_for_a_panic() {
    let asks = |library: &Path| {
        let name = b"GLACIER_MP_TEST_PANIC";
        fs::read(library).unwrap().windows(name.len()).any(|bytes| bytes == name)
    };
    assert!(asks(&panicking_library()));
    assert!(!asks(&library()));
}

/// The library with the feature `test-panics`, in a target directory of its own.
pub(crate) fn panicking_library() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build).clone()
}

fn build() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("test-panics");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["rustc", "--quiet", "--offline", "--locked"]);
    cargo.args(["--lib", "--crate-type", "cdylib", "--features", "test-panics", "--target-dir"]).arg(&target);
    // What counts is that it is built soon; but hashing takes valgrind minutes if it is not optimised.
    for faster in ["debug=0", "package.'*'.opt-level=0", "package.sha2.opt-level=3"] {
        cargo.arg("--config").arg(format!("profile.dev.{faster}"));
    }
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target.join("debug/libglacier_mp.so")
}
