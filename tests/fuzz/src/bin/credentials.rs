//! Fuzzes the parsers of documents with keys, JSON and XML: every document is parsed or rejected, without a panic. Errors
//! contain no control character.
#![no_main]

use glacier_mp::credentials::fuzzing::{json, sts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for result in json(body) {
        match result {
            Ok((key, _)) => assert!(key.access_key_id().bytes().all(|byte| byte.is_ascii_graphic())),
            Err(error) => assert!(!error.message().chars().any(char::is_control), "{:?}", error.message()),
        }
    }
    if let (Err(problem), _) = sts(body) {
        assert!(!problem.chars().any(char::is_control), "{problem:?}");
    }
});
