//! What goes wrong: each fault at each place, one by one (the matrix), outages of the network by a virtual clock, and
//! faults at random by seed (the soak).
#![cfg(test)]

mod matrix;
mod outage;
mod record;
mod scene;
mod soak;
#[path = "../support/mod.rs"]
mod support;

/// What a panic says.
fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without a text"))
}
