//! The progress callback.

use std::fmt;

use super::session::counters::Progress;
use crate::sync::{Mutex, lock};

/// Whether a callback wants the call to continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Continue.
    Continue,
    /// Stop, as by a cancel.
    Stop,
}

/// A callback that receives the progress of an upload. It is dropped when it is replaced, or with the upload.
pub type ProgressFn = Box<dyn FnMut(&Progress) -> Flow + Send>;

/// The progress callback of an upload, if one is set.
#[derive(Default)]
pub(crate) struct ProgressCallback(Mutex<Option<ProgressFn>>);

impl ProgressCallback {
    /// Replaces the callback, and returns the old one. Dropping it runs the caller's code, so no lock may be held then.
    pub(crate) fn replace(&self, report: Option<ProgressFn>) -> Option<ProgressFn> {
        std::mem::replace(&mut *lock(&self.0), report)
    }
}

impl fmt::Debug for ProgressCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProgressCallback(..)")
    }
}
