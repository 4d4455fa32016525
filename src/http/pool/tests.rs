use std::io::{self, BufRead};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::error::{Error, Kind};
use crate::sync::atomic::AtomicBool;

/// Numbers its connections. Each responds with its number as the status.
#[derive(Debug, Default)]
struct NumberingTransport(AtomicUsize);

#[derive(Debug)]
struct NumberedConnection(usize);

impl Transport for NumberingTransport {
    fn connection(&self) -> Box<dyn Connection> {
        Box::new(NumberedConnection(self.0.fetch_add(1, Ordering::Relaxed)))
    }
}

impl Connection for NumberedConnection {
    fn open(&mut self, _: &RequestContext) -> Result<()> {
        Ok(())
    }

    fn exchange(&mut self, _: &Request, _: &mut dyn BufRead, _: &RequestContext) -> Result<Response> {
        Ok(Response { status: u16::try_from(self.0).unwrap(), ..Response::default() })
    }
}

fn number(pooled: &mut PooledConnection) -> u16 {
    let request = Request { method: super::super::Method::Get, target: "/".to_owned(), headers: Vec::new(), length: 0 };
    pooled.exchange(&request, &mut io::empty(), &RequestContext::default()).unwrap().status
}

#[test]
fn takes_the_connection_used_last() {
    let pool = ConnectionPool::new(Arc::new(NumberingTransport::default()));
    let (mut a, mut b) = (pool.take(), pool.take());
    assert_eq!((number(&mut a), number(&mut b)), (0, 1));
    drop(a);
    drop(b);
    let (mut first, mut second, mut third) = (pool.take(), pool.take(), pool.take());
    assert_eq!((number(&mut first), number(&mut second), number(&mut third)), (1, 0, 2));
}

#[test]
fn keeps_a_limited_number_of_idle_connections() {
    let transport = Arc::new(NumberingTransport::default());
    let pool = ConnectionPool::new(transport.clone());
    let use_many = || {
        let mut taken: Vec<_> = (0..IDLE_MAX + 3).map(|_| pool.take()).collect();
        taken.iter_mut().for_each(|one| _ = number(one));
    };
    use_many();
    use_many();
    assert_eq!(transport.0.load(Ordering::Relaxed), IDLE_MAX + 3 + 3);
}

/// Creates connections that need a descriptor each.
#[derive(Debug)]
struct LimitedTransport {
    descriptors: Arc<Mutex<usize>>,
    /// The number of failures to open a connection.
    failures: Arc<AtomicUsize>,
    /// Whether a connection closes after one exchange.
    closes: bool,
}

#[derive(Debug)]
struct LimitedConnection {
    descriptors: Arc<Mutex<usize>>,
    failures: Arc<AtomicUsize>,
    is_open: bool,
    closes: bool,
}

impl Transport for LimitedTransport {
    fn connection(&self) -> Box<dyn Connection> {
        Box::new(LimitedConnection {
            descriptors: self.descriptors.clone(),
            failures: self.failures.clone(),
            is_open: false,
            closes: self.closes,
        })
    }
}

impl Connection for LimitedConnection {
    fn open(&mut self, _: &RequestContext) -> Result<()> {
        let mut left = lock(&self.descriptors);
        if !self.is_open && *left == 0 {
            self.failures.fetch_add(1, Ordering::SeqCst);
            let error = Error::new(Kind::Memory, "too many open files");
            return Err(error.not_connected(ConnectFailure::NoResources));
        }
        *left -= usize::from(!self.is_open);
        self.is_open = true;
        Ok(())
    }

    fn exchange(&mut self, _: &Request, _: &mut dyn BufRead, _: &RequestContext) -> Result<Response> {
        if self.closes {
            self.close();
        }
        Ok(Response::default())
    }
}

impl LimitedConnection {
    fn close(&mut self) {
        *lock(&self.descriptors) += usize::from(self.is_open);
        self.is_open = false;
    }
}

impl Drop for LimitedConnection {
    fn drop(&mut self) {
        self.close();
    }
}

fn pool_with_limit(descriptors: usize, closes: bool) -> (ConnectionPool, Arc<AtomicUsize>) {
    let failures = Arc::new(AtomicUsize::new(0));
    let descriptors = Arc::new(Mutex::new(descriptors));
    (ConnectionPool::new(Arc::new(LimitedTransport { descriptors, failures: failures.clone(), closes })), failures)
}

#[test]
fn fails_at_once_without_descriptors_if_none_is_in_use() {
    let (pool, failures) = pool_with_limit(0, false);
    let error = pool.take().open(&RequestContext::default()).unwrap_err();
    assert_eq!((error.kind(), error.connect_failure()), (Kind::Memory, Some(ConnectFailure::NoResources)));
    assert!(error.is_not_sent());
    assert_eq!(failures.load(Ordering::SeqCst), 1);
}

#[test]
fn fails_without_descriptors_if_all_others_fail_too() {
    let (pool, _) = pool_with_limit(0, false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(pool.take().open(&RequestContext::default()).unwrap_err().kind(), Kind::Memory));
        }
    });
}

#[test]
fn waits_without_descriptors_for_a_connection_in_use() {
    for closes in [false, true] {
        let (pool, failures) = pool_with_limit(1, closes);
        let mut first = pool.take();
        first.open(&RequestContext::default()).unwrap();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| pool.take().open(&RequestContext::default()));
            while failures.load(Ordering::SeqCst) == 0 {
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
    let (pool, _) = pool_with_limit(2, false);
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
fn cancel_ends_the_wait_for_a_connection() {
    let (pool, failures) = pool_with_limit(1, false);
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
        while failures.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        is_canceled.store(true, Ordering::SeqCst);
        context.cancel.raise();
        assert_eq!(waiter.join().unwrap(), Kind::Canceled);
    });
}
