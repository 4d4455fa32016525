//! First come, first served: whoever waits for something scarce lines up here, and only the first in line looks for it.

use std::collections::VecDeque;

use crate::error::Result;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel};
use crate::sync::{Condvar, Mutex, MutexGuard, lock, wait_at_most};

/// The waiters.
#[derive(Debug, Default)]
pub(crate) struct FifoLock {
    waiters: Mutex<Waiters>,
    moved_up: Condvar,
}

#[derive(Debug, Default)]
struct Waiters {
    waiting: VecDeque<u64>,
    next: u64,
}

impl FifoLock {
    /// Lines up, and waits until all who came before are gone.
    ///
    /// # Errors
    /// `Canceled`.
    pub(crate) fn acquire(&self, cancel: &Cancel) -> Result<FifoPlace<'_>> {
        let place = self.enqueue();
        let mut waiters = self.waiters();
        while waiters.waiting.front() != Some(&place.number) {
            cancel.check()?;
            waiters = wait_at_most(&self.moved_up, waiters, CANCEL_POLL_INTERVAL);
        }
        drop(waiters);
        Ok(place)
    }

    /// How many are in waiters, the one whose place it is included.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.waiters().waiting.len()
    }

    /// Lines up, without waiting.
    pub(crate) fn enqueue(&self) -> FifoPlace<'_> {
        let mut waiters = self.waiters();
        let number = waiters.next;
        waiters.next += 1;
        waiters.waiting.push_back(number);
        FifoPlace { fifo: self, number }
    }

    fn waiters(&self) -> MutexGuard<'_, Waiters> {
        lock(&self.waiters)
    }
}

/// A place in waiters, given up when this is dropped.
#[derive(Debug)]
pub(crate) struct FifoPlace<'a> {
    fifo: &'a FifoLock,
    number: u64,
}

impl FifoPlace<'_> {
    /// Whether all who came before are gone.
    pub(crate) fn is_first(&self) -> bool {
        self.fifo.waiters().waiting.front() == Some(&self.number)
    }
}

impl Drop for FifoPlace<'_> {
    fn drop(&mut self) {
        self.fifo.waiters().waiting.retain(|waiting| *waiting != self.number);
        self.fifo.moved_up.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::error::Kind;

    #[test]
    fn turns_come_in_the_order_of_arrival() {
        let (fifo, cancel) = (FifoLock::default(), Cancel::default());
        let (tell, told) = mpsc::channel();
        let first = fifo.acquire(&cancel).unwrap();
        thread::scope(|scope| {
            for n in 0..8 {
                let (fifo, cancel, tell) = (&fifo, &cancel, tell.clone());
                scope.spawn(move || {
                    let _place = fifo.acquire(cancel).unwrap();
                    tell.send(n).unwrap();
                });
                while fifo.len() < n + 2 {
                    thread::yield_now();
                }
            }
            drop(first);
        });
        assert_eq!(told.try_iter().collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
        assert_eq!(fifo.len(), 0);
    }

    #[test]
    fn who_is_canceled_leaves_the_line() {
        let (fifo, cancel) = (FifoLock::default(), Cancel::default());
        let first = fifo.acquire(&cancel).unwrap();
        cancel.raise();
        assert_eq!(fifo.acquire(&cancel).unwrap_err().kind(), Kind::Canceled);
        assert_eq!(fifo.len(), 1);
        drop(first);
        fifo.acquire(&Cancel::default()).unwrap();
    }
}
