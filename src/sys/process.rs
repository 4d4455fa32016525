//! Detection of forked processes.

use crate::error::{Error, Kind, Result};

/// The process that created a handle. After a fork, the child has a copy of the memory but none of the threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CreatorPid(u32);

impl CreatorPid {
    /// Returns the current process.
    pub(crate) fn current() -> Self {
        Self(std::process::id())
    }

    /// Returns a different process.
    #[cfg(test)]
    pub(crate) fn another() -> Self {
        Self(std::process::id() + 1)
    }

    /// Fails if the current process is a fork of the creator.
    ///
    /// # Errors
    /// `Forked`.
    pub(crate) fn check(self) -> Result<()> {
        if self == Self::current() {
            return Ok(());
        }
        Err(Error::new(
            Kind::Forked,
            format!("the handle was created by process {} before a fork: create a new one in this process", self.0),
        ))
    }
}
