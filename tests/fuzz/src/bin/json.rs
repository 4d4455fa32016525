//! Fuzzes the JSON parsers: every response body is parsed or rejected, without a panic.
#![no_main]

use glacier_mp::api::json::{error_body, parts_page, uploads_page};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let _ = (parts_page(body), uploads_page(body), error_body(body));
});
