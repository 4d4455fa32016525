//! What can go wrong, as one type: a kind that callers switch on, a text for people, and what the service said.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::sanitize::{NAME_MAX, Redactor, TEXT_MAX, escaped};

/// The result of all_parts in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, by origin. Each kind is one `GLACIER_E_…` code of the C ABI.
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
    /// The background run is not over yet.
    Pending,
    /// The handle belongs to the parent of this process.
    Forked,
    /// A local file could not be read.
    Io,
    /// Out of memory or another system resource, such as descriptors or threads.
    Memory,
    /// The source ended before its announced size.
    SourceShort,
    /// The source changed while it was being uploaded.
    SourceChanged,
    /// The journal is damaged, or belongs to something else.
    Journal,
    /// Another process works with the same journal.
    Locked,
    /// The connection could not be made, or was lost.
    Network,
    /// The peer's certificate or TLS itself was refused.
    Tls,
    /// Nothing moved for too long.
    Timeout,
    /// The answer is not what the protocol allows.
    Protocol,
    /// The service refused the request.
    Service,
    /// The credentials may not do this.
    Access,
    /// The credentials are missing, wrong or expired.
    Credentials,
    /// The service asks for fewer requests.
    Throttled,
    /// The vault, or the upload, does not exist.
    NotFound,
    /// A limit of the service would be, or was, exceeded.
    Limit,
    /// The account may not use the service any more.
    NoLongerSupported,
    /// A request was sent, and whether it was carried out cannot be known.
    OutcomeUnknown,
    /// A hash differs from the one expected.
    TreeHash,
    /// Parts are missing.
    Incomplete,
    /// The caller canceled the call.
    Canceled,
    /// A callback asked to stop.
    Callback,
    /// A defect in the library, caught.
    Panic,
    /// A defect in the library, noticed.
    Internal,
}

/// Why the service calls the signature of a request out of date, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureExpired {
    /// The machine's clock was wrong. It is corrected: signed again, the request may pass.
    ClockSkew,
    /// The key has expired. Another one is there, or will be asked for: signed by that, the request may pass.
    KeyExpired,
    /// The clock is right: the request took longer than a signature lives.
    TooSlow,
}

/// The step in which opening a connection failed. Nothing of the request was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectFailure {
    /// The host name does not exist or has no address (`EAI_NONAME`, `EAI_NODATA`).
    NameNotFound,
    /// The name lookup failed for another reason, such as a name server that does not respond (`EAI_AGAIN`).
    NameLookup,
    /// No address accepted a TCP connection within the connect timeout.
    Tcp,
    /// The connection was lost, or timed out, during the TLS handshake.
    TlsHandshake,
    /// The peer was reached, and its certificate or its kind of TLS was refused. Permanent.
    TlsRefused,
    /// The process or the system has no descriptor or no memory for another socket.
    NoResources,
}

/// An error: kind, message, and what the service said about it.
#[derive(Clone, Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    // Boxed: an error is rare, and every Result carries its size.
    detail: Box<Detail>,
}

#[derive(Clone, Debug, Default)]
struct Detail {
    operation: Option<&'static str>,
    http_status: Option<u16>,
    service_code: Option<String>,
    request_id: Option<String>,
    date: Option<String>,
    retry_after: Option<Duration>,
    expired: Option<SignatureExpired>,
    not_sent: bool,
    connect_failure: Option<ConnectFailure>,
    resumable: bool,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Kind {
    /// The kind of a failed system call: `Memory` if a descriptor, a buffer or memory is missing, else `otherwise`.
    pub fn of_io(error: &std::io::Error, otherwise: Self) -> Self {
        if is_exhausted(error) { Self::Memory } else { otherwise }
    }
}

/// Whether a system call failed because the process or the system is out of descriptors, buffers or memory.
pub(crate) fn is_exhausted(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
        || error.kind() == std::io::ErrorKind::OutOfMemory
}

impl Error {
    /// An error of a kind, with a text for people: what happened, to what, and where it helps, what to do. Whatever of
    /// the text is from outside is escaped and cut here.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: escaped(&message.into(), TEXT_MAX), detail: Box::default() }
    }

