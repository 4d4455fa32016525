//! The memory limit of a client: part buffers are taken from it, waited for in turn, and kept for the next part.

pub(crate) mod aligned;

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use self::aligned::AlignedBytes;
use crate::error::{Error, Kind, Result};
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel};
use crate::sync::fifo::FifoLock;
use crate::sync::{Condvar, Mutex, MutexGuard, lock, wait_at_most};
use crate::sys::emergency_memory;

/// The limit, and what is taken from it.
///
/// Nobody may wait for a second buffer while holding a first: so whoever waits, waits for one that will come back by itself.
/// A buffer that the caller fills in their own time does not: who needs such ones has a [`Reservation`].
#[derive(Debug)]
pub struct BufferPool {
    limit: u64,
    /// First come first: without a turn, small buffers would starve large ones.
    queue: FifoLock,
    state: Mutex<PoolState>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct PoolState {
    /// Bytes of all buffers, those that lie idle included, but not those of reserves, nor the slack that aligns each.
    allocated: u64,
    /// Bytes that reserves have.
    reserved: u64,
    idle: Vec<AlignedBytes>,
}

impl BufferPool {
    /// A pool of so many bytes.
    pub fn new(limit: u64) -> Self {
        Self { limit, queue: FifoLock::default(), state: Mutex::default(), returned: Condvar::new() }
    }

    /// The bytes that may be held at once.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// A buffer of exactly `length` bytes, of any content. Waits until the limit admits it; one buffer is always admitted.
    ///
    /// # Errors
    /// `Canceled`; `Memory` if the system has none.
    pub fn acquire(self: &Arc<Self>, length: usize, cancel: &Cancel) -> Result<Buffer> {
        let place = self.queue.acquire(cancel)?;
        let mut state = self.lock();
        let bytes = loop {
            cancel.check()?;
            if let Some(bytes) = self.try_acquire(&mut state, length) {
                break bytes;
            }
            state = self.wait(state);
        };
        drop(state);
        drop(place);
        self.allocate(bytes, None, length)
    }

    /// Sets room for one buffer aside, which nobody else can have: with it, work goes on whatever others hold.
    ///
    /// # Errors
    /// `Memory` if other reserves leave no room for it.
    pub fn reserve(self: &Arc<Self>, length: usize) -> Result<Reservation> {
        let mut state = self.lock();
        let left = self.limit.saturating_sub(state.reserved);
        if length as u64 > left {
            return Err(Error::new(
                Kind::Memory,
                format!(
                    "a part of {length} bytes does not fit into the memory limit: of its {} bytes, other open streams of \
                     the client leave {left}",
                    self.limit
                ),
            ));
        }
        state.reserved += length as u64;
        Ok(Reservation { length, slot: Arc::new(Mutex::new(Some(AlignedBytes::default()))), pool: Arc::clone(self) })
    }

    /// As `take`, but the reserve's own room is as good as that for all, and waits for nobody's turn.
    fn acquire_reserved(self: &Arc<Self>, slot: &ReservedSlot, length: usize, cancel: &Cancel) -> Result<Buffer> {
        let place = self.queue.enqueue();
        let mut state = self.lock();
        let (bytes, slot) = loop {
            cancel.check()?;
            if let Some(bytes) = lock(slot).take() {
                break (bytes, Some(Arc::clone(slot)));
            }
            if place.is_first()
                && let Some(bytes) = self.try_acquire(&mut state, length)
            {
                break (bytes, None);
            }
            state = self.wait(state);
        };
        drop(state);
        drop(place);
        self.allocate(bytes, slot, length)
    }

    /// A buffer of its length, out of bytes that were admitted.
    fn allocate(self: &Arc<Self>, bytes: AlignedBytes, slot: Option<ReservedSlot>, length: usize) -> Result<Buffer> {
        // Whoever waits for its reserve may be the first in line now.
        self.returned.notify_all();
        let bytes = with_length(bytes, length).inspect_err(|_| {
            match &slot {
                Some(slot) => *lock(slot) = Some(AlignedBytes::default()),
                None => self.lock().allocated -= length as u64,
            }
            self.returned.notify_all();
        })?;
        Ok(Buffer { bytes, slot, pool: Arc::clone(self) })
    }

