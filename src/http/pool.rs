//! Connections that are not in use, kept for the next request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Connection, Payload, Request, Response, Transport, Watch};
use crate::error::Result;
use crate::limits::WORKERS_MAX;

/// The most connections that are kept: one for each worker that an upload may have.
const IDLE_MAX: usize = WORKERS_MAX as usize;

/// The connections to one endpoint that nobody uses just now.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Shared>);

impl Pool {
    /// A pool of connections by that transport; empty.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self(Arc::new(Shared { transport, idle: Mutex::default() }))
    }

    /// A connection: the one that was used last, since it is the likeliest to be open still, or a new one.
    pub fn take(&self) -> Pooled {
        Pooled { connection: self.0.idle().pop(), home: self.0.clone() }
    }
}

/// A connection out of the pool, to which it goes back when this is dropped.
#[derive(Debug)]
pub struct Pooled {
    connection: Option<Box<dyn Connection>>,
    home: Arc<Shared>,
}

impl Pooled {
    fn connection(&mut self) -> &mut dyn Connection {
        self.connection.get_or_insert_with(|| self.home.transport.connection()).as_mut()
    }
}

impl Connection for Pooled {
    fn open(&mut self, watch: &Watch) -> Result<()> {
        self.connection().open(watch)
    }

    fn exchange(&mut self, request: &Request, payload: Payload<'_>, watch: &Watch) -> Result<Response> {
        self.connection().exchange(request, payload, watch)
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let mut idle = self.home.idle();
        if idle.len() < IDLE_MAX {
            idle.extend(self.connection.take());
        }
    }
}

#[derive(Debug)]
struct Shared {
    transport: Arc<dyn Transport>,
    idle: Mutex<Vec<Box<dyn Connection>>>,
}

impl Shared {
    /// A list of whole connections is right after a panic too.
    fn idle(&self) -> MutexGuard<'_, Vec<Box<dyn Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

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
        fn open(&mut self, _: &Watch) -> Result<()> {
            Ok(())
        }

        fn exchange(&mut self, _: &Request, _: Payload<'_>, _: &Watch) -> Result<Response> {
            Ok(Response { status: u16::try_from(self.0).unwrap(), ..Response::default() })
        }
    }

    fn number(pooled: &mut Pooled) -> u16 {
        let request = Request { method: super::super::Method::Get, target: "/".to_owned(), headers: Vec::new() };
        pooled.exchange(&request, Payload::Empty, &Watch::default()).unwrap().status
    }

    #[test]
    fn the_last_one_used_comes_first() {
        let pool = Pool::new(Arc::new(Numbered::default()));
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
        let pool = Pool::new(transport.clone());
        let use_many = || {
            let mut taken: Vec<_> = (0..IDLE_MAX + 3).map(|_| pool.take()).collect();
            taken.iter_mut().for_each(|one| _ = number(one));
        };
        use_many();
        use_many();
        assert_eq!(transport.0.load(Ordering::Relaxed), IDLE_MAX + 3 + 3);
    }
}
