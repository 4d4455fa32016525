//! Tests of the HTTP transport with correct and faulty servers, over loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Helpers of tests are tests.

mod bandwidth;
mod basics;
mod cancellation;
mod certificates;
mod client;
mod client_certificate;
mod connect;
mod early;
mod order;
mod proxy;
mod responses;
mod server;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod trust;
