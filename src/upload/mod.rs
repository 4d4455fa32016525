//! The upload handle: one multipart upload, from its first byte to the archive.
//!
//! Four layers, each of which knows only those after it:
//!
//! - `handle` and `calls`: the handle, which any thread may hold. Each working call is admitted, runs on threads of the
//!   library, and uses the caller's own thread for callbacks.
//! - `run`, `repair`, `complete` and `verify`: what a call does, as functions over a `call::Call`.
//! - `pipeline` and `stream`: the threads of one transfer, which read, hash and send parts.
//! - `session` and `journal`: the multipart upload at the service as this process knows it, and its record on disk.

mod admission;
mod background;
mod call;
mod calls;
mod complete;
mod handle;
mod journal;
#[cfg(test)]
mod model_tests;
mod options;
mod pipeline;
mod progress;
mod repair;
mod run;
mod session;
mod stream;
mod verify;

pub use self::background::DoneFn;
pub use self::calls::by_hand::PartEntry;
pub use self::handle::Upload;
pub use self::journal::summary::{JournalEnd, JournalSummary};
pub use self::progress::{Flow, ProgressFn};
pub use self::session::counters::Progress;
pub use self::session::state;
