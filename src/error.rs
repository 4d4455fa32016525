//! The error type: a kind that callers switch on, a message for people, and the fields of the service's response.

mod causes;
mod hints;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use self::causes::{ConnectFailure, SignatureExpired};
use crate::sanitize::{NAME_MAX, Redactor, TEXT_MAX, escaped};

/// The result type of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// The kind of an error, by origin. Each kind is one `GLACIER_E_…` code of the C ABI.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A pointer that must not be NULL was NULL.
    Null,
    /// A value is not allowed; the message names the value and the rule.
    Invalid,
    /// The call is not allowed in the handle's state.
    State,
    /// The handle is in use by another call.
    Busy,
    /// The background run has not finished.
    Pending,
    /// The handle was created by the parent of this process.
    Forked,
    /// A local file could not be read.
    Io,
    /// Out of memory or another system resource, such as descriptors or threads.
    Memory,
    /// The source ended before its announced size.
    SourceShort,
    /// The source changed during the upload.
    SourceChanged,
    /// The journal is damaged or belongs to another upload.
    Journal,
    /// Another process or handle has the journal locked.
    Locked,
    /// The connection could not be opened or was lost.
    Network,
    /// The server's certificate or its TLS settings were rejected.
    Tls,
    /// A deadline passed without progress.
    Timeout,
    /// The response violates the protocol.
    Protocol,
    /// The service rejected the request.
    Service,
    /// The credentials lack permission for this operation.
    Access,
    /// The credentials are missing, invalid or expired.
    Credentials,
    /// The service throttles requests.
    Throttled,
    /// The vault or the upload does not exist.
    NotFound,
    /// A limit of the service is exceeded.
    Limit,
    /// The account can no longer use the service.
    NoLongerSupported,
    /// A request was sent, but its outcome is unknown.
    OutcomeUnknown,
    /// A hash differs from the one expected.
    TreeHash,
    /// Parts are missing.
    Incomplete,
    /// The caller canceled the call.
    Canceled,
    /// A callback asked to stop.
    Callback,
    /// The library panicked, and the panic was caught.
    Panic,
    /// The library detected a defect of its own.
    Internal,
}

/// An error: kind, message, and the fields of the service's response.
#[derive(Clone, Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    // Boxed, because every `Result` has the size of its error.
    details: Box<Details>,
}

#[derive(Clone, Debug, Default)]
struct Details {
    operation: Option<&'static str>,
    http_status: Option<u16>,
    service_code: Option<String>,
    service_message: Option<String>,
    request_id: Option<String>,
    date: Option<String>,
    retry_after: Option<Duration>,
    signature_expired: Option<SignatureExpired>,
    not_sent: bool,
    connect_failure: Option<ConnectFailure>,
    resumable: bool,
    maybe_done: bool,
    response_lost: bool,
    hints: hints::Hints,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Kind {
    /// Returns the kind of a failed system call: `Memory` if it lacked a descriptor, a buffer or memory, else `otherwise`.
    pub fn of_io(error: &std::io::Error, otherwise: Self) -> Self {
        if is_exhausted(error) { Self::Memory } else { otherwise }
    }
}

/// Returns true if a system call failed because the process or the system is out of descriptors, buffers or memory.
pub(crate) fn is_exhausted(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
        || error.kind() == std::io::ErrorKind::OutOfMemory
}

impl Error {
    /// Creates an error. The message says what failed and, if it helps, what to do. The message is escaped and cut here,
    /// because parts of it come from outside the library.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: escaped(&message.into(), TEXT_MAX), details: Box::default() }
    }

