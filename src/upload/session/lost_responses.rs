//! What this handle knows of requests that the service may have carried out, although no response shows it.

use crate::error::Error;
use crate::sync::atomic::{AtomicBool, Ordering};

/// The lost responses to Initiate and Abort. Complete has states of its own: see `state`.
#[derive(Debug, Default)]
pub(crate) struct LostResponses {
    /// An upload with an unknown ID may be in the vault.
    initiate: AtomicBool,
    /// An Abort may have been carried out.
    abort: AtomicBool,
    /// An Abort was sent and received no response, and the service has not shown the upload since.
    abort_response_lost: AtomicBool,
    /// The service has shown the upload since then, so it can be resumed.
    seen_since_abort: AtomicBool,
}

impl LostResponses {
    /// Takes from the error of Initiate whether it may have left an upload.
    pub(super) fn initiate_failed(&self, error: &Error) {
        self.initiate.fetch_or(error.is_maybe_done(), Ordering::AcqRel);
    }

    /// Takes from the error of Abort whether the upload may be deleted.
    pub(super) fn abort_failed(&self, error: &Error) {
        if error.is_maybe_done() {
            self.abort.store(true, Ordering::Release);
            self.seen_since_abort.store(false, Ordering::Release);
        }
        self.abort_response_lost.fetch_or(error.is_response_lost(), Ordering::AcqRel);
    }

    /// Records that the service still has the upload.
    pub(super) fn upload_seen(&self) {
        self.seen_since_abort.store(true, Ordering::Release);
        self.abort_response_lost.store(false, Ordering::Release);
    }

    /// Returns true if a failed Initiate may have left an upload without parts.
    pub(crate) fn may_have_initiated(&self) -> bool {
        self.initiate.load(Ordering::Acquire)
    }

    /// Returns true if only the response to an Abort is missing. Then a missing upload is no error of another Abort. After an
    /// error response such as 503, a missing upload may as well have been completed by another program.
    pub(crate) fn abort_response_is_lost(&self) -> bool {
        self.abort_response_lost.load(Ordering::Acquire)
    }

    /// Returns true if a failed Abort may have deleted the upload, and the service has not shown the upload since.
    pub(crate) fn may_be_deleted(&self) -> bool {
        self.abort.load(Ordering::Acquire) && !self.seen_since_abort.load(Ordering::Acquire)
    }
}
