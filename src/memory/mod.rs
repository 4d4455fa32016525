//! The buffer pool: the memory limit of a client. Uploads acquire part buffers from it in FIFO order. The pool keeps
//! released buffers for the next part.

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

/// A pool of part buffers with a limit on their total size.
///
/// Deadlock rule: never wait for a second buffer while holding one. A thread that holds a buffer must be able to release
/// it without help from the caller. A stream, whose buffer the caller fills at any speed, uses a [`Reservation`] instead.
#[derive(Debug)]
pub(crate) struct BufferPool {
    limit: u64,
    /// Without FIFO order, requests for small buffers would starve those for large ones.
    queue: FifoLock,
    state: Mutex<PoolState>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct PoolState {
    /// The bytes of all buffers, including idle ones. Excludes those of reservations, and alignment padding.
    allocated: u64,
    /// The bytes of all reservations.
    reserved: u64,
    /// Released buffers, kept for reuse.
    idle: Vec<AlignedBytes>,
}

impl BufferPool {
    /// Creates a pool with a limit in bytes.
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, queue: FifoLock::default(), state: Mutex::default(), returned: Condvar::new() }
    }

    /// Returns the limit in bytes.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Returns a buffer of exactly `length` bytes with arbitrary content. Waits while the limit is reached. If no other
    /// buffer exists, one of any length is allocated.
    ///
    /// # Errors
    /// `Canceled`; `Memory` if the system is out of memory.
    pub(crate) fn acquire(self: &Arc<Self>, length: usize, cancel: &Cancel) -> Result<Buffer> {
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

    /// Reserves memory for one buffer. Its owner can always make progress, whatever other uploads hold.
    ///
    /// # Errors
    /// `Memory` if other reservations leave less than `length` bytes of the limit.
    pub(crate) fn reserve(self: &Arc<Self>, length: usize) -> Result<Reservation> {
        let mut state = self.lock();
        let left = self.limit.saturating_sub(state.reserved);
        if length as u64 > left {
            return Err(Error::new(
                Kind::Memory,
                format!(
                    "a part of {length} bytes does not fit in the memory limit: other open streams of the client leave \
                     {left} of {} bytes",
                    self.limit
                ),
            ));
        }
        state.reserved += length as u64;
        Ok(Reservation { length, slot: Arc::new(Mutex::new(Some(AlignedBytes::default()))), pool: Arc::clone(self) })
    }

    /// Acquires the reserved buffer or one from the pool, whichever is available first. The reserved buffer does not wait
    /// in the queue.
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

    /// Makes a buffer of `length` bytes, whose memory is already counted. `bytes` is reused if it has that length.
    fn allocate(self: &Arc<Self>, bytes: AlignedBytes, slot: Option<ReservedSlot>, length: usize) -> Result<Buffer> {
        // The queue moved. A thread in `acquire_reserved` may be first now.
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

    /// Frees idle buffers. Called at the end of an upload.
    pub(crate) fn trim(&self) {
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

    /// Counts `length` bytes if the limit allows it. Returns an idle buffer of that length, or an empty one to allocate.
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

/// Returns `bytes` if its length is `length`, otherwise a new buffer.
fn with_length(bytes: AlignedBytes, length: usize) -> Result<AlignedBytes> {
    if bytes.len() == length {
        return Ok(bytes);
    }
    emergency_memory::allocate_large(|| {
        AlignedBytes::new(length).map_err(|cause| {
            Error::new(Kind::Memory, format!("out of memory: cannot allocate a part buffer of {length} bytes"))
                .caused_by(cause)
        })
    })
}

/// The buffer of a reservation while it is not in use. Lock order: the pool's state, then this.
type ReservedSlot = Arc<Mutex<Option<AlignedBytes>>>;

/// Memory for one buffer, reserved until this is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    length: usize,
    slot: ReservedSlot,
    pool: Arc<BufferPool>,
}

impl Reservation {
    /// Returns a buffer of the reserved length: the reserved one if it is not in use, otherwise one from the pool.
    ///
    /// # Errors
    /// As [`BufferPool::acquire`].
    pub(crate) fn acquire(&self, cancel: &Cancel) -> Result<Buffer> {
        self.pool.acquire_reserved(&self.slot, self.length, cancel)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.pool.lock().reserved -= self.length as u64;
        self.pool.returned.notify_all();
    }
}

/// A buffer of a pool, released on drop.
pub(crate) struct Buffer {
    bytes: AlignedBytes,
    /// The slot to return to, if the buffer is reserved.
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
mod tests;
