//! The version of the library: constants, which cannot panic.

use std::ffi::{CStr, c_char};

/// Returns the version of the running library, such as "0.1.0".
///
/// Static, never NULL. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn glacier_version() -> *const c_char {
    VERSION.as_ptr()
}

/// Returns the version of the running library as a number that grows: major << 16 | minor << 8 | patch. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn glacier_version_number() -> u32 {
    NUMBER
}

/// Returns the number in the library's SONAME. See "Compatibility". A program that uses dlopen should reject a number
/// other than GLACIER_MP_ABI_VERSION. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn glacier_abi_version() -> u32 {
    // build.rs has the same number in the SONAME.
    0
}

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(text) => text,
    Err(_) => c"",
};

const NUMBER: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) << 16
    | number(env!("CARGO_PKG_VERSION_MINOR")) << 8
    | number(env!("CARGO_PKG_VERSION_PATCH"));

const fn number(text: &str) -> u32 {
    match u32::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => 0,
    }
}
