//! Detection of forked processes.

use super::fork_generation;
use crate::error::{Error, Kind, Result};

/// The process that created a handle. After a fork, the child has a copy of the memory but none of the threads.
///
/// The generation tells processes apart that have the same PID in different PID namespaces: the first process of each is 1.
/// The PID tells children apart that share the memory of their parent (`vfork`), and those of systems without generations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CreatorPid {
    pid: u32,
    generation: u64,
}

impl CreatorPid {
    /// Returns the current process.
    pub(crate) fn current() -> Self {
        Self { pid: std::process::id(), generation: fork_generation::current() }
    }

    /// Returns a different process.
    #[cfg(test)]
    pub(crate) fn another() -> Self {
        Self { pid: std::process::id() + 1, ..Self::current() }
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
            format!("the handle was created by process {} before a fork: create a new one in this process", self.pid),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_child_with_the_same_pid_apart() {
        let current = CreatorPid::current();
        current.check().unwrap();
        let parent = CreatorPid { generation: current.generation + 1, ..current };
        assert_eq!(parent.check().unwrap_err().kind(), Kind::Forked);
        assert_eq!(CreatorPid::another().check().unwrap_err().kind(), Kind::Forked);
    }
}
