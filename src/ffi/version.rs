//! Which library this is: constants, which nothing needs to guard.

use std::ffi::{CStr, c_char};

/// The version of the library that runs, such as "0.1.0". GLACIER_MP_VERSION is that of this header.
///
/// Static: never NULL, never freed. Any thread, at any time. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn glacier_version() -> *const c_char {
    VERSION.as_ptr()
}

/// The version of the library that runs, as a number that grows: major << 16 | minor << 8 | patch.
/// GLACIER_MP_VERSION_NUMBER is that of this header.
///
/// Any thread, at any time. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn glacier_version_number() -> u32 {
    NUMBER
}

/// The number in the library's SONAME. Within one number, functions, results and fields at the end of
/// glacier_progress_t are added, and nothing is changed or taken away. A program that loads the library by itself
/// should refuse another number than GLACIER_MP_ABI_VERSION.
///
/// Any thread, at any time. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn glacier_abi_version() -> u32 {
    // BatchPolicy with the SONAME in build.rs.
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
