//! The C++ interface, and C programs in C++: the test programs of tests/cpp, and the example.

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs};

use crate::harness::{
    Build, Program, assert_holds, at, data, data_file, in_both_builds, local_glacier, only_archive, run, succeed,
    under_valgrind,
};
use crate::programs::{MIB, assert_archives, upload_file};
use crate::support::compiler::{Language, compiler_named};
use crate::support::header;

const HEADER: &str = "bindings/cpp/glacier_mp.hpp";
const EXAMPLE: &str = "bindings/cpp/examples/upload.cpp";
const INTERFACE: &str = "tests/cpp/interface.cpp";
const INTERFACE_SIZE: usize = 2 * MIB + 1000;

in_both_builds!(run_file, streams, interface, example);

under_valgrind!(interface);

/// The standards to compile for. The standard changes what compiles, so the checks at run time need only the later one.
fn standards(build: Build, [earlier, later]: [&'static str; 2]) -> Vec<&'static str> {
    if build == Build::Plain { vec![earlier, later] } else { vec![later] }
}

fn run_file(build: Build) {
    for standard in standards(build, ["c++11", "c++17"]) {
        let program = Program::cpp("tests/cpp/run_file.cpp", standard, build);
        upload_file(&program, "a file, from C++");
    }
}

fn streams(build: Build) {
    for standard in standards(build, ["c++11", "c++17"]) {
        let glacier = local_glacier();
        let program = Program::cpp("tests/cpp/streams.cpp", standard, build);
        succeed(&mut program.command_at(&glacier));
        assert_archives(&glacier, &vec![data(INTERFACE_SIZE); 2]);
    }
}

fn interface(build: Build) {
    for standard in standards(build, ["c++17", "c++20"]) {
        let glacier = local_glacier();
        let (_directory, file) = data_file("file", INTERFACE_SIZE);
        let program = Program::cpp(INTERFACE, standard, build);
        program.check(program.command_at(&glacier).arg(file));
        assert!(glacier.uploads().is_empty(), "all are completed or aborted");
        glacier.archives().iter().for_each(|archive| assert_holds(archive, &data(INTERFACE_SIZE)));
    }
}

/// The example prints the archive ID, resumes from its journal, and reports an error.
fn example(build: Build) {
    let glacier = local_glacier();
    let (_directory, file) = data_file("file", 3 * MIB);
    let program = Program::cpp(EXAMPLE, "c++17", build);
    let first = succeed(program.command_at(&glacier).arg("examplevault").arg(&file));
    let archive = only_archive(&glacier);
    assert_holds(&archive, &data(3 * MIB));
    assert_eq!(archive.description.as_deref(), Some("file"));
    assert_eq!(first.stdout.trim_end(), archive.archive_id);
    let again = succeed(program.command_at(&glacier).arg("examplevault").arg(&file));
    assert_eq!(again.stdout, first.stdout, "the journal has the archive");
    let failed = run(program.command_at(&glacier).arg("examplevault").arg("missing"));
    assert_eq!(failed.status.code(), Some(1));
    assert!(failed.stderr.contains("GLACIER_E_IO: "), "{failed:?}");
    let usage = run(&mut at(program.command(), &glacier));
    assert_eq!(usage.status.code(), Some(2));
}

#[test]
fn example_has_at_most_30_lines() {
    let lines = source(EXAMPLE).lines().count();
    assert!(lines <= 30, "{lines} lines");
}

/// Both compilers accept the C++ header and its example without a warning. "2b" is the name of C++23 in these versions.
#[test]
fn compiles_without_warnings() {
    for compiler in ["g++", "clang++"] {
        for (program, standard) in
            [(EXAMPLE, "c++17"), (INTERFACE, "c++17"), (INTERFACE, "c++20"), (INTERFACE, "c++2b")]
        {
            let mut command = compiler_named(compiler, Language::Cxx, standard);
            command.args(["-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion"]);
            command.args(["-Itests/c", "-Ibindings/cpp", program]);
            match command.current_dir(env!("CARGO_MANIFEST_DIR")).output() {
                Ok(output) => {
                    let errors = String::from_utf8_lossy(&output.stderr);
                    assert!(output.status.success(), "{compiler} -std={standard} {program}:\n{errors}");
                }
                Err(_) if compiler == "clang++" && env::var_os("GLACIER_TESTS_WITHOUT_CLANG").is_some() => {}
                Err(error) => {
                    panic!("cannot run {compiler} ({error}): install g++ and clang, or set GLACIER_TESTS_WITHOUT_CLANG")
                }
            }
        }
    }
}

/// The C++ header calls every C function, except those for which this table has a reason.
#[test]
fn every_c_function_has_a_counterpart() {
    let not_needed: BTreeMap<&str, &str> = [
        ("glacier_error_code", "an exception gets the result of the call"),
        ("glacier_uploads_created", "upload_info::created is a time"),
    ]
    .into();
    let text = source(HEADER);
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with(['*', '/'])).collect();
    let calls = |name: &str| {
        code.match_indices(name).any(|(at, _)| code[at + name.len()..].starts_with(['(', ',', '>', ')', ';']))
    };
    for function in header::functions() {
        let name = function.name.as_str();
        assert_ne!(calls(name), not_needed.contains_key(name), "{name}: add it to {HEADER}, or a reason to this table");
    }
}

fn source(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}
