//! CompleteMultipartUpload and AbortMultipartUpload.

use crate::client::{MIB, Request, Response, data, tree_hash};
use crate::fixture::Fixture;
use crate::rule::{Group, Rule};
use crate::{INVALID, MISSING, NOT_FOUND};

pub(crate) const COMPLETE: Group = Group {
    title: "CompleteMultipartUpload",
    rules: &[
        Rule::required(
            "`x-amz-sha256-tree-hash` is required and must be the tree hash of the whole archive; otherwise the upload stays open",
            "G, L",
            &[|s| drop(uploaded(s, 2 * MIB + 5))],
            &[
                |s| {
                    let complete = ready(s).without("x-amz-sha256-tree-hash");
                    refused(s, &complete, MISSING, "Required parameter missing: x-amz-sha256-tree-hash");
                },
                |s| {
                    let complete = ready(s).header("x-amz-sha256-tree-hash", tree_hash(b""));
                    let text = format!("Invalid x-amz-sha256-tree-hash: {}", tree_hash(b""));
                    refused(s, &complete, INVALID, &text);
                },
            ],
        ),
        Rule::required(
            "`x-amz-archive-size` is required and must be the total size of all parts; otherwise the upload stays open",
            "G, I",
            &[|s| drop(uploaded(s, MIB + 1))],
            &[
                |s| {
                    let complete = ready(s).without("x-amz-archive-size");
                    refused(s, &complete, MISSING, "Required parameter missing: x-amz-archive-size");
                },
                |s| wrong_size(s, "1048576"),
                |s| wrong_size(s, "1048578"),
                |s| wrong_size(s, "0"),
                |s| wrong_size(s, "-1"),
                |s| wrong_size(s, "1 MiB"),
            ],
        ),
        Rule::required(
            "the parts cover every byte, and only the last part is short",
            "choice: Complete: missing range, short part, wrong size",
            &[|s| drop(uploaded(s, 3 * MIB))],
            &[
                |s| {
                    let complete = with_parts(s, &[1, 2]);
                    s.refused(&complete, 400, INVALID, "Missing range: bytes 0-1048575/*");
                },
                |s| {
                    let complete = with_parts(s, &[0, 2]);
                    s.refused(&complete, 400, INVALID, "Missing range: bytes 1048576-2097151/*");
                },
                |s| {
                    let complete = with_parts(s, &[0, 1]);
                    s.refused(&complete, 400, INVALID, "Invalid x-amz-archive-size: 3145728");
                },
                |s| {
                    let complete = with_parts(s, &[]);
                    s.refused(&complete, 400, INVALID, "Invalid x-amz-archive-size: 3145728");
                },
                |s| {
                    let id = s.initiate(MIB);
                    s.refused(&Request::complete(&id, b""), 400, INVALID, "Invalid x-amz-archive-size: 0");
                },
                |s| {
                    let id = s.initiate(MIB);
                    s.accepted(&Request::part(&id, 0, b"short"));
                    s.accepted(&Request::part(&id, MIB, b"last"));
                    s.refused(&Request::complete(&id, b"shortlast"), 400, INVALID, "Part 1 is short");
                },
            ],
        ),
        Rule::refused(
            "of several errors, the first in this order is reported",
            "choice: Complete: several errors",
            &[|s| {
                let id = s.initiate(MIB);
                let wrong = Request::complete(&id, b"nothing like it");
                s.accepted(&Request::part(&id, MIB, b"short"));
                s.accepted(&Request::part(&id, 2 * MIB, b"last"));
                s.refused(&wrong, 400, INVALID, "Missing range");
                s.accepted(&Request::part(&id, 0, &data(MIB)));
                s.refused(&wrong, 400, INVALID, "Part 2 is short");
                s.accepted(&Request::part(&id, MIB, &data(MIB)));
                s.refused(&wrong, 400, INVALID, "Invalid x-amz-archive-size");
                let size = (2 * MIB + 4).to_string();
                s.refused(&wrong.header("x-amz-archive-size", size), 400, INVALID, "Invalid x-amz-sha256-tree-hash");
            }],
        ),
        Rule::provided(
            "the response has `Location`, `x-amz-archive-id` with 138 URL-safe characters, and the tree hash",
            "M, G, L",
            &[|s| {
                let (id, response) = uploaded(s, 2 * MIB + 5);
                let archive = response.header("x-amz-archive-id").unwrap();
                let location = format!("/111122223333/vaults/examplevault/archives/{archive}");
                assert_eq!(
                    (response.status, archive.len(), response.header("location")),
                    (201, 138, Some(location.as_str()))
                );
                let hash = tree_hash(&data(2 * MIB + 5));
                assert_eq!(response.header("x-amz-sha256-tree-hash"), Some(hash.as_str()));
                let record = &s.emulator.archives()[0];
                assert_eq!((record.archive_id.as_str(), record.size), (archive, 2 * MIB as u64 + 5));
                assert_eq!((record.upload_id.as_ref(), &record.tree_hash), (Some(&id), &hash));
            }],
        ),
        Rule::required(
            "for a limited time, a repeated request returns the same archive",
            "choice: repeated Complete, repeated Abort",
            &[|s| {
                let (id, first) = uploaded(s, 5);
                s.emulator.set_clock_offset(3540);
                let again = s.accepted(&Request::complete(&id, &data(5)).with(|r| r.clock_offset = 3540));
                assert_eq!(again.header("x-amz-archive-id"), first.header("x-amz-archive-id"));
                assert_eq!(s.emulator.archives().len(), 1);
            }],
            &[|s| {
                let (id, _) = uploaded(s, 5);
                s.emulator.set_clock_offset(3660);
                let late = Request::complete(&id, &data(5)).with(|r| r.clock_offset = 3660);
                s.refused(&late, 404, NOT_FOUND, "The upload ID was not found");
            }],
        ),
        Rule::refused(
            "a repeated request must have the same arguments",
            "choice: repeated Complete with another size or tree hash",
            &[
                |s| {
                    let (id, _) = uploaded(s, 5);
                    s.refused(&Request::complete(&id, &data(6)), 400, INVALID, "Invalid x-amz-archive-size");
                },
                |s| {
                    let (id, _) = uploaded(s, 5);
                    let other = Request::complete(&id, b"other");
                    s.refused(&other, 400, INVALID, "Invalid x-amz-sha256-tree-hash");
                },
            ],
        ),
        Rule::required(
            "a completed upload is not listed, and its ID is not found",
            "G",
            &[|s| {
                uploaded(s, 5);
                let list = s.accepted(&Request::list_uploads("")).json();
                assert_eq!(list["UploadsList"], serde_json::json!([]));
            }],
            &[
                |s| {
                    let (id, _) = uploaded(s, 5);
                    s.refused(&Request::list_parts(&id, ""), 404, NOT_FOUND, &id);
                },
                |s| {
                    let (id, _) = uploaded(s, 5);
                    s.refused(&Request::part(&id, 0, b"abc"), 404, NOT_FOUND, &id);
                },
            ],
        ),
        Rule::refused(
            "an upload that does not exist cannot be completed",
            "choice: an upload ID that does not exist",
            &[|s| s.refused(&Request::complete("none", b"abc"), 404, NOT_FOUND, "The upload ID was not found: none")],
        ),
    ],
};

