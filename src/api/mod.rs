//! The six operations of a multipart upload, typed: each sends a request and checks the response.
//!
//! Specification: Glacier developer guide, "API Reference for Multipart Uploads" (API version 2012-06-01).

mod clock_skew;
mod error_codes;
pub mod json;
mod lists;
mod operations;
pub mod response;
mod send;
mod service;
mod signature_errors;

pub use self::clock_skew::ClockSkew;
pub use self::json::{ListedPart, ListedUpload};
pub use self::lists::UploadParts;
pub use self::send::PreparedRequest;
pub use self::service::{Completed, Initiated, Service, ServiceOperation, UploadName};
