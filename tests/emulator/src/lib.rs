//! The local Glacier: the vault API's multipart operations, strict, on 127.0.0.1, for tests, demos and your own programs.
//!
//! It checks what the service checks: signatures (with a published implementation), the clock, both hashes of every
//! payload, ranges, sizes and limits; and answers with the texts that the live service uses. It streams: a payload is
//! hashed and stored while it is read, and never held. And it breaks on request: by script, see [`Fault`], and at
//! random by seed, see [`RandomFaults`].
//!
//! [`Emulator`] runs inside a test; the program `glacier-emulator` serves everything else, with the address described
//! in [`admin`] in place of the methods. Where the service's behaviour is not known, [`choices`] says what was chosen.

mod action;
pub mod admin;
pub mod choices;
mod clock;
mod connection;
mod course;
mod disk;
mod draws;
mod emulator;
mod exchange;
mod faults;
mod framing;
mod hash;
mod http;
mod ids;
mod interim;
mod kinds;
pub mod number;
mod operations;
mod options;
mod pace;
mod paging;
mod random;
mod rate;
mod records;
mod refusal;
mod request;
mod service;
mod signature;
mod stop;
mod store;
mod tls;
mod upload;
mod vaults;
mod wire;

pub use action::{Action, AfterResponse, ConnectionEnd, RefusalReason, ResponsePrefix, error_document};
pub use emulator::Emulator;
pub use faults::Fault;
pub use kinds::FaultKind;
pub use options::{Options, Storage};
pub use random::RandomFaults;
pub use records::{ArchiveRecord, PartRecord, RequestRecord, UploadRecord};
pub use request::Operation;
