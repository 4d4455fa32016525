//! What ureq gets to see of a connection that is open already.

use std::fmt;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport as UreqSocket};

use super::buffers::ExchangeBuffers;
use super::exchange::SharedExchange;
use super::response::HEAD_MAX;
use crate::error::Error;
use crate::sync::{Mutex, lock};

/// ureq's input buffer. The header section of a response must fit in it, with the few bytes that normalizing adds.
const RECV_BUFFER: usize = HEAD_MAX + (4 << 10);
/// ureq's output buffer: the head of a request must fit in it, and of a payload, which never lies in it, no more than this
/// is sent in one step.
pub(super) const SEND_BUFFER: usize = 128 << 10;

/// The longest output that may be the head of a request, and is cleared once it was sent. A longer one is overwritten or
/// cleared with the connection.
const HEAD_CLEARED: usize = 32 << 10;

/// An open connection as ureq's transport. Dropping it closes the connection.
pub(crate) struct UreqAdapter {
    exchange: SharedExchange,
    buffers: ExchangeBuffers,
}

impl UreqAdapter {
    /// Creates the adapter over an open connection.
    ///
    /// # Errors
    /// `Memory`.
    pub(crate) fn new(exchange: SharedExchange) -> crate::error::Result<Self> {
        Ok(Self { exchange, buffers: ExchangeBuffers::new(RECV_BUFFER, SEND_BUFFER)? })
    }
}

impl UreqSocket for UreqAdapter {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        let bytes = self.buffers.output().get(..amount).unwrap_or_default();
        let sent = lock(&self.exchange).send(bytes).map_err(wrap_error);
        // Of payload there is nothing in it.
        if amount <= HEAD_CLEARED {
            self.buffers.clear_output(amount);
        }
        sent
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        let input = self.buffers.input_append_buf();
        let length = lock(&self.exchange).receive(input).map_err(wrap_error)?;
        self.buffers.input_appended(length);
        Ok(length > 0)
    }

    fn is_open(&mut self) -> bool {
        lock(&self.exchange).is_persistent()
    }

    fn is_tls(&self) -> bool {
        lock(&self.exchange).is_tls()
    }
}

impl fmt::Debug for UreqAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UreqAdapter").finish_non_exhaustive()
    }
}

/// Carries one of our own errors through ureq; `recovered` takes it out again.
pub(crate) fn wrap_error(error: Error) -> ureq::Error {
    ureq::Error::Io(std::io::Error::other(error))
}

/// Hands ureq the one connection that was opened for it. When that is gone, ureq gets no other: a new one must be
/// opened before the next request is signed.
#[derive(Debug)]
pub(crate) struct SingleConnection(Mutex<Option<UreqAdapter>>);

impl SingleConnection {
    /// Of that connection.
    pub(crate) fn new(guard: UreqAdapter) -> Self {
        Self(Mutex::new(Some(guard)))
    }
}

impl Connector<()> for SingleConnection {
    type Out = UreqAdapter;

    fn connect(&self, _: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<UreqAdapter>, ureq::Error> {
        Ok(lock(&self.0).take())
    }
}

/// Keeps ureq from looking names up, which it does before every request and, under some of its timeouts, on threads
/// that it abandons.
#[derive(Debug)]
pub(crate) struct NoDns;

impl Resolver for NoDns {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}
