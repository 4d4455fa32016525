//! Raw pointers in and out: arguments become references, and results become handles and outputs.
//!
//! The functions here read raw pointers but are not `unsafe`. Only the functions of the C ABI call them, and the
//! contract of the module above covers every pointer. `unsafe` here would repeat that contract at each call.

use std::ffi::{CStr, c_char};
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::error::{Error, Kind, Result};

/// The maximum length of a text argument in bytes. It is far above any path or session token.
const TEXT_MAX: usize = 128 << 10;

/// Moves an object into a handle that the caller owns.
pub(super) fn into_handle<H>(object: H) -> *mut H {
    Arc::into_raw(Arc::new(object)).cast_mut()
}

/// Returns a new reference to the object of a handle. The object stays alive if a callback frees the handle.
pub(super) fn share<H>(handle: *const H, name: &str) -> Result<Arc<H>> {
    let handle = non_null(handle, name)?.as_ptr();
    // SAFETY: the handle comes from `into_handle` and is not freed, so its reference count is at least one.
    unsafe { Arc::increment_strong_count(handle) };
    // SAFETY: this takes over the reference just added.
    Ok(unsafe { Arc::from_raw(handle) })
}

/// Takes a handle back from the caller. Returns `None` if it is NULL.
pub(super) fn take_back<H>(handle: *mut H) -> Option<Arc<H>> {
    let handle = NonNull::new(handle)?.as_ptr();
    // SAFETY: the handle comes from `into_handle`, and the caller gives up its reference by freeing it, once.
    Some(unsafe { Arc::from_raw(handle) })
}

/// Borrows the object that a pointer points to.
pub(super) fn borrow<'a, T>(pointer: *const T, name: &str) -> Result<&'a T> {
    let pointer = non_null(pointer, name)?;
    // SAFETY: not NULL; by the contract of the header the object lives and does not change during the call.
    Ok(unsafe { pointer.as_ref() })
}

/// Reads a text argument.
pub(super) fn str_arg<'a>(text: *const c_char, name: &str) -> Result<&'a str> {
    c_str(text, name)?
        .to_str()
        .map_err(|bad| Error::invalid(format!("{name} is not UTF-8: invalid byte at offset {}", bad.valid_up_to())))
}

/// Reads a text argument that may be NULL.
pub(super) fn optional_str_arg<'a>(text: *const c_char, name: &str) -> Result<Option<&'a str>> {
    if text.is_null() { Ok(None) } else { str_arg(text, name).map(Some) }
}

/// Reads a file name: any bytes on Unix, UTF-8 elsewhere.
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

/// Borrows `count` elements. The pointer may be NULL if `count` is 0.
pub(super) fn slice_arg<'a, T>(data: *const T, count: usize, name: &str) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    let data = non_null(data, name)?;
    let bytes = count.checked_mul(size_of::<T>());
    if bytes.is_none_or(|bytes| isize::try_from(bytes).is_err()) {
        return Err(Error::invalid(format!("{name} cannot have {count} elements: that is more than memory can hold")));
    }
    // SAFETY: not NULL, an object can have this size, and the header requires `count` readable elements.
    Ok(unsafe { std::slice::from_raw_parts(data.as_ptr(), count) })
}

/// The place for an output: checked before the work, written after it.
pub(super) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    /// Returns the place, or an error if the pointer is NULL.
    pub(super) fn new(out: *mut T, name: &str) -> Result<Self> {
        non_null(out, name).map(Self)
    }

    /// Returns the place, or `None` if the pointer is NULL.
    pub(super) fn optional(out: *mut T) -> Option<Self> {
        NonNull::new(out).map(Self)
    }

    /// Writes the output.
    pub(super) fn set(&self, value: T) {
        // SAFETY: not NULL; by the contract of the header there is room for a T. The old content is not read.
        unsafe { self.0.write(value) };
    }
}

