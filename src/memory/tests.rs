use super::*;
use std::thread;

fn allocated(pool: &BufferPool) -> u64 {
    pool.lock().allocated
}

#[test]
fn counts_idle_buffers_against_the_limit() {
    let pool = Arc::new(BufferPool::new(100));
    let cancel = Cancel::default();
    let (a, b) = (pool.acquire(40, &cancel).unwrap(), pool.acquire(60, &cancel).unwrap());
    assert_eq!(allocated(&pool), 100);
    drop((a, b));
    assert_eq!(allocated(&pool), 100, "both are idle");
    let _again = pool.acquire(60, &cancel).unwrap();
    assert_eq!(allocated(&pool), 100, "reuses an idle buffer");
    let _other = pool.acquire(30, &cancel).unwrap();
    assert_eq!(allocated(&pool), 90, "freed the idle buffer of another size");
}

#[test]
fn allocates_one_buffer_above_the_limit() {
    let pool = Arc::new(BufferPool::new(10));
    assert_eq!(pool.acquire(50, &Cancel::default()).unwrap().len(), 50);
}

#[test]
fn serves_waiters_in_fifo_order() {
    let pool = Arc::new(BufferPool::new(100));
    let cancel = Arc::new(Cancel::default());
    let held = pool.acquire(100, &cancel).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| pool.acquire(100, &cancel).map(|buffer| buffer.len()));
        while pool.queue.len() < 1 {
            thread::yield_now();
        }
        let second = scope.spawn(|| pool.acquire(10, &cancel).map(|buffer| buffer.len()));
        while pool.queue.len() < 2 {
            thread::yield_now();
        }
        drop(held);
        assert_eq!(waiting.join().unwrap().unwrap(), 100);
        assert_eq!(second.join().unwrap().unwrap(), 10);
    });
}

#[test]
fn cancellation_ends_the_wait() {
    let pool = Arc::new(BufferPool::new(10));
    let cancel = Cancel::default();
    let _held = pool.acquire(10, &cancel).unwrap();
    cancel.raise();
    assert_eq!(pool.acquire(10, &cancel).unwrap_err().kind(), Kind::Canceled);
    assert_eq!(pool.queue.len(), 0);
}

#[test]
fn reports_out_of_memory() {
    let pool = Arc::new(BufferPool::new(u64::MAX));
    let error = pool.acquire(isize::MAX as usize, &Cancel::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::Memory);
    assert_eq!(allocated(&pool), 0);
}

#[test]
fn aligns_every_buffer_to_a_cache_line() {
    let pool = Arc::new(BufferPool::new(100_000));
    let cancel = Cancel::default();
    let reservation = pool.reserve(5000).unwrap();
    for _new_then_reused in 0..2 {
        let taken = [1, 100, 50_000].map(|length| pool.acquire(length, &cancel).unwrap());
        for buffer in
            taken.into_iter().chain([reservation.acquire(&cancel).unwrap(), reservation.acquire(&cancel).unwrap()])
        {
            assert_eq!(buffer.as_ptr().addr() % 64, 0, "{buffer:?}");
        }
    }
    assert_eq!(allocated(&pool), 1 + 100 + 50_000 + 5000, "the second round reuses idle buffers");
}

#[test]
fn trim_frees_idle_buffers() {
    let pool = Arc::new(BufferPool::new(100));
    let cancel = Cancel::default();
    let kept = pool.acquire(20, &cancel).unwrap();
    drop(pool.acquire(30, &cancel).unwrap());
    pool.trim();
    assert_eq!(allocated(&pool), 20);
    drop(kept);
}

#[test]
fn reservation_is_available_when_the_pool_is_exhausted() {
    let pool = Arc::new(BufferPool::new(100));
    let cancel = Cancel::default();
    let reservation = pool.reserve(40).unwrap();
    let _rest = pool.acquire(60, &cancel).unwrap();
    let own = reservation.acquire(&cancel).unwrap();
    assert_eq!(own.len(), 40);
    thread::scope(|scope| {
        let second = scope.spawn(|| reservation.acquire(&cancel).map(|buffer| buffer.len()));
        while pool.queue.len() < 1 {
            thread::yield_now();
        }
        drop(own);
        assert_eq!(second.join().unwrap().unwrap(), 40);
    });
    drop(reservation);
    assert_eq!(pool.lock().reserved, 0);
}

#[test]
fn reservations_count_against_the_limit() {
    let pool = Arc::new(BufferPool::new(100));
    let cancel = Cancel::default();
    let first = pool.reserve(60).unwrap();
    let error = pool.reserve(50).unwrap_err();
    assert_eq!(error.kind(), Kind::Memory);
    assert!(error.message().contains("leave 40 of 100"), "{error}");
    let _second = pool.reserve(40).unwrap();
    let (_own, _above_the_limit) = (first.acquire(&cancel).unwrap(), first.acquire(&cancel).unwrap());
    cancel.raise();
    assert_eq!(pool.acquire(1, &cancel).unwrap_err().kind(), Kind::Canceled);
}
