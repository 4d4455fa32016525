//! Makes cargo build the library of this package together with the other tests.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::env;
use std::fs;

#[test]
fn library_reads_the_variable_that_requests_panics() {
    let library = env::current_exe().unwrap().with_file_name("libglacier_mp_test_panics.so");
    let name = b"GLACIER_MP_TEST_PANIC";
    assert!(fs::read(library).unwrap().windows(name.len()).any(|bytes| bytes == name));
}
