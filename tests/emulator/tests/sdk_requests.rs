//! Whole uploads with requests in the form of other clients. The forms of the SDKs for Go and JavaScript are those that
//! aws-sdk-go 1.44, aws-sdk-go-v2 1.17 and @aws-sdk/client-glacier 3.1048 sent to the local Glacier.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, which clippy sees only inside of tests")]

mod client;

use client::{Client, MIB, Request, data, start, tree_hash};
use sha2::{Digest, Sha256};

/// How a client forms its requests.
struct Form {
    /// The headers of every request.
    common: &'static [(&'static str, &'static str)],
    /// The headers of a request with an archive or a part.
    payload: &'static [(&'static str, &'static str)],
    /// Headers that are sent and not signed.
    unsigned: &'static [&'static str],
    /// The body of requests without a payload that are not GET or DELETE.
    empty_body: &'static [u8],
    signs_content_length: bool,
    /// Whether requests without a payload have `x-amz-content-sha256` too.
    always_sends_hash: bool,
    /// Whether requests without a tree hash have an empty `x-amz-sha256-tree-hash`.
    sends_empty_tree_hash: bool,
}

const GO_V1: Form = Form {
    common: &[("user-agent", "aws-sdk-go/1.44.133 (go1.19.8; linux; amd64)"), ("accept-encoding", "gzip")],
    payload: &[],
    unsigned: &["user-agent", "accept-encoding"],
    empty_body: b"",
    signs_content_length: true,
    always_sends_hash: true,
    sends_empty_tree_hash: true,
};

const GO_V2: Form = Form {
    common: &[
        ("user-agent", "aws-sdk-go-v2/1.17.1 os/linux lang/go/1.19.8 api/glacier/1.13.20"),
        ("accept-encoding", "gzip"),
        ("amz-sdk-invocation-id", "811b3923-61ef-4969-9775-b0026a73d87c"),
        ("amz-sdk-request", "attempt=1; max=3"),
    ],
    payload: &[("content-type", "application/octet-stream")],
    unsigned: &["user-agent", "accept-encoding"],
    empty_body: b"",
    signs_content_length: true,
    always_sends_hash: false,
    sends_empty_tree_hash: false,
};

const JAVASCRIPT: Form = Form {
    common: &[
        ("user-agent", "aws-sdk-js/3.1048.0 ua/2.1 os/linux lang/js md/nodejs api/glacier"),
        ("x-amz-user-agent", "aws-sdk-js/3.1048.0"),
        ("amz-sdk-invocation-id", "1fd64ad8-782d-4da9-8c2b-4b97fdbbe028"),
        ("amz-sdk-request", "attempt=1; max=3"),
        ("connection", "keep-alive"),
    ],
    payload: &[("content-type", "application/octet-stream")],
    unsigned: &["user-agent", "connection"],
    empty_body: b"",
    signs_content_length: true,
    always_sends_hash: true,
    sends_empty_tree_hash: false,
};

const RUBY: Form = Form {
    common: &[("user-agent", "aws-sdk-ruby3/3.168.1 ruby/3.1.2"), ("accept-encoding", ""), ("accept", "*/*")],
    payload: &[("content-type", "application/octet-stream")],
    unsigned: &["user-agent", "accept-encoding", "accept"],
    empty_body: b"",
    signs_content_length: false,
    always_sends_hash: true,
    sends_empty_tree_hash: false,
};

/// Earlier versions send a body where the operation has none.
const EARLIER_RUBY: Form = Form { empty_body: b"{}", ..RUBY };

const MT_AWS_GLACIER: Form = Form {
    common: &[("user-agent", "mt-aws-glacier/1.120")],
    payload: &[("content-type", "application/octet-stream")],
    unsigned: &["user-agent"],
    empty_body: b"",
    signs_content_length: true,
    always_sends_hash: false,
    sends_empty_tree_hash: false,
};

