//! Who may be inside an upload handle at once. Nobody waits at the handle: whoever does not fit is told so.

use crate::error::{Error, Kind, Result};
use crate::sync::cancel::{Cancel, Reason};
use crate::sync::{Mutex, MutexGuard, lock};

/// How a call enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// BatchPolicy with other shared calls: `put_part`.
    Shared,
    /// With nobody else inside.
    Exclusive,
}

#[derive(Debug, Default)]
pub(crate) struct HandleLock(Mutex<Active>);

#[derive(Debug, Default)]
struct Active {
    shared: u32,
    exclusive: bool,
    /// Whether the caller's cancel has stopped one of those inside.
    canceled: bool,
}

impl HandleLock {
    /// Lets a call in, or tells it that the handle is in use.
    pub(crate) fn enter<'a>(&'a self, access: Access, cancel: &'a Cancel) -> Result<Admission<'a>> {
        let mut inside = self.lock();
        if inside.exclusive || (access == Access::Exclusive && inside.shared > 0) {
            return Err(Error::new(Kind::Busy, "the upload is in use by another call"));
        }
        match access {
            Access::Shared => inside.shared += 1,
            Access::Exclusive => inside.exclusive = true,
        }
        Ok(Admission { handle: self, access, cancel })
    }

    /// Takes note that the caller's cancel stopped a stream, which goes on between two calls: it is used up with the call
    /// that is inside, or at once.
    pub(crate) fn was_canceled_between(&self, cancel: &Cancel) {
        let mut inside = self.lock();
        if inside.exclusive || inside.shared > 0 {
            inside.canceled = true;
        } else {
            cancel.clear(Reason::Requested);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Active> {
        lock(&self.0)
    }
}

/// A call that is inside, until this is dropped. The last one to leave takes back what stopped them.
#[derive(Debug)]
pub(crate) struct Admission<'a> {
    handle: &'a HandleLock,
    access: Access,
    cancel: &'a Cancel,
}

impl Admission<'_> {
    /// Takes note that the caller's cancel stopped this call. A cancel that stopped nobody stays for the next one.
    pub(crate) fn was_canceled(&self) {
        self.handle.lock().canceled = true;
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        let mut inside = self.handle.lock();
        match self.access {
            Access::Shared => inside.shared -= 1,
            Access::Exclusive => inside.exclusive = false,
        }
        if inside.shared == 0 {
            self.cancel.clear(Reason::Callback);
            if std::mem::take(&mut inside.canceled) {
                self.cancel.clear(Reason::Requested);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_calls_go_together_and_others_alone() {
        let (handle, cancel) = (HandleLock::default(), Cancel::default());
        let busy = |access| handle.enter(access, &cancel).err().map(|error| error.kind());
        let first = handle.enter(Access::Shared, &cancel).unwrap();
        let second = handle.enter(Access::Shared, &cancel).unwrap();
        assert_eq!(busy(Access::Exclusive), Some(Kind::Busy));
        drop((first, second));
        let exclusive = handle.enter(Access::Exclusive, &cancel).unwrap();
        assert_eq!((busy(Access::Exclusive), busy(Access::Shared)), (Some(Kind::Busy), Some(Kind::Busy)));
        drop(exclusive);
        assert_eq!(busy(Access::Shared), None);
    }

    #[test]
    fn cancel_stays_until_it_has_stopped_somebody() {
        let (handle, cancel) = (HandleLock::default(), Cancel::default());
        cancel.raise();
        drop(handle.enter(Access::Exclusive, &cancel).unwrap());
        assert!(cancel.is_raised(), "the call ended by itself");

        let first = handle.enter(Access::Shared, &cancel).unwrap();
        let second = handle.enter(Access::Shared, &cancel).unwrap();
        first.was_canceled();
        drop(first);
        assert!(cancel.is_raised(), "the other call is to stop as well");
        drop(second);
        assert!(!cancel.is_raised());
    }

    #[test]
    fn cancel_is_used_up_by_a_stream_once_nobody_is_inside() {
        let (handle, cancel) = (HandleLock::default(), Cancel::default());
        cancel.raise();
        let inside = handle.enter(Access::Exclusive, &cancel).unwrap();
        handle.was_canceled_between(&cancel);
        assert!(cancel.is_raised(), "who is inside is to stop as well");
        drop(inside);
        assert!(!cancel.is_raised());

        cancel.raise();
        handle.was_canceled_between(&cancel);
        assert!(!cancel.is_raised());
    }
}
