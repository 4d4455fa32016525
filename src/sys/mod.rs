//! The few calls to the system that the standard library lacks.

pub(crate) mod emergency_memory;
pub(crate) mod fadvise;
pub(crate) mod process;
pub(crate) mod resolve;
pub(crate) mod socket;
pub(crate) mod thread;
