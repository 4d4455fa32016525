//! The connection pool, which keeps idle connections for later requests.
//!
//! If no descriptor is available for another connection, a request waits for a connection in use, unless none is in use.

use std::io::BufRead;
use std::sync::Arc;

use super::interface::{Connection, Transport};
use super::message::{Request, Response};
use super::request_context::RequestContext;
use crate::error::{ConnectFailure, Result};
use crate::limits::WORKERS_MAX;
use crate::sync::cancel::CANCEL_POLL_INTERVAL;
use crate::sync::{Condvar, Mutex, lock, wait_at_most};

/// The maximum number of idle connections: one for each worker of an upload.
const IDLE_MAX: usize = WORKERS_MAX as usize;

/// The connections of a client to one endpoint.
#[derive(Clone, Debug)]
pub struct ConnectionPool(Arc<Shared>);

impl ConnectionPool {
    /// Creates an empty pool.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self(Arc::new(Shared { transport, state: Mutex::default(), changed: Condvar::new() }))
    }

    /// Returns the idle connection that was used last, which is the most likely to be still open, or a new one.
    pub fn take(&self) -> PooledConnection {
        let mut state = lock(&self.0.state);
        state.in_use += 1;
        PooledConnection { connection: state.idle.pop(), pool: self.0.clone() }
    }
}

/// A connection of a pool. Dropping it returns the connection to the pool.
#[derive(Debug)]
pub struct PooledConnection {
    connection: Option<Box<dyn Connection>>,
    pool: Arc<Shared>,
}

impl PooledConnection {
    fn connection(&mut self) -> &mut dyn Connection {
        self.connection.get_or_insert_with(|| self.pool.transport.connection()).as_mut()
    }
}

impl Connection for PooledConnection {
    /// Opens the connection. If no descriptor is available, waits for the connection of another request, and fails if no other
    /// connection is in use.
    fn open(&mut self, context: &RequestContext) -> Result<()> {
        loop {
            let error = match self.connection().open(context) {
                Err(error) if error.connect_failure() == Some(ConnectFailure::NoResources) => error,
                result => return result,
            };
            self.connection = None;
            match self.pool.wait_for_release(context)? {
                Released::Connection(connection) => self.connection = connection,
                Released::NothingInUse => return Err(error),
            }
        }
    }

    fn exchange(&mut self, request: &Request, payload: &mut dyn BufRead, context: &RequestContext) -> Result<Response> {
        self.connection().exchange(request, payload, context)
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        let mut state = lock(&self.pool.state);
        state.in_use -= 1;
        state.released = state.released.wrapping_add(1);
        if state.idle.len() < IDLE_MAX {
            state.idle.extend(self.connection.take());
        }
        drop(state);
        self.pool.changed.notify_all();
    }
}

#[derive(Debug)]
struct Shared {
    transport: Arc<dyn Transport>,
    state: Mutex<State>,
    /// Notified when a connection is released, or a request starts to wait for one.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Box<dyn Connection>>,
    /// The number of requests that have a connection or are opening one. Requests that wait for a descriptor are not included,
    /// so two requests never wait for each other.
    in_use: usize,
    /// The number of releases.
    released: u64,
}

/// The result of waiting for a descriptor.
enum Released {
    /// Another request released its connection. `None` if the connection was closed, which freed a descriptor.
    Connection(Option<Box<dyn Connection>>),
    /// No other request has a connection.
    NothingInUse,
}

impl Shared {
    /// Waits until another request releases its connection, or until no other request has one.
    fn wait_for_release(&self, context: &RequestContext) -> Result<Released> {
        let mut state = lock(&self.state);
        let before = state.released;
        state.in_use -= 1;
        self.changed.notify_all();
        let result = loop {
            if let Some(idle) = state.idle.pop() {
                break Ok(Released::Connection(Some(idle)));
            }
            if state.released != before {
                break Ok(Released::Connection(None));
            }
            if state.in_use == 0 {
                break Ok(Released::NothingInUse);
            }
            if let Err(canceled) = context.cancel.check() {
                break Err(canceled);
            }
            state = wait_at_most(&self.changed, state, CANCEL_POLL_INTERVAL);
        };
        state.in_use += 1;
        result
    }
}

#[cfg(test)]
mod tests;
