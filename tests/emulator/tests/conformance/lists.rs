//! Both lists, page by page.

use glacier_emulator::{Options, Storage};

use crate::client::{Client, MIB, Request, data, start_with, tree_hash};
use crate::{Case, INVALID};

/// New ones go to the end of their group.
pub(crate) const CASES: &[Case] = &[
    ("list parts: the document", |_, client| {
        let id = client.initiate(MIB);
        client.send(&Request::part(&id, MIB, b"abc"));
        client.send(&Request::part(&id, 0, &data(MIB)));
        let document = client.send(&Request::list_parts(&id, "")).json();
        assert_eq!(
            document["Parts"],
            serde_json::json!([
                { "RangeInBytes": "0-1048575", "SHA256TreeHash": tree_hash(&data(MIB)) },
                { "RangeInBytes": "1048576-1048578", "SHA256TreeHash": tree_hash(b"abc") },
            ])
        );
        assert_eq!(document["ArchiveDescription"], serde_json::Value::Null);
        assert_eq!(document["Marker"], serde_json::Value::Null);
        assert_eq!(document["MultipartUploadId"], id.as_str());
        assert_eq!(document["PartSizeInBytes"], MIB);
        assert_eq!(document["VaultARN"], "arn:aws:glacier:us-east-1:111122223333:vaults/examplevault");
        let created = document["CreationDate"].as_str().unwrap();
        assert_eq!((created.len(), &created[10..11], &created[23..]), (24, "T", "Z"));
    }),
    ("list parts: pages of 50 by range, to the end", |_, client| {
        let id = client.initiate(MIB);
        for part in (0..101).rev() {
            client.send(&Request::part(&id, part * MIB, b"abc"));
        }
        let pages = pages(client, "Parts", "", |query| Request::list_parts(&id, query));
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [50, 50, 1]);
        let ranges: Vec<_> =
            pages.iter().flatten().map(|part| part["RangeInBytes"].as_str().unwrap().to_owned()).collect();
        let expected: Vec<_> = (0..101).map(|part| format!("{}-{}", part * MIB, part * MIB + 2)).collect();
        assert_eq!(ranges, expected);
    }),
    ("list uploads: every open upload of the vault once, by any limit", |_, client| {
        client.send(&Request::new("PUT", "/-/vaults/other"));
        client.send(&Request::new("POST", "/-/vaults/other/multipart-uploads").header("x-amz-part-size", "1048576"));
        let mut ids: Vec<_> = (0..60).map(|_| client.initiate(MIB)).collect();
        ids.sort();
        for (limit, sizes) in [("", vec![50, 10]), ("limit=50&", vec![50, 10]), ("limit=25&", vec![25, 25, 10])] {
            let pages = pages(client, "UploadsList", limit, Request::list_uploads);
            assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), sizes);
            let entries = pages.iter().flatten();
            let mut listed: Vec<_> = entries.map(|up| up["MultipartUploadId"].as_str().unwrap().to_owned()).collect();
            listed.sort();
            assert_eq!(listed, ids);
        }
    }),
    ("lists: limit is 1 to 50, and a marker belongs to its list", |_, client| {
        for limit in ["0", "51", "1000", "x", "-1"] {
            client.send(&Request::list_uploads(&format!("?limit={limit}"))).expect_refusal(
                400,
                INVALID,
                "Invalid limit",
            );
        }
        let (one, _two) = (client.initiate(MIB), client.initiate(MIB));
        let document = client.send(&Request::list_uploads("?limit=1")).json();
        let marker = encode(document["Marker"].as_str().unwrap());
        client.send(&Request::list_parts(&one, &format!("?marker={marker}"))).expect_refusal(
            400,
            INVALID,
            "Invalid marker",
        );
        client.send(&Request::list_uploads("?marker=1001")).expect_refusal(400, INVALID, "Invalid marker: 1001");
    }),
    ("lists: a marker that is not encoded does not work", |_, client| {
        let _ids = (client.initiate(MIB), client.initiate(MIB));
        let document = client.send(&Request::list_uploads("?limit=1")).json();
        let marker = document["Marker"].as_str().unwrap();
        assert_ne!(client.send(&Request::list_uploads(&format!("?marker={marker}"))).status, 200);
        assert_eq!(client.send(&Request::list_uploads(&format!("?marker={}", encode(marker)))).status, 200);
    }),
];

#[test]
fn pages_may_be_shorter_than_asked_for() {
    let (_emulator, mut client) = start_with(Options { storage: Storage::Hashes, page_max: 2, ..Options::default() });
    let ids: Vec<_> = (0..5).map(|_| client.initiate(MIB)).collect();
    let pages = pages(&mut client, "UploadsList", "limit=50&", Request::list_uploads);
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(ids.len(), 5);
}

/// A list's entries, page by page, by following its markers.
fn pages(
    client: &mut Client,
    entries: &str,
    limit: &str,
    request: impl Fn(&str) -> Request,
) -> Vec<Vec<serde_json::Value>> {
    let mut query = format!("?{}", limit.trim_end_matches('&'));
    let mut pages = Vec::new();
    loop {
        let document = client.send(&request(&query)).json();
        pages.push(document[entries].as_array().unwrap().clone());
        match document["Marker"].as_str() {
            None => return pages,
            Some(marker) => query = format!("?{limit}marker={}", encode(marker)),
        }
    }
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
