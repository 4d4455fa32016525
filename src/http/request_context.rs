//! The context of one request: its cancel token, its deadlines and its progress.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::bandwidth::TokenBucket;
use crate::error::Error;
use crate::sync::Mutex;
use crate::sync::cancel::Cancel;

/// The context of a request: cancel token, timeouts, progress counters and bandwidth limit.
#[derive(Clone, Debug, Default)]
pub struct RequestContext {
    /// Cancels the exchange at any time, also within a body.
    pub cancel: Arc<Cancel>,
    /// The time that a canceled exchange still waits for the response.
    pub grace: Duration,
    /// The time limit from the last byte of the request to the first byte of the response. `None`: the stall timeout.
    pub response_timeout: Option<Duration>,
    /// Counts the bytes of payload that the peer acknowledged.
    pub sent: Arc<AtomicU64>,
    /// Counts the failed attempts that are retried.
    pub retries: Arc<AtomicU64>,
    /// The error of the failed attempt that was retried last.
    pub last_retry: Arc<Mutex<Option<Error>>>,
    /// Limits the bandwidth of the payload. `None`: no limit.
    pub bandwidth: Option<Arc<TokenBucket>>,
}
