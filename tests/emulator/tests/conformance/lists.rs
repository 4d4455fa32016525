//! ListParts, ListMultipartUploads, and the pages of both.

use serde_json::{Value, json};

use crate::client::{Client, MIB, Request, data, tree_hash};
use crate::fixture::Fixture;
use crate::rule::{Group, Rule};
use crate::{INVALID, NOT_FOUND};

pub(crate) const PARTS: Group = Group {
    title: "ListParts",
    rules: &[
        Rule::provided(
            "the document describes the upload and its parts: ranges as `first-last`, sizes as numbers, absent values as null",
            "M, G",
            &[
                |s| {
                    let id = s.initiate(MIB);
                    let document = s.accepted(&Request::list_parts(&id, "")).json();
                    assert_eq!((&document["Parts"], &document["Marker"]), (&json!([]), &Value::Null));
                    assert_eq!(document["ArchiveDescription"], Value::Null);
                },
                |s| {
                    let initiate = Request::initiate(MIB).header("x-amz-archive-description", "archive one");
                    let response = s.accepted(&initiate);
                    let id = response.header("x-amz-multipart-upload-id").unwrap();
                    s.accepted(&Request::part(id, 0, &data(MIB)));
                    let document = s.accepted(&Request::list_parts(id, "")).json();
                    let part = json!({ "RangeInBytes": "0-1048575", "SHA256TreeHash": tree_hash(&data(MIB)) });
                    assert_eq!(document["Parts"], json!([part]));
                    assert_eq!(document["ArchiveDescription"], "archive one");
                    assert_eq!(
                        (&document["MultipartUploadId"], &document["PartSizeInBytes"]),
                        (&json!(id), &json!(MIB))
                    );
                },
            ],
        ),
        Rule::provided(
            "times are `2012-03-20T17:03:43.221Z`, vaults `arn:aws:glacier:{region}:{account}:vaults/{name}`",
            "G",
            &[|s| {
                let id = s.initiate(MIB);
                let document = s.accepted(&Request::list_parts(&id, "")).json();
                let created = document["CreationDate"].as_str().unwrap();
                assert_eq!((created.len(), &created[10..11], &created[19..20], &created[23..]), (24, "T", ".", "Z"));
                assert_eq!(document["VaultARN"], "arn:aws:glacier:us-east-1:111122223333:vaults/examplevault");
            }],
        ),
        Rule::provided(
            "parts are sorted by range",
            "G",
            &[|s| {
                let id = s.initiate(MIB);
                for part in [10, 9, 0] {
                    s.accepted(&Request::part(&id, part * MIB, b"abc"));
                }
                let document = s.accepted(&Request::list_parts(&id, "")).json();
                let ranges = ["0-2", "9437184-9437186", "10485760-10485762"];
                let listed = document["Parts"].as_array().unwrap().iter().map(|part| part["RangeInBytes"].clone());
                assert_eq!(listed.collect::<Vec<_>>(), ranges);
            }],
        ),
        Rule::provided(
            "a part is not listed before it is complete",
            "G",
            &[|s| {
                let id = s.initiate(MIB);
                let part = Request::part(&id, 0, &data(MIB));
                let mut other = Client::connect(&s.emulator);
                other.write(&part.head(&other.host)).unwrap();
                other.write(&part.body[..MIB - 1]).unwrap();
                assert_eq!(s.accepted(&Request::list_parts(&id, "")).json()["Parts"], json!([]));
                other.write(&part.body[MIB - 1..]).unwrap();
                assert_eq!(other.read_response().unwrap().status, 204);
                assert_eq!(s.client.send(&Request::list_parts(&id, "")).json()["Parts"].as_array().unwrap().len(), 1);
            }],
        ),
        Rule::refused(
            "the parts of an upload that does not exist cannot be listed",
            "choice: an upload ID that does not exist",
            &[|s| s.refused(&Request::list_parts("none", ""), 404, NOT_FOUND, "The upload ID was not found: none")],
        ),
    ],
};

pub(crate) const UPLOADS: Group = Group {
    title: "ListMultipartUploads",
    rules: &[
        Rule::provided(
            "the document describes the uploads of the vault that are neither completed nor aborted",
            "M, G",
            &[
                |s| {
                    let document = s.accepted(&Request::list_uploads("")).json();
                    assert_eq!(document, json!({ "Marker": null, "UploadsList": [] }));
                },
                |s| {
                    s.accepted(&Request::new("PUT", "/-/vaults/other"));
                    let elsewhere = Request::new("POST", "/-/vaults/other/multipart-uploads");
                    s.accepted(&elsewhere.header("x-amz-part-size", "1048576"));
                    let (id, gone) = (s.initiate(4 * MIB), s.initiate(MIB));
                    s.accepted(&Request::abort(&gone));
                    let document = s.accepted(&Request::list_uploads("")).json();
                    let uploads = document["UploadsList"].as_array().unwrap();
                    assert_eq!(uploads.len(), 1);
                    assert_eq!(
                        (&uploads[0]["MultipartUploadId"], &uploads[0]["PartSizeInBytes"]),
                        (&json!(id), &json!(4 * MIB))
                    );
                    assert_eq!(uploads[0]["VaultARN"], "arn:aws:glacier:us-east-1:111122223333:vaults/examplevault");
                    assert_eq!(uploads[0]["ArchiveDescription"], Value::Null);
                },
            ],
        ),
        Rule::provided(
            "the order is not specified",
            "choice: order of ListMultipartUploads",
            &[|s| {
                let mut ids: Vec<_> = (0..3).map(|_| s.initiate(MIB)).collect();
                ids.sort();
                let document = s.accepted(&Request::list_uploads("")).json();
                let listed =
                    document["UploadsList"].as_array().unwrap().iter().map(|up| up["MultipartUploadId"].clone());
                assert_eq!(listed.collect::<Vec<_>>(), ids);
            }],
        ),
    ],
};

