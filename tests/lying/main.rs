//! A service that sends false acknowledgements, for parts that it did not read or stored differently. `run` must return OK only
//! if the service has stored all bytes of the source.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Helpers of tests are tests.

mod complete;
mod parts;
#[path = "../http/server.rs"]
#[allow(dead_code)]
mod server;
mod service;
#[path = "../support/mod.rs"]
mod support;
