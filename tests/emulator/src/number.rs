//! Parses numbers in headers, queries and options. Only digits are valid; `str::parse` alone accepts a leading `+`.

use std::str::FromStr;

/// Parses a number of one or more digits. Returns `None` for other texts and for numbers out of range.
pub fn unsigned<T: FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// Parses a number of one or more digits with an optional `-` before them.
pub fn signed(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    unsigned::<u64>(digits)?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_digits_only() {
        assert_eq!(["0", "007", "255"].map(unsigned::<u8>), [Some(0), Some(7), Some(255)]);
        for bad in ["", "+1", "-1", " 1", "1 ", "1.0", "0x1", "1_000", "256", "\u{661}"] {
            assert_eq!(unsigned::<u8>(bad), None, "{bad:?}");
        }
        assert_eq!(["-3600", "3600", "-0"].map(signed), [Some(-3600), Some(3600), Some(0)]);
        for bad in ["", "-", "+1", "--1", "-+1", "- 1", "9223372036854775808"] {
            assert_eq!(signed(bad), None, "{bad:?}");
        }
    }
}
