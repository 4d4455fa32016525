//! The skew between the clock of this machine and that of the service.

use std::sync::atomic::{AtomicI64, Ordering};

/// The service's clock minus this machine's clock, in seconds. Learned from a response and used for all requests.
#[derive(Debug, Default)]
pub struct ClockSkew(AtomicI64);

/// A time of the service's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServiceTime {
    /// Seconds since 1970-01-01 UTC.
    pub(crate) unix_time: i64,
    /// The skew that was added to this machine's clock.
    pub(super) skew: i64,
}

impl ClockSkew {
    /// Returns the time of the service's clock, as far as the skew is known.
    pub(super) fn service_time(&self, unix_time: i64) -> ServiceTime {
        let skew = self.0.load(Ordering::Relaxed);
        ServiceTime { unix_time: unix_time.saturating_add(skew), skew }
    }

    /// Stores the skew. Returns the one before.
    pub(super) fn replace(&self, skew: i64) -> i64 {
        self.0.swap(skew, Ordering::Relaxed)
    }
}
