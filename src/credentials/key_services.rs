//! What the chain needs to get keys.

use std::sync::Arc;

use super::transports::{NoTransports, Transports};
use crate::clock::{Clock, SystemClock};
use crate::log::Log;
use crate::sanitize::Redactor;

/// What the chain needs to get keys.
#[derive(Clone, Debug)]
pub struct KeyServices {
    /// Creates the transports of providers.
    pub transports: Arc<dyn Transports>,
    /// The clock of the delays.
    pub clock: Arc<dyn Clock>,
    /// The log.
    pub log: Arc<Log>,
    /// Knows all secrets.
    pub redactor: Arc<Redactor>,
}

impl Default for KeyServices {
    fn default() -> Self {
        Self {
            transports: Arc::new(NoTransports),
            clock: Arc::new(SystemClock::new()),
            log: Arc::new(Log::off()),
            redactor: Arc::default(),
        }
    }
}
