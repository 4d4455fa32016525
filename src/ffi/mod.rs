//! The C ABI: one file per C object. Each function checks its arguments, makes one call down and converts the result.
//!
//! `glacier_mp.h.in` states the contract with the caller, for C programmers. `tests/header.rs` generates the header from
//! it. On this side the contract means:
//!
//! - **Pointers.** NULL is checked. Any other pointer is what the header says it is. This cannot be checked, and every
//!   `SAFETY` comment here relies on it: a handle comes from its `_new` function and is not freed, a text ends with NUL,
//!   data has the given length, an output has room for its type.
//! - **Handles** come from `Arc::into_raw`. A call that may run callbacks first takes its own reference, so that a
//!   callback may free the handle. All methods take `&self`, because a C program may call from two threads at once.
//! - **Panics** stop in `boundary::call` and `infallible`. One of these wraps each function.
//! - **`user_data`** belongs to the library from the start of the call, whatever its result. So each function moves it
//!   into a `callback::UserData` before it checks anything.
//! - **Outputs** are checked before the work and written after it.

// The comments are the text of the C header, where brackets are not links.
#![allow(rustdoc::broken_intra_doc_links)]
#![allow(unsafe_code)]
#![allow(non_camel_case_types, reason = "the names of the C ABI")]
#![allow(clippy::missing_safety_doc, reason = "the header states the contract once, for all functions")]

mod args;
pub mod background;
mod boundary;
pub mod by_hand;
pub mod callback;
pub mod client;
pub mod config;
pub mod credentials;
pub mod error;
mod infallible;
pub mod lists;
pub mod plan;
#[cfg(test)]
mod redaction_tests;
pub mod result;
pub mod status;
pub mod stream;
pub mod treehash;
pub mod upload;
pub mod upload_settings;
pub mod version;
