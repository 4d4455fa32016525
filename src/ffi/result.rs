//! Results: their numbers, names and messages.

use std::ffi::{CStr, c_char};

use super::infallible;
use crate::error::Kind;
use glacier_result_names::*;

/// The result of a function that can fail: a value of glacier_result_names. Compare it with GLACIER_OK.
///
/// Later versions may add values and never reuse one, so a switch needs a default.
pub type glacier_result_t = i32;

/// The values of glacier_result_t, in ranges by origin: 1 the caller, 100 this machine, 200 the connection to the
/// service, 300 the service, 400 data integrity, 500 stopped on request, 900 the library.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum glacier_result_names {
    /// Success.
    GLACIER_OK = 0,

    /// A required pointer is NULL.
    GLACIER_E_NULL = 1,
    /// A value is not allowed. The message has the value and the rule. No part was sent.
    GLACIER_E_INVALID = 2,
    /// The call is not allowed in the handle's state, or after earlier calls. Nothing was sent.
    GLACIER_E_STATE = 3,
    /// Another call, a started run or a stream is using the handle, or the call was made inside one of its callbacks.
    GLACIER_E_BUSY = 4,
    /// The run that glacier_upload_wait waits for has not ended.
    GLACIER_E_PENDING = 5,
    /// The handle was created before fork() by the parent of this process.
    GLACIER_E_FORKED = 6,

    /// A local file could not be opened, read or written.
    GLACIER_E_IO = 100,
    /// Out of memory or another system resource, such as file descriptors or threads. If no descriptor is left for a
    /// new connection, a request first waits for a connection that another request of the client is using.
    GLACIER_E_MEMORY = 101,
    /// The source ended before its announced size.
    GLACIER_E_SOURCE_SHORT = 102,
    /// The source changed during the upload, or does not match what the upload holds.
    GLACIER_E_SOURCE_CHANGED = 103,
    /// The file is not a journal, is damaged, or belongs to another upload. It was not changed.
    GLACIER_E_JOURNAL = 104,
    /// Another process or handle is using the journal.
    GLACIER_E_LOCKED = 105,

    /// The connection failed or was lost in each attempt, or a proxy refused it or requires a password.
    GLACIER_E_NETWORK = 200,
    /// The certificate of the service was rejected, or TLS failed.
    GLACIER_E_TLS = 201,
    /// The last attempt timed out: no connection within the connect timeout, or a stall. Or a part takes longer than
    /// the 5 minutes that its signature is valid, even with no other part in flight. A missing response to Complete
    /// is GLACIER_E_OUTCOME_UNKNOWN.
    GLACIER_E_TIMEOUT = 202,
    /// The response breaks the protocol: not HTTP, an unreadable document, a success without the tree hash or ID that
    /// acknowledges it, a list that does not end or contradicts itself, or an ID that cannot be sent back.
    GLACIER_E_PROTOCOL = 203,

    /// The service rejected the request for a reason that has no result of its own: see glacier_error_service_code.
    GLACIER_E_SERVICE = 300,
    /// The credentials lack permission for this operation or do not belong to this account. Also HTTP 401, 403
    /// or 407 without an error code, perhaps from a proxy that forwards requests.
    GLACIER_E_ACCESS = 301,
    /// The credentials are missing, wrong or expired, or the library cannot correct signatures for a wrong machine
    /// clock.
    GLACIER_E_CREDENTIALS = 302,
    /// The service throttled the request in each attempt.
    GLACIER_E_THROTTLED = 303,
    /// The service reports that the vault does not exist in this region and account, or that the upload does not
    /// exist: it was completed, aborted (perhaps by a call that received no response) or removed. Before you upload
    /// again, look for the archive in an inventory of the vault, which the service makes as a job of the type
    /// inventory-retrieval (InitiateJob). A 404 from a proxy is retried, then GLACIER_E_SERVICE.
    GLACIER_E_NOT_FOUND = 304,
    /// A limit of the service was or would be exceeded.
    GLACIER_E_LIMIT = 305,
    /// The service no longer serves this account.
    GLACIER_E_NO_LONGER_SUPPORTED = 306,
    /// Complete was sent, but its outcome is unknown. If glacier_error_is_resumable returns 1, repeat the call, with
    /// this handle or with one that has the same journal: the library repeats Complete, and the service repeats the
    /// archive ID. Without a journal, do so before the program ends: a new handle attached to the ID does not know
    /// that Complete was sent, and gets GLACIER_E_NOT_FOUND if there is an archive. If glacier_error_is_resumable
    /// returns 0, look for the archive in an inventory of the vault before you upload again.
    GLACIER_E_OUTCOME_UNKNOWN = 307,

    /// A tree hash differs from the expected one.
    GLACIER_E_TREE_HASH = 400,
    /// Parts are missing.
    GLACIER_E_INCOMPLETE = 401,

    /// The call was canceled.
    GLACIER_E_CANCELED = 500,
    /// A callback did not return GLACIER_CONTINUE.
    GLACIER_E_CALLBACK = 501,

    /// A defect in the library caused a panic. Please report the message. The handle can still be freed.
    GLACIER_E_PANIC = 900,
    /// The library detected a defect in itself. Please report the message.
    GLACIER_E_INTERNAL = 901,
}

