//! System calls that the standard library lacks.

#[cfg(feature = "global-allocator")]
mod allocator;
pub(crate) mod attributes;
pub(crate) mod child;
pub(crate) mod descriptor;
pub(crate) mod emergency_memory;
pub(crate) mod fadvise;
pub(crate) mod filesystem;
pub(crate) mod fork_generation;
pub(crate) mod home;
pub(crate) mod process;
pub(crate) mod resolve;
pub(crate) mod socket;
pub(crate) mod thread;
pub(crate) mod wiping;
