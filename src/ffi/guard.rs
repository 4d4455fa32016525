//! The boundary itself: what stands around every function of the C ABI, and how arguments come in and outputs go out.
//!
//! The functions here read raw pointers and yet are not `unsafe`: their only callers are the functions of the C ABI,
//! where every pointer is under the one contract of the module above. Marking them would repeat that sentence at each
//! call.

use std::ffi::{CStr, c_char};
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use super::error::glacier_error_t;
use super::result::{self, glacier_result_t};
use crate::callback_loop::catch_panic;
use crate::error::{Error, Kind, Result};
use crate::sys::emergency_memory;
use crate::sys::thread::CancellationDisabled;

/// The longest text that is taken, in bytes: far above any path or session token. It is copied.
const TEXT_MAX: usize = 128 << 10;

/// Runs the body of a function that can fail. `err` is NULL or where the error goes.
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

/// Runs the body of a function that cannot report an error: after a panic it gives `fallback`.
pub(super) fn value<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    let _cancellation = CancellationDisabled::now();
    catch_panic(|| Ok(body())).unwrap_or(fallback)
}

/// Reads a handle: `fallback` when it is NULL, or after a panic. It allocates nothing and calls nothing: a signal
/// handler may be the caller.
pub(super) fn get<'a, H: 'a, T>(handle: *const H, fallback: T, read: impl FnOnce(&'a H) -> T) -> T {
    // SAFETY: NULL, or what the header says: a handle that is not freed.
    match unsafe { handle.as_ref() } {
        Some(handle) => catch_panic(|| Ok(read(handle))).unwrap_or(fallback),
        None => fallback,
    }
}

/// Gives an object to the caller, as a handle.
pub(super) fn into_handle<H>(object: H) -> *mut H {
    Arc::into_raw(Arc::new(object)).cast_mut()
}

/// A count of its own on a handle: the object stays, even when a callback frees the handle.
pub(super) fn share<H>(handle: *const H, name: &str) -> Result<Arc<H>> {
    let handle = non_null(handle, name)?.as_ptr();
    // SAFETY: a handle comes from `into_handle` and is not freed yet, so there is at least one count to add to.
    unsafe { Arc::increment_strong_count(handle) };
    // SAFETY: this takes over the count just added.
    Ok(unsafe { Arc::from_raw(handle) })
}

/// Takes a handle back from the caller; `None` when it is NULL.
pub(super) fn take_back<H>(handle: *mut H) -> Option<Arc<H>> {
    let handle = NonNull::new(handle)?.as_ptr();
    // SAFETY: a handle comes from `into_handle`, and the caller gives up its count by freeing it, once.
    Some(unsafe { Arc::from_raw(handle) })
}

/// What a pointer points to.
pub(super) fn borrow<'a, T>(pointer: *const T, name: &str) -> Result<&'a T> {
    let pointer = non_null(pointer, name)?;
    // SAFETY: not NULL, so it is what the header says: an object that lives and does not change during the call.
    Ok(unsafe { pointer.as_ref() })
}

/// A text.
pub(super) fn str_arg<'a>(text: *const c_char, name: &str) -> Result<&'a str> {
    c_str(text, name)?.to_str().map_err(|bad| {
        Error::invalid(format!("{name} is not UTF-8: the byte at offset {} does not belong", bad.valid_up_to()))
    })
}

/// A text that may be missing.
pub(super) fn optional_str_arg<'a>(text: *const c_char, name: &str) -> Result<Option<&'a str>> {
    if text.is_null() { Ok(None) } else { str_arg(text, name).map(Some) }
}

/// The name of a file: any bytes on Unix, where names are bytes; UTF-8 elsewhere.
pub(super) fn path_arg<'a>(path: *const c_char, name: &str) -> Result<&'a Path> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        Ok(Path::new(std::ffi::OsStr::from_bytes(c_str(path, name)?.to_bytes())))
    }
    #[cfg(not(unix))]
    {
        str_arg(path, name).map(Path::new)
    }
}