/// The place for a struct whose size the caller gives: it is smaller in older programs and larger in newer ones.
pub(super) struct SizedOut {
    start: NonNull<u8>,
    size: usize,
}

impl SizedOut {
    /// Returns the place, or an error if the pointer is NULL or no object can have this size.
    pub(super) fn new<T>(out: *mut T, size: usize, name: &str) -> Result<Self> {
        let start = non_null(out, name)?.cast();
        if isize::try_from(size).is_err() {
            return Err(Error::invalid(format!("{name} cannot have {size} bytes: that is more than memory can hold")));
        }
        Ok(Self { start, size })
    }

    /// Writes the part of `value` that fits, and zeros into the rest. For structs of plain integers only.
    pub(super) fn fill<T: Copy>(&self, value: &T) {
        let filled = self.size.min(size_of::<T>());
        let value = ptr::from_ref(value).cast::<u8>();
        // SAFETY: `filled` is within the value and within the size that the caller gave.
        unsafe { self.start.as_ptr().copy_from_nonoverlapping(value, filled) };
        // SAFETY: `filled` is at most `size`.
        let rest = unsafe { self.start.add(filled) };
        // SAFETY: the rest is within the size that the caller gave.
        unsafe { rest.write_bytes(0, self.size - filled) };
    }
}

fn c_str<'a>(text: *const c_char, name: &str) -> Result<&'a CStr> {
    let text = non_null(text, name)?;
    // SAFETY: not NULL; by the contract of the header the text ends with NUL and does not change during the call.
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
    use super::*;

    #[test]
    fn accepts_null_for_no_elements() {
        assert_eq!(slice_arg(ptr::null::<u8>(), 0, "data").unwrap(), b"");
        assert_eq!(optional_str_arg(ptr::null(), "token").unwrap(), None);
    }

    #[test]
    fn rejects_null_and_names_the_argument() {
        assert_eq!(str_arg(ptr::null(), "vault").unwrap_err().message(), "vault is NULL");
        assert_eq!(slice_arg(ptr::null::<u8>(), 1, "data").unwrap_err().message(), "data is NULL");
        assert_eq!(Out::<u8>::new(ptr::null_mut(), "out").err().unwrap().message(), "out is NULL");
        assert_eq!(path_arg(ptr::null(), "path").unwrap_err().kind(), Kind::Null);
    }

    #[test]
    fn rejects_more_elements_than_memory_can_hold() {
        for count in [usize::MAX, isize::MAX.unsigned_abs() + 1] {
            assert_eq!(slice_arg([0u8].as_ptr(), count, "data").unwrap_err().kind(), Kind::Invalid);
        }
        let overflowing = usize::MAX / 32 + 2;
        assert_eq!(slice_arg([[0u8; 32]].as_ptr(), overflowing, "digests").unwrap_err().kind(), Kind::Invalid);
    }

    #[test]
    fn rejects_text_not_utf8_with_offset() {
        let error = str_arg(c"ab\xff".as_ptr(), "vault").unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert_eq!(error.message(), "vault is not UTF-8: invalid byte at offset 2");
    }

    #[test]
    fn rejects_text_that_is_too_long() {
        let long = std::ffi::CString::new(vec![b'a'; TEXT_MAX + 1]).unwrap();
        let error = str_arg(long.as_ptr(), "vault").unwrap_err();
        assert_eq!(error.message(), "vault has 131073 bytes: at most 131072 are allowed");
    }

    #[test]
    fn fills_structs_of_older_and_newer_programs() {
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
    fn accepts_any_bytes_in_paths() {
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(path_arg(c"a\xff".as_ptr(), "path").unwrap().as_os_str().as_bytes(), b"a\xff");
    }

    #[test]
    fn keeps_object_alive_while_shared() {
        let handle = into_handle(String::from("alive"));
        let in_call = share(handle, "handle").unwrap();
        drop(take_back(handle));
        assert_eq!(*in_call, "alive");
        assert!(take_back(ptr::null_mut::<String>()).is_none());
    }
}
