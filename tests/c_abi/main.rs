//! Programs in C and C++ that use the shared library through its header: the ones in tests/c and tests/cpp, and the
//! examples. Each runs three times: as it is, with the address and undefined behaviour sanitizers, and under valgrind.
//! Leaks count in both. Those of `crash` run as they are: they do not live to leak.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "that is how a test fails")]

mod arguments;
mod crash;
mod examples;
mod harness;
mod histories;
mod memory;
mod panics;
mod programs;
mod secrets;
#[path = "../support/mod.rs"]
mod support;