    /// Frees what lies idle, when an upload is over.
    pub fn trim(&self) {
        let idle = {
            let mut state = self.lock();
            let idle = std::mem::take(&mut state.idle);
            state.allocated -= idle.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
            idle
        };
        drop(idle);
    }

    fn wait<'a>(&self, state: MutexGuard<'a, PoolState>) -> MutexGuard<'a, PoolState> {
        wait_at_most(&self.returned, state, CANCEL_POLL_INTERVAL)
    }

    /// ReservedSlot for a buffer, if there is any now: one of that length that lies idle, or an empty one to fill.
    fn try_acquire(&self, state: &mut PoolState, length: usize) -> Option<AlignedBytes> {
        if let Some(at) = state.idle.iter().position(|bytes| bytes.len() == length) {
            return Some(state.idle.swap_remove(at));
        }
        while state.allocated > 0 && state.allocated + state.reserved + length as u64 > self.limit {
            let unused = state.idle.pop()?;
            state.allocated -= unused.len() as u64;
        }
        state.allocated += length as u64;
        Some(AlignedBytes::default())
    }

    fn release(&self, bytes: AlignedBytes, slot: Option<&ReservedSlot>) {
        let mut state = self.lock();
        match slot {
            Some(slot) => *lock(slot) = Some(bytes),
            None => state.idle.push(bytes),
        }
        drop(state);
        self.returned.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, PoolState> {
        lock(&self.state)
    }
}

/// The bytes themselves if they have the length already; otherwise new ones.
fn with_length(bytes: AlignedBytes, length: usize) -> Result<AlignedBytes> {
    if bytes.len() == length {
        return Ok(bytes);
    }
    emergency_memory::allocate_large(|| {
        AlignedBytes::new(length).map_err(|cause| {
            Error::new(Kind::Memory, format!("no memory for a part buffer of {length} bytes")).caused_by(cause)
        })
    })
}

/// Where the buffer of a reserve lies while nobody holds it. Locked below the pool's own lock.
type ReservedSlot = Arc<Mutex<Option<AlignedBytes>>>;

/// ReservedSlot for one buffer, set aside until this is dropped.
#[derive(Debug)]
pub struct Reservation {
    length: usize,
    slot: ReservedSlot,
    pool: Arc<BufferPool>,
}

impl Reservation {
    /// A buffer of the length reserved: the one set aside if it is not in use, else one as anybody gets it.
    ///
    /// # Errors
    /// As [`BufferPool::acquire`].
    pub fn acquire(&self, cancel: &Cancel) -> Result<Buffer> {
        self.pool.acquire_reserved(&self.slot, self.length, cancel)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.pool.lock().reserved -= self.length as u64;
        self.pool.returned.notify_all();
    }
}

/// Bytes from a pool, given back when dropped.
pub struct Buffer {
    bytes: AlignedBytes,
    /// The room it goes back to, if it is of a reserve.
    slot: Option<ReservedSlot>,
    pool: Arc<BufferPool>,
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.pool.release(std::mem::take(&mut self.bytes), self.slot.as_ref());
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn allocated(pool: &BufferPool) -> u64 {
        pool.lock().allocated
    }

    #[test]
    fn the_limit_holds_with_idle_buffers_counted() {
        let pool = Arc::new(BufferPool::new(100));
        let cancel = Cancel::default();
        let (a, b) = (pool.acquire(40, &cancel).unwrap(), pool.acquire(60, &cancel).unwrap());
        assert_eq!(allocated(&pool), 100);
        drop((a, b));
        assert_eq!(allocated(&pool), 100, "both lie idle");
        let _again = pool.acquire(60, &cancel).unwrap();
        assert_eq!(allocated(&pool), 100, "an idle one is used again");
        let _other = pool.acquire(30, &cancel).unwrap();
        assert_eq!(allocated(&pool), 90, "the idle one of another size made room");
    }

