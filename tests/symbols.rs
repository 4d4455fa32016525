//! The shared library exports exactly the functions that the header declares and abi/symbols.txt lists, and has the expected
//! SONAME and flags.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "that is how a test fails")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
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
fn lists_every_function_with_the_version_that_added_it() {
    let functions = functions();
    let declared: BTreeMap<_, _> =
        functions.iter().map(|function| (function.name.as_str(), since(&function.comment))).collect();
    let text = fs::read_to_string(list()).unwrap();
    let listed = listed(&text);
    let removed: Vec<_> = listed.keys().filter(|name| !declared.contains_key(*name)).collect();
    assert!(
        removed.is_empty(),
        "abi/symbols.txt lists functions that the header does not declare: {removed:?}; programs that call them do not \
         start with this library: restore them, or increase the ABI version and begin a new list"
    );
    for (name, version) in &listed {
        let declared = declared[name];
        assert_eq!(declared, *version, "{name}: the version in the header is not that in abi/symbols.txt: correct it");
    }
    if std::env::var_os("UPDATE_SYMBOLS").is_some() {
        let comment = text.lines().take_while(|line| line.starts_with('#')).map(str::to_owned);
        let lines = declared.iter().map(|(name, version)| format!("{name} {version}"));
        fs::write(list(), comment.chain(lines).map(|line| line + "\n").collect::<String>()).unwrap();
        return;
    }
    let added: Vec<_> = declared.keys().filter(|name| !listed.contains_key(*name)).collect();
    assert!(added.is_empty(), "abi/symbols.txt does not list {added:?}: run make abi");
    let names: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(names.is_sorted(), "abi/symbols.txt is not sorted: run make abi");
}

#[test]
fn no_function_is_from_a_later_version() {
    let current = number(env!("CARGO_PKG_VERSION"));
    for function in functions() {
        let version = since(&function.comment);
        assert!(number(version) <= current, "{}: Since: {version} is later than this version", function.name);
    }
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

/// Returns the version after `Since: ` in a doc comment.
fn since(comment: &str) -> &str {
    let (_, rest) = comment.split_once("Since: ").unwrap_or_else(|| panic!("no Since: in {comment}"));
    rest.split_whitespace().next().unwrap_or_default().trim_end_matches('.')
}

/// Returns major and minor version.
fn number(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Returns the versions in abi/symbols.txt by function.
fn listed(text: &str) -> BTreeMap<&str, &str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').unwrap_or_else(|| panic!("no version in {line}"))).collect()
}

fn list() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("abi/symbols.txt")
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
