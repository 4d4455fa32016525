//! A FIFO lock, also known as a fair or ticket lock: the first waiter acquires a contended resource first.

use std::collections::VecDeque;

use crate::error::Result;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel};
use crate::sync::{Condvar, Mutex, MutexGuard, lock, wait_at_most};

/// A FIFO lock. The first place in the queue holds it.
#[derive(Debug, Default)]
pub(crate) struct FifoLock {
    queue: Mutex<Queue>,
    place_freed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    tickets: VecDeque<u64>,
    next_ticket: u64,
}

impl FifoLock {
    /// Enqueues the calling thread and waits until it is first.
    ///
    /// # Errors
    /// `Canceled`.
    pub(crate) fn acquire(&self, cancel: &Cancel) -> Result<FifoPlace<'_>> {
        let place = self.enqueue();
        let mut queue = self.queue();
        while queue.tickets.front() != Some(&place.ticket) {
            cancel.check()?;
            queue = wait_at_most(&self.place_freed, queue, CANCEL_POLL_INTERVAL);
        }
        drop(queue);
        Ok(place)
    }

    /// Returns the length of the queue, including the holder of the lock.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.queue().tickets.len()
    }

    /// Takes a place at the end of the queue, without waiting.
    pub(crate) fn enqueue(&self) -> FifoPlace<'_> {
        let mut queue = self.queue();
        let ticket = queue.next_ticket;
        queue.next_ticket += 1;
        queue.tickets.push_back(ticket);
        FifoPlace { fifo: self, ticket }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }
}

/// A place in the queue of a [`FifoLock`], freed on drop.
#[derive(Debug)]
pub(crate) struct FifoPlace<'a> {
    fifo: &'a FifoLock,
    ticket: u64,
}

impl FifoPlace<'_> {
    /// Returns whether this place is first and so holds the lock.
    pub(crate) fn is_first(&self) -> bool {
        self.fifo.queue().tickets.front() == Some(&self.ticket)
    }
}

impl Drop for FifoPlace<'_> {
    fn drop(&mut self) {
        self.fifo.queue().tickets.retain(|ticket| *ticket != self.ticket);
        self.fifo.place_freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::error::Kind;

    #[test]
    fn admits_waiters_in_order_of_arrival() {
        let (fifo, cancel) = (FifoLock::default(), Cancel::default());
        let (send, receive) = mpsc::channel();
        let first = fifo.acquire(&cancel).unwrap();
        thread::scope(|scope| {
            for n in 0..8 {
                let (fifo, cancel, send) = (&fifo, &cancel, send.clone());
                scope.spawn(move || {
                    let _place = fifo.acquire(cancel).unwrap();
                    send.send(n).unwrap();
                });
                while fifo.len() < n + 2 {
                    thread::yield_now();
                }
            }
            drop(first);
        });
        assert_eq!(receive.try_iter().collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
        assert_eq!(fifo.len(), 0);
    }

    #[test]
    fn canceled_waiter_leaves_the_queue() {
        let (fifo, cancel) = (FifoLock::default(), Cancel::default());
        let first = fifo.acquire(&cancel).unwrap();
        cancel.raise();
        assert_eq!(fifo.acquire(&cancel).unwrap_err().kind(), Kind::Canceled);
        assert_eq!(fifo.len(), 1);
        drop(first);
        fifo.acquire(&Cancel::default()).unwrap();
    }
}
