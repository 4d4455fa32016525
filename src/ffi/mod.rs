//! The C ABI: one file per C object, each function no more than: check the arguments, call down, turn the result.
//!
//! The contract with the caller is written out once, for C programmers, at the top of `glacier_mp.h.in`, from which
//! the header is made. What it means on this side:
//!
//! - **Pointers.** A pointer argument is NULL, which is checked, or what the header says it is, which cannot be
//!   checked and is what every `SAFETY` comment here rests on: a handle comes from its `_new` and has not been freed,
//!   a text ends with NUL, data has the length given with it, an output has room for its type.
//! - **Handles** are `Arc::into_raw`. A call that may run callbacks takes a count of its own first, so that a
//!   callback may free the handle. All of it is behind `&self`: nothing stops a C program from calling twice at once.
//! - **Panics** end at `guard::call` and `guard::value`; one of them is around every body.
//! - **`user_data`** belongs to the library from the call on, whatever the call's result: it is put into a
//!   `callback::UserData` before anything is checked.
//! - **Outputs** are checked before the work, and written after it.

#![allow(unsafe_code)]
#![allow(non_camel_case_types, reason = "these are the names of the C ABI")]
#![allow(clippy::missing_safety_doc, reason = "the header states what the caller promises, once, for all functions")]

pub mod background;
pub mod by_hand;
pub mod callback;
pub mod client;
pub mod config;
pub mod credentials;
pub mod error;
mod guard;
pub mod lists;
pub mod plan;
pub mod result;
pub mod status;
pub mod stream;
pub mod treehash;
pub mod upload;
pub mod version;
