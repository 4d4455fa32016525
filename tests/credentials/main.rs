//! Credentials: the built-in providers against fakes of their services, and keys from the program.
#![cfg(test)]

mod callback;
mod cases;
mod fake;
mod indented_lines;
mod providers;
mod region_and_endpoint;
mod stopped;
#[path = "../support/mod.rs"]
mod support;
mod time;
mod vectors;
