//! The connection pool: connections that are not in use are kept for the next request.
//!
//! If there is no descriptor for another connection, a request waits for one that is in use, as long as there is any.

use std::sync::Arc;

use super::{Connection, Payload, Request, RequestContext, Response, Transport};
use crate::error::{ConnectFailure, Result};
use crate::limits::WORKERS_MAX;
use crate::sync::cancel::CANCEL_POLL_INTERVAL;
use crate::sync::{Condvar, Mutex, lock, wait_at_most};

/// The most connections that are kept: one for each worker that an upload may have.
const IDLE_MAX: usize = WORKERS_MAX as usize;

/// The connections of a client to one endpoint.
#[derive(Clone, Debug)]
pub struct ConnectionPool(Arc<Shared>);

impl ConnectionPool {
    /// An empty pool of connections by that transport.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self(Arc::new(Shared { transport, state: Mutex::default(), changed: Condvar::new() }))
    }

    /// A connection: the one that was used last, since it is the likeliest to be open still, or a new one.
    pub fn take(&self) -> PooledConnection {
        let mut state = lock(&self.0.state);
        state.in_use += 1;
        PooledConnection { connection: state.idle.pop(), home: self.0.clone() }
    }
}

/// A connection out of the pool, to which it returns when this is dropped.
#[derive(Debug)]
pub struct PooledConnection {
    connection: Option<Box<dyn Connection>>,
    home: Arc<Shared>,
}

impl PooledConnection {
    fn connection(&mut self) -> &mut dyn Connection {
        self.connection.get_or_insert_with(|| self.home.transport.connection()).as_mut()
    }
}

impl Connection for PooledConnection {
    /// Opens the connection. If there is no descriptor for it, waits for a connection of another request, and fails once no
    /// other is in use.
    fn open(&mut self, context: &RequestContext) -> Result<()> {
        loop {
            let error = match self.connection().open(context) {
                Err(error) if error.connect_failure() == Some(ConnectFailure::NoResources) => error,
                result => return result,
            };
            self.connection = None;
            match self.home.wait_for_release(context)? {
                Released::Connection(connection) => self.connection = connection,
                Released::NothingInUse => return Err(error),
            }
        }
    }

    fn exchange(&mut self, request: &Request, payload: Payload<'_>, context: &RequestContext) -> Result<Response> {
        self.connection().exchange(request, payload, context)
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        let mut state = lock(&self.home.state);
        state.in_use -= 1;
        state.released = state.released.wrapping_add(1);
        if state.idle.len() < IDLE_MAX {
            state.idle.extend(self.connection.take());
        }
        drop(state);
        self.home.changed.notify_all();
    }
}

#[derive(Debug)]
struct Shared {
    transport: Arc<dyn Transport>,
    state: Mutex<State>,
    /// A connection was released, or a request began to wait for one.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Box<dyn Connection>>,
    /// The requests that have a connection, or are opening one. Those that wait for a descriptor are not among them, so two
    /// requests never wait for each other.
    in_use: usize,
    /// Counts releases.
    released: u64,
}

/// What a wait for a descriptor ended with.
enum Released {
    /// Another request released its connection: the idle one to use next, or none if it was closed.
    Connection(Option<Box<dyn Connection>>),
    /// No other request has a connection that it could release.
    NothingInUse,
}

impl Shared {
    /// Waits until another request releases a connection, or until no other has one.
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
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::error::{Error, Kind};
    use crate::sync::atomic::AtomicBool;

    /// Numbers its connections; each answers with its number as the status.
    #[derive(Debug, Default)]
    struct Numbered(AtomicUsize);

    #[derive(Debug)]
    struct Number(usize);

    impl Transport for Numbered {
        fn connection(&self) -> Box<dyn Connection> {
            Box::new(Number(self.0.fetch_add(1, Ordering::Relaxed)))
        }
    }

    impl Connection for Number {
        fn open(&mut self, _: &RequestContext) -> Result<()> {
            Ok(())
        }

        fn exchange(&mut self, _: &Request, _: Payload<'_>, _: &RequestContext) -> Result<Response> {
            Ok(Response { status: u16::try_from(self.0).unwrap(), ..Response::default() })
        }
    }

    fn number(pooled: &mut PooledConnection) -> u16 {
        let request = Request { method: super::super::Method::Get, target: "/".to_owned(), headers: Vec::new() };
        pooled.exchange(&request, Payload::Empty, &RequestContext::default()).unwrap().status
    }

    #[test]
    fn the_last_one_used_comes_first() {
        let pool = ConnectionPool::new(Arc::new(Numbered::default()));
        let (mut a, mut b) = (pool.take(), pool.take());
        assert_eq!((number(&mut a), number(&mut b)), (0, 1));
        drop(a);
        drop(b);
        let (mut first, mut second, mut third) = (pool.take(), pool.take(), pool.take());
        assert_eq!((number(&mut first), number(&mut second), number(&mut third)), (1, 0, 2));
    }

