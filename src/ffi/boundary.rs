//! The boundary of functions that can fail: panics stop here, and errors become results.

use std::ptr;

use super::args::{Out, into_handle};
use super::error::glacier_error_t;
use super::result::{self, glacier_result_t};
use crate::callback_loop::catch_panic;
use crate::error::Result;
use crate::sys::emergency_memory;
use crate::sys::thread::CancellationDisabled;

/// Runs the body of a function that can fail. `err` is NULL or the place for the error.
pub(super) fn call(err: *mut *mut glacier_error_t, body: impl FnOnce() -> Result<()>) -> glacier_result_t {
    let _cancellation = CancellationDisabled::now();
    let err = Out::optional(err);
    if let Some(err) = &err {
        err.set(ptr::null_mut());
    }
    let Err(error) = emergency_memory::ensure().and_then(|()| catch_panic(body)) else { return result::OK };
    let code = result::code(error.kind());
    if let Some(err) = &err {
        err.set(into_handle(glacier_error_t::from(error)));
    }
    code
}

#[cfg(test)]
mod tests {
    use super::super::args::{slice_arg, str_arg};
    use super::super::error::{glacier_error_code, glacier_error_free, glacier_error_message};
    use super::super::result::glacier_result_names::{GLACIER_E_NULL, GLACIER_E_PANIC};
    use super::*;

    /// Returns the result of a call with this body, and the error's message.
    fn outcome(body: impl FnOnce() -> Result<()>) -> (glacier_result_t, String) {
        let mut err = ptr::null_mut();
        let result = call(&raw mut err, body);
        if err.is_null() {
            return (result, String::new());
        }
        // SAFETY: the call created the error, and it is freed below.
        let message = str_arg(unsafe { glacier_error_message(err) }, "message").unwrap().to_owned();
        // SAFETY: as above.
        assert_eq!(unsafe { glacier_error_code(err) }, result, "the error has the result of the call");
        // SAFETY: as above.
        unsafe { glacier_error_free(err) };
        (result, message)
    }

    #[test]
    fn turns_panic_into_result_with_message() {
        let (result, message) = outcome(|| panic!("part {} is lost", 7));
        assert_eq!(result, GLACIER_E_PANIC as i32);
        assert!(message.contains("part 7 is lost"), "{message}");
        assert_eq!(outcome(|| panic!("plain")).0, GLACIER_E_PANIC as i32);
    }

    #[test]
    fn turns_error_into_result_with_message() {
        let null = outcome(|| slice_arg(ptr::null::<u8>(), 1, "data").map(drop));
        assert_eq!(null, (GLACIER_E_NULL as i32, "data is NULL".to_owned()));
    }

    #[test]
    fn neither_reads_nor_frees_previous_error() {
        let mut err = ptr::without_provenance_mut(1);
        assert_eq!(call(&raw mut err, || Ok(())), result::OK);
        assert!(err.is_null(), "success stores NULL");
    }

    #[test]
    fn works_without_place_for_error() {
        assert_eq!(call(ptr::null_mut(), || panic!("no place for this")), GLACIER_E_PANIC as i32);
    }
}
