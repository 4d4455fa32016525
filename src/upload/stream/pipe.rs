//! Bytes that only the caller's own thread can bring: pushed by calls of `write`, or read by the caller's callback. They go
//! straight into the buffer of the part that is being filled.

use std::sync::Arc;

use crate::callback_loop::WakeEvent;
use crate::error::Result;
use crate::memory::Buffer;
use crate::source::ReadOutcome;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel};
use crate::sync::{Condvar, Mutex, MutexGuard, lock, wait_at_most};

/// The most bytes that a callback is asked for at once: between two calls there is time to deliver.
const READ_MAX: usize = 1 << 20;

/// Between the caller's thread, which brings bytes, and the thread that has a part filled.
#[derive(Debug)]
pub(crate) struct Pipe {
    state: Mutex<State>,
    changed: Condvar,
    /// Calls the caller's thread when there is room.
    bell: Arc<WakeEvent>,
}

#[derive(Debug, Default)]
struct State {
    filling: Option<Filling>,
    ended: bool,
}

#[derive(Debug)]
struct Filling {
    buffer: Buffer,
    filled: usize,
}

/// What became of a turn to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadStep {
    /// There was no room, or the bytes are all there.
    Idle,
    /// Bytes came, or the end.
    Read,
    /// The caller wants to stop.
    Stop,
    /// The callback says that it wrote more bytes than there was room for.
    Overrun,
}

impl Pipe {
    /// A pipe whose bringing end is called by that bell.
    pub(crate) fn new(bell: Arc<WakeEvent>) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), bell }
    }

    pub(crate) fn bell(&self) -> &WakeEvent {
        &self.bell
    }

    /// Has a buffer filled, and returns it with the number of bytes in it: less than there is room for is the end.
    pub(crate) fn fill(&self, buffer: Buffer, cancel: &Cancel) -> Result<(Buffer, usize)> {
        let mut state = self.lock();
        state.filling = Some(Filling { buffer, filled: 0 });
        self.bell.notify();
        loop {
            let ended = state.ended;
            if let Some(done) = state.filling.take_if(|filling| ended || filling.filled == filling.buffer.len()) {
                return Ok((done.buffer, done.filled));
            }
            if let Err(canceled) = cancel.check() {
                state.filling = None;
                return Err(canceled);
            }
            state = wait_at_most(&self.changed, state, CANCEL_POLL_INTERVAL);
        }
    }

    /// Takes as many bytes as there is room for, and returns their number.
    pub(crate) fn push(&self, data: &[u8]) -> usize {
        let mut state = self.lock();
        let Some(Filling { buffer, filled }) = &mut state.filling else { return 0 };
        let taken = data.len().min(buffer.len() - *filled);
        buffer[*filled..*filled + taken].copy_from_slice(&data[..taken]);
        *filled += taken;
        if *filled == buffer.len() {
            self.changed.notify_all();
        }
        taken
    }

    /// There are no more bytes.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Whether the last byte was brought.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Has `read` put bytes where there is room. The buffer is out of the pipe meanwhile: no lock is held.
    pub(crate) fn read(&self, read: impl FnOnce(&mut [u8]) -> ReadOutcome) -> ReadStep {
        let mut state = self.lock();
        if state.ended {
            return ReadStep::Idle;
        }
        // One that is full waits to be fetched: a callback that is offered no room can only say that nothing came, which
        // would be the end.
        let Some(mut filling) = state.filling.take_if(|filling| filling.filled < filling.buffer.len()) else {
            return ReadStep::Idle;
        };
        drop(state);
        let room = &mut filling.buffer[filling.filled..];
        let most = room.len().min(READ_MAX);
        let (turn, ended) = match read(&mut room[..most]) {
            ReadOutcome::Bytes(length) if length > most => (ReadStep::Overrun, false),
            ReadOutcome::Bytes(length) => {
                filling.filled += length;
                (ReadStep::Read, length == 0)
            }
            ReadOutcome::Stop => (ReadStep::Stop, false),
        };
        let wants_more = turn == ReadStep::Read && !ended && filling.filled < filling.buffer.len();
        let mut state = self.lock();
        state.ended |= ended;
        state.filling = Some(filling);
        drop(state);
        self.changed.notify_all();
        if wants_more {
            self.bell.notify();
        }
        turn
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
    fn pushed_bytes_fill_buffer_after_buffer() {
        let (pipe, budget) = pipe();
        let cancel = Cancel::default();
        let content: Vec<u8> = (0..=250).collect();
        let parts = std::thread::scope(|scope| {
            let filled = scope.spawn(|| {
                let mut parts = Vec::new();
                loop {
                    let (buffer, length) = pipe.fill(budget.acquire(100, &cancel).unwrap(), &cancel).unwrap();
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
                    pipe.bell().wait(CANCEL_POLL_INTERVAL);
                }
            }
            pipe.end();
            filled.join().unwrap()
        });
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 51]);
        assert_eq!(parts.concat(), content);
    }

    #[test]
    fn a_callback_fills_what_there_is_room_for() {
        let (pipe, budget) = pipe();
        let cancel = Cancel::default();
        assert_eq!(pipe.read(|_| ReadOutcome::Bytes(1)), ReadStep::Idle, "nobody wants bytes yet");
        std::thread::scope(|scope| {
            let filled =
                scope.spawn(|| pipe.fill(budget.acquire(10, &cancel).unwrap(), &cancel).map(|(_, length)| length));
            pipe.bell().wait(Duration::from_secs(60));
            assert_eq!(pipe.read(|room| ReadOutcome::Bytes(room.len() - 3)), ReadStep::Read);
            assert_eq!(pipe.read(|room| ReadOutcome::Bytes(room.len() + 1)), ReadStep::Overrun);
            assert_eq!(pipe.read(|_| ReadOutcome::Bytes(0)), ReadStep::Read);
            assert_eq!(filled.join().unwrap().unwrap(), 7);
        });
        assert_eq!(pipe.read(|_| ReadOutcome::Bytes(1)), ReadStep::Idle, "after the end nothing is asked for");
    }

    #[test]
    fn a_buffer_that_is_full_is_not_offered_again() {
        let (pipe, budget) = pipe();
        let buffer = budget.acquire(10, &Cancel::default()).unwrap();
        pipe.lock().filling = Some(Filling { buffer, filled: 0 });
        assert_eq!(pipe.read(|room| ReadOutcome::Bytes(room.len())), ReadStep::Read);
        assert_eq!(pipe.read(|_| ReadOutcome::Bytes(0)), ReadStep::Idle, "what cannot take a byte is not the end");
        assert!(!pipe.has_ended());
    }

    #[test]
    fn a_callback_that_gives_little_is_asked_again_at_once() {
        let (pipe, budget) = pipe();
        let buffer = budget.acquire(10, &Cancel::default()).unwrap();
        pipe.lock().filling = Some(Filling { buffer, filled: 0 });
        assert_eq!(pipe.read(|_| ReadOutcome::Bytes(1)), ReadStep::Read);
        let (since, long) = (Instant::now(), Duration::from_secs(60));
        pipe.bell().wait(long);
        assert!(since.elapsed() < long, "nobody rang");
    }

    #[test]
    fn cancel_ends_the_wait_for_bytes_and_gives_the_buffer_back() {
        let (pipe, budget) = pipe();
        let cancel = Cancel::default();
        let buffer = budget.acquire(1000, &cancel).unwrap();
        cancel.raise();
        assert_eq!(pipe.fill(buffer, &cancel).unwrap_err().kind(), Kind::Canceled);
        assert_eq!(budget.acquire(1000, &Cancel::default()).unwrap().len(), 1000);
    }
}
