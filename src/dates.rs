//! Dates in the formats of the service. Each function converts from or to seconds since 1970-01-01 UTC.

use std::time::{Duration, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::{Iso8601, Rfc3339};

/// Formats a time as in the `x-amz-date` header: `20170210T120000Z`.
pub fn amz_date(unix_time: i64) -> String {
    let time = utc(unix_time);
    format!("{}T{:02}{:02}{:02}Z", amz_day(unix_time), time.hour(), time.minute(), time.second())
}

/// Formats the day of a time as in the scope of a signature: `20170210`.
pub fn amz_day(unix_time: i64) -> String {
    let date = utc(unix_time).date();
    format!("{:04}{:02}{:02}", date.year(), u8::from(date.month()), date.day())
}

/// Parses an ISO 8601 date in UTC, as in JSON documents: `2012-03-20T17:03:43.221Z`. The fraction may be missing and is
/// ignored. Lower case, and a space in place of the `T`, are not allowed. Year 0 is not either: the calendars of many
/// languages begin with year 1.
pub fn parse_iso8601(text: &str) -> Option<i64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let is_strict = text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T') && time.year() > 0;
    is_strict.then(|| time.unix_timestamp())
}

/// Parses an ISO 8601 date with any offset from UTC, as tools other than the service write them: `2026-01-31T13:00:00+01:00`,
/// `2026-01-31T13:00Z`, `20260131T130000+0100`. A space in place of the `T` is allowed.
pub fn parse_iso8601_with_offset(text: &str) -> Option<i64> {
    let of_rfc3339 = OffsetDateTime::parse(text, &Rfc3339).ok();
    let parse_other = || {
        let text = text.trim_ascii().replacen(' ', "T", 1).to_ascii_uppercase();
        OffsetDateTime::parse(&text, &Iso8601::PARSING).ok()
    };
    of_rfc3339.or_else(parse_other).map(OffsetDateTime::unix_timestamp)
}

/// Parses an HTTP date in any of the three formats that RFC 9110 §5.6.7 requires a recipient to accept.
pub fn parse_http(text: &str) -> Option<i64> {
    let since_1970 = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since_1970.as_secs()).ok()
}

/// Formats a time as an HTTP date: `Mon, 01 Jan 2001 00:00:00 GMT`. Returns `None` after the year 9999.
pub fn format_http(unix_time: u64) -> Option<String> {
    const END_OF_9999: u64 = 253_402_300_800;
    (unix_time < END_OF_9999).then(|| httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(unix_time)))
}

/// Returns the time as a date. A time outside of the years 0 to 9999 becomes 1970-01-01: the service rejects signatures of
/// both.
fn utc(unix_time: i64) -> OffsetDateTime {
    let time = OffsetDateTime::from_unix_timestamp(unix_time).ok().filter(|time| time.year() >= 0);
    time.unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_amz_dates() {
        for (time, date) in [
            (0, "19700101T000000Z"),
            (-1, "19691231T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (951_868_800, "20000301T000000Z"),
            (1_709_251_199, "20240229T235959Z"),
            (1_735_689_599, "20241231T235959Z"),
            (4_107_542_399, "21000228T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
            (253_402_300_799, "99991231T235959Z"),
            (-62_167_219_200, "00000101T000000Z"),
            (-62_167_219_201, "19700101T000000Z"),
            (i64::MAX, "19700101T000000Z"),
            (i64::MIN, "19700101T000000Z"),
        ] {
            assert_eq!(amz_date(time), date);
        }
    }

    #[test]
    fn parses_iso8601_dates() {
        for (text, unix_time) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2012-03-20T17:03:43.221Z", 1_332_263_023),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2012-04-01T15:00:00.000Z", 1_333_292_400),
            ("2100-03-01T00:00:00.000Z", 4_107_542_400),
        ] {
            assert_eq!(parse_iso8601(text), Some(unix_time), "{text}");
        }
        for text in [
            "",
            "2012-03-20",
            "2012-13-20T17:03:43Z",
            "2012-02-30T17:03:43Z",
            "2012-03-20T17:03:43+01:00",
            "2012-03-20T17:03Z",
            "a-b-cT1:2:3Z",
            "2012-03-20 17:03:43Z",
            "2012-03-20t17:03:43Z",
            "2012-03-20T17:03:43z",
            "2012-03-20T17:03:43.Z",
            "0000-03-20T17:03:43Z",
        ] {
            assert_eq!(parse_iso8601(text), None, "{text}");
        }
    }

    #[test]
    fn parses_iso8601_dates_with_offset() {
        for text in [
            "2012-03-20T17:03:43Z",
            "2012-03-20T18:03:43+01:00",
            "2012-03-20T12:03:43.5-05:00",
            "2012-03-20T12:03:43.123456789-0500",
            "2012-03-20T12:03:43-05",
            "20120320T170343Z",
            "20120320T180343+0100",
            "2012-03-20 17:03:43Z",
            "2012-03-20 17:03:43+00:00",
            "2012-03-20t17:03:43z",
            " 2012-03-20T17:03:43Z\n",
        ] {
            assert_eq!(parse_iso8601_with_offset(text), Some(1_332_263_023), "{text}");
        }
        assert_eq!(parse_iso8601_with_offset("2012-03-20T17:03Z"), Some(1_332_262_980));
        for text in
            ["", "Z", "2012-03-20", "2012-03-20 17:03", "2012-03-20T17:03:43", "20 Mar 2012 17:03:43 GMT", "1332263023"]
        {
            assert_eq!(parse_iso8601_with_offset(text), None, "{text}");
        }
    }

    #[test]
    fn parses_and_formats_http_dates() {
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse_http(text), Some(784_111_777), "{text}");
        }
        for text in ["", "0", "Sun, 06 Nov 1994 08:49:37 +0100", "Thu, 01 Jan 1969 00:00:00 GMT"] {
            assert_eq!(parse_http(text), None, "{text}");
        }
        assert_eq!(format_http(784_111_777).as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(format_http(253_402_300_799).as_deref(), Some("Fri, 31 Dec 9999 23:59:59 GMT"));
        assert_eq!(format_http(253_402_300_800), None);
    }
}
