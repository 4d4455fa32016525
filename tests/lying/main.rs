//! A service that lies: it acknowledges parts that it did not read, or another one's. `run` must never return OK unless the
//! service has read and holds all bytes of the source.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Helpers of tests are tests.

mod complete;
mod parts;
#[path = "../http/server.rs"]
#[allow(dead_code)]
mod server;
mod service;
#[path = "../support/mod.rs"]
mod support;