pub(crate) const PAGES: Group = Group {
    title: "Pages of both lists",
    rules: &[
        Rule::provided(
            "without `limit` a page has 50 entries; the marker of the last page is null",
            "M, G",
            &[
                |s| {
                    let id = s.initiate(MIB);
                    (0..101).rev().for_each(|part| drop(s.accepted(&Request::part(&id, part * MIB, b"abc"))));
                    let pages = pages(s, "Parts", "", |query| Request::list_parts(&id, query));
                    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [50, 50, 1]);
                    let starts = pages.iter().flatten().map(|part| {
                        part["RangeInBytes"].as_str().unwrap().split_once('-').unwrap().0.parse::<usize>().unwrap()
                    });
                    assert!(starts.eq((0..101).map(|part| part * MIB)));
                },
                |s| every_upload_once(s, "", &[50, 1]),
            ],
        ),
        Rule::required(
            "`limit` is 1 to 50",
            "M, G",
            &[|s| every_upload_once(s, "limit=25&", &[25, 25, 1]), |s| every_upload_once(s, "limit=50&", &[50, 1])],
            &[|s| wrong_limit(s, "0")],
        ),
        Rule::refused(
            "a `limit` out of range is rejected, not reduced",
            "choice: `limit` below 1, above 50 or not a number",
            &[
                |s| wrong_limit(s, "51"),
                |s| wrong_limit(s, "1000"),
                |s| wrong_limit(s, "-1"),
                |s| wrong_limit(s, "all"),
            ],
        ),
        Rule::provided(
            "a page may have fewer entries than `limit`; only a null marker means the end",
            "G",
            &[|s| {
                s.restart(|options| options.page_max = 20);
                every_upload_once(s, "limit=50&", &[20, 20, 11]);
            }],
        ),
        Rule::required(
            "a client sends markers unchanged, percent-encoded",
            "G",
            &[|s| {
                let marker = marker(s);
                let encoded = encode(&marker);
                s.name(encoded.clone(), "{marker, percent-encoded}");
                s.accepted(&Request::list_uploads(&format!("?limit=1&marker={encoded}")));
            }],
            &[|s| {
                let marker = marker(s);
                // Unencoded, its + is a space, and its & ends the value.
                s.name(marker.replace('+', " ").trim_end_matches("&=").to_owned(), "{marker, misread}");
                s.refused(&Request::list_uploads(&format!("?limit=1&marker={marker}")), 400, INVALID, "Invalid marker");
            }],
        ),
        Rule::refused(
            "a marker is valid only for its list",
            "choice: a marker of another list, or an invented one",
            &[
                |s| s.refused(&Request::list_uploads("?marker=1001"), 400, INVALID, "Invalid marker: 1001"),
                |s| {
                    let id = s.initiate(MIB);
                    let marker = marker(s);
                    s.name(encode(&marker), "{marker of the vault}");
                    let parts = Request::list_parts(&id, &format!("?marker={}", encode(&marker)));
                    s.refused(&parts, 400, INVALID, "Invalid marker");
                },
            ],
        ),
    ],
};

fn wrong_limit(s: &mut Fixture, limit: &str) {
    s.refused(&Request::list_uploads(&format!("?limit={limit}")), 400, INVALID, &format!("Invalid limit: {limit}"));
}

/// Initiates 51 uploads and lists them in pages of these sizes.
fn every_upload_once(s: &mut Fixture, limit: &str, sizes: &[usize]) {
    let mut ids: Vec<_> = (0..51).map(|_| s.initiate(MIB)).collect();
    ids.sort();
    let pages = pages(s, "UploadsList", limit, Request::list_uploads);
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), sizes);
    let mut listed: Vec<_> =
        pages.iter().flatten().map(|upload| upload["MultipartUploadId"].as_str().unwrap()).collect();
    listed.sort_unstable();
    assert_eq!(listed, ids);
}

/// Returns the marker after the first of two uploads.
fn marker(s: &mut Fixture) -> String {
    let _two = (s.initiate(MIB), s.initiate(MIB));
    let document = s.accepted(&Request::list_uploads("?limit=1")).json();
    let marker = document["Marker"].as_str().unwrap().to_owned();
    s.name(marker.clone(), "{marker}");
    marker
}

/// Returns the entries of a list, page by page. The document shows the last page.
fn pages(s: &mut Fixture, entries: &str, limit: &str, request: impl Fn(&str) -> Request) -> Vec<Vec<Value>> {
    let mut query = format!("?{}", limit.trim_end_matches('&'));
    let mut pages = Vec::new();
    loop {
        let document = s.accepted(&request(&query)).json();
        pages.push(document[entries].as_array().unwrap().clone());
        let Some(marker) = document["Marker"].as_str() else { return pages };
        s.name(encode(marker), "{marker, percent-encoded}");
        query = format!("?{limit}marker={}", encode(marker));
    }
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
