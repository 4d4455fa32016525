//! The shared library exports exactly the functions that the header declares, and has the expected SONAME and flags.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "that is how a test fails")]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::header::functions;

#[test]
fn exports_exactly_the_functions_of_the_header() {
    let listed = tool("nm", &["-D", "--defined-only", "--format=posix"], &library());
    let exported: BTreeSet<_> = listed.lines().filter_map(|line| line.split(' ').next()).collect();
    let functions = functions();
    let declared: BTreeSet<_> = functions.iter().map(|function| function.name.as_str()).collect();
    assert!(declared.len() > 60, "only {} functions found in the header", declared.len());
    let exported_only: Vec<_> = exported.difference(&declared).collect();
    let declared_only: Vec<_> = declared.difference(&exported).collect();
    assert!(exported_only.is_empty(), "exported, but not in the header: {exported_only:?}");
    assert!(declared_only.is_empty(), "in the header, but not exported: {declared_only:?}");
}

#[test]
fn has_soname_and_stays_loaded() {
    let dynamic = tool("readelf", &["--dynamic", "--wide"], &library());
    let name = format!("[libglacier_mp.so.{}]", glacier_mp::ffi::version::glacier_abi_version());
    let of =
        |tag: &str| dynamic.lines().find(|line| line.contains(tag)).unwrap_or_else(|| panic!("no {tag}:\n{dynamic}"));
    assert!(of("(SONAME)").contains(&name), "the SONAME is not {name}: {}", of("(SONAME)"));
    assert!(of("(FLAGS_1)").contains("NODELETE"), "{}", of("(FLAGS_1)"));
}

/// Returns the path of the shared library that cargo built for this test.
fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let library = test.with_file_name("libglacier_mp.so");
    assert!(library.exists(), "{} does not exist: cargo builds it for the tests of this package", library.display());
    library
}

fn tool(name: &str, arguments: &[&str], library: &Path) -> String {
    let output = Command::new(name).args(arguments).arg(library).output();
    let output = output.unwrap_or_else(|error| panic!("{name} cannot be run ({error}): install binutils"));
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
