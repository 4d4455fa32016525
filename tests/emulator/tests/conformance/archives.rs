//! Archives in one request, and the hashes.

use sha2::{Digest, Sha256};

use crate::client::{MIB, Request, VAULT, data, tree_hash};
use crate::fixture::Fixture;
use crate::rule::{Group, Rule};
use crate::{INVALID, MISSING, SIGNATURE};

pub(crate) const GROUP: Group = Group {
    title: "UploadArchive and CreateVault",
    rules: &[
        Rule::required(
            "an archive in one request requires both hashes",
            "M, G, L",
            &[|s| {
                let request = Request::archive(b"hello").header("x-amz-archive-description", "greeting");
                let response = s.accepted(&request);
                let archive = &s.emulator.archives()[0];
                assert_eq!(response.header("x-amz-archive-id"), Some(archive.archive_id.as_str()));
                assert_eq!(response.header("x-amz-sha256-tree-hash"), Some(tree_hash(b"hello").as_str()));
                assert_eq!((archive.size, archive.description.as_deref()), (5, Some("greeting")));
            }],
            &[
                |s| {
                    let request = Request::archive(b"hello").without("x-amz-sha256-tree-hash");
                    s.refused(&request, 400, MISSING, "Required parameter missing: x-amz-sha256-tree-hash");
                },
                |s| {
                    let request = Request::archive(b"hello").header("x-amz-sha256-tree-hash", tree_hash(b"hallo"));
                    let text = format!(
                        "Checksum mismatch: expected {}, computed {}",
                        tree_hash(b"hallo"),
                        tree_hash(b"hello")
                    );
                    s.refused(&request, 400, INVALID, &text);
                },
                |s| s.refused(&Request::archive(b"hello").body(b"hallo"), 403, SIGNATURE, "Computed digest: "),
            ],
        ),
        Rule::required(
            "an archive in one request has 1 byte to 4 GiB",
            "G, L",
            &[|s| drop(s.accepted(&Request::archive(b"1")))],
            &[
                |s| s.refused(&Request::archive(b""), 400, INVALID, "Invalid Content-Length: 0"),
                |s| {
                    // The size in the published response. The body is never requested.
                    let request = Request::archive(b"").with(|r| r.content_length = Some(38_505_164_800));
                    s.refused(
                        &request.header("expect", "100-continue"),
                        400,
                        INVALID,
                        "Invalid Content-Length: 38505164800",
                    );
                },
            ],
        ),
        Rule::provided(
            "CreateVault creates a vault",
            "G",
            &[|s| {
                let response = s.accepted(&Request::new("PUT", "/-/vaults/my.vault_-1"));
                assert_eq!(
                    (response.status, response.header("location")),
                    (201, Some("/111122223333/vaults/my.vault_-1"))
                );
                assert_eq!(s.client.send(&Request::new("GET", "/-/vaults/my.vault_-1/multipart-uploads")).status, 200);
            }],
        ),
    ],
};

pub(crate) const HASHES: Group = Group {
    title: "Hashes",
    rules: &[
        Rule::required(
            "the leaves of a tree hash are the SHA-256 hashes of each 1 MiB; pairs are hashed together, an odd hash moves up unchanged",
            "G",
            &[
                |s| archive_of(s, 1),
                |s| archive_of(s, MIB - 1),
                |s| archive_of(s, MIB),
                |s| archive_of(s, MIB + 1),
                |s| archive_of(s, 3 * MIB),
                |s| archive_of(s, 5 * MIB + 7),
            ],
            &[
                |s| {
                    let linear = hex::encode(Sha256::digest(data(MIB + 1)));
                    mismatch(s, &data(MIB + 1), linear);
                },
                |s| {
                    // Here the odd leaf is paired with itself.
                    let leaf = |index: usize| Sha256::digest(&data(3 * MIB)[index * MIB..][..MIB]);
                    let pair =
                        |left: &[u8], right: &[u8]| Sha256::new().chain_update(left).chain_update(right).finalize();
                    let root = pair(&pair(&leaf(0), &leaf(1)), &pair(&leaf(2), &leaf(2)));
                    mismatch(s, &data(3 * MIB), hex::encode(root));
                },
            ],
        ),
        Rule::required(
            "the archive's tree hash combines the tree hashes of the parts",
            "G",
            &[|s| {
                let complete = folded(s, |parts| tree_hash(&parts.concat()));
                s.accepted(&complete);
            }],
            &[|s| {
                // Here the hash is the linear hash of the concatenated part hashes.
                let complete = folded(s, |parts| {
                    let hashes: Vec<_> = parts.iter().flat_map(|part| hex::decode(tree_hash(part)).unwrap()).collect();
                    hex::encode(Sha256::digest(hashes))
                });
                s.refused(&complete, 400, INVALID, "Invalid x-amz-sha256-tree-hash");
            }],
        ),
    ],
};

fn archive_of(s: &mut Fixture, length: usize) {
    let response = s.accepted(&Request::archive(&data(length)));
    assert_eq!(response.header("x-amz-sha256-tree-hash"), Some(tree_hash(&data(length)).as_str()));
}

fn mismatch(s: &mut Fixture, body: &[u8], hash: String) {
    let text = format!("Checksum mismatch: expected {hash}, computed {}", tree_hash(body));
    s.refused(&Request::archive(body).header("x-amz-sha256-tree-hash", hash), 400, INVALID, &text);
}

/// The request that completes an upload of three parts of 2 MiB, the last one shorter, with this combination of hashes.
fn folded(s: &mut Fixture, hash: impl Fn(&[&[u8]]) -> String) -> Request {
    let whole = data(5 * MIB);
    let parts: Vec<_> = whole.chunks(2 * MIB).collect();
    let id = s.initiate(2 * MIB);
    for (index, part) in parts.iter().enumerate() {
        s.accepted(&Request::part(&id, index * 2 * MIB, part));
    }
    Request::new("POST", format!("{VAULT}/multipart-uploads/{id}"))
        .header("x-amz-archive-size", whole.len().to_string())
        .header("x-amz-sha256-tree-hash", hash(&parts))
}
