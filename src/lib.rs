//! Multipart uploads to Amazon Glacier vaults (the vault API, 2012-06-01).
//!
//! The product is the C library: [`ffi`] with the header `glacier_mp.h`, which is the manual. What stands below it is
//! plain Rust, top-down:
//!
//! - [`upload`]: the handle, its state machine, and the threads that read, hash and send. [`client`] and [`config`] are
//!   what it is made with, [`source`], [`plan`] and [`memory`] what it works on, [`bandwidth`] what slows it down.
//! - [`api`]: the service's six operations, typed, over [`http`], signed by [`sign`] with the keys of
//!   [`credentials`], judged by [`retry`].
//! - [`treehash`]: both hashes of a part in one pass, and the tree hash of files.
//! - [`sanitize`]: text from outside, made safe for messages.
//! - [`callback_loop`] and [`reentrancy`]: how a call keeps the caller's thread for callbacks, and refuses calls from inside one.
//!
//! Rust programs may use these modules, and the tests do; only the C ABI is kept stable.

pub mod api;
pub mod bandwidth;
pub mod callback_loop;
pub mod client;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod dates;
pub mod decimal;
pub mod error;
pub mod ffi;
mod ffi_text;
pub mod http;
pub mod limits;
pub mod log;
pub mod memory;
mod percent;
pub mod plan;
pub mod reachability;
pub mod reentrancy;
pub mod retry;
pub mod sanitize;
pub mod sign;
pub mod source;
pub mod sync;
mod sys;
#[cfg(feature = "test-panics")]
mod test_panics;
pub mod treehash;
pub mod upload;