/// `count` elements. NULL is right for none.
pub(super) fn slice_arg<'a, T>(data: *const T, count: usize, name: &str) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    let data = non_null(data, name)?;
    let bytes = count.checked_mul(size_of::<T>());
    if bytes.is_none_or(|bytes| isize::try_from(bytes).is_err()) {
        return Err(Error::invalid(format!("{name} cannot have {count} elements: that is more than memory can hold")));
    }
    // SAFETY: not NULL, the size is one that an object can have, and the header asks for `count` readable elements.
    Ok(unsafe { std::slice::from_raw_parts(data.as_ptr(), count) })
}

/// Where a function puts an output: checked before the work, written after it.
pub(super) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    pub(super) fn new(out: *mut T, name: &str) -> Result<Self> {
        non_null(out, name).map(Self)
    }

    fn optional(out: *mut T) -> Option<Self> {
        NonNull::new(out).map(Self)
    }

    pub(super) fn set(&self, value: T) {
        // SAFETY: not NULL, so it is what the header says: room for a T. What was there is not read.
        unsafe { self.0.write(value) };
    }
}

/// SizedOut for a struct that may be older, and so smaller, or newer than the library's.
pub(super) struct SizedOut {
    start: NonNull<u8>,
    size: usize,
}

impl SizedOut {
    pub(super) fn new<T>(out: *mut T, size: usize, name: &str) -> Result<Self> {
        let start = non_null(out, name)?.cast();
        if isize::try_from(size).is_err() {
            return Err(Error::invalid(format!("{name} cannot have {size} bytes: that is more than memory can hold")));
        }
        Ok(Self { start, size })
    }

    /// Writes as much of `value` as there is room for, and zeros behind it. For structs of plain integers only.
    pub(super) fn fill<T: Copy>(&self, value: &T) {
        let filled = self.size.min(size_of::<T>());
        let value = ptr::from_ref(value).cast::<u8>();
        // SAFETY: `filled` is within the value, and within the room that the caller says there is.
        unsafe { self.start.as_ptr().copy_from_nonoverlapping(value, filled) };
        // SAFETY: `filled` is at most `size`.
        let rest = unsafe { self.start.add(filled) };
        // SAFETY: the rest of the room that the caller says there is.
        unsafe { rest.write_bytes(0, self.size - filled) };
    }
}

fn c_str<'a>(text: *const c_char, name: &str) -> Result<&'a CStr> {
    let text = non_null(text, name)?;
    // SAFETY: not NULL, so it is what the header says: a text that ends with NUL and does not change during the call.
    let text = unsafe { CStr::from_ptr(text.as_ptr()) };
    match text.count_bytes() {
        ..=TEXT_MAX => Ok(text),
        length => Err(Error::invalid(format!("{name} has {length} bytes: at most {TEXT_MAX} are allowed"))),
    }
}

fn non_null<T>(pointer: *const T, name: &str) -> Result<NonNull<T>> {
    NonNull::new(pointer.cast_mut()).ok_or_else(|| Error::new(Kind::Null, format!("{name} is NULL")))
}

#[cfg(test)]
mod tests {
    use super::super::error::{glacier_error_code, glacier_error_free, glacier_error_message};
    use super::super::result::glacier_result_names::{GLACIER_E_NULL, GLACIER_E_PANIC};
    use super::*;

    /// What a call with this body gives: the result, and the error's text.
    fn outcome(body: impl FnOnce() -> Result<()>) -> (glacier_result_t, String) {
        let mut err = ptr::null_mut();
        let result = call(&raw mut err, body);
        if err.is_null() {
            return (result, String::new());
        }
        // SAFETY: the error was made above, and is freed below.
        let message = str_arg(unsafe { glacier_error_message(err) }, "message").unwrap().to_owned();
        // SAFETY: as above.
        assert_eq!(unsafe { glacier_error_code(err) }, result, "the error tells the result");
        // SAFETY: as above.
        unsafe { glacier_error_free(err) };
        (result, message)
    }

