//! Which process a handle belongs to.

use crate::error::{Error, Kind, Result};

/// The process that made a handle. After a fork the child has a copy of the memory, but none of the threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CreatorPid(u32);

impl CreatorPid {
    /// The process that asks.
    pub(crate) fn current() -> Self {
        Self(std::process::id())
    }

    /// Another process.
    #[cfg(test)]
    pub(crate) fn another() -> Self {
        Self(std::process::id() + 1)
    }

    /// Fails in a child of the process that made the handle.
    ///
    /// # Errors
    /// `Forked`.
    pub(crate) fn check(self) -> Result<()> {
        if self == Self::current() {
            return Ok(());
        }
        Err(Error::new(
            Kind::Forked,
            format!("the handle was made by process {}, of which this one is a fork: make a new one here", self.0),
        ))
    }
}