    /// Creates an error of kind `Invalid`.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// Sets the cause, for `std::error::Error::source`.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.details.source = Some(Arc::from(source.into()));
        self
    }

    /// Sets the service's operation during which the error occurred.
    #[must_use]
    pub fn during(mut self, operation: &'static str) -> Self {
        self.details.operation = Some(operation);
        self
    }

    /// Sets the fields that identify a response: status, request ID and the service's error code.
    #[must_use]
    pub fn with_response(mut self, status: u16, request_id: Option<String>, service_code: Option<String>) -> Self {
        self.details.http_status = Some(status);
        self.details.request_id = request_id.map(|id| escaped(&id, NAME_MAX));
        self.details.service_code = service_code.map(|code| escaped(&code, NAME_MAX));
        self
    }

    /// Sets the message of the service's error document.
    #[must_use]
    pub fn with_service_message(mut self, message: Option<String>) -> Self {
        self.details.service_message = message.map(|message| escaped(&message, TEXT_MAX));
        self
    }

    /// Sets the `Date` header of the response.
    #[must_use]
    pub fn with_date(mut self, date: Option<String>) -> Self {
        self.details.date = date.map(|date| escaped(&date, NAME_MAX));
        self
    }

    /// Sets the delay that the service requests before the next attempt.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Option<Duration>) -> Self {
        self.details.retry_after = delay;
        self
    }

    /// Sets why the signature of the request was out of date.
    #[must_use]
    pub fn with_signature_expired(mut self, reason: SignatureExpired) -> Self {
        self.details.signature_expired = Some(reason);
        self
    }

    /// Marks the request as not sent: see [`Error::is_not_sent`].
    #[must_use]
    pub fn not_sent(mut self) -> Self {
        self.details.not_sent = true;
        self
    }

    /// Sets the step in which opening a connection failed. Implies [`Error::not_sent`].
    #[must_use]
    pub fn not_connected(mut self, failure: ConnectFailure) -> Self {
        self.details.connect_failure = Some(failure);
        self.not_sent()
    }

    /// Replaces the kind.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets whether the upload still exists and can be resumed.
    #[must_use]
    pub fn resumable(mut self, is_resumable: bool) -> Self {
        self.details.resumable = is_resumable;
        self
    }

    /// Sets whether the service may have carried out an attempt of the failed request.
    #[must_use]
    pub fn maybe_done(mut self, is_maybe_done: bool) -> Self {
        self.details.maybe_done = is_maybe_done;
        self
    }

    /// Sets whether an attempt of the failed request ended without a response of the service.
    #[must_use]
    pub fn response_lost(mut self, is_lost: bool) -> Self {
        self.details.response_lost = is_lost;
        self
    }

    /// Prepends a context to the message.
    #[must_use]
    pub fn with_context(mut self, context: impl fmt::Display) -> Self {
        let context = escaped(&context.to_string(), TEXT_MAX);
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// Removes secrets from all texts of the error. If one is found, the cause is dropped, because it may contain the
    /// secret too.
    #[must_use]
    pub fn redacted(mut self, redactor: &Redactor) -> Self {
        let details = &mut self.details;
        let texts =
            [&mut details.service_code, &mut details.service_message, &mut details.request_id, &mut details.date];
        let mut is_changed = false;
        let texts = texts.into_iter().flatten().chain(details.hints.texts()).chain([&mut self.message]);
        for text in texts {
            if let Cow::Owned(redacted) = redactor.redacted(text) {
                *text = redacted;
                is_changed = true;
            }
        }
        if is_changed {
            self.details.source = None;
        }
        self
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The message for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The service's operation during which the error occurred.
    pub fn operation(&self) -> Option<&'static str> {
        self.details.operation
    }

    /// The HTTP status of the response, if one was received.
    pub fn http_status(&self) -> Option<u16> {
        self.details.http_status
    }

    /// The service's error code, if the response had one.
    pub fn service_code(&self) -> Option<&str> {
        self.details.service_code.as_deref()
    }

    /// The message of the service's error document, if the response had one.
    pub fn service_message(&self) -> Option<&str> {
        self.details.service_message.as_deref()
    }

    /// The request ID that the service assigned; its support team asks for it.
    pub fn request_id(&self) -> Option<&str> {
        self.details.request_id.as_deref()
    }

    /// The `Date` header of the response.
    pub fn date(&self) -> Option<&str> {
        self.details.date.as_deref()
    }

    /// The delay that the service requests before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        self.details.retry_after
    }

    /// Why the signature of the request was out of date, if it was.
    pub fn signature_expired(&self) -> Option<SignatureExpired> {
        self.details.signature_expired
    }

    /// Whether the server processed nothing of the request: no byte of it was sent, or the server rejected the client's part of
    /// the TLS handshake ([`ConnectFailure::ClientRefused`]).
    pub fn is_not_sent(&self) -> bool {
        self.details.not_sent
    }

    /// The step in which opening a connection failed, if that is what failed.
    pub fn connect_failure(&self) -> Option<ConnectFailure> {
        self.details.connect_failure
    }

    /// Whether the response came from the service: it has a request ID, or an error document with a code of AWS.
    pub fn is_from_service(&self) -> bool {
        self.details.request_id.is_some() || self.details.service_code.is_some()
    }

    /// Whether the upload still exists and can be resumed.
    pub fn is_resumable(&self) -> bool {
        self.details.resumable
    }

    /// Whether the service may have carried out an attempt of the failed request, although no response shows it.
    pub fn is_maybe_done(&self) -> bool {
        self.details.maybe_done
    }

    /// Whether an attempt of the failed request was sent and ended without a response of the service.
    pub fn is_response_lost(&self) -> bool {
        self.details.response_lost
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.details.source.as_deref().map(|source| source as _)
    }
}
