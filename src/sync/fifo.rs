//! First come, first served: whoever waits for something scarce lines up here, and only the first in line looks for it.

use std::collections::VecDeque;

use crate::error::Result;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel};
use crate::sync::{Condvar, Mutex, MutexGuard, lock, wait_at_most};

/// The line.
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
    pub(crate) fn take(&self, cancel: &Cancel) -> Result<FifoPlace<'_>> {
        let turn = self.enqueue();
        let mut line = self.lock();
        while line.waiting.front() != Some(&turn.number) {
            cancel.check()?;
            line = wait_at_most(&self.moved_up, line, CANCEL_POLL_INTERVAL);
        }
        drop(line);
        Ok(turn)
    }

    /// How many are in line, the one whose turn it is included.
    #[cfg(test)]
    pub(crate) fn waiters(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Lines up, without waiting.
    pub(crate) fn enqueue(&self) -> FifoPlace<'_> {
        let mut line = self.lock();
        let number = line.next;
        line.next += 1;
        line.waiting.push_back(number);
        FifoPlace { turns: self, number }
    }

    fn lock(&self) -> MutexGuard<'_, Waiters> {
        lock(&self.waiters)
    }
}

/// A place in line, given up when this is dropped.
#[derive(Debug)]
pub(crate) struct FifoPlace<'a> {
    turns: &'a FifoLock,
    number: u64,
}

impl FifoPlace<'_> {
    /// Whether all who came before are gone.
    pub(crate) fn is_first(&self) -> bool {
        self.turns.lock().waiting.front() == Some(&self.number)
    }
}

impl Drop for FifoPlace<'_> {
    fn drop(&mut self) {
        self.turns.lock().waiting.retain(|waiting| *waiting != self.number);
        self.turns.moved_up.notify_all();
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
        let (turns, cancel) = (FifoLock::default(), Cancel::default());
        let (tell, told) = mpsc::channel();
        let first = turns.take(&cancel).unwrap();
        thread::scope(|scope| {
            for n in 0..8 {
                let (turns, cancel, tell) = (&turns, &cancel, tell.clone());
                scope.spawn(move || {
                    let _turn = turns.take(cancel).unwrap();
                    tell.send(n).unwrap();
                });
                while turns.waiters() < n + 2 {
                    thread::yield_now();
                }
            }
            drop(first);
        });
        assert_eq!(told.try_iter().collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
        assert_eq!(turns.waiters(), 0);
    }

    #[test]
    fn who_is_canceled_leaves_the_line() {
        let (turns, cancel) = (FifoLock::default(), Cancel::default());
        let first = turns.take(&cancel).unwrap();
        cancel.raise();
        assert_eq!(turns.take(&cancel).unwrap_err().kind(), Kind::Canceled);
        assert_eq!(turns.waiters(), 1);
        drop(first);
        turns.take(&Cancel::default()).unwrap();
    }
}
