//! Who may be inside an upload handle at once. Nobody waits at the gate: whoever does not fit is told so.

use crate::cancel::{Cancel, Reason};
use crate::error::{Error, Kind, Result};
use crate::sync::{Mutex, MutexGuard, lock};

/// How a call enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Together with other shared calls: `put_part`.
    Shared,
    /// With nobody else inside.
    Alone,
}

#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    shared: u32,
    alone: bool,
    /// Whether the caller's cancel has stopped one of those inside.
    canceled: bool,
}

impl Gate {
    /// Lets a call in, or tells it that the handle is in use.
    pub(super) fn enter<'a>(&'a self, entry: Entry, cancel: &'a Cancel) -> Result<Entered<'a>> {
        let mut inside = self.lock();
        if inside.alone || (entry == Entry::Alone && inside.shared > 0) {
            return Err(Error::new(Kind::Busy, "the upload is in use by another call"));
        }
        match entry {
            Entry::Shared => inside.shared += 1,
            Entry::Alone => inside.alone = true,
        }
        Ok(Entered { gate: self, entry, cancel })
    }

    /// Takes note that the caller's cancel stopped a stream, which goes on between two calls: it is used up with the call
    /// that is inside, or at once.
    pub(super) fn was_canceled_between(&self, cancel: &Cancel) {
        let mut inside = self.lock();
        if inside.alone || inside.shared > 0 {
            inside.canceled = true;
        } else {
            cancel.clear(Reason::Asked);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        lock(&self.0)
    }
}

/// A call that is inside, until this is dropped. The last one to leave takes back what stopped them.
#[derive(Debug)]
pub(super) struct Entered<'a> {
    gate: &'a Gate,
    entry: Entry,
    cancel: &'a Cancel,
}

impl Entered<'_> {
    /// Takes note that the caller's cancel stopped this call. A cancel that stopped nobody stays for the next one.
    pub(super) fn was_canceled(&self) {
        self.gate.lock().canceled = true;
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut inside = self.gate.lock();
        match self.entry {
            Entry::Shared => inside.shared -= 1,
            Entry::Alone => inside.alone = false,
        }
        if inside.shared == 0 {
            self.cancel.clear(Reason::Callback);
            if std::mem::take(&mut inside.canceled) {
                self.cancel.clear(Reason::Asked);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_calls_go_together_and_others_alone() {
        let (gate, cancel) = (Gate::default(), Cancel::default());
        let busy = |entry| gate.enter(entry, &cancel).err().map(|error| error.kind());
        let first = gate.enter(Entry::Shared, &cancel).unwrap();
        let second = gate.enter(Entry::Shared, &cancel).unwrap();
        assert_eq!(busy(Entry::Alone), Some(Kind::Busy));
        drop((first, second));
        let alone = gate.enter(Entry::Alone, &cancel).unwrap();
        assert_eq!((busy(Entry::Alone), busy(Entry::Shared)), (Some(Kind::Busy), Some(Kind::Busy)));
        drop(alone);
        assert_eq!(busy(Entry::Shared), None);
    }

    #[test]
    fn cancel_stays_until_it_has_stopped_somebody() {
        let (gate, cancel) = (Gate::default(), Cancel::default());
        cancel.raise();
        drop(gate.enter(Entry::Alone, &cancel).unwrap());
        assert!(cancel.is_raised(), "the call ended by itself");

        let first = gate.enter(Entry::Shared, &cancel).unwrap();
        let second = gate.enter(Entry::Shared, &cancel).unwrap();
        first.was_canceled();
        drop(first);
        assert!(cancel.is_raised(), "the other call is to stop as well");
        drop(second);
        assert!(!cancel.is_raised());
    }

    #[test]
    fn cancel_is_used_up_by_a_stream_once_nobody_is_inside() {
        let (gate, cancel) = (Gate::default(), Cancel::default());
        cancel.raise();
        let inside = gate.enter(Entry::Alone, &cancel).unwrap();
        gate.was_canceled_between(&cancel);
        assert!(cancel.is_raised(), "who is inside is to stop as well");
        drop(inside);
        assert!(!cancel.is_raised());

        cancel.raise();
        gate.was_canceled_between(&cancel);
        assert!(!cancel.is_raised());
    }
}
