//! A one-shot channel: one value from one thread to another.
//!
//! A wait on a channel of the standard library registers thread-local storage. In a destructor of a pthread key, where a
//! program may make calls, nothing frees this storage.

use std::sync::{Arc, PoisonError};

use crate::sync::{Condvar, Mutex, lock};

/// Creates a one-shot channel.
pub(crate) fn oneshot<T>() -> (Sender<T>, Receiver<T>) {
    let channel = Arc::new(Channel { slot: Mutex::new(Slot::Empty), changed: Condvar::new() });
    (Sender(Arc::clone(&channel)), Receiver(channel))
}

#[derive(Debug)]
struct Channel<T> {
    slot: Mutex<Slot<T>>,
    changed: Condvar,
}

#[derive(Debug)]
enum Slot<T> {
    Empty,
    Value(T),
    /// The sender was dropped without a value.
    Abandoned,
}

/// The sending end. If it is dropped without a value, the receiver learns that.
#[derive(Debug)]
pub(crate) struct Sender<T>(Arc<Channel<T>>);

impl<T> Sender<T> {
    /// Gives the value to the receiver. It never waits.
    pub(crate) fn send(self, value: T) {
        *lock(&self.0.slot) = Slot::Value(value);
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut slot = lock(&self.0.slot);
        if matches!(*slot, Slot::Empty) {
            *slot = Slot::Abandoned;
        }
        self.0.changed.notify_all();
    }
}

/// The receiving end.
#[derive(Debug)]
pub(crate) struct Receiver<T>(Arc<Channel<T>>);

impl<T> Receiver<T> {
    /// Waits for the value. Returns `None` if the sender was dropped without one.
    pub(crate) fn receive(self) -> Option<T> {
        let slot = lock(&self.0.slot);
        let slot = self.0.changed.wait_while(slot, |slot| matches!(slot, Slot::Empty));
        match std::mem::replace(&mut *slot.unwrap_or_else(PoisonError::into_inner), Slot::Abandoned) {
            Slot::Value(value) => Some(value),
            Slot::Empty | Slot::Abandoned => None,
        }
    }
}

#[cfg(all(test, not(feature = "test-models")))]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::oneshot;

    #[test]
    fn receiver_gets_the_value_that_is_sent_before_or_during_its_wait() {
        let (sender, receiver) = oneshot();
        sender.send(1);
        assert_eq!(receiver.receive(), Some(1));

        let (sender, receiver) = oneshot();
        let waits = thread::spawn(move || receiver.receive());
        sender.send(2);
        assert_eq!(waits.join().unwrap(), Some(2));
    }

    #[test]
    fn receiver_learns_that_no_value_comes() {
        let (sender, receiver) = oneshot::<()>();
        let waits = thread::spawn(move || receiver.receive());
        drop(sender);
        assert_eq!(waits.join().unwrap(), None);
    }

    #[test]
    fn value_without_a_receiver_is_dropped() {
        let (sender, receiver) = oneshot();
        drop(receiver);
        let value = Arc::new(());
        sender.send(Arc::clone(&value));
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
