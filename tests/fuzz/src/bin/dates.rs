//! Fuzzes the date parsers: every text is parsed or rejected, without a panic. A parsed time can be formatted.
#![no_main]

use glacier_mp::dates::{amz_date, format_http, parse_http, parse_iso8601, parse_iso8601_with_offset};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (i64, &str)| {
    let (time, text) = input;
    assert_eq!(amz_date(time).len(), 16);
    if let Some(utc) = parse_iso8601(text) {
        assert_eq!(parse_iso8601_with_offset(text), Some(utc));
    }
    for time in [parse_iso8601_with_offset(text), parse_http(text)].into_iter().flatten() {
        amz_date(time);
        if let Some(formatted) = u64::try_from(time).ok().and_then(format_http) {
            assert_eq!(parse_http(&formatted), Some(time));
        }
    }
});