    #[test]
    fn no_more_than_the_most_are_kept() {
        let transport = Arc::new(Numbered::default());
        let pool = ConnectionPool::new(transport.clone());
        let use_many = || {
            let mut taken: Vec<_> = (0..IDLE_MAX + 3).map(|_| pool.take()).collect();
            taken.iter_mut().for_each(|one| _ = number(one));
        };
        use_many();
        use_many();
        assert_eq!(transport.0.load(Ordering::Relaxed), IDLE_MAX + 3 + 3);
    }

    /// Opens connections as long as there are descriptors.
    #[derive(Debug)]
    struct Scarce {
        descriptors: Arc<Mutex<usize>>,
        /// How often opening failed.
        refusals: Arc<AtomicUsize>,
        /// Whether a connection closes after one exchange.
        closes: bool,
    }

    #[derive(Debug)]
    struct Holder {
        descriptors: Arc<Mutex<usize>>,
        refusals: Arc<AtomicUsize>,
        is_open: bool,
        closes: bool,
    }

    impl Transport for Scarce {
        fn connection(&self) -> Box<dyn Connection> {
            Box::new(Holder {
                descriptors: self.descriptors.clone(),
                refusals: self.refusals.clone(),
                is_open: false,
                closes: self.closes,
            })
        }
    }

    impl Connection for Holder {
        fn open(&mut self, _: &RequestContext) -> Result<()> {
            let mut left = lock(&self.descriptors);
            if !self.is_open && *left == 0 {
                self.refusals.fetch_add(1, Ordering::SeqCst);
                let error = Error::new(Kind::Memory, "too many open files");
                return Err(error.not_connected(ConnectFailure::NoResources));
            }
            *left -= usize::from(!self.is_open);
            self.is_open = true;
            Ok(())
        }

        fn exchange(&mut self, _: &Request, _: Payload<'_>, _: &RequestContext) -> Result<Response> {
            if self.closes {
                self.close();
            }
            Ok(Response::default())
        }
    }

    impl Holder {
        fn close(&mut self) {
            *lock(&self.descriptors) += usize::from(self.is_open);
            self.is_open = false;
        }
    }

    impl Drop for Holder {
        fn drop(&mut self) {
            self.close();
        }
    }

    fn scarce(descriptors: usize, closes: bool) -> (ConnectionPool, Arc<AtomicUsize>) {
        let refusals = Arc::new(AtomicUsize::new(0));
        let descriptors = Arc::new(Mutex::new(descriptors));
        (ConnectionPool::new(Arc::new(Scarce { descriptors, refusals: refusals.clone(), closes })), refusals)
    }

    #[test]
    fn fails_at_once_without_descriptors_if_nothing_is_in_use() {
        let (pool, refusals) = scarce(0, false);
        let error = pool.take().open(&RequestContext::default()).unwrap_err();
        assert_eq!((error.kind(), error.connect_failure()), (Kind::Memory, Some(ConnectFailure::NoResources)));
        assert!(error.is_not_sent());
        assert_eq!(refusals.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn fails_without_descriptors_if_all_others_fail_too() {
        let (pool, _) = scarce(0, false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    assert_eq!(pool.take().open(&RequestContext::default()).unwrap_err().kind(), Kind::Memory)
                });
            }
        });
    }

    #[test]
    fn waits_without_descriptors_for_a_connection_in_use() {
        for closes in [false, true] {
            let (pool, refusals) = scarce(1, closes);
            let mut first = pool.take();
            first.open(&RequestContext::default()).unwrap();
            std::thread::scope(|scope| {
                let waiter = scope.spawn(|| pool.take().open(&RequestContext::default()));
                while refusals.load(Ordering::SeqCst) == 0 {
                    std::thread::yield_now();
                }
                number(&mut first);
                drop(first);
                waiter.join().unwrap().unwrap();
            });
        }
    }

    #[test]
    fn shares_two_descriptors_among_eight_threads() {
        let (pool, _) = scarce(2, false);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let mut taken = pool.take();
                        taken.open(&RequestContext::default()).unwrap();
                        number(&mut taken);
                    }
                });
            }
        });
    }

    #[test]
    fn a_cancel_ends_the_wait_for_a_connection() {
        let (pool, refusals) = scarce(1, false);
        let mut first = pool.take();
        first.open(&RequestContext::default()).unwrap();
        let context = RequestContext::default();
        let is_canceled = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let error = pool.take().open(&context).unwrap_err();
                assert!(is_canceled.load(Ordering::SeqCst));
                error.kind()
            });
            while refusals.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            is_canceled.store(true, Ordering::SeqCst);
            context.cancel.raise();
            assert_eq!(waiter.join().unwrap(), Kind::Canceled);
        });
    }
}
