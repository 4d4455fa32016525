//! The HTTP transport against servers that behave, and against servers that do not. Loopback only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Helpers of tests are tests.

mod bandwidth;
mod basics;
mod certificates;
mod client;
mod connect;
mod early;
mod order;
mod responses;
mod server;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod watch;
