//! Fuzzes the parser of the shared AWS files: every file is parsed or rejected, without a panic. Line ends and a byte order
//! mark change nothing.
#![no_main]

use glacier_mp::profile::fuzzing::sections;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let result = sections(bytes);
    if let Err((line, rule)) = &result {
        assert!(*line >= 1 && *line <= bytes.len() + 1);
        assert!(!rule.chars().any(char::is_control), "{rule:?}");
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.contains('\r')
        && !text.starts_with('\u{feff}')
    {
        for end in ["\r\n", "\r"] {
            assert_eq!(sections(text.replace('\n', end).as_bytes()), result, "{end:?}");
        }
        assert_eq!(sections(format!("\u{feff}{text}").as_bytes()), result);
    }
});
