//! `glacier_error_t`: the error of a failed call, as C strings and numbers.

use std::ffi::{CStr, CString, c_char};
use std::ptr;

use super::args;
use super::infallible;
use super::result::{self, glacier_result_t};
use crate::error::Error;
use crate::ffi_text::to_cstring;
use crate::retry;

/// The error of one failed call, independent of the handle.
#[derive(Debug)]
pub struct glacier_error_t {
    code: glacier_result_t,
    message: CString,
    operation: Option<CString>,
    http_status: i32,
    service_code: Option<CString>,
    request_id: Option<CString>,
    is_retryable: bool,
    is_resumable: bool,
}

impl glacier_error_t {
    pub(super) fn code(&self) -> glacier_result_t {
        self.code
    }
}

impl From<Error> for glacier_error_t {
    fn from(error: Error) -> Self {
        Self {
            code: result::code(error.kind()),
            message: to_cstring(error.message()),
            operation: error.operation().map(to_cstring),
            http_status: error.http_status().map_or(0, i32::from),
            service_code: error.service_code().map(to_cstring),
            request_id: error.request_id().map(to_cstring),
            is_retryable: retry::is_retryable(&error),
            is_resumable: error.is_resumable(),
        }
    }
}

/// Returns the result of the failed call. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_error_code(error: *const glacier_error_t) -> glacier_result_t {
    infallible::read(error, result::OK, |error| error.code)
}

/// Returns one line of English without a newline: what failed, on which object, and what to do.
///
/// If the upload stays in the vault, the message has its ID. Text from outside, such as the service's messages and file
/// names, is sanitized: control and invisible characters are escaped ("\n", "\x1b", "\u{202e}") and long values are
/// cut.
///
/// A secret key or session token that the config, client or upload of the call knows, or 16 or more characters of one,
/// is replaced by the word "redacted" in brackets. A config knows the secrets that were set on it and those in the
/// environment, a client and its uploads also those of the profile and of all later keys. Other functions, such as
/// glacier_treehash_file, know none. Secrets of fewer than 8 characters are not replaced; a secret key of AWS has 40.
/// A rejected URL is shown only as far as it cannot contain a password or a token. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_error_message(error: *const glacier_error_t) -> *const c_char {
    infallible::read(error, ptr::null(), |error| error.message.as_ptr())
}

/// Returns the service operation that failed, such as "UploadMultipartPart"; NULL if none did. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_error_operation(error: *const glacier_error_t) -> *const c_char {
    infallible::read(error, ptr::null(), |error| or_null(error.operation.as_deref()))
}

/// Returns the HTTP status of the response, or of a proxy that opened no connection; 0 if there was none. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_error_http_status(error: *const glacier_error_t) -> i32 {
    infallible::read(error, 0, |error| error.http_status)
}

/// Returns the service's error code, such as "ResourceNotFoundException", sanitized, at most 128 characters; NULL if
/// the response had none. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_error_service_code(error: *const glacier_error_t) -> *const c_char {
    infallible::read(error, ptr::null(), |error| or_null(error.service_code.as_deref()))
}

/// Returns the service's ID of the failed request, which AWS support asks for, sanitized, at most 128 characters; NULL
/// if there was no response. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_error_request_id(error: *const glacier_error_t) -> *const c_char {
    infallible::read(error, ptr::null(), |error| or_null(error.request_id.as_deref()))
}

/// Returns 1 if the failure is transient or ambiguous, so that the same call may succeed later; else 0. The library has
/// already retried it: see glacier_config_set_max_attempts. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_error_is_retryable(error: *const glacier_error_t) -> i32 {
    infallible::read(error, 0, |error| error.is_retryable.into())
}

/// Returns 1 if, as far as the handle knows, the upload is in the vault and can be resumed with this handle (a stream
/// with parts missing: with a new one); else 0, also after a failed glacier_upload_abort that may have deleted it. See
/// "Resuming". It does not check the source. After GLACIER_E_OUTCOME_UNKNOWN only this handle, or one with the same
/// journal, can resume. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_error_is_resumable(error: *const glacier_error_t) -> i32 {
    infallible::read(error, 0, |error| error.is_resumable.into())
}

/// Frees an error. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_error_free(error: *mut glacier_error_t) {
    infallible::run((), || drop(args::take_back(error)));
}

fn or_null(text: Option<&CStr>) -> *const c_char {
    text.map_or(ptr::null(), CStr::as_ptr)
}
