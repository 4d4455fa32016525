//! Results: the numbers, their names, and what they say by themselves.

use std::ffi::{CStr, c_char};

use super::infallible;
use crate::error::Kind;
use glacier_result_names::*;

/// What a function that can fail returns: one of the values of glacier_result_names. Compare with GLACIER_OK.
///
/// Later versions add values and never reuse one, so a switch needs a default. Since: 0.1
pub type glacier_result_t = i32;

/// The values of glacier_result_t. Their ranges tell the origin: 1 the caller, 100 this machine, 200 the way to the
/// service, 300 the service, 400 the integrity of the data, 500 stopped on request, 900 the library itself.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum glacier_result_names {
    /// Done.
    GLACIER_OK = 0,

    /// A pointer that must not be NULL is NULL; the message names the parameter.
    GLACIER_E_NULL = 1,
    /// A value is not allowed; the message names the value and the rule. Nothing was sent.
    GLACIER_E_INVALID = 2,
    /// The call is not allowed in the handle's state, or after the calls made so far. Nothing was sent.
    GLACIER_E_STATE = 3,
    /// Another call, a started run or a stream works with the handle, or this is a call from inside one of its
    /// callbacks.
    GLACIER_E_BUSY = 4,
    /// The run that glacier_upload_wait waits for is not over yet.
    GLACIER_E_PENDING = 5,
    /// The handle was made by the parent of this process, before a fork.
    GLACIER_E_FORKED = 6,

    /// A local file could not be opened, read or written.
    GLACIER_E_IO = 100,
    /// Out of memory or another system resource, such as file descriptors or threads. If a connection finds no
    /// descriptor while another request of the client has a connection, it waits for that one instead.
    GLACIER_E_MEMORY = 101,
    /// The source ended before its announced size.
    GLACIER_E_SOURCE_SHORT = 102,
    /// The source changed while it was being uploaded, or is not what the upload holds.
    GLACIER_E_SOURCE_CHANGED = 103,
    /// The journal is damaged, or of another upload, or the file is not a journal. It was not changed.
    GLACIER_E_JOURNAL = 104,
    /// Another process, or another handle, works with the journal.
    GLACIER_E_LOCKED = 105,

    /// The connection could not be made, or was lost, until the attempts were used up.
    GLACIER_E_NETWORK = 200,
    /// The certificate of the service, or TLS itself, was refused.
    GLACIER_E_TLS = 201,
    /// The last attempt ended in a timeout: no connection within the connect timeout, a stall, or no response to
    /// Complete within glacier_config_set_give_up_after_ms; or a part takes longer than the 5 minutes that a signature
    /// is valid, even when no other part is in flight. If another error ended the last attempt, its code is returned.
    GLACIER_E_TIMEOUT = 202,
    /// The response is not what the protocol allows: not HTTP, a document that cannot be read, a success without the
    /// tree hash or ID that acknowledges it, a list that does not end, or an ID that could not be sent back.
    GLACIER_E_PROTOCOL = 203,

    /// The service refused the request for a reason without a code of its own here: see glacier_error_service_code.
    GLACIER_E_SERVICE = 300,
    /// The credentials lack permission for this operation or do not belong to this account. Or a
    /// proxy denies access.
    GLACIER_E_ACCESS = 301,
    /// The credentials are missing, wrong or expired, or the clock of this machine is wrong in a way that could not be
    /// corrected.
    GLACIER_E_CREDENTIALS = 302,
    /// The service went on asking for fewer requests until the attempts were used up.
    GLACIER_E_THROTTLED = 303,
    /// The service reports that the vault does not exist in this region and account, or the upload no longer exists. A
    /// 404 of a proxy is not this: it is retried, and then GLACIER_E_SERVICE.
    GLACIER_E_NOT_FOUND = 304,
    /// A limit of the service would be, or was, exceeded.
    GLACIER_E_LIMIT = 305,
    /// The service does not serve this account any more.
    GLACIER_E_NO_LONGER_SUPPORTED = 306,
    /// Complete was sent, and whether it was carried out is not known. If glacier_error_is_resumable gives 1, this
    /// handle learns it by running or completing again, and so does another one with the same journal; without a
    /// journal it must be this one, before the program ends: a new handle, attached to the ID, gets
    /// GLACIER_E_NOT_FOUND if there is an archive. Else only an inventory of the vault can tell; do not upload again
    /// before looking there.
    GLACIER_E_OUTCOME_UNKNOWN = 307,

    /// A tree hash differs from the one expected.
    GLACIER_E_TREE_HASH = 400,
    /// Parts are missing.
    GLACIER_E_INCOMPLETE = 401,

    /// The call was stopped by a cancel.
    GLACIER_E_CANCELED = 500,
    /// A callback did not return GLACIER_CONTINUE.
    GLACIER_E_CALLBACK = 501,

    /// A defect in the library, caught; please report it with the message. The handle can still be freed.
    GLACIER_E_PANIC = 900,
    /// A defect in the library, noticed; please report it with the message.
    GLACIER_E_INTERNAL = 901,
}

