//! Whether the requests of a client reach the service. The retry policy needs this to distinguish an outage from a request
//! that fails while others succeed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counts what the requests of one client have reached. All uploads of the client share it.
#[derive(Debug, Default)]
pub struct Reachability {
    connected: AtomicBool,
    responses: AtomicU64,
}

/// A snapshot of [`Reachability`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// The client has opened a connection, at any time.
    pub connected: bool,
    /// The number of complete responses of any status, without those of gateways that did not reach the service.
    pub responses: u64,
}

impl Reachability {
    /// Records that a connection was opened.
    pub fn connection_opened(&self) {
        self.connected.store(true, Ordering::Relaxed);
    }

    /// Records that a complete response was received, and not from a gateway that did not reach the service.
    pub fn response_received(&self) {
        self.responses.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns a snapshot.
    pub fn contact(&self) -> Contact {
        Contact { connected: self.connected.load(Ordering::Relaxed), responses: self.responses.load(Ordering::Relaxed) }
    }
}
