//! InitiateMultipartUpload.

use crate::client::{MIB, Request};
use crate::fixture::Fixture;
use crate::rule::{Group, Rule};
use crate::{INVALID, NOT_FOUND, SIGNATURE};

pub(crate) const GROUP: Group = Group {
    title: "InitiateMultipartUpload",
    rules: &[
        Rule::required(
            "`x-amz-part-size` is 2ⁿ MiB, from 1 MiB to 4 GiB",
            "G, L",
            &[|s| {
                for power in 20..=32 {
                    s.accepted(&Request::initiate(1 << power));
                }
            }],
            &[
                |s| illegal_part_size(s, "0"),
                |s| illegal_part_size(s, "524288"),
                |s| illegal_part_size(s, "1048577"),
                |s| illegal_part_size(s, "10485760"),
                |s| illegal_part_size(s, "8589934592"),
                |s| illegal_part_size(s, "-1048576"),
                |s| illegal_part_size(s, "1M"),
            ],
        ),
        Rule::refused(
            "`x-amz-part-size` is required",
            "choice: part size missing",
            &[|s| {
                let request = Request::initiate(MIB).without("x-amz-part-size");
                s.refused(&request, 400, INVALID, "Invalid part size: null. Part size must not be null");
            }],
        ),
        Rule::required(
            "`x-amz-archive-description` has at most 1,024 bytes, each from 0x20 to 0x7E",
            "G",
            &[
                |s| drop(s.accepted(&Request::initiate(MIB))),
                |s| drop(s.accepted(&described(&"~".repeat(1024)))),
                |s| {
                    let all: String = (0x21..=0x7e).map(char::from).collect();
                    s.accepted(&described(&format!("a {all}")));
                    assert_eq!(s.emulator.uploads()[0].description, Some(format!("a {all}")));
                },
            ],
            &[
                |s| s.refused(&described(&"~".repeat(1025)), 400, INVALID, "x-amz-archive-description"),
                |s| s.refused(&described("a\tb"), 400, INVALID, "x-amz-archive-description"),
            ],
        ),
        Rule::provided(
            "leading spaces of a description are removed",
            "G",
            &[|s| {
                s.accepted(&described("   leading"));
                assert_eq!(s.emulator.uploads()[0].description.as_deref(), Some("leading"));
            }],
        ),
        Rule::refused(
            "a description outside ASCII is reported as a wrong signature",
            "L",
            &[|s| {
                let mut bytes = described("na?ve").head(&s.client.host);
                let at = bytes.windows(5).position(|window| window == b"na?ve").unwrap();
                bytes[at + 2] = 0xef;
                s.client.write(&bytes).unwrap();
                let response = s.client.read_response().unwrap();
                response.expect_refusal(403, SIGNATURE, "");
                s.show(
                    "`POST /-/vaults/examplevault/multipart-uploads`, `x-amz-archive-description: na\\xefve`",
                    &response,
                );
            }],
        ),
        Rule::provided(
            "the response has `Location` with the 12 digits of the account, and `x-amz-multipart-upload-id`",
            "M, G",
            &[|s| {
                let response = s.accepted(&Request::initiate(MIB));
                let id = response.header("x-amz-multipart-upload-id").unwrap();
                let location = format!("/111122223333/vaults/examplevault/multipart-uploads/{id}");
                assert_eq!((response.status, response.header("location")), (201, Some(location.as_str())));
            }],
        ),
        Rule::provided(
            "not idempotent: a repeated request creates another upload",
            "I",
            &[|s| {
                assert_ne!(s.initiate(MIB), s.initiate(MIB));
                assert_eq!(s.emulator.uploads().len(), 2);
            }],
        ),
        Rule::required(
            "an idle upload expires",
            "choice: an idle upload",
            &[|s| {
                let id = s.initiate(MIB);
                // A request after 23 hours extends the life of the upload by 24 hours.
                for hours in [23, 46] {
                    s.emulator.set_clock_offset(hours * 3600);
                    s.accepted(&Request::list_parts(&id, "").with(|r| r.clock_offset = hours * 3600));
                }
            }],
            &[|s| {
                let id = s.initiate(MIB);
                s.emulator.set_clock_offset(24 * 3600 + 60);
                assert!(s.emulator.uploads().is_empty());
                let late = Request::list_parts(&id, "").with(|r| r.clock_offset = 24 * 3600 + 60);
                s.refused(&late, 404, NOT_FOUND, &id);
            }],
        ),
    ],
};

fn described(text: &str) -> Request {
    Request::initiate(MIB).header("x-amz-archive-description", text)
}

fn illegal_part_size(s: &mut Fixture, size: &str) {
    let text = format!(
        "Invalid part size: {size}. Part size must not be null, must be a power of two and be between 1048576 and \
         4294967296 bytes."
    );
    s.refused(&Request::initiate(MIB).header("x-amz-part-size", size), 400, INVALID, &text);
    assert!(s.emulator.uploads().is_empty());
}
