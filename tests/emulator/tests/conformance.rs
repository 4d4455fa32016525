//! What the emulator accepts and refuses, rule by rule, as a numbered table.

#![allow(clippy::unwrap_used, reason = "this is test code, which clippy sees only inside of tests")]

mod client;

use std::panic::{AssertUnwindSafe, catch_unwind};

use client::{Answer, Client, MIB, Request, data, start, start_with, tree_hash};
use glacier_emulator::{Emulator, Options, Storage};

const INVALID: &str = "InvalidParameterValueException";
const MISSING: &str = "MissingParameterValueException";
const NOT_FOUND: &str = "ResourceNotFoundException";
const SIGNATURE: &str = "InvalidSignatureException";

/// A rule, and the check that shows it. Each check has an emulator to itself.
type Case = (&'static str, fn(&Emulator, &mut Client));

/// The table. Its rows are numbered from 1; a new row goes to the end.
const CASES: &[Case] = &[
    ("common: the account may be written as - or as its 12 digits", |_, client| {
        for account in ["-", "111122223333"] {
            assert_eq!(
                client.send(&Request::new("GET", format!("/{account}/vaults/examplevault/multipart-uploads"))).status,
                200
            );
        }
    }),
    ("common: another account is refused", |_, client| {
        let answer = client.send(&Request::new("GET", "/999999999999/vaults/examplevault/multipart-uploads"));
        answer.expect_refusal(403, "AccessDeniedException", "Access denied for account ID: 999999999999");
    }),
    ("common: a vault that is not there, or cannot be, is not found", |_, client| {
        for vault in ["testz", "testz:z", "%C3%A9"] {
            let answer = client.send(&Request::new("GET", format!("/-/vaults/{vault}/multipart-uploads")));
            answer.expect_refusal(
                404,
                NOT_FOUND,
                "Vault not found for ARN: arn:aws:glacier:us-east-1:111122223333:vaults/",
            );
        }
    }),
    ("common: the API version is required", |_, client| {
        let answer = client.send(&Request::list_uploads("").without("x-amz-glacier-version"));
        answer.expect_refusal(400, MISSING, "Required parameter missing: API version");
    }),
    ("common: an answer names its request and the time", |_, client| {
        let answer = client.send(&Request::list_uploads(""));
        assert!(answer.header("x-amzn-requestid").is_some_and(|id| id.len() == 47));
        assert!(answer.header("date").is_some_and(|date| date.ends_with(" GMT") && date.len() == 29));
    }),
    ("common: chunked bodies are refused, and the connection ends", |_, client| {
        let request = Request::initiate(MIB).header("transfer-encoding", "chunked").with(|r| r.content_length = None);
        client.send(&request).expect_refusal(400, "BadRequest", "Transfer-Encoding");
        assert!(client.is_closed());
    }),
    ("common: an operation without payload takes no body", |_, client| {
        client.send(&Request::initiate(MIB).body(b"x")).expect_refusal(400, "BadRequest", "takes no body");
        assert_eq!(client.send(&Request::initiate(MIB)).status, 201);
    }),
    ("common: Content-Length may be left out where there is no body", |_, client| {
        assert_eq!(client.send(&Request::initiate(MIB).with(|r| r.content_length = None)).status, 201);
    }),
    ("common: an address that is no operation is refused", |_, client| {
        client.send(&Request::new("GET", "/-/vaultz/examplevault")).expect_refusal(400, "BadRequest", "GET /-/vaultz");
    }),
    ("common: the connection goes on after a refusal in the midst of a body", |_, client| {
        let id = client.initiate(MIB);
        let wrong = Request::part(&id, 0, &data(MIB)).header("content-range", "bytes 1-1048576/*");
        client.send(&wrong).expect_refusal(400, INVALID, "Invalid Content-Range: bytes 1-1048576/*");
        assert_eq!(client.send(&Request::part(&id, 0, &data(MIB))).status, 204);
    }),
    ("signature: required", |_, client| {
        let answer = client.send(&Request::list_uploads("").with(|r| r.authorization = false));
        answer.expect_refusal(400, "MissingAuthenticationTokenException", "");
    }),
    ("signature: the access key must be known", |_, client| {
        let answer = client.send(&Request::list_uploads("").with(|r| r.access_key = "AKIDOTHER".to_owned()));
        answer.expect_refusal(400, "UnrecognizedClientException", "");
    }),
    ("signature: another secret, region or service is refused", |_, client| {
        let text = "The request signature we calculated does not match";
        client.send(&Request::list_uploads("").with(|r| r.secret_key.push('x'))).expect_refusal(403, SIGNATURE, text);
        let region = Request::list_uploads("").with(|r| r.region = "eu-west-1".to_owned());
        client.send(&region).expect_refusal(403, SIGNATURE, "valid region, not 'eu-west-1'");
        let service = Request::list_uploads("").with(|r| r.service = "s3".to_owned());
        client.send(&service).expect_refusal(403, SIGNATURE, "correct service: 'glacier', not 's3'");
    }),
    ("signature: too old or too new by more than 5 minutes is refused", |_, client| {
        for (offset, text) in [(-310, "Signature expired: "), (310, "Signature not yet current: ")] {
            let answer = client.send(&Request::list_uploads("").with(|r| r.clock_offset = offset));
            answer.expect_refusal(403, SIGNATURE, text);
            answer.expect_refusal(403, SIGNATURE, "5 min.)");
        }
        assert_eq!(client.send(&Request::list_uploads("").with(|r| r.clock_offset = -290)).status, 200);
    }),
    ("signature: the service's clock can be set, and its answers say so", |emulator, client| {
        emulator.set_clock_offset(600);
        client.send(&Request::list_uploads("")).expect_refusal(403, SIGNATURE, "Signature expired: ");
        assert_eq!(client.send(&Request::list_uploads("").with(|r| r.clock_offset = 600)).status, 200);
    }),
    ("signature: host and x-amz- headers must be signed", |_, client| {
        let unsigned = Request::list_uploads("").with(|r| r.unsigned.push("x-amz-glacier-version".to_owned()));
        client.send(&unsigned).expect_refusal(403, SIGNATURE, "'x-amz-glacier-version' must be a 'SignedHeader'");
    }),
    ("signature: what the guide's examples leave unsigned may be", |_, client| {
        let unsigned = Request::initiate(MIB).with(|r| r.unsigned.push("x-amz-part-size".to_owned()));
        assert_eq!(client.send(&unsigned).status, 201);
    }),
    ("signature: inner runs of spaces count as one", |_, client| {
        let request = Request::initiate(MIB).header("x-amz-archive-description", "from  1950   \"to  now\"");
        assert_eq!(client.send(&request).status, 201);
    }),
    ("signature: no session token where none is known", |_, client| {
        let answer = client.send(&Request::list_uploads("").header("x-amz-security-token", "token"));
        answer.expect_refusal(400, "UnrecognizedClientException", "");
    }),
    ("initiate: gives an ID of 92 characters and a location", |_, client| {
        let answer = client.send(&Request::initiate(MIB));
        let id = answer.header("x-amz-multipart-upload-id").unwrap();
        assert_eq!((answer.status, id.len(), answer.body.as_slice()), (201, 92, &b"{}"[..]));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let location = format!("/111122223333/vaults/examplevault/multipart-uploads/{id}");
        assert_eq!(answer.header("location"), Some(location.as_str()));
    }),
    ("initiate: part sizes are powers of two from 1 MiB to 4 GiB", |_, client| {
        for power in 20..=32 {
            assert_eq!(client.send(&Request::initiate(1 << power)).status, 201, "2^{power}");
        }
        for size in ["0", "1", "524288", "1048577", "3145728", "10485760", "8589934592", "x", "-1048576"] {
            let answer = client.send(&Request::initiate(0).header("x-amz-part-size", size));
            let text = format!(
                "Invalid part size: {size}. Part size must not be null, must be a power of two and be between \
                 1048576 and 4294967296 bytes."
            );
            answer.expect_refusal(400, INVALID, &text);
        }
        client.send(&Request::initiate(0).without("x-amz-part-size")).expect_refusal(400, INVALID, "Invalid part size");
    }),
    ("initiate: is not idempotent", |emulator, client| {
        assert_ne!(client.initiate(MIB), client.initiate(MIB));
        assert_eq!(emulator.uploads().len(), 2);
    }),
    ("initiate: some IDs begin with a hyphen", |_, client| {
        assert!((0..20).any(|_| client.initiate(MIB).starts_with('-')));
    }),
    (
        "initiate: a description has at most 1024 characters, 0x20 to 0x7e, and loses leading spaces",
        |emulator, client| {
            let describe = |text: &str| Request::initiate(MIB).header("x-amz-archive-description", text);
            assert_eq!(client.send(&describe(&"~".repeat(1024))).status, 201);
            client.send(&describe(&"~".repeat(1025))).expect_refusal(400, INVALID, "x-amz-archive-description");
            client.send(&describe("a\tb")).expect_refusal(400, INVALID, "x-amz-archive-description");
            assert_eq!(client.send(&describe("   leading")).status, 201);
            let descriptions: Vec<_> = emulator.uploads().into_iter().map(|upload| upload.description).collect();
            assert!(descriptions.contains(&Some("leading".to_owned())), "{descriptions:?}");
        },
    ),
    ("initiate: a description outside ASCII shows as a wrong signature", |_, client| {
        let mut bytes = Request::initiate(MIB).header("x-amz-archive-description", "na?ve").head(&client.host);
        let at = bytes.windows(5).position(|window| window == b"na?ve").unwrap();
        bytes[at + 2] = 0xef;
        client.write(&bytes).unwrap();
        client.read_answer().unwrap().expect_refusal(403, SIGNATURE, "");
    }),
    ("part: answers with its tree hash and no content", |emulator, client| {
        let id = client.initiate(4 * MIB);
        let answer = client.send(&Request::part(&id, 0, &data(4 * MIB)));
        assert_eq!((answer.status, answer.body.len(), answer.header("content-length")), (204, 0, None));
        assert_eq!(answer.header("x-amz-sha256-tree-hash"), Some(tree_hash(&data(4 * MIB)).as_str()));
        let parts = &emulator.uploads()[0].parts;
        assert_eq!((parts.len(), parts[0].first, parts[0].last), (1, 0, 4 * MIB as u64 - 1));
    }),
    ("part: Content-Range, both hashes and Content-Length are required", |_, client| {
        let id = client.initiate(MIB);
        let part = Request::part(&id, 0, b"abc");
        let no_range = part.clone().without("content-range");
        client.send(&no_range).expect_refusal(400, MISSING, "Required parameter missing: Content-Range");
        let no_tree = part.clone().without("x-amz-sha256-tree-hash");
        client.send(&no_tree).expect_refusal(400, MISSING, "Required parameter missing: x-amz-sha256-tree-hash");
        client.send(&part.clone().without("x-amz-content-sha256")).expect_refusal(403, SIGNATURE, "");
        let no_length = part.with(|r| {
            r.content_length = None;
            r.body.clear();
        });
        client.send(&no_length).expect_refusal(400, "BadRequest", "Content-Length");
    }),
    ("part: the linear hash must be the body's", |_, client| {
        let id = client.initiate(MIB);
        let answer = client.send(&Request::part(&id, 0, b"abc").body(b"abd"));
        answer.expect_refusal(
            403,
            SIGNATURE,
            "The value passed in as x-amz-content-sha256 does not match the computed",
        );
        answer.expect_refusal(403, SIGNATURE, "expected hash: ba7816bf8f01cfea");
    }),
    ("part: the tree hash must be the body's, in lower case", |emulator, client| {
        let id = client.initiate(MIB);
        let other = tree_hash(b"abd");
        let part = Request::part(&id, 0, b"abc");
        let text = format!("Checksum mismatch: expected {other}, computed {}", tree_hash(b"abc"));
        client.send(&part.clone().header("x-amz-sha256-tree-hash", other)).expect_refusal(400, INVALID, &text);
        for bad in [tree_hash(b"abc").to_uppercase(), "ab".to_owned()] {
            let answer = client.send(&part.clone().header("x-amz-sha256-tree-hash", bad));
            answer.expect_refusal(400, INVALID, "Invalid x-amz-sha256-tree-hash");
        }
        assert!(emulator.uploads()[0].parts.is_empty());
    }),
    ("part: range and length must agree", |_, client| {
        let id = client.initiate(MIB);
        let part = Request::part(&id, 0, &data(MIB)).header("content-range", "bytes 0-1048576/*");
        let text = "Content-Range: bytes 0-1048576/* is incompatible with Content-Length: 1048576";
        client.send(&part).expect_refusal(400, INVALID, text);
    }),
    ("part: ranges are written in one way, and lie on the parts", |_, client| {
        let id = client.initiate(MIB);
        for range in ["bytes 2-0/*", "bytes 0-2/3", "bytes 0-2", "0-2", "bytes 1-3/*", "bytes 524288-524290/*"] {
            let part = Request::part(&id, 0, b"abc").header("content-range", range);
            client.send(&part).expect_refusal(400, INVALID, &format!("Invalid Content-Range: {range}"));
        }
        let long = Request::part(&id, 0, &data(MIB + 1));
        client.send(&long).expect_refusal(400, INVALID, "Invalid Content-Range: bytes 0-1048576/*");
    }),
    ("part: at most 10,000", |_, client| {
        let id = client.initiate(MIB);
        assert_eq!(client.send(&Request::part(&id, 9_999 * MIB, b"abc")).status, 204);
        let text = "This is part number 10001 for the current multipart upload. It exceeds the limit of 10000 parts.";
        client.send(&Request::part(&id, 10_000 * MIB, b"abc")).expect_refusal(400, INVALID, text);
    }),
    ("part: sent again it replaces the earlier one", |emulator, client| {
        let id = client.initiate(MIB);
        for body in [&b"abc"[..], b"longer", b"ab"] {
            assert_eq!(client.send(&Request::part(&id, 0, body)).status, 204);
            assert_eq!(emulator.uploads()[0].parts.len(), 1);
        }
        assert_eq!(client.send(&Request::complete(&id, b"ab")).status, 201);
        assert_eq!(emulator.archives()[0].size, 2);
    }),
    ("part: of an upload that is not there", |_, client| {
        let answer = client.send(&Request::part("none", 0, b"abc"));
        answer.expect_refusal(404, NOT_FOUND, "The upload ID was not found: none");
    }),
    ("complete: gives an archive ID of 138 characters, a location and the tree hash", |emulator, client| {
        let (id, answer) = uploaded(client, 2 * MIB + 5);
        let archive = answer.header("x-amz-archive-id").unwrap();
        assert_eq!((answer.status, archive.len(), answer.body.as_slice()), (201, 138, &b"{}"[..]));
        let location = format!("/111122223333/vaults/examplevault/archives/{archive}");
        assert_eq!(answer.header("location"), Some(location.as_str()));
        let hash = tree_hash(&data(2 * MIB + 5));
        assert_eq!(answer.header("x-amz-sha256-tree-hash"), Some(hash.as_str()));
        let record = &emulator.archives()[0];
        assert_eq!(
            (&record.archive_id, record.size, &record.tree_hash),
            (&archive.to_owned(), 2 * MIB as u64 + 5, &hash)
        );
        assert_eq!(record.upload_id.as_ref(), Some(&id));
    }),
    ("complete: size and tree hash are required and must be right; the upload stays open", |emulator, client| {
        let whole = data(MIB + 1);
        let id = client.initiate(MIB);
        client.send(&Request::part(&id, 0, &whole[..MIB]));
        client.send(&Request::part(&id, MIB, &whole[MIB..]));
        let complete = Request::complete(&id, &whole);
        let no_hash = complete.clone().without("x-amz-sha256-tree-hash");
        client.send(&no_hash).expect_refusal(400, MISSING, "Required parameter missing: x-amz-sha256-tree-hash");
        let no_size = complete.clone().without("x-amz-archive-size");
        client.send(&no_size).expect_refusal(400, MISSING, "Required parameter missing: x-amz-archive-size");
        let wrong = complete.clone().header("x-amz-sha256-tree-hash", tree_hash(b""));
        client.send(&wrong).expect_refusal(400, INVALID, "Invalid x-amz-sha256-tree-hash: e3b0c442");
        for size in ["1048576", "1048578", "0", "x", "-1"] {
            client.send(&complete.clone().header("x-amz-archive-size", size)).expect_refusal(
                400,
                INVALID,
                "x-amz-archive-size",
            );
        }
        assert!(emulator.archives().is_empty());
        assert_eq!(client.send(&complete).status, 201);
    }),
    ("complete: a missing part, the first or another, is refused", |_, client| {
        let whole = data(3 * MIB);
        for missing in 0..2 {
            let id = client.initiate(MIB);
            for part in (0..3).filter(|part| *part != missing) {
                client.send(&Request::part(&id, part * MIB, &whole[part * MIB..][..MIB]));
            }
            client.send(&Request::complete(&id, &whole)).expect_refusal(400, INVALID, "Missing range");
        }
    }),
    ("complete: a short part in the middle was accepted, and is refused now", |_, client| {
        let id = client.initiate(MIB);
        assert_eq!(client.send(&Request::part(&id, 0, b"short")).status, 204);
        assert_eq!(client.send(&Request::part(&id, MIB, b"last")).status, 204);
        client.send(&Request::complete(&id, b"shortlast")).expect_refusal(400, INVALID, "Part 1 is short");
    }),
    ("complete: without parts", |_, client| {
        let id = client.initiate(MIB);
        client.send(&Request::complete(&id, b"")).expect_refusal(400, INVALID, "x-amz-archive-size");
    }),
    ("complete: again gives the same archive, other arguments do not", |emulator, client| {
        let (id, first) = uploaded(client, 5);
        let again = client.send(&Request::complete(&id, &data(5)));
        assert_eq!(again.header("x-amz-archive-id"), first.header("x-amz-archive-id"));
        assert_eq!(emulator.archives().len(), 1);
        client.send(&Request::complete(&id, &data(6))).expect_refusal(400, INVALID, "x-amz-archive-size");
    }),
    ("complete: is forgotten after an hour", |emulator, client| {
        let (id, _) = uploaded(client, 5);
        emulator.set_clock_offset(3601);
        let late = Request::complete(&id, &data(5)).with(|r| r.clock_offset = 3601);
        client.send(&late).expect_refusal(404, NOT_FOUND, "The upload ID was not found");
    }),
    ("complete: afterwards the upload is gone for everything else", |emulator, client| {
        let (id, _) = uploaded(client, 5);
        client.send(&Request::list_parts(&id, "")).expect_refusal(404, NOT_FOUND, &id);
        client.send(&Request::part(&id, 0, b"abc")).expect_refusal(404, NOT_FOUND, &id);
        client.send(&Request::abort(&id)).expect_refusal(404, NOT_FOUND, &id);
        assert_eq!(client.send(&Request::list_uploads("")).json()["UploadsList"], serde_json::json!([]));
        assert!(emulator.uploads().is_empty());
    }),
    ("abort: 204 without content, again as well; then the upload is gone", |emulator, client| {
        let id = client.initiate(MIB);
        client.send(&Request::part(&id, 0, b"abc"));
        for _ in 0..2 {
            let answer = client.send(&Request::abort(&id));
            assert_eq!((answer.status, answer.body.len(), answer.header("content-length")), (204, 0, None));
        }
        client.send(&Request::complete(&id, b"abc")).expect_refusal(404, NOT_FOUND, &id);
        client.send(&Request::abort("none")).expect_refusal(404, NOT_FOUND, "none");
        assert!(emulator.uploads().is_empty() && emulator.archives().is_empty());
    }),
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
    ("uploads: gone after 24 hours without a request", |emulator, client| {
        let id = client.initiate(MIB);
        emulator.set_clock_offset(86_400 - 60);
        assert_eq!(emulator.uploads().len(), 1);
        emulator.set_clock_offset(86_400 + 60);
        assert!(emulator.uploads().is_empty());
        emulator.set_clock_offset(0);
        client.send(&Request::list_parts(&id, "")).expect_refusal(404, NOT_FOUND, &id);
    }),
    ("archives: in one request", |emulator, client| {
        let answer = client.send(&Request::archive(b"hello").header("x-amz-archive-description", "greeting"));
        assert_eq!(answer.status, 201);
        let archive = &emulator.archives()[0];
        assert_eq!(answer.header("x-amz-archive-id"), Some(archive.archive_id.as_str()));
        assert_eq!((archive.size, archive.description.as_deref()), (5, Some("greeting")));
        client.send(&Request::archive(b"")).expect_refusal(400, INVALID, "Invalid Content-Length: 0");
    }),
    ("vaults: made by a request", |_, client| {
        let answer = client.send(&Request::new("PUT", "/-/vaults/my.vault_-1"));
        assert_eq!((answer.status, answer.header("location")), (201, Some("/111122223333/vaults/my.vault_-1")));
        assert_eq!(client.send(&Request::new("GET", "/-/vaults/my.vault_-1/multipart-uploads")).status, 200);
        client.send(&Request::new("PUT", "/-/vaults/a:b")).expect_refusal(404, NOT_FOUND, "Vault not found");
    }),
];

#[test]
fn table() {
    let mut failed = Vec::new();
    for (number, (rule, check)) in (1..).zip(CASES) {
        let (emulator, mut client) = start();
        let passed = catch_unwind(AssertUnwindSafe(|| check(&emulator, &mut client))).is_ok();
        println!("{number:3} {} {rule}", if passed { "ok    " } else { "FAILED" });
        if !passed {
            failed.push(number);
        }
    }
    assert_eq!(failed, [0_usize; 0], "cases failed");
}

#[test]
fn session_tokens_expire() {
    let (emulator, mut client) = start_with(Options {
        storage: Storage::Hashes,
        session_token: Some("first/token==".to_owned()),
        ..Options::default()
    });
    let with = |token: &str| Request::list_uploads("").header("x-amz-security-token", token);
    client.send(&Request::list_uploads("")).expect_refusal(400, "UnrecognizedClientException", "");
    assert_eq!(client.send(&with("first/token==")).status, 200);
    emulator.replace_session_token("second");
    client.send(&with("first/token==")).expect_refusal(403, "ExpiredTokenException", "expired");
    assert_eq!(client.send(&with("second")).status, 200);
    let unsigned = with("second").with(|r| r.unsigned.push("x-amz-security-token".to_owned()));
    client.send(&unsigned).expect_refusal(403, SIGNATURE, "'x-amz-security-token' must be a 'SignedHeader'");
}

#[test]
fn pages_may_be_shorter_than_asked_for() {
    let (_emulator, mut client) = start_with(Options { storage: Storage::Hashes, page_max: 2, ..Options::default() });
    let ids: Vec<_> = (0..5).map(|_| client.initiate(MIB)).collect();
    let pages = pages(&mut client, "UploadsList", "limit=50&", Request::list_uploads);
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(ids.len(), 5);
}

/// An upload of so many bytes in parts of 1 MiB: its ID and the answer to Complete.
fn uploaded(client: &mut Client, length: usize) -> (String, Answer) {
    let whole = data(length);
    let id = client.initiate(MIB);
    for (index, part) in whole.chunks(MIB).enumerate() {
        assert_eq!(client.send(&Request::part(&id, index * MIB, part)).status, 204);
    }
    let answer = client.send(&Request::complete(&id, &whole));
    (id, answer)
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