    #[test]
    fn a_panic_becomes_a_result_with_its_text() {
        let (result, message) = outcome(|| panic!("part {} is lost", 7));
        assert_eq!(result, GLACIER_E_PANIC as i32);
        assert!(message.contains("part 7 is lost"), "{message}");
        assert_eq!(outcome(|| panic!("plain")).0, GLACIER_E_PANIC as i32);
        assert_eq!(value(3, || panic!("in a getter")), 3);
        assert_eq!(get(ptr::from_ref(&0u8), 3, |_| panic!("in a getter")), 3);
    }

    #[test]
    fn an_old_error_is_neither_read_nor_freed() {
        let mut err = ptr::without_provenance_mut(1);
        assert_eq!(call(&raw mut err, || Ok(())), result::OK);
        assert!(err.is_null(), "success leaves NULL");
        assert_eq!(call(ptr::null_mut(), || panic!("nobody asks")), GLACIER_E_PANIC as i32);
    }

    #[test]
    fn arguments_that_are_wrong_are_named() {
        let bytes: *const u8 = ptr::null();
        assert_eq!(slice_arg(bytes, 0, "data").unwrap(), b"", "NULL is right for no data");
        let null = outcome(|| slice_arg(bytes, 1, "data").map(drop));
        assert_eq!(null, (GLACIER_E_NULL as i32, "data is NULL".to_owned()));
        for (count, hashes) in
            [(usize::MAX, false), (isize::MAX.unsigned_abs() + 1, false), (usize::MAX / 32 + 2, true)]
        {
            let error = if hashes {
                slice_arg([[0u8; 32]].as_ptr(), count, "digests").map(drop).unwrap_err()
            } else {
                slice_arg([0u8].as_ptr(), count, "data").map(drop).unwrap_err()
            };
            assert_eq!(error.kind(), Kind::Invalid);
        }
        let error = str_arg(c"ab\xff".as_ptr(), "vault").unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.message().contains("vault") && error.message().contains("offset 2"), "{}", error.message());
        let long = std::ffi::CString::new(vec![b'a'; TEXT_MAX + 1]).unwrap();
        assert_eq!(
            str_arg(long.as_ptr(), "vault").unwrap_err().message(),
            "vault has 131073 bytes: at most 131072 are allowed"
        );
        assert_eq!(str_arg(ptr::null(), "vault").unwrap_err().message(), "vault is NULL");
        assert_eq!(optional_str_arg(ptr::null(), "token").unwrap(), None);
        assert_eq!(Out::<u8>::new(ptr::null_mut(), "out").err().unwrap().message(), "out is NULL");
    }

    #[test]
    fn a_struct_fits_into_less_and_into_more_room() {
        for (size, expected) in [(4, [1, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9]), (12, [1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0])]
        {
            let mut room = [9u8; 12];
            SizedOut::new(room.as_mut_ptr(), size, "out").unwrap().fill(&[1u32.to_le(), 2u32.to_le()]);
            assert_eq!(room, expected);
        }
        assert_eq!(SizedOut::new(ptr::null_mut::<u8>(), 8, "out").err().unwrap().kind(), Kind::Null);
        assert_eq!(SizedOut::new(ptr::from_mut(&mut 0u8), usize::MAX, "out").err().unwrap().kind(), Kind::Invalid);
    }

    #[cfg(unix)]
    #[test]
    fn paths_are_bytes() {
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(path_arg(c"a\xff".as_ptr(), "path").unwrap().as_os_str().as_bytes(), b"a\xff");
        assert_eq!(path_arg(ptr::null(), "path").unwrap_err().kind(), Kind::Null);
    }

    #[test]
    fn a_handle_freed_by_a_callback_lives_until_its_call_returns() {
        let handle = into_handle(String::from("alive"));
        let in_call = share(handle, "handle").unwrap();
        drop(take_back(handle));
        assert_eq!(*in_call, "alive");
        assert!(take_back(ptr::null_mut::<String>()).is_none());
    }
}