pub(super) const OK: glacier_result_t = GLACIER_OK as glacier_result_t;

/// The name of a result as it stands here, such as "GLACIER_E_NOT_FOUND"; "GLACIER_E_UNKNOWN" for a number that this
/// version does not know.
///
/// Static: never NULL, never freed. Any thread, at any time. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn glacier_result_name(result: glacier_result_t) -> *const c_char {
    infallible::run(UNKNOWN.1, || find(result).map_or(UNKNOWN.1, |(_, name, _)| name)).as_ptr()
}

/// What a result says by itself, in English; glacier_error_message says more about the case at hand.
///
/// Static: never NULL, never freed. Any thread, at any time. Since: 0.1
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
    (GLACIER_OK, c"GLACIER_OK", c"done"),
    (GLACIER_E_NULL, c"GLACIER_E_NULL", c"a pointer that must not be NULL is NULL"),
    (GLACIER_E_INVALID, c"GLACIER_E_INVALID", c"a value is not allowed"),
    (GLACIER_E_STATE, c"GLACIER_E_STATE", c"the call is not allowed in this state"),
    (GLACIER_E_BUSY, c"GLACIER_E_BUSY", c"another call works with the handle"),
    (GLACIER_E_PENDING, c"GLACIER_E_PENDING", c"the work is not over yet"),
    (GLACIER_E_FORKED, c"GLACIER_E_FORKED", c"the handle belongs to the parent process"),
    (GLACIER_E_IO, c"GLACIER_E_IO", c"a local file could not be read"),
    (GLACIER_E_MEMORY, c"GLACIER_E_MEMORY", c"out of memory or another system resource"),
    (GLACIER_E_SOURCE_SHORT, c"GLACIER_E_SOURCE_SHORT", c"the source ended before its announced size"),
    (GLACIER_E_SOURCE_CHANGED, c"GLACIER_E_SOURCE_CHANGED", c"the source changed"),
    (GLACIER_E_JOURNAL, c"GLACIER_E_JOURNAL", c"the journal is damaged or belongs to something else"),
    (GLACIER_E_LOCKED, c"GLACIER_E_LOCKED", c"another process works with the journal"),
    (GLACIER_E_NETWORK, c"GLACIER_E_NETWORK", c"the connection could not be made or was lost"),
    (GLACIER_E_TLS, c"GLACIER_E_TLS", c"the certificate or TLS itself was refused"),
    (GLACIER_E_TIMEOUT, c"GLACIER_E_TIMEOUT", c"nothing moved for too long"),
    (GLACIER_E_PROTOCOL, c"GLACIER_E_PROTOCOL", c"the answer is not what the protocol allows"),
    (GLACIER_E_SERVICE, c"GLACIER_E_SERVICE", c"the service refused the request"),
    (GLACIER_E_ACCESS, c"GLACIER_E_ACCESS", c"the credentials may not do this"),
    (GLACIER_E_CREDENTIALS, c"GLACIER_E_CREDENTIALS", c"the credentials are missing, wrong or expired"),
    (GLACIER_E_THROTTLED, c"GLACIER_E_THROTTLED", c"the service asks for fewer requests"),
    (GLACIER_E_NOT_FOUND, c"GLACIER_E_NOT_FOUND", c"the vault or the upload does not exist"),
    (GLACIER_E_LIMIT, c"GLACIER_E_LIMIT", c"a limit of the service is exceeded"),
    (
        GLACIER_E_NO_LONGER_SUPPORTED,
        c"GLACIER_E_NO_LONGER_SUPPORTED",
        c"the service does not serve this account any more",
    ),
    (GLACIER_E_OUTCOME_UNKNOWN, c"GLACIER_E_OUTCOME_UNKNOWN", c"whether the request was carried out cannot be known"),
    (GLACIER_E_TREE_HASH, c"GLACIER_E_TREE_HASH", c"a tree hash differs from the one expected"),
    (GLACIER_E_INCOMPLETE, c"GLACIER_E_INCOMPLETE", c"parts are missing"),
    (GLACIER_E_CANCELED, c"GLACIER_E_CANCELED", c"canceled"),
    (GLACIER_E_CALLBACK, c"GLACIER_E_CALLBACK", c"a callback asked to stop"),
    (GLACIER_E_PANIC, c"GLACIER_E_PANIC", c"a defect in the library, caught"),
    (GLACIER_E_INTERNAL, c"GLACIER_E_INTERNAL", c"a defect in the library, noticed"),
];
