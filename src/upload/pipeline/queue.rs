//! A bounded FIFO queue between the threads that hash parts and those that send them.

use std::collections::VecDeque;

use crate::error::Result;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel};
use crate::sync::{Condvar, Mutex, MutexGuard, lock, wait_at_most};

/// A bounded FIFO queue. It closes when its last writer is done.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    capacity: usize,
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    writers: usize,
}

impl<T> Queue<T> {
    /// Creates a queue of at most `capacity` items, with this number of writers.
    pub(crate) fn new(capacity: usize, writers: usize) -> Self {
        let state = Mutex::new(State { items: VecDeque::new(), writers });
        Self { capacity, state, changed: Condvar::new() }
    }

    /// Adds an item; waits while the queue is full.
    pub(crate) fn push(&self, item: T, cancel: &Cancel) -> Result<()> {
        let mut state = self.lock();
        while state.items.len() >= self.capacity {
            cancel.check()?;
            state = self.wait(state);
        }
        state.items.push_back(item);
        self.changed.notify_all();
        Ok(())
    }

    /// Takes an item; waits for one. `None` when the queue is closed and empty.
    pub(crate) fn pop(&self, cancel: &Cancel) -> Result<Option<T>> {
        let mut state = self.lock();
        loop {
            cancel.check()?;
            if let Some(item) = state.items.pop_front() {
                self.changed.notify_all();
                return Ok(Some(item));
            }
            if state.writers == 0 {
                return Ok(None);
            }
            state = self.wait(state);
        }
    }

    /// Records that one writer is done.
    pub(crate) fn writer_done(&self) {
        self.lock().writers -= 1;
        self.changed.notify_all();
    }

    /// Drops all items.
    pub(crate) fn clear(&self) {
        self.lock().items.clear();
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        wait_at_most(&self.changed, state, CANCEL_POLL_INTERVAL)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        lock(&self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn items_come_in_order_and_end_with_the_last_writer() {
        let (queue, cancel) = (Queue::new(2, 2), Cancel::default());
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for n in 0..100 {
                        queue.push(n, &cancel).unwrap();
                    }
                    queue.writer_done();
                });
            }
            let mut sum = 0;
            while let Some(n) = queue.pop(&cancel).unwrap() {
                assert!(queue.lock().items.len() <= 2);
                sum += n;
            }
            assert_eq!(sum, 2 * 4950);
        });
    }

    #[test]
    fn cancel_ends_both_waits() {
        let (queue, cancel) = (Queue::new(1, 1), Cancel::default());
        queue.push(1, &cancel).unwrap();
        cancel.raise();
        assert_eq!(queue.push(2, &cancel).unwrap_err().kind(), Kind::Canceled);
        assert_eq!(queue.pop(&cancel).unwrap_err().kind(), Kind::Canceled);
    }
}
