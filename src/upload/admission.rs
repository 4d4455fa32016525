//! The lock of a handle: decides which calls may use it at once. Non-blocking: a call that cannot be admitted fails with Busy.

use crate::error::{Error, Kind, Result};
use crate::sync::cancel::{Cancel, Reason};
use crate::sync::{Mutex, MutexGuard, lock};

/// How a call uses the handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Together with other shared calls: `put_part`.
    Shared,
    /// Alone.
    Exclusive,
}

/// A try-lock for readers and writers that also tracks whether a cancel was used.
#[derive(Debug, Default)]
pub(crate) struct HandleLock(Mutex<Active>);

#[derive(Debug, Default)]
struct Active {
    shared: u32,
    exclusive: bool,
    /// Whether the caller's cancel stopped one of the calls.
    canceled: bool,
}

impl HandleLock {
    /// Admits a call.
    ///
    /// # Errors
    /// `Busy` if the handle is in use.
    pub(crate) fn enter<'a>(&'a self, access: Access, cancel: &'a Cancel) -> Result<Admission<'a>> {
        let mut active = self.lock();
        if active.exclusive || (access == Access::Exclusive && active.shared > 0) {
            return Err(Error::new(Kind::Busy, "the upload is in use by another call"));
        }
        match access {
            Access::Shared => active.shared += 1,
            Access::Exclusive => active.exclusive = true,
        }
        Ok(Admission { handle: self, access, cancel })
    }

    /// Records that the caller's cancel stopped a stream, which is sent between calls. The cancel is cleared at the end of the
    /// current call, or at once.
    pub(crate) fn was_canceled_between(&self, cancel: &Cancel) {
        let mut active = self.lock();
        if active.exclusive || active.shared > 0 {
            active.canceled = true;
        } else {
            cancel.clear(Reason::Requested);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Active> {
        lock(&self.0)
    }
}

/// An admitted call, until this is dropped. The last call to end clears the reasons that stopped them.
#[derive(Debug)]
pub(crate) struct Admission<'a> {
    handle: &'a HandleLock,
    access: Access,
    cancel: &'a Cancel,
}

impl Admission<'_> {
    /// Records that the caller's cancel stopped this call. A cancel that stopped no call stays for the next one.
    pub(crate) fn was_canceled(&self) {
        self.handle.lock().canceled = true;
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        let mut active = self.handle.lock();
        match self.access {
            Access::Shared => active.shared -= 1,
            Access::Exclusive => active.exclusive = false,
        }
        if active.shared == 0 {
            self.cancel.clear(Reason::Callback);
            if std::mem::take(&mut active.canceled) {
                self.cancel.clear(Reason::Requested);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_shared_calls_together_and_exclusive_calls_alone() {
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
    fn cancel_stays_until_it_stopped_a_call() {
        let (handle, cancel) = (HandleLock::default(), Cancel::default());
        cancel.raise();
        drop(handle.enter(Access::Exclusive, &cancel).unwrap());
        assert!(cancel.is_raised(), "the call was not canceled");

        let first = handle.enter(Access::Shared, &cancel).unwrap();
        let second = handle.enter(Access::Shared, &cancel).unwrap();
        first.was_canceled();
        drop(first);
        assert!(cancel.is_raised(), "the other call stops too");
        drop(second);
        assert!(!cancel.is_raised());
    }

    #[test]
    fn stream_clears_the_cancel_when_no_call_is_active() {
        let (handle, cancel) = (HandleLock::default(), Cancel::default());
        cancel.raise();
        let active = handle.enter(Access::Exclusive, &cancel).unwrap();
        handle.was_canceled_between(&cancel);
        assert!(cancel.is_raised(), "the active call stops too");
        drop(active);
        assert!(!cancel.is_raised());

        cancel.raise();
        handle.was_canceled_between(&cancel);
        assert!(!cancel.is_raised());
    }
}