    /// A value that is not allowed.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// The cause, for `std::error::Error::source`.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.detail.source = Some(Arc::from(source.into()));
        self
    }

    /// The service's operation during which it happened.
    #[must_use]
    pub fn during(mut self, operation: &'static str) -> Self {
        self.detail.operation = Some(operation);
        self
    }

    /// What the service answered: status, request ID and error code, as far as the answer had them.
    #[must_use]
    pub fn answered(mut self, status: u16, request_id: Option<String>, service_code: Option<String>) -> Self {
        self.detail.http_status = Some(status);
        self.detail.request_id = request_id.map(|id| escaped(&id, NAME_MAX));
        self.detail.service_code = service_code.map(|code| escaped(&code, NAME_MAX));
        self
    }

    /// When the answer was given, as its `Date` header had it.
    #[must_use]
    pub fn dated(mut self, date: Option<String>) -> Self {
        self.detail.date = date.map(|date| escaped(&date, NAME_MAX));
        self
    }

    /// How long the service asked to wait before the next attempt.
    #[must_use]
    pub fn retry_after(mut self, wait: Option<Duration>) -> Self {
        self.detail.retry_after = wait;
        self
    }

    /// Why the signature of the request was out of date.
    #[must_use]
    pub fn expired(mut self, why: SignatureExpired) -> Self {
        self.detail.expired = Some(why);
        self
    }

    /// Nothing of the request went out.
    #[must_use]
    pub fn not_sent(mut self) -> Self {
        self.detail.not_sent = true;
        self
    }

    /// No connection could be opened, so that nothing of the request was sent.
    #[must_use]
    pub fn not_connected(mut self, failure: ConnectFailure) -> Self {
        self.detail.connect_failure = Some(failure);
        self.not_sent()
    }

    /// The same error as one of another kind.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// The upload still exists, and can be carried on.
    #[must_use]
    pub fn resumable(mut self, yes: bool) -> Self {
        self.detail.resumable = yes;
        self
    }

    /// Puts a text behind the message.
    #[must_use]
    pub fn with_hint(mut self, note: impl fmt::Display) -> Self {
        let note = escaped(&note.to_string(), TEXT_MAX);
        self.message = format!("{}; {note}", self.message);
        self
    }

    /// Puts a text before the message.
    #[must_use]
    pub fn with_context(mut self, what: impl fmt::Display) -> Self {
        let what = escaped(&what.to_string(), TEXT_MAX);
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// The same error without the secrets that its texts echo. Its cause, which may echo them too, is dropped then.
    #[must_use]
    pub fn redacted(mut self, redactor: &Redactor) -> Self {
        let detail = &mut self.detail;
        let texts = [&mut detail.service_code, &mut detail.request_id, &mut detail.date];
        let mut is_changed = false;
        for text in texts.into_iter().flatten().chain([&mut self.message]) {
            if let Cow::Owned(redacted) = redactor.redacted(text) {
                *text = redacted;
                is_changed = true;
            }
        }
        if is_changed {
            self.detail.source = None;
        }
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The text for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The service's operation during which it happened.
    pub fn operation(&self) -> Option<&'static str> {
        self.detail.operation
    }

    /// The HTTP status of the answer, if there was one.
    pub fn http_status(&self) -> Option<u16> {
        self.detail.http_status
    }

    /// The service's error code, if the answer had a Glacier error body.
    pub fn service_code(&self) -> Option<&str> {
        self.detail.service_code.as_deref()
    }

    /// The service's ID of the request, which its support asks for.
    pub fn request_id(&self) -> Option<&str> {
        self.detail.request_id.as_deref()
    }

    /// The answer's `Date` header.
    pub fn date(&self) -> Option<&str> {
        self.detail.date.as_deref()
    }

    /// How long the service asked to wait.
    pub fn retry_delay(&self) -> Option<Duration> {
        self.detail.retry_after
    }

    /// Why the signature of the request was out of date, if it was.
    pub fn signature_expired(&self) -> Option<SignatureExpired> {
        self.detail.expired
    }

    /// Whether nothing of the request went out.
    pub fn is_not_sent(&self) -> bool {
        self.detail.not_sent
    }

    /// The step in which opening a connection failed, if that is what failed.
    pub fn connect_failure(&self) -> Option<ConnectFailure> {
        self.detail.connect_failure
    }

    /// Whether the response came from the service: it has a request ID or a Glacier error document.
    pub fn is_from_service(&self) -> bool {
        self.detail.request_id.is_some() || self.detail.service_code.is_some()
    }

    /// Whether the upload still exists and can be carried on.
    pub fn is_resumable(&self) -> bool {
        self.detail.resumable
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.detail.source.as_deref().map(|source| source as _)
    }
}
