//! A pipe from the caller's thread to the pipeline: bytes that the caller writes, or that the caller's callback reads. They go
//! directly into the buffer of the current part.

use std::sync::Arc;

use crate::callback_loop::WakeEvent;
use crate::error::Result;
use crate::memory::Buffer;
use crate::source::ReadOutcome;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel};
use crate::sync::{Condvar, Mutex, MutexGuard, lock, wait_at_most};

/// The most bytes that one call of the callback reads, so that other callbacks can run in between.
const READ_MAX: usize = 1 << 20;

/// A pipe between the caller's thread, which brings bytes, and the reading thread of the pipeline, which needs them.
#[derive(Debug)]
pub(crate) struct Pipe {
    state: Mutex<State>,
    changed: Condvar,
    /// Wakes the caller's thread when a buffer has room.
    wake: Arc<WakeEvent>,
}

#[derive(Debug, Default)]
struct State {
    slot: Option<Slot>,
    has_ended: bool,
}

#[derive(Debug)]
struct Slot {
    buffer: Buffer,
    filled: usize,
}

/// The result of one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadStep {
    /// No buffer has room, or the stream has ended.
    Idle,
    /// Bytes were read, or the end was reached.
    Read,
    /// The callback asked to stop.
    Stop,
    /// The callback returned more bytes than the buffer had room for.
    Overrun,
}

