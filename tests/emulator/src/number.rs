//! Parses numbers in headers, queries and options. Only digits are valid; `str::parse` alone accepts a leading `+`.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::options::visible;

/// Parses a number of one or more digits. Returns `None` for other texts and for numbers out of range.
pub fn unsigned<T: FromStr>(text: &str) -> Option<T> {
    if is_unsigned(text) { text.parse().ok() } else { None }
}

/// Parses the value of a setting: one or more digits, in this range.
///
/// # Errors
/// The name, the value and its rule.
pub fn setting<T: FromStr + PartialOrd + Display>(
    name: &str,
    text: &str,
    range: RangeInclusive<T>,
) -> Result<T, String> {
    if !is_unsigned(text) {
        return Err(format!("{name} takes a number in digits only, not {}", visible(text)));
    }
    in_range(name, text, range)
}

/// Parses the value of a setting: one or more digits with an optional `-` before them.
///
/// # Errors
/// As [`setting`].
pub fn signed_setting(name: &str, text: &str) -> Result<i64, String> {
    if !is_unsigned(text.strip_prefix('-').unwrap_or(text)) {
        return Err(format!("{name} takes a number in digits only, with - or without, not {}", visible(text)));
    }
    in_range(name, text, i64::MIN..=i64::MAX)
}

fn is_unsigned(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn in_range<T: FromStr + PartialOrd + Display>(name: &str, text: &str, range: RangeInclusive<T>) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("{name} takes a number from {} to {}, not {text}", range.start(), range.end()))
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
        assert_eq!(["-3600", "3600", "-0"].map(|text| signed_setting("n", text).unwrap()), [-3600, 3600, 0]);
        for bad in ["", "-", "+1", "--1", "-+1", "- 1", "9223372036854775808"] {
            assert!(signed_setting("n", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_the_range() {
        assert_eq!(setting("n", "050", 1..=50), Ok(50));
        for (wrong, rule) in
            [("0", "from 1 to 50"), ("51", "from 1 to 50"), ("256", "from 1 to 50"), ("+5", "in digits only")]
        {
            assert_eq!(setting("n", wrong, 1..=50_u8), Err(format!("n takes a number {rule}, not {wrong}")));
        }
    }
}
