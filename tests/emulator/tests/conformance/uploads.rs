//! The life of an upload, and archives and vaults beside it.

use crate::client::{Answer, Client, MIB, Request, data, tree_hash};
use crate::{Case, INVALID, MISSING, NOT_FOUND, SIGNATURE};

/// New ones go to the end of their group.
pub(crate) const CASES: &[Case] = &[
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
    ("uploads: belong to one vault", |_, client| {
        client.send(&Request::new("PUT", "/-/vaults/other"));
        let id = client.initiate(MIB);
        let elsewhere = Request::new("GET", format!("/-/vaults/other/multipart-uploads/{id}"));
        client.send(&elsewhere).expect_refusal(404, NOT_FOUND, "The upload ID was not found");
    }),
];

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
