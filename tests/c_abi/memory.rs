//! An address space that is nearly full: with each remaining amount, calls fail with GLACIER_E_MEMORY, and the process
//! does not abort.

use std::collections::BTreeMap;

use glacier_emulator::{Emulator, Options};
use tempfile::TempDir;

use crate::harness::{Build, Program, data_file, run};

/// Returns the amounts in KiB. The first are too small for a client, and the last are enough for the upload.
fn amounts() -> impl Iterator<Item = usize> {
    (0..3000).step_by(250).chain((3000..20_000).step_by(500))
}

/// Aborts that the header excepts: the C library cannot set up a thread, or memory is short for longer than a small
/// allocation waits. They are rare: without the reserve, a fifth of the runs abort.
const ABORTS: [&str; 2] =
    ["Fatal glibc error: failed to register TLS destructor: out of memory", "memory allocation of "];
const ABORTS_MAX: u32 = 1;

#[test]
fn returns_memory_error_over_http() {
    run_with_each_amount(false);
}

#[test]
fn returns_memory_error_over_tls() {
    run_with_each_amount(true);
}

fn run_with_each_amount(tls: bool) {
    let program = Program::c("tests/c/little_memory.c", Build::Plain);
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (_directory, file) = data_file("file", 5 << 20);
    let glacier = Emulator::start(Options { tls, ..Options::default() }).unwrap();
    let ca_file = directory.path().join("ca.pem");
    std::fs::write(&ca_file, glacier.ca_pem().unwrap_or_default()).unwrap();
    let mut results = BTreeMap::new();
    for kib in amounts() {
        let mut command = program.command_at(&glacier);
        if tls {
            command.env("CA_FILE", &ca_file);
        }
        let outcome = run(command.arg(&file).arg(kib.to_string()));
        if ABORTS.iter().any(|text| outcome.stderr.starts_with(text)) {
            *results.entry("abort".to_owned()).or_insert(0) += 1;
            continue;
        }
        assert!(outcome.status.success(), "with {kib} KiB: {outcome:?}");
        *results.entry(outcome.value("result").to_owned()).or_insert(0) += 1;
    }
    println!("{results:?}");
    assert!(results.get("abort").is_none_or(|aborts| *aborts <= ABORTS_MAX), "{results:?}");
    assert!(results.contains_key("GLACIER_OK"), "{results:?}");
    assert!(results.keys().any(|result| result.starts_with("GLACIER_E_MEMORY")), "{results:?}");
}
