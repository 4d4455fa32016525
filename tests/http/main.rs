//! The HTTP transport against servers that behave, and against servers that do not. Loopback only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Helpers of tests are tests.

mod basics;
mod client;
mod early;
mod server;
mod tls;
mod watch;
