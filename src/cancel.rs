//! A request to stop: one atomic flag, so that a signal handler may raise it. Whoever waits looks at it often.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::{Error, Kind, Result};

/// The longest that anything may wait without looking at the flag; well below the promised 250 ms.
pub const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The flag. Cheap to look at; raised once, seen by all.
#[derive(Debug, Default)]
pub struct Cancel(AtomicBool);

impl Cancel {
    /// Asks to stop. One atomic store: safe in a signal handler.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Takes the request back, once whoever it stopped has returned.
    pub fn clear(&self) {
        self.0.store(false, Ordering::Release);
    }

    /// Whether to stop.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
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
