//! Exit statuses, and the failure that ends a command.

use std::fmt;

use glacier_mp::error::{Error, Kind};

use crate::terms::with_options;

/// The exit status of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything was done.
    Done = 0,
    /// Something failed, and nothing can be resumed.
    Failed = 1,
    /// The command line is invalid.
    Usage = 2,
    /// An upload is unfinished and can be resumed.
    Stopped = 3,
    /// The outcome of an upload is unknown: its archive may exist.
    Unknown = 4,
}

impl Exit {
    /// Returns the more important one of two statuses: unknown, stopped, failed, done.
    pub(crate) fn worse(self, other: Self) -> Self {
        const RANKING: [Exit; 5] = [Exit::Done, Exit::Failed, Exit::Usage, Exit::Stopped, Exit::Unknown];
        let rank = |exit: Self| RANKING.iter().position(|ranked| *ranked == exit);
        if rank(other) > rank(self) { other } else { self }
    }

    /// Returns the number.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}

/// A failure: an exit status and a message.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

/// The result type of the command.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Creates a failure with status 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, message: message.into() }
    }

    /// Creates the failure of an invalid command line.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into() }
    }

    /// Creates the failure of an option whose value the library rejects.
    pub(crate) fn of_option(error: Error) -> Self {
        Self { exit: Exit::Usage, ..error.into() }
    }

    /// Appends what to do.
    pub(crate) fn with_hint(mut self, hint: impl fmt::Display) -> Self {
        self.message = format!("{}; {hint}", self.message);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match error.kind() {
            Kind::OutcomeUnknown => Exit::Unknown,
            _ if error.is_resumable() => Exit::Stopped,
            _ => Exit::Failed,
        };
        Self { exit, message: with_options(&error.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worse_status_wins() {
        assert_eq!(Exit::Done.worse(Exit::Failed), Exit::Failed);
        assert_eq!(Exit::Failed.worse(Exit::Stopped), Exit::Stopped);
        assert_eq!(Exit::Stopped.worse(Exit::Failed), Exit::Stopped);
        assert_eq!(Exit::Unknown.worse(Exit::Stopped), Exit::Unknown);
    }

    #[test]
    fn status_follows_from_the_error() {
        let exit = |error: Error| Failure::from(error).exit;
        assert_eq!(exit(Error::new(Kind::OutcomeUnknown, "x")), Exit::Unknown);
        assert_eq!(exit(Error::new(Kind::Network, "x").resumable(true)), Exit::Stopped);
        assert_eq!(exit(Error::new(Kind::Access, "x")), Exit::Failed);
    }
}