pub(super) const OK: glacier_result_t = GLACIER_OK as glacier_result_t;

/// Returns the name of a result, such as "GLACIER_E_NOT_FOUND"; "GLACIER_E_UNKNOWN" if this version does not know it.
///
/// Static, never NULL. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn glacier_result_name(result: glacier_result_t) -> *const c_char {
    infallible::run(UNKNOWN.1, || find(result).map_or(UNKNOWN.1, |(_, name, _)| name)).as_ptr()
}

/// Returns an English description of a result. glacier_error_message describes the failure.
///
/// Static, never NULL. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn glacier_result_message(result: glacier_result_t) -> *const c_char {
    infallible::run(UNKNOWN.2, || find(result).map_or(UNKNOWN.2, |(_, _, message)| message)).as_ptr()
}

/// The result that an error becomes.
pub(super) fn code(kind: Kind) -> glacier_result_t {
    let name = match kind {
        Kind::Null => GLACIER_E_NULL,
        Kind::Invalid => GLACIER_E_INVALID,
        Kind::State => GLACIER_E_STATE,
        Kind::Busy => GLACIER_E_BUSY,
        Kind::Pending => GLACIER_E_PENDING,
        Kind::Forked => GLACIER_E_FORKED,
        Kind::Io => GLACIER_E_IO,
        Kind::Memory => GLACIER_E_MEMORY,
        Kind::SourceShort => GLACIER_E_SOURCE_SHORT,
        Kind::SourceChanged => GLACIER_E_SOURCE_CHANGED,
        Kind::Journal => GLACIER_E_JOURNAL,
        Kind::Locked => GLACIER_E_LOCKED,
        Kind::Network => GLACIER_E_NETWORK,
        Kind::Tls => GLACIER_E_TLS,
        Kind::Timeout => GLACIER_E_TIMEOUT,
        Kind::Protocol => GLACIER_E_PROTOCOL,
        Kind::Service => GLACIER_E_SERVICE,
        Kind::Access => GLACIER_E_ACCESS,
        Kind::Credentials => GLACIER_E_CREDENTIALS,
        Kind::Throttled => GLACIER_E_THROTTLED,
        Kind::NotFound => GLACIER_E_NOT_FOUND,
        Kind::Limit => GLACIER_E_LIMIT,
        Kind::NoLongerSupported => GLACIER_E_NO_LONGER_SUPPORTED,
        Kind::OutcomeUnknown => GLACIER_E_OUTCOME_UNKNOWN,
        Kind::TreeHash => GLACIER_E_TREE_HASH,
        Kind::Incomplete => GLACIER_E_INCOMPLETE,
        Kind::Canceled => GLACIER_E_CANCELED,
        Kind::Callback => GLACIER_E_CALLBACK,
        Kind::Panic => GLACIER_E_PANIC,
        Kind::Internal => GLACIER_E_INTERNAL,
    };
    name as glacier_result_t
}

type ResultEntry = (glacier_result_names, &'static CStr, &'static CStr);