impl Pipe {
    /// Creates a pipe that wakes the caller's thread by `wake`.
    pub(crate) fn new(wake: Arc<WakeEvent>) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), wake }
    }

    pub(crate) fn wake(&self) -> &WakeEvent {
        &self.wake
    }

    /// Waits until a buffer is full or the stream ends, and returns it with the number of bytes in it. Fewer bytes than the
    /// buffer's length mean the end.
    pub(crate) fn fill(&self, buffer: Buffer, cancel: &Cancel) -> Result<(Buffer, usize)> {
        let mut state = self.lock();
        state.slot = Some(Slot { buffer, filled: 0 });
        self.wake.notify();
        loop {
            let has_ended = state.has_ended;
            if let Some(done) = state.slot.take_if(|slot| has_ended || slot.filled == slot.buffer.len()) {
                return Ok((done.buffer, done.filled));
            }
            if let Err(canceled) = cancel.check() {
                state.slot = None;
                return Err(canceled);
            }
            state = wait_at_most(&self.changed, state, CANCEL_POLL_INTERVAL);
        }
    }

    /// Copies as many bytes as the buffer has room for, and returns their number.
    pub(crate) fn push(&self, data: &[u8]) -> usize {
        let mut state = self.lock();
        let Some(Slot { buffer, filled }) = &mut state.slot else { return 0 };
        let taken = data.len().min(buffer.len() - *filled);
        buffer[*filled..*filled + taken].copy_from_slice(&data[..taken]);
        *filled += taken;
        if *filled == buffer.len() {
            self.changed.notify_all();
        }
        taken
    }

    /// Ends the stream.
    pub(crate) fn end(&self) {
        self.lock().has_ended = true;
        self.changed.notify_all();
    }

    /// Returns true if the stream has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().has_ended
    }

    /// Calls `read` to fill the buffer. The buffer is outside the pipe meanwhile, so no lock is held.
    pub(crate) fn read(&self, read: impl FnOnce(&mut [u8]) -> ReadOutcome) -> ReadStep {
        let mut state = self.lock();
        if state.has_ended {
            return ReadStep::Idle;
        }
        // A full buffer waits for the reading thread. A callback that gets no room could only return 0, which means the end.
        let Some(mut slot) = state.slot.take_if(|slot| slot.filled < slot.buffer.len()) else {
            return ReadStep::Idle;
        };
        drop(state);
        let room = &mut slot.buffer[slot.filled..];
        let length_max = room.len().min(READ_MAX);
        let (step, ended) = match read(&mut room[..length_max]) {
            ReadOutcome::Bytes(length) if length > length_max => (ReadStep::Overrun, false),
            ReadOutcome::Bytes(length) => {
                slot.filled += length;
                (ReadStep::Read, length == 0)
            }
            ReadOutcome::Stop => (ReadStep::Stop, false),
        };
        let wants_more = step == ReadStep::Read && !ended && slot.filled < slot.buffer.len();
        let mut state = self.lock();
        state.has_ended |= ended;
        state.slot = Some(slot);
        drop(state);
        self.changed.notify_all();
        if wants_more {
            self.wake.notify();
        }
        step
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::error::Kind;
    use crate::memory::BufferPool;

    fn pipe() -> (Pipe, Arc<BufferPool>) {
        (Pipe::new(Arc::default()), Arc::new(BufferPool::new(1000)))
    }

    #[test]
    fn written_bytes_fill_buffers_in_order() {
        let (pipe, pool) = pipe();
        let cancel = Cancel::default();
        let content: Vec<u8> = (0..=250).collect();
        let parts = std::thread::scope(|scope| {
            let filled = scope.spawn(|| {
                let mut parts = Vec::new();
                loop {
                    let (buffer, length) = pipe.fill(pool.acquire(100, &cancel).unwrap(), &cancel).unwrap();
                    parts.push(buffer[..length].to_vec());
                    if length < 100 {
                        break parts;
                    }
                }
            });
            let mut rest = &content[..];
            while !rest.is_empty() {
                let taken = pipe.push(&rest[..rest.len().min(7)]);
                rest = &rest[taken..];
                if taken == 0 {
                    pipe.wake().wait(CANCEL_POLL_INTERVAL);
                }
            }
            pipe.end();
            filled.join().unwrap()
        });
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 51]);
        assert_eq!(parts.concat(), content);
    }

    #[test]
    fn callback_fills_the_room_of_the_buffer() {
        let (pipe, pool) = pipe();
        let cancel = Cancel::default();
        assert_eq!(pipe.read(|_| ReadOutcome::Bytes(1)), ReadStep::Idle, "no buffer yet");
        std::thread::scope(|scope| {
            let filled =
                scope.spawn(|| pipe.fill(pool.acquire(10, &cancel).unwrap(), &cancel).map(|(_, length)| length));
            pipe.wake().wait(Duration::from_secs(60));
            assert_eq!(pipe.read(|room| ReadOutcome::Bytes(room.len() - 3)), ReadStep::Read);
            assert_eq!(pipe.read(|room| ReadOutcome::Bytes(room.len() + 1)), ReadStep::Overrun);
            assert_eq!(pipe.read(|_| ReadOutcome::Bytes(0)), ReadStep::Read);
            assert_eq!(filled.join().unwrap().unwrap(), 7);
        });
        assert_eq!(pipe.read(|_| ReadOutcome::Bytes(1)), ReadStep::Idle, "no read after the end");
    }

    #[test]
    fn full_buffer_is_not_read_into() {
        let (pipe, pool) = pipe();
        let buffer = pool.acquire(10, &Cancel::default()).unwrap();
        pipe.lock().slot = Some(Slot { buffer, filled: 0 });
        assert_eq!(pipe.read(|room| ReadOutcome::Bytes(room.len())), ReadStep::Read);
        assert_eq!(pipe.read(|_| ReadOutcome::Bytes(0)), ReadStep::Idle, "a full buffer is not the end");
        assert!(!pipe.has_ended());
    }

    #[test]
    fn short_read_wakes_the_caller_again() {
        let (pipe, pool) = pipe();
        let buffer = pool.acquire(10, &Cancel::default()).unwrap();
        pipe.lock().slot = Some(Slot { buffer, filled: 0 });
        assert_eq!(pipe.read(|_| ReadOutcome::Bytes(1)), ReadStep::Read);
        let (since, long) = (Instant::now(), Duration::from_secs(60));
        pipe.wake().wait(long);
        assert!(since.elapsed() < long, "no notification");
    }

    #[test]
    fn cancel_ends_fill_and_releases_the_buffer() {
        let (pipe, pool) = pipe();
        let cancel = Cancel::default();
        let buffer = pool.acquire(1000, &cancel).unwrap();
        cancel.raise();
        assert_eq!(pipe.fill(buffer, &cancel).unwrap_err().kind(), Kind::Canceled);
        assert_eq!(pool.acquire(1000, &Cancel::default()).unwrap().len(), 1000);
    }
}
