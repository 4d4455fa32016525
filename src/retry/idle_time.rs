//! The time that counts against the limit of a request.

use std::fmt;
use std::time::Duration;

/// The active time since the last progress that extends the limit of a request.
#[derive(Clone, Copy)]
pub enum IdleTime<'a> {
    /// Only the response to this request would be progress.
    OnlyGrows(&'a dyn Fn() -> Duration),
    /// Other requests may make progress while this one waits for its retry.
    MayShrink(&'a dyn Fn() -> Duration),
}

impl fmt::Debug for IdleTime<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdleTime").field("time", &self.get()).field("may_shrink", &self.may_shrink()).finish()
    }
}

impl IdleTime<'_> {
    /// Returns the time until now.
    pub fn get(self) -> Duration {
        match self {
            Self::OnlyGrows(time) | Self::MayShrink(time) => time(),
        }
    }

    /// Returns true if the time can become shorter.
    pub fn may_shrink(self) -> bool {
        matches!(self, Self::MayShrink(_))
    }
}
