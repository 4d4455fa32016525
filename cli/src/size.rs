//! Sizes, times and counts on the command line and in messages.

use std::ops::RangeInclusive;
use std::time::Duration;

use glacier_mp::decimal::parse_decimal;
use glacier_mp::limits::check_part_size;

use crate::hyphens::quoted_argument;
use crate::terms::message_of;

/// The units of a size. The order is that of the search: the longest first.
const UNITS: [(&str, u64); 20] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("K", 1 << 10),
    ("k", 1 << 10),
    ("M", 1 << 20),
    ("G", 1 << 30),
    ("T", 1 << 40),
    ("B", 1),
    ("", 1),
];

/// Parses a size in bytes: digits, with a fraction or without, and a unit, with spaces before the unit or without.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let rule = || {
        format!(
            "{} is not a size: write digits and a unit, such as 64M, 64MiB or 1.5G; K, M, G and T are powers of 1024, as are KiB \
             to TiB; KB to TB are powers of 1000",
            quoted_argument(text)
        )
    };
    let (name, number, unit) = UNITS
        .iter()
        .find_map(|(name, unit)| text.strip_suffix(name).map(|number| (name, number, *unit)))
        .ok_or_else(rule)?;
    let number = if name.is_empty() { number } else { number.trim_end_matches(' ') };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction.len() > 9 {
        return Err(rule());
    }
    let too_large = || format!("{} is too large: at most {} bytes are allowed", quoted_argument(text), u64::MAX);
    let whole: u64 = whole.parse().map_err(|_| too_large())?;
    let scale = 10u128.pow(u32::try_from(fraction.len()).map_err(|_| rule())?);
    let fraction: u128 = fraction.parse().map_err(|_| rule())?;
    let bytes = u128::from(whole) * u128::from(unit) + fraction * u128::from(unit) / scale;
    // Rounded down, it would be 0, which means no limit for a rate.
    if bytes == 0 && fraction != 0 {
        return Err(format!("{} is less than 1 byte: write 0, or at least 1 byte", quoted_argument(text)));
    }
    u64::try_from(bytes).map_err(|_| too_large())
}

/// Parses a part size: a size that the service allows.
pub(crate) fn parse_part_size(text: &str) -> Result<u64, String> {
    let bytes = parse_size(text)?;
    check_part_size(bytes).map_err(|error| message_of(&error))?;
    Ok(bytes)
}

/// Parses a time: digits and one of the units s, m, h, d, w.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let rule = || {
        format!(
            "{} is not a time: write digits and one of the units s, m, h, d and w, such as 90s or 7d",
            quoted_argument(text)
        )
    };
    let unit = text.chars().last().ok_or_else(rule)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return Err(rule()),
    };
    let count: u64 = text.strip_suffix(unit).and_then(parse_decimal).ok_or_else(rule)?;
    count.checked_mul(seconds).map(Duration::from_secs).ok_or_else(rule)
}

/// Returns a parser of counts in a range: digits only.
pub(crate) fn count_in(range: RangeInclusive<u32>) -> impl Fn(&str) -> Result<u32, String> + Clone {
    move |text| {
        parse_decimal(text).filter(|count| range.contains(count)).ok_or_else(|| {
            format!(
                "{} is not a number from {} to {}: write digits only",
                quoted_argument(text),
                range.start(),
                range.end()
            )
        })
    }
}

/// Formats a size: 512 B, 1.5 MiB, 20.0 GiB.
pub(crate) fn show_size(bytes: u64) -> String {
    const NAMES: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // The next unit is used from 1023.95 on, which would be shown as 1024.0.
    let mut tenths = u128::from(bytes) * 10;
    let mut name = NAMES[0];
    for next in NAMES {
        name = next;
        tenths = (tenths + 512) / 1024;
        if tenths < 10_240 {
            break;
        }
    }
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

/// Formats a time: 0:07, 1:45, 2:05:00, 3 days.
pub(crate) fn show_time(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{rest:02}"),
        1..100 => format!("{hours}:{minutes:02}:{rest:02}"),
        _ => format!("{} days", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_sizes_with_every_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("1", 1),
            ("17B", 17),
            ("5K", 5 << 10),
            ("5k", 5 << 10),
            ("5KiB", 5 << 10),
            ("5KB", 5_000),
            ("5kB", 5_000),
            ("64M", 64 << 20),
            ("64 MiB", 64 << 20),
            ("64MB", 64_000_000),
            ("1.5G", 3 << 29),
            ("2Gi", 2 << 30),
            ("1TB", 1_000_000_000_000),
            ("0.5K", 512),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn rejects_invalid_sizes() {
        for text in [
            "",
            "M",
            "-1",
            "+1",
            "1.",
            ".5M",
            "1e3",
            "5X",
            "5 M M",
            "1.0000000001K",
            "99999999999999999999",
            "17000000T",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rejects_white_space_except_spaces_before_the_unit() {
        let outside = |space: &str| [format!("16777216{space}"), format!("{space}1"), format!("1M{space}")];
        for space in [" ", "\n", "\t", "\r", "\u{b}", "\u{a0}", "\u{2003}", "\u{3000}"] {
            let between = if space == " " { None } else { Some(format!("64{space}MiB")) };
            for text in outside(space).into_iter().chain(between) {
                assert!(parse_size(&text).unwrap_err().contains("is not a size"), "{text:?}");
            }
        }
        assert_eq!(["64  MiB", "1 B"].map(parse_size), [Ok(64 << 20), Ok(1)]);
    }

    #[test]
    fn rejects_fractions_that_round_to_zero() {
        for text in ["0.5", "0.9B", "0.0009K", "0.000000001 MB", "0.999999999"] {
            let rule = parse_size(text).unwrap_err();
            assert_eq!(rule, format!("{text:?} is less than 1 byte: write 0, or at least 1 byte"));
        }
        assert_eq!(["0.0", "0.000K", "0.001K", "1.9"].map(parse_size), [Ok(0), Ok(0), Ok(1), Ok(1)]);
    }

    #[test]
    fn parses_times() {
        assert_eq!(parse_time("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_time("7d"), Ok(Duration::from_secs(7 * 86_400)));
        assert_eq!(parse_time("2w"), Ok(Duration::from_secs(14 * 86_400)));
        for text in ["", "d", "7", "-1d", "1.5h", "7ä", "99999999999999999999d"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_are_digits_in_a_range() {
        let parse = count_in(1..=32);
        assert_eq!(["1", "32", "007"].map(&parse), [Ok(1), Ok(32), Ok(7)]);
        for text in ["", "0", "33", "+3", "-3", " 3", "3 ", "1_0", "0x5", "1e1", "\u{663}", "99999999999999999999"] {
            assert!(parse(text).unwrap_err().contains("is not a number from 1 to 32"), "{text:?}");
        }
    }

    #[test]
    fn shows_sizes_and_times() {
        let sizes: Vec<_> = [0, 1023, 1024, 1536, 1_048_575, 1 << 20, 10 << 30, u64::MAX].map(show_size).to_vec();
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "1.0 MiB", "10.0 GiB", "16384.0 PiB"]);
        let times = [7, 105, 7500, 400_000].map(|seconds| show_time(Duration::from_secs(seconds)));
        assert_eq!(times, ["0:07", "1:45", "2:05:00", "4 days"]);
    }
}
