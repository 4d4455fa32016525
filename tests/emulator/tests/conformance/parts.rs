//! UploadMultipartPart.

use crate::client::{Client, MIB, Request, data, tree_hash};
use crate::fixture::Fixture;
use crate::rule::{Group, Rule};
use crate::{INVALID, MISSING, NOT_FOUND, SIGNATURE};

pub(crate) const GROUP: Group = Group {
    title: "UploadMultipartPart",
    rules: &[
        Rule::required(
            "`Content-Range: bytes first-last/*` is required; both ends are inclusive",
            "M, G, I",
            &[
                |s| drop(sent(s, 0, b"abc")),
                |s| {
                    sent(s, MIB, &data(MIB));
                    let part = &s.emulator.uploads()[0].parts[0];
                    assert_eq!((part.first, part.last), (MIB as u64, 2 * MIB as u64 - 1));
                },
            ],
            &[
                |s| {
                    let part = abc(s).without("content-range");
                    s.refused(&part, 400, MISSING, "Required parameter missing: Content-Range");
                },
                |s| wrong_range(s, "bytes 2-0/*"),
            ],
        ),
        Rule::refused(
            "the range has exactly this format and is aligned to the parts",
            "choice: a range that is not aligned, is longer than a part or exceeds its total",
            &[
                |s| wrong_range(s, "bytes 0-2"),
                |s| wrong_range(s, "0-2"),
                |s| wrong_range(s, "bytes 1-3/*"),
                |s| wrong_range(s, "bytes 524288-524290/*"),
                |s| {
                    let id = s.initiate(MIB);
                    let long = Request::part(&id, 0, &data(MIB + 1));
                    s.refused(&long, 400, INVALID, "Invalid Content-Range: bytes 0-1048576/*");
                },
                |s| wrong_range(s, "bytes 0-2/2"),
                |s| wrong_range(s, "bytes 0-2/"),
                |s| wrong_range(s, "bytes 0-2/+3"),
            ],
        ),
        Rule::required(
            "the range and `Content-Length` must match",
            "L",
            &[|s| drop(sent(s, 0, &data(MIB)))],
            &[
                |s| {
                    let id = s.initiate(MIB);
                    let part = Request::part(&id, 0, &data(MIB)).header("content-range", "bytes 0-1048576/*");
                    let text = "Content-Range: bytes 0-1048576/* is incompatible with Content-Length: 1048576";
                    s.refused(&part, 400, INVALID, text);
                },
                |s| {
                    let part = abc(s).header("content-range", "bytes 0-1/*");
                    let text = "Content-Range: bytes 0-1/* is incompatible with Content-Length: 3";
                    s.refused(&part, 400, INVALID, text);
                },
            ],
        ),
        Rule::required(
            "a part has at least 1 byte",
            "G",
            &[|s| drop(sent(s, 0, b"a"))],
            &[|s| {
                let part = abc(s).payload(b"").header("content-range", "bytes 0-0/*");
                s.refused(&part, 400, INVALID, "incompatible with Content-Length: 0");
            }],
        ),
        Rule::required(
            "`x-amz-sha256-tree-hash` is the tree hash of the body",
            "G, L",
            &[|s| drop(sent(s, 0, &data(3 * MIB / 2)))],
            &[
                |s| {
                    let part = abc(s).without("x-amz-sha256-tree-hash");
                    s.refused(&part, 400, MISSING, "Required parameter missing: x-amz-sha256-tree-hash");
                },
                |s| {
                    let other = tree_hash(b"abd");
                    let text = format!("Checksum mismatch: expected {other}, computed {}", tree_hash(b"abc"));
                    let part = abc(s).header("x-amz-sha256-tree-hash", other);
                    s.refused(&part, 400, INVALID, &text);
                    assert!(s.emulator.uploads()[0].parts.is_empty());
                },
                |s| {
                    let part = abc(s).header("x-amz-sha256-tree-hash", "ab");
                    s.refused(&part, 400, INVALID, "Invalid x-amz-sha256-tree-hash: ab");
                },
            ],
        ),
        Rule::refused(
            "hex digits are in lower case",
            "choice: tree hash in upper-case hex",
            &[|s| {
                let part = abc(s).header("x-amz-sha256-tree-hash", tree_hash(b"abc").to_uppercase());
                s.refused(&part, 400, INVALID, "Invalid x-amz-sha256-tree-hash");
            }],
        ),
        Rule::required(
            "`x-amz-content-sha256` is the SHA-256 of the body",
            "G, L",
            &[|s| drop(sent(s, 0, b"abc"))],
            &[
                |s| {
                    let part = abc(s).without("x-amz-content-sha256");
                    s.refused(&part, 403, SIGNATURE, "");
                },
                |s| {
                    let text = "The value passed in as x-amz-content-sha256 does not match the computed payload hash. \
                                Computed digest: a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9 \
                                expected hash: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
                    let part = abc(s).body(b"abd");
                    s.refused(&part, 403, SIGNATURE, text);
                    assert!(s.emulator.uploads()[0].parts.is_empty());
                },
            ],
        ),
        Rule::provided(
            "`Content-Type` is optional",
            "T",
            &[|s| {
                let part = abc(s).header("content-type", "application/octet-stream");
                s.accepted(&part);
            }],
        ),
        Rule::provided(
            "the response has the tree hash that the service computed",
            "M, G",
            &[|s| {
                let response = sent(s, 0, &data(2 * MIB));
                let (hash, computed) = (response.header("x-amz-sha256-tree-hash"), tree_hash(&data(2 * MIB)));
                assert_eq!((response.status, hash), (204, Some(computed.as_str())));
            }],
        ),
        Rule::required(
            "every part except the last has the part size; the service checks this at Complete",
            "G",
            &[|s| {
                let id = s.initiate(MIB);
                s.accepted(&Request::part(&id, MIB, b"last"));
                s.accepted(&Request::part(&id, 0, b"short"));
            }],
            &[|s| {
                let id = s.initiate(MIB);
                s.accepted(&Request::part(&id, 0, b"short"));
                s.accepted(&Request::part(&id, MIB, b"last"));
                s.refused(&Request::complete(&id, b"shortlast"), 400, INVALID, "");
            }],
        ),
        Rule::provided(
            "parts may be sent in any order and concurrently",
            "G",
            &[|s| {
                let whole = data(3 * MIB);
                let id = s.initiate(MIB);
                let part = |index: usize| Request::part(&id, index * MIB, &whole[index * MIB..][..MIB]);
                let mut other = Client::connect(&s.emulator);
                // One part begins, two others complete on another connection, then the first ends.
                s.client.write(&part(2).head(&s.client.host)).unwrap();
                s.client.write(&whole[2 * MIB..][..MIB / 2]).unwrap();
                assert_eq!((other.send(&part(1)).status, other.send(&part(0)).status), (204, 204));
                s.client.write(&whole[2 * MIB..][MIB / 2..]).unwrap();
                assert_eq!(s.client.read_response().unwrap().status, 204);
                s.accepted(&Request::complete(&id, &whole));
            }],
        ),
        Rule::provided(
            "a repeated part replaces the earlier one",
            "G",
            &[|s| {
                let id = s.initiate(MIB);
                for body in [&b"abc"[..], b"longer", b"ab"] {
                    s.accepted(&Request::part(&id, 0, body));
                    assert_eq!(s.emulator.uploads()[0].parts.len(), 1);
                }
                s.accepted(&Request::complete(&id, b"ab"));
                assert_eq!(s.emulator.archives()[0].size, 2);
            }],
        ),
        Rule::required(
            "an upload has at most 10,000 parts",
            "G, L",
            &[|s| drop(sent(s, 9_999 * MIB, b"abc"))],
            &[|s| {
                let id = s.initiate(MIB);
                let text =
                    "This is part number 10001 for the current multipart upload. It exceeds the limit of 10000 parts.";
                s.refused(&Request::part(&id, 10_000 * MIB, b"abc"), 400, INVALID, text);
            }],
        ),
        Rule::refused(
            "a part requires an existing upload",
            "choice: an upload ID that does not exist",
            &[
                |s| s.refused(&Request::part("none", 0, b"abc"), 404, NOT_FOUND, "The upload ID was not found: none"),
                |s| {
                    s.accepted(&Request::new("PUT", "/-/vaults/other"));
                    let id = s.initiate(MIB);
                    let elsewhere = Request::part(&id, 0, b"abc");
                    let elsewhere = elsewhere.with(|r| r.target = r.target.replace("examplevault", "other"));
                    s.refused(&elsewhere, 404, NOT_FOUND, "The upload ID was not found");
                },
            ],
        ),
        Rule::refused(
            "a part that cannot be stored is not acknowledged",
            "choice: a storage failure",
            &[|s| {
                let directory = tempfile::tempdir().unwrap();
                let path = directory.path().join("kept");
                s.restart(|options| options.storage = glacier_emulator::Storage::Disk(path));
                let part = abc(s);
                drop(directory);
                s.refused(&part, 500, "ServiceUnavailableException", "The storage failed");
            }],
        ),
        Rule::provided(
            "the total may be a number greater than the last byte, instead of `*`",
            "P",
            &[
                |s| {
                    let part = abc(s).header("content-range", "bytes 0-2/3");
                    s.accepted(&part);
                },
                |s| {
                    let part = abc(s).header("content-range", "bytes 0-2/5242880");
                    s.accepted(&part);
                    let part = &s.emulator.uploads()[0].parts[0];
                    assert_eq!((part.first, part.last), (0, 2));
                },
            ],
        ),
    ],
};

/// Sends a part of an upload with a part size of 2 MiB, or 1 MiB if its offset requires that. Returns the response.
fn sent(s: &mut Fixture, first: usize, body: &[u8]) -> crate::client::Response {
    let id = s.initiate(if first == 0 { 2 * MIB } else { MIB });
    s.accepted(&Request::part(&id, first, body))
}

/// A request for a part of three bytes.
fn abc(s: &mut Fixture) -> Request {
    Request::part(&s.initiate(MIB), 0, b"abc")
}

fn wrong_range(s: &mut Fixture, range: &str) {
    let part = abc(s).header("content-range", range);
    s.refused(&part, 400, INVALID, &format!("Invalid Content-Range: {range}"));
}
