//! A strict local Glacier on 127.0.0.1, for tests, demos and your own programs.
//!
//! It implements the multipart operations of the vault API. It checks what the service checks: signatures (with a
//! published implementation), the clock, both hashes of every payload, ranges, sizes and limits. It responds with the
//! texts of the live service. It hashes and stores a payload while it reads it and never holds a whole payload in memory.
//! It injects faults: scripted ones, see [`Fault`], and random ones from a seed, see [`RandomFaults`].
//!
//! A Rust test uses [`Emulator`]. All other tests and programs start the program `glacier-emulator` and send requests to
//! the admin paths, see [`admin`]. Where the behavior of the live service is not known, [`unspecified`] documents the
//! emulator's choice.

mod action;
pub mod admin;
mod body;
mod clock;
mod connection;
mod connections;
mod disk;
mod emulator;
mod exchange;
mod fault_kind;
mod fault_plan;
mod framing;
mod hash;
mod head;
mod ids;
mod interim;
pub mod number;
mod operations;
mod options;
mod paging;
mod prng;
mod random_faults;
mod rate_limit;
mod read_rate;
mod record;
mod refusal;
mod request;
mod response;
pub mod response_delay;
mod scripted_faults;
mod service;
mod signature;
mod stop;
mod store;
mod tls;
pub mod unspecified;
mod upload;
mod vaults;
mod wire;

pub use action::{Action, AfterResponse, ConnectionEnd, RefusalReason, ResponsePrefix, error_document};
pub use emulator::Emulator;
pub use fault_kind::FaultKind;
pub use options::{Options, Storage};
pub use random_faults::RandomFaults;
pub use record::{ArchiveRecord, PartRecord, RequestRecord, UploadRecord};
pub use request::Operation;
pub use scripted_faults::Fault;
