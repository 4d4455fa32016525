//! What the emulator accepts and refuses, rule by rule, as a numbered table.

#![allow(clippy::unwrap_used, reason = "this is test code, which clippy sees only inside of tests")]

#[path = "../client/mod.rs"]
mod client;
mod lists;
mod requests;
mod uploads;

use std::panic::{AssertUnwindSafe, catch_unwind};

use client::{Client, start};
use glacier_emulator::Emulator;

const INVALID: &str = "InvalidParameterValueException";
const MISSING: &str = "MissingParameterValueException";
const NOT_FOUND: &str = "ResourceNotFoundException";
const SIGNATURE: &str = "InvalidSignatureException";

/// A rule, and the check that shows it. Each check has an emulator to itself.
type Case = (&'static str, fn(&Emulator, &mut Client));

#[test]
fn table() {
    let mut failed = Vec::new();
    let cases = [requests::CASES, uploads::CASES, lists::CASES].concat();
    for (number, (rule, check)) in (1..).zip(cases) {
        let (emulator, mut client) = start();
        let passed = catch_unwind(AssertUnwindSafe(|| check(&emulator, &mut client))).is_ok();
        println!("{number:3} {} {rule}", if passed { "ok    " } else { "FAILED" });
        if !passed {
            failed.push(rule);
        }
    }
    assert!(failed.is_empty(), "cases failed: {failed:#?}");
}
