//! Credentials: the built-in providers against fakes of their services, and keys from the program.
#![cfg(test)]

mod callback;
mod fake;
mod providers;
#[path = "../support/mod.rs"]
mod support;
mod vectors;