    #[test]
    fn one_buffer_is_always_admitted() {
        let pool = Arc::new(BufferPool::new(10));
        assert_eq!(pool.acquire(50, &Cancel::default()).unwrap().len(), 50);
    }

    #[test]
    fn who_waits_gets_it_in_turn() {
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
    fn cancel_ends_the_wait() {
        let pool = Arc::new(BufferPool::new(10));
        let cancel = Cancel::default();
        let _held = pool.acquire(10, &cancel).unwrap();
        cancel.raise();
        assert_eq!(pool.acquire(10, &cancel).unwrap_err().kind(), Kind::Canceled);
        assert_eq!(pool.queue.len(), 0);
    }

    #[test]
    fn memory_that_cannot_be_had_is_an_error() {
        let pool = Arc::new(BufferPool::new(u64::MAX));
        let error = pool.acquire(isize::MAX as usize, &Cancel::default()).unwrap_err();
        assert_eq!(error.kind(), Kind::Memory);
        assert_eq!(allocated(&pool), 0);
    }

    #[test]
    fn every_buffer_begins_on_a_cache_line() {
        let pool = Arc::new(BufferPool::new(100_000));
        let cancel = Cancel::default();
        let reserve = pool.reserve(5000).unwrap();
        for _first_then_used_again in 0..2 {
            let taken = [1, 100, 50_000].map(|length| pool.acquire(length, &cancel).unwrap());
            for buffer in
                taken.into_iter().chain([reserve.acquire(&cancel).unwrap(), reserve.acquire(&cancel).unwrap()])
            {
                assert_eq!(buffer.as_ptr().addr() % 64, 0, "{buffer:?}");
            }
        }
        assert_eq!(allocated(&pool), 1 + 100 + 50_000 + 5000, "those of the second time were idle");
    }

    #[test]
    fn what_lies_idle_can_be_freed() {
        let pool = Arc::new(BufferPool::new(100));
        let cancel = Cancel::default();
        let kept = pool.acquire(20, &cancel).unwrap();
        drop(pool.acquire(30, &cancel).unwrap());
        pool.trim();
        assert_eq!(allocated(&pool), 20);
        drop(kept);
    }

    #[test]
    fn a_reserve_is_there_whatever_others_hold() {
        let pool = Arc::new(BufferPool::new(100));
        let cancel = Cancel::default();
        let reserve = pool.reserve(40).unwrap();
        let _all_the_rest = pool.acquire(60, &cancel).unwrap();
        let own = reserve.acquire(&cancel).unwrap();
        assert_eq!(own.len(), 40);
        thread::scope(|scope| {
            let second = scope.spawn(|| reserve.acquire(&cancel).map(|buffer| buffer.len()));
            while pool.queue.len() < 1 {
                thread::yield_now();
            }
            drop(own);
            assert_eq!(second.join().unwrap().unwrap(), 40);
        });
        drop(reserve);
        assert_eq!(pool.lock().reserved, 0);
    }

    #[test]
    fn reserves_leave_less_to_others_and_no_more_than_the_limit_to_each_other() {
        let pool = Arc::new(BufferPool::new(100));
        let cancel = Cancel::default();
        let first = pool.reserve(60).unwrap();
        let error = pool.reserve(50).unwrap_err();
        assert_eq!(error.kind(), Kind::Memory);
        assert!(error.message().contains("leave 40"), "{error}");
        let _second = pool.reserve(40).unwrap();
        let (_own, _one_is_always_admitted) = (first.acquire(&cancel).unwrap(), first.acquire(&cancel).unwrap());
        cancel.raise();
        assert_eq!(pool.acquire(1, &cancel).unwrap_err().kind(), Kind::Canceled);
    }
}