pub(crate) const ABORT: Group = Group {
    title: "AbortMultipartUpload",
    rules: &[
        Rule::provided(
            "the upload and its parts are removed; a repeated request succeeds",
            "G",
            &[|s| {
                let id = s.initiate(MIB);
                s.accepted(&Request::part(&id, 0, b"abc"));
                s.accepted(&Request::abort(&id));
                assert!(s.emulator.uploads().is_empty() && s.emulator.archives().is_empty());
                s.accepted(&Request::abort(&id));
            }],
        ),
        Rule::refused(
            "an aborted upload accepts no further requests",
            "choice: requests to a completed or aborted upload",
            &[
                |s| {
                    let id = aborted(s);
                    s.refused(&Request::part(&id, 0, b"abc"), 404, NOT_FOUND, &id);
                },
                |s| {
                    let id = aborted(s);
                    s.refused(&Request::complete(&id, b"abc"), 404, NOT_FOUND, &id);
                },
                |s| {
                    let id = aborted(s);
                    s.refused(&Request::list_parts(&id, ""), 404, NOT_FOUND, &id);
                },
            ],
        ),
        Rule::refused(
            "a completed upload cannot be aborted",
            "choice: Abort of a completed upload",
            &[|s| {
                let (id, _) = uploaded(s, 5);
                s.refused(&Request::abort(&id), 404, NOT_FOUND, &id);
                assert_eq!(s.emulator.archives().len(), 1);
            }],
        ),
        Rule::refused(
            "an upload that does not exist cannot be aborted",
            "choice: an upload ID that does not exist",
            &[|s| s.refused(&Request::abort("none"), 404, NOT_FOUND, "The upload ID was not found: none")],
        ),
    ],
};

/// Creates and completes an upload of this size with parts of 1 MiB. Returns its ID and the response.
fn uploaded(s: &mut Fixture, length: usize) -> (String, Response) {
    let whole = data(length);
    let id = s.initiate(MIB);
    for (index, part) in whole.chunks(MIB).enumerate() {
        s.accepted(&Request::part(&id, index * MIB, part));
    }
    let response = s.accepted(&Request::complete(&id, &whole));
    (id, response)
}

/// The request that completes an upload of 1 MiB and one byte. All parts are stored.
fn ready(s: &mut Fixture) -> Request {
    let whole = data(MIB + 1);
    let id = s.initiate(MIB);
    s.accepted(&Request::part(&id, 0, &whole[..MIB]));
    s.accepted(&Request::part(&id, MIB, &whole[MIB..]));
    Request::complete(&id, &whole)
}

/// The request is refused, and then succeeds with the correct values.
fn refused(s: &mut Fixture, wrong: &Request, code: &str, message: &str) {
    s.refused(wrong, 400, code, message);
    assert!(s.emulator.archives().is_empty());
    let right = Request::complete("", &data(MIB + 1)).with(|r| r.target.clone_from(&wrong.target));
    assert_eq!(s.client.send(&right).status, 201);
}

fn wrong_size(s: &mut Fixture, size: &str) {
    let complete = ready(s).header("x-amz-archive-size", size);
    refused(s, &complete, INVALID, &format!("Invalid x-amz-archive-size: {size}"));
}

/// The request that completes an upload of 3 MiB. Only these parts are stored.
fn with_parts(s: &mut Fixture, parts: &[usize]) -> Request {
    let whole = data(3 * MIB);
    let id = s.initiate(MIB);
    for part in parts {
        s.accepted(&Request::part(&id, part * MIB, &whole[part * MIB..][..MIB]));
    }
    Request::complete(&id, &whole)
}

fn aborted(s: &mut Fixture) -> String {
    let id = s.initiate(MIB);
    s.accepted(&Request::part(&id, 0, b"abc"));
    s.accepted(&Request::abort(&id));
    id
}
