//! Multipart uploads to Amazon Glacier vaults (the vault API, 2012-06-01).

pub mod api;
pub mod cancel;
pub mod client;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod error;
pub mod ffi;
pub mod file;
pub mod http;
pub mod limits;
pub mod log;
pub mod memory;
pub mod plan;
pub mod reentry;
pub mod retry;
pub mod sign;
pub mod source;
mod sys;
pub mod treehash;
pub mod upload;
pub mod working;