fn find(result: glacier_result_t) -> Option<&'static ResultEntry> {
    RESULTS.iter().find(|(name, _, _)| *name as glacier_result_t == result)
}

const UNKNOWN: ((), &CStr, &CStr) =
    ((), c"GLACIER_E_UNKNOWN", c"a result that this version of the library does not know");

const RESULTS: [ResultEntry; 31] = [
    (GLACIER_OK, c"GLACIER_OK", c"success"),
    (GLACIER_E_NULL, c"GLACIER_E_NULL", c"a pointer that must not be NULL is NULL"),
    (GLACIER_E_INVALID, c"GLACIER_E_INVALID", c"a value is not allowed"),
    (GLACIER_E_STATE, c"GLACIER_E_STATE", c"the call is not allowed in this state"),
    (GLACIER_E_BUSY, c"GLACIER_E_BUSY", c"the handle is in use by another call"),
    (GLACIER_E_PENDING, c"GLACIER_E_PENDING", c"the run has not ended"),
    (GLACIER_E_FORKED, c"GLACIER_E_FORKED", c"the handle was created before fork() by the parent process"),
    (GLACIER_E_IO, c"GLACIER_E_IO", c"a local file could not be opened, read or written"),
    (GLACIER_E_MEMORY, c"GLACIER_E_MEMORY", c"out of memory or another system resource"),
    (GLACIER_E_SOURCE_SHORT, c"GLACIER_E_SOURCE_SHORT", c"the source ended before its announced size"),
    (GLACIER_E_SOURCE_CHANGED, c"GLACIER_E_SOURCE_CHANGED", c"the source changed"),
    (GLACIER_E_JOURNAL, c"GLACIER_E_JOURNAL", c"the journal is damaged or belongs to another upload"),
    (GLACIER_E_LOCKED, c"GLACIER_E_LOCKED", c"the journal is in use by another process or handle"),
    (GLACIER_E_NETWORK, c"GLACIER_E_NETWORK", c"the connection failed or was lost"),
    (GLACIER_E_TLS, c"GLACIER_E_TLS", c"the certificate was rejected or TLS failed"),
    (GLACIER_E_TIMEOUT, c"GLACIER_E_TIMEOUT", c"the request timed out"),
    (GLACIER_E_PROTOCOL, c"GLACIER_E_PROTOCOL", c"the response breaks the protocol"),
    (GLACIER_E_SERVICE, c"GLACIER_E_SERVICE", c"the service rejected the request"),
    (GLACIER_E_ACCESS, c"GLACIER_E_ACCESS", c"the credentials lack permission for this operation"),
    (GLACIER_E_CREDENTIALS, c"GLACIER_E_CREDENTIALS", c"the credentials are missing, wrong or expired"),
    (GLACIER_E_THROTTLED, c"GLACIER_E_THROTTLED", c"the service throttled the request"),
    (GLACIER_E_NOT_FOUND, c"GLACIER_E_NOT_FOUND", c"the vault or the upload does not exist"),
    (GLACIER_E_LIMIT, c"GLACIER_E_LIMIT", c"a limit of the service is exceeded"),
    (GLACIER_E_NO_LONGER_SUPPORTED, c"GLACIER_E_NO_LONGER_SUPPORTED", c"the service no longer serves this account"),
    (GLACIER_E_OUTCOME_UNKNOWN, c"GLACIER_E_OUTCOME_UNKNOWN", c"the outcome of the request is unknown"),
    (GLACIER_E_TREE_HASH, c"GLACIER_E_TREE_HASH", c"a tree hash differs from the one expected"),
    (GLACIER_E_INCOMPLETE, c"GLACIER_E_INCOMPLETE", c"parts are missing"),
    (GLACIER_E_CANCELED, c"GLACIER_E_CANCELED", c"canceled"),
    (GLACIER_E_CALLBACK, c"GLACIER_E_CALLBACK", c"a callback stopped the call"),
    (GLACIER_E_PANIC, c"GLACIER_E_PANIC", c"a defect in the library caused a panic"),
    (GLACIER_E_INTERNAL, c"GLACIER_E_INTERNAL", c"the library detected a defect in itself"),
];
