//! Fault tests: each fault at each request (the matrix), network outages with a virtual clock, and random faults from a
//! seed (the soak).
#![cfg(test)]

mod fixture;
mod history;
mod matrix;
mod outage;
mod soak;
#[path = "../support/mod.rs"]
mod support;

/// The message of a panic.
fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without a message"))
}
