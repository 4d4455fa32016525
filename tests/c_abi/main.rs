//! C and C++ programs that use the shared library through its header: those in tests/c and tests/cpp, and the examples.
//!
//! Each runs three times: plain, with the address and undefined behavior sanitizers, and under valgrind. The last two
//! also check for leaks. The programs of `crash` run only plain, because they are killed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "that is how a test fails")]

mod arguments;
mod certificates;
mod cpp;
mod crash;
mod examples;
mod harness;
mod histories;
mod large_inputs;
mod memory;
mod panics;
mod programs;
#[path = "../http/proxy/relay.rs"]
mod relay;
mod secrets;
#[allow(dead_code, reason = "a part of it is for the tests of the transport")]
#[path = "../http/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;
