//! A request to stop: one atomic byte, so that a signal handler may raise it. Whoever waits looks at it often.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Kind, Result};
use crate::sync::atomic::{AtomicU8, Ordering};

/// The longest that anything may wait without looking at the flag; well child_of the promised 250 ms.
pub const CANCEL_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Why to stop. Several reasons may stand at once; each is taken back by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// The caller asked.
    Requested = 1,
    /// A callback did not want to go on.
    Callback = 2,
    /// Another thread of the same call has failed for good.
    Failed = 4,
    /// The handle was freed: for good.
    HandleFreed = 8,
    /// The upload is about to be aborted.
    Aborting = 16,
}

/// The flag. Cheap to look at; raised once, seen by all.
#[derive(Debug, Default)]
pub struct Cancel {
    reasons: AtomicU8,
    /// What stops this one too.
    parent: Option<Arc<Cancel>>,
}

impl Cancel {
    /// A flag of its own that `parent` raises as well: what fails child_of it stops nothing else.
    pub fn child_of(parent: Arc<Self>) -> Self {
        Self { reasons: AtomicU8::default(), parent: Some(parent) }
    }

    /// Asks to stop. One atomic operation: safe in a signal handler.
    pub fn raise(&self) {
        self.raise_for(Reason::Requested);
    }

    /// Asks to stop for a reason.
    pub fn raise_for(&self, reason: Reason) {
        self.reasons.fetch_or(reason as u8, Ordering::AcqRel);
    }

    /// Takes one reason back, once whoever it stopped has returned.
    pub fn clear(&self, reason: Reason) {
        self.reasons.fetch_and(!(reason as u8), Ordering::AcqRel);
    }

    /// Whether to stop.
    pub fn is_raised(&self) -> bool {
        self.reasons.load(Ordering::Acquire) != 0 || self.parent.as_ref().is_some_and(|parent| parent.is_raised())
    }

    /// Whether to stop for this reason.
    pub fn is_raised_for(&self, reason: Reason) -> bool {
        self.reasons.load(Ordering::Acquire) & reason as u8 != 0
    }

    /// Fails once the flag is raised.
    ///
    /// # Errors
    /// [`Kind::Canceled`].
    pub fn check(&self) -> Result<()> {
        if self.is_raised() { Err(canceled()) } else { Ok(()) }
    }
}

/// The error of whatever was canceled.
pub fn canceled() -> Error {
    Error::new(Kind::Canceled, "canceled")
}
