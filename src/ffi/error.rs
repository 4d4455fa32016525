//! `glacier_error_t`: what a failed call tells, ready to be read by C.

use std::ffi::{CStr, CString, c_char};
use std::ptr;

use super::args;
use super::infallible;
use super::result::{self, glacier_result_t};
use crate::error::Error;
use crate::ffi_text::to_cstring;
use crate::retry;

/// What went wrong in one call: made when a function fails and was given an err, freed by glacier_error_free.
///
/// It never changes, and any number of threads may read it at once. It does not depend on the handle of the call.
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

/// The result that the failed call returned; GLACIER_OK for NULL. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_error_code(error: *const glacier_error_t) -> glacier_result_t {
    infallible::read(error, result::OK, |error| error.code)
}

/// What happened, to what, and where it helps, what to do: one line of English for people, without a newline at its
/// end.
///
/// It names the upload ID where an upload stays in the vault. Values from outside, such as the service's text and file
/// names, are sanitized: control characters and invisible ones are escaped ("\n", "\x1b", "\u{202e}"), long values are
/// cut, and an echo of a secret key or session token that the client has or had, or of 16 or more characters of one, is
/// replaced by the word "redacted" in brackets.
/// Valid until the error is freed; NULL for NULL. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_error_message(error: *const glacier_error_t) -> *const c_char {
    infallible::read(error, ptr::null(), |error| error.message.as_ptr())
}

/// The service's operation that failed, such as "UploadMultipartPart"; NULL if it was none, and for NULL.
///
/// Valid until the error is freed. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_error_operation(error: *const glacier_error_t) -> *const c_char {
    infallible::read(error, ptr::null(), |error| or_null(error.operation.as_deref()))
}

/// The HTTP status of the service's answer; 0 if there was none, and for NULL. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_error_http_status(error: *const glacier_error_t) -> i32 {
    infallible::read(error, 0, |error| error.http_status)
}

/// The service's own error code, such as "ResourceNotFoundException"; NULL if the response had none, and for NULL.
/// Sanitized as the message is, and at most 128 characters long.
///
/// Valid until the error is freed. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_error_service_code(error: *const glacier_error_t) -> *const c_char {
    infallible::read(error, ptr::null(), |error| or_null(error.service_code.as_deref()))
}

/// The service's ID of the failed request, which AWS support asks for; NULL if there was no response, and for NULL.
/// Sanitized as the message is, and at most 128 characters long.
///
/// Valid until the error is freed. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_error_request_id(error: *const glacier_error_t) -> *const c_char {
    infallible::read(error, ptr::null(), |error| or_null(error.request_id.as_deref()))
}

/// 1 if the failure is transient or ambiguous, so that the same call may succeed later; 0 otherwise, and for NULL.
///
/// The library has retried the request already: see glacier_config_set_max_attempts. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_error_is_retryable(error: *const glacier_error_t) -> i32 {
    infallible::read(error, 0, |error| error.is_retryable.into())
}

/// 1 if, as far as the handle knows, the upload is in the vault and can be carried on, with this handle or with a new
/// one, as told under "Carrying on" above; 0 otherwise, and for NULL. It says nothing of whether the source fits. After
/// GLACIER_E_OUTCOME_UNKNOWN only this handle, or one with the same journal, can carry on. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_error_is_resumable(error: *const glacier_error_t) -> i32 {
    infallible::read(error, 0, |error| error.is_resumable.into())
}

/// Frees an error, and with it the texts that came from it. NULL is ignored. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn glacier_error_free(error: *mut glacier_error_t) {
    infallible::run((), || drop(args::take_back(error)));
}

fn or_null(text: Option<&CStr>) -> *const c_char {
    text.map_or(ptr::null(), CStr::as_ptr)
}
