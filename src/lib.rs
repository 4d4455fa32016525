//! Multipart uploads to Amazon Glacier vaults (the vault API, 2012-06-01).

pub mod cancel;
pub mod clock;
pub mod error;
pub mod http;
pub mod limits;
pub mod log;
pub mod plan;
pub mod sign;
mod sys;
pub mod treehash;
