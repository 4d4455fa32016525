//! Strict parsing of decimal numbers in external text: header fields, documents, journals, URLs.

use std::str::FromStr;

/// Parses a number of decimal digits only; returns `None` for anything else. Unlike [`str::parse`], this rejects signs: the
/// grammars of HTTP and of the service have none.
pub fn parse_decimal<T: FromStr>(text: &str) -> Option<T> {
    if is_decimal(text) { text.parse().ok() } else { None }
}

/// Returns true for a number of decimal digits only, of any size.
pub fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_digits() {
        assert_eq!(parse_decimal::<u64>("0"), Some(0));
        assert_eq!(parse_decimal::<u64>("18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_decimal::<u16>("00080"), Some(80));
    }

    #[test]
    fn rejects_everything_else() {
        for text in ["", "+1", "-1", " 1", "1 ", "1_000", "0x10", "1.0", "1e3", "\u{0661}", "18446744073709551616"] {
            assert_eq!(parse_decimal::<u64>(text), None, "{text:?}");
        }
        assert_eq!(parse_decimal::<u16>("65536"), None);
    }
}
