//! Parallel, resumable multipart uploads to Amazon Glacier vaults (the vault API, version 2012-06-01).
//!
//! The product is the C library: the module [`ffi`] and its header `glacier_mp.h`, which is the manual. Rust programs and
//! the tests use the other modules directly. Only the C ABI is stable.
//!
//! The modules, from top to bottom:
//!
//! - The C ABI: [`ffi`].
//! - The upload engine: [`upload`] is the handle, its state machine, the journal and the pipeline of threads that read, hash
//!   and send parts. [`client`] holds what the uploads of one client share, [`config`] its settings.
//! - The settings of the machine: [`environment`] captures the variables, [`profile`] reads the shared AWS files, [`endpoint`]
//!   finds the endpoints of services in both.
//! - Limits and scheduling: [`plan`] computes part sizes and ranges, `memory` is the buffer pool, [`bandwidth`] a token
//!   bucket, `callback_loop` runs callbacks on the caller's thread, and `reentrancy` rejects calls from inside callbacks.
//! - Data: [`source`] reads files, memory and callbacks; [`treehash`] computes both hashes of a part in one pass.
//! - The service: [`api`] has its six operations, with retries by the policy of [`retry`]. [`sign`] signs requests (SigV4)
//!   with keys from [`credentials`]. [`http`] sends them. [`reachability`] distinguishes an outage from a failing request.
//! - Foundations: [`error`], [`log`], [`sync`] (locks and cancellation), [`clock`], [`limits`] of the service, [`dates`],
//!   [`decimal`] and `percent` (text formats), [`sanitize`] (external text in messages), [`shell_quote`] (commands in
//!   messages), [`secret`] (secret text), and `sys` (system calls that std lacks).
//!
//! With the default feature `global-allocator`, the crate sets the global allocator of the program. The C library needs it
//! to survive a lack of memory. A Rust program that chooses its own allocator disables the default features.

mod active_time;
pub mod api;
pub mod bandwidth;
mod callback_loop;
pub mod client;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod dates;
pub mod decimal;
pub mod endpoint;
pub mod environment;
pub mod error;
pub mod ffi;
mod ffi_text;
pub mod http;
pub mod limits;
pub mod log;
mod memory;
mod percent;
pub mod plan;
pub mod profile;
pub mod reachability;
mod reentrancy;
mod request_id;
pub mod retry;
pub mod sanitize;
pub mod secret;
pub mod shell_quote;
mod shell_words;
pub mod sign;
pub mod source;
pub mod sync;
mod sys;
#[cfg(feature = "test-panics")]
mod test_panics;
pub mod treehash;
pub mod upload;