impl Form {
    /// Returns a request as this client sends it.
    fn apply(&self, mut request: Request) -> Request {
        let has_payload = !request.body.is_empty();
        for (name, value) in self.common.iter().chain(self.payload.iter().filter(|_| has_payload)) {
            request = request.header(name, *value);
        }
        if !has_payload && request.method == "POST" {
            request = request.body(self.empty_body);
        }
        if self.always_sends_hash {
            let hash = hex::encode(Sha256::digest(&request.body));
            request = request.header("x-amz-content-sha256", hash);
        }
        let has_tree_hash = request.headers.iter().any(|(name, _)| name == "x-amz-sha256-tree-hash");
        if self.sends_empty_tree_hash && !has_tree_hash {
            request = request.header("x-amz-sha256-tree-hash", "");
        }
        if self.signs_content_length && has_payload {
            let length = request.body.len().to_string();
            // As a header of the request it is signed, and sent once.
            request = request.header("content-length", length).with(|request| request.content_length = None);
        }
        request.with(|request| request.unsigned = self.unsigned.iter().map(|name| (*name).to_owned()).collect())
    }

    fn send(&self, client: &mut Client, request: Request, status: u16) -> client::Response {
        let response = client.send(&self.apply(request));
        assert_eq!(response.status, status, "{response:?}");
        response
    }

    /// Runs an upload of three parts, a list of each kind, an abort and an archive in one request.
    fn upload(&self) {
        let (emulator, mut client) = start();
        let archive = data(2 * MIB + 5);
        let initiate = || Request::initiate(MIB).header("x-amz-archive-description", "an archive");
        let initiated = self.send(&mut client, initiate(), 201);
        let id = initiated.header("x-amz-multipart-upload-id").unwrap().to_owned();
        for (index, part) in archive.chunks(MIB).enumerate() {
            let sent = self.send(&mut client, Request::part(&id, index * MIB, part), 204);
            assert_eq!(sent.header("x-amz-sha256-tree-hash"), Some(tree_hash(part).as_str()));
        }
        let parts = self.send(&mut client, Request::list_parts(&id, ""), 200).json();
        assert_eq!(parts["Parts"].as_array().unwrap().len(), 3);
        let completed = self.send(&mut client, Request::complete(&id, &archive), 201);
        assert_eq!(emulator.archives()[0].archive_id, completed.header("x-amz-archive-id").unwrap());
        let other = self.send(&mut client, initiate(), 201);
        let uploads = self.send(&mut client, Request::list_uploads(""), 200).json();
        assert_eq!(uploads["UploadsList"].as_array().unwrap().len(), 1);
        self.send(&mut client, Request::abort(other.header("x-amz-multipart-upload-id").unwrap()), 204);
        self.send(&mut client, Request::archive(&archive), 201);
        assert_eq!((emulator.archives().len(), emulator.uploads().len()), (2, 0));
    }
}

#[test]
fn accepts_the_requests_of_aws_sdk_go_v1() {
    GO_V1.upload();
}

#[test]
fn accepts_the_requests_of_aws_sdk_go_v2() {
    GO_V2.upload();
}

#[test]
fn accepts_the_requests_of_aws_sdk_js_v3() {
    JAVASCRIPT.upload();
}

#[test]
fn accepts_the_requests_of_aws_sdk_ruby() {
    RUBY.upload();
    EARLIER_RUBY.upload();
}

#[test]
fn accepts_the_requests_of_mt_aws_glacier() {
    MT_AWS_GLACIER.upload();
}

/// With a tree hash that the program computed, aws-sdk-go-v2 omits `x-amz-content-sha256`, and the service rejects the part.
#[test]
fn rejects_a_part_of_aws_sdk_go_v2_whose_tree_hash_the_program_supplied() {
    let (_emulator, mut client) = start();
    let id = client.initiate(MIB);
    let part = Request::part(&id, 0, b"tail!").without("x-amz-content-sha256");
    client.send(&GO_V2.apply(part)).expect_refusal(403, "InvalidSignatureException", "does not match");
}

/// Some programs send the total size of the archive in the range.
#[test]
fn accepts_a_range_with_the_total_size() {
    let (_emulator, mut client) = start();
    let id = client.initiate(MIB);
    let part = Request::part(&id, 0, b"tail!").header("content-range", "bytes 0-4/5242880");
    assert_eq!(client.send(&JAVASCRIPT.apply(part)).status, 204);
}
