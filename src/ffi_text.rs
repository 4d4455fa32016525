//! Text for C callers.

use std::ffi::CString;

/// Converts `text` to a C string. Replaces NUL bytes, which would cut the text short, with `?`.
pub(crate) fn to_cstring(text: impl Into<String>) -> CString {
    let text = text.into();
    CString::new(text).unwrap_or_else(|bad| {
        let mut bytes = bad.into_vec();
        for byte in &mut bytes {
            if *byte == 0 {
                *byte = b'?';
            }
        }
        CString::new(bytes).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_nul_bytes() {
        assert_eq!(to_cstring("a\0b").to_str(), Ok("a?b"));
    }
}
