//! Programs in C and C++ that use the shared library through its header: the ones in tests/c and tests/cpp, and the
//! examples. Each runs twice: as it is, and with the address and undefined behaviour sanitizers, leaks included.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "that is how a test fails")]

mod examples;
mod harness;
mod programs;
