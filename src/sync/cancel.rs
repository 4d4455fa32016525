//! Cancellation. The token is one atomic byte, so that a signal handler can set it; threads that wait poll it.

use std::sync::Arc;
use std::time::Duration;

use crate::active_time::ActiveInstant;
use crate::error::{Error, Kind, Result};
use crate::sync::atomic::{AtomicU8, Ordering};

/// The longest time that a thread waits without polling its token. A call must return within 250 ms of a cancellation.
pub(crate) const CANCEL_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The reason for a cancellation. A token can hold several reasons; each is cleared separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reason {
    /// The caller requested it.
    Requested = 1,
    /// A callback returned "stop".
    Callback = 2,
    /// Another thread of the same call failed permanently.
    Failed = 4,
    /// The handle was freed. This reason is never cleared.
    HandleFreed = 8,
    /// The upload is about to be aborted.
    Aborting = 16,
}

/// A cancellation token.
#[derive(Debug, Default)]
pub struct Cancel {
    reasons: AtomicU8,
    parent: Option<Arc<Cancel>>,
    /// The start of a time limit, and the active time after which the token counts as canceled.
    time_limit: Option<(ActiveInstant, Duration)>,
}

impl Cancel {
    /// Creates a token that is also canceled when `parent` is. Canceling the child does not cancel the parent.
    pub(crate) fn child_of(parent: Arc<Self>) -> Self {
        Self { parent: Some(parent), ..Self::default() }
    }

    /// Creates a token that is also canceled when `parent` is, and after `time_limit` of active time.
    pub(crate) fn with_time_limit(parent: Arc<Self>, time_limit: Duration) -> Self {
        Self { time_limit: Some((ActiveInstant::now(), time_limit)), ..Self::child_of(parent) }
    }

    /// Cancels, as requested by the caller. This is one atomic operation: safe in a signal handler.
    pub fn raise(&self) {
        self.raise_for(Reason::Requested);
    }

    /// Cancels for a reason.
    pub(crate) fn raise_for(&self, reason: Reason) {
        self.reasons.fetch_or(reason as u8, Ordering::AcqRel);
    }

    /// Clears one reason. Call it after every call that the reason stopped has returned.
    pub(crate) fn clear(&self, reason: Reason) {
        self.reasons.fetch_and(!(reason as u8), Ordering::AcqRel);
    }

    /// Returns whether this token or its parent is canceled, or the time limit has passed.
    pub fn is_raised(&self) -> bool {
        self.reasons.load(Ordering::Acquire) != 0
            || self.parent.as_ref().is_some_and(|parent| parent.is_raised())
            || self.time_limit.is_some_and(|(start, limit)| start.elapsed() >= limit)
    }

    /// Returns whether this token itself is canceled for `reason`.
    pub(crate) fn is_raised_for(&self, reason: Reason) -> bool {
        self.reasons.load(Ordering::Acquire) & reason as u8 != 0
    }

    /// Fails if this token or its parent is canceled.
    ///
    /// # Errors
    /// [`Kind::Canceled`].
    pub fn check(&self) -> Result<()> {
        if self.is_raised() { Err(canceled()) } else { Ok(()) }
    }
}

/// Returns the error of a canceled operation.
pub(crate) fn canceled() -> Error {
    Error::new(Kind::Canceled, "canceled")
}
