//! Responses of the service, known and random, and the results of the operations.
#![cfg(test)]

mod support;

use std::collections::VecDeque;
use std::io::BufRead;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use glacier_mp::api::{ClockSkew, Service, UploadName};
use glacier_mp::client::Client;
use glacier_mp::config::Config;
use glacier_mp::credentials::{CredentialsSource, Keys};
use glacier_mp::dates::amz_date;
use glacier_mp::environment::Environment;
use glacier_mp::error::{Error, Kind, Result};
use glacier_mp::http::{BODY_MAX, Connection, ConnectionPool, Request, RequestContext, Response, Transport};
use glacier_mp::log::Log;
use glacier_mp::plan::ByteRange;
use glacier_mp::reachability::Reachability;
use glacier_mp::retry::{self, Class, Policy};
use glacier_mp::sign::{Key, Signer};
use glacier_mp::treehash::{Digest, PartHashes};
use proptest::prelude::*;
use serde_json::Value;
use support::glacier::VirtualClock;
use support::{known_answers, known_rows};

/// A transport that returns scripted responses in order, and repeats the last one. It records the requests.
#[derive(Clone, Debug)]
struct ScriptedTransport {
    responses: Arc<Mutex<VecDeque<Response>>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl ScriptedTransport {
    fn new(responses: impl IntoIterator<Item = Response>) -> Self {
        Self { responses: Arc::new(Mutex::new(responses.into_iter().collect())), requests: Arc::default() }
    }

    fn service(&self) -> Service {
        Service {
            account_id: "-".to_owned(),
            host: "glacier.us-east-1.amazonaws.com".to_owned(),
            endpoint_place: "the region us-east-1".to_owned(),
            keys: Keys::new(CredentialsSource::Key(Arc::new(Key::new("AK", "secret", None)))),
            signer: Signer::new("us-east-1"),
            connections: ConnectionPool::new(Arc::new(self.clone())),
            policy: Policy { max_attempts: Some(1), ..Policy::default() },
            clock: Arc::new(VirtualClock::default()),
            reachability: Reachability::default(),
            skew: ClockSkew::default(),
            log: Arc::new(Log::off()),
        }
    }
}

impl Transport for ScriptedTransport {
    fn connection(&self) -> Box<dyn Connection> {
        Box::new(self.clone())
    }
}

impl Connection for ScriptedTransport {
    fn open(&mut self, _: &RequestContext) -> Result<()> {
        Ok(())
    }

    fn exchange(&mut self, request: &Request, payload: &mut dyn BufRead, _: &RequestContext) -> Result<Response> {
        payload.read_to_end(&mut Vec::new()).unwrap();
        self.requests.lock().unwrap().push(request.clone());
        let mut responses = self.responses.lock().unwrap();
        let next = responses.front().unwrap().clone();
        if responses.len() > 1 {
            responses.pop_front();
        }
        Ok(next)
    }
}

const UPLOAD: UploadName<'_> = UploadName { vault: "v1", id: "an/odd id" };

fn context() -> RequestContext {
    RequestContext::default()
}

fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    let headers = headers.iter().map(|(name, value)| (name.to_lowercase(), (*value).to_owned())).collect();
    Response { status, headers, body: body.as_bytes().to_vec() }
}

fn initiate(response: Response) -> Error {
    ScriptedTransport::new([response]).service().initiate("v1", "", 1 << 20, &context()).unwrap_err()
}

fn upload_part(service: &Service, tree: Digest) -> Result<()> {
    let hashes = PartHashes { linear: Digest([0; 32]), tree };
    let request = service.part_request(UPLOAD, 0, ByteRange { first: 0, last: 0 }, &hashes);
    service.upload_part(&request, tree, 1, &mut &b"x"[..], &context())
}

fn text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_owned)
}

#[test]
fn reads_known_responses() {
    let cases: Vec<Value> = serde_json::from_str(&known_answers("responses.json")).unwrap();
    assert_eq!(cases.len(), 14);
    for case in &cases {
        let headers: Vec<(&str, &str)> = case["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
            .collect();
        let status = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
        let received = response(status, &headers, case["body"].as_str().unwrap());
        let (name, expect) = (case["name"].as_str().unwrap(), &case["expect"]);
        let service = ScriptedTransport::new([received.clone()]).service();
        match (case["operation"].as_str(), status) {
            (Some("UploadMultipartPart"), 204) => {
                upload_part(&service, text(expect, "tree_hash").unwrap().parse().unwrap()).unwrap();
                assert_eq!(upload_part(&service, Digest([9; 32])).unwrap_err().kind(), Kind::TreeHash);
            }
            (Some("CompleteMultipartUpload"), 201) => {
                let made = service.complete(UPLOAD, 1, Digest([0; 32]), 1, &context());
                let Some(tree_hash) = text(expect, "tree_hash") else {
                    assert_eq!(made.unwrap_err().kind(), Kind::Protocol, "{name}: nothing is acknowledged");
                    continue;
                };
                let made = made.unwrap();
                assert_eq!(made.archive_id, text(expect, "archive_id").unwrap());
                assert_eq!(made.location, text(expect, "location").unwrap());
                assert_eq!(made.tree_hash.to_hex(), tree_hash);
            }
            (Some("AbortMultipartUpload"), 204) => service.abort(UPLOAD, &context()).unwrap(),
            (Some("ListParts"), 200) => {
                let listed = service.list_parts(UPLOAD, &context()).unwrap();
                assert_eq!(listed.description, text(expect, "ArchiveDescription"));
                assert_eq!(listed.part_size, expect["PartSizeInBytes"].as_u64().unwrap());
                let have: Vec<_> =
                    listed.parts.iter().map(|part| (part.range.in_bytes(), part.tree_hash.to_hex())).collect();
                let want: Vec<_> = expect["Parts"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|part| (text(part, "RangeInBytes").unwrap(), text(part, "SHA256TreeHash").unwrap()))
                    .collect();
                assert_eq!(have, want);
            }
            (Some("ListMultipartUploads"), 200) => {
                let listed = service.list_uploads("v1", &context()).unwrap();
                let want = expect["UploadsList"].as_array().unwrap();
                assert_eq!(listed.len(), want.len());
                for (have, want) in listed.iter().zip(want) {
                    assert_eq!(have.description, text(want, "ArchiveDescription"));
                    assert_eq!(have.created, text(want, "CreationDate").unwrap());
                    assert_eq!(have.id, text(want, "MultipartUploadId").unwrap());
                    assert_eq!(have.part_size, want["PartSizeInBytes"].as_u64().unwrap());
                }
                assert_eq!(listed[0].created_unix, 1_332_199_259);
            }
            _ => {
                let error = initiate(received);
                assert_eq!(error.http_status(), Some(status), "{name}");
                assert_eq!(error.service_code().map(str::to_owned), text(expect, "code"), "{name}");
                assert!(error.request_id().is_some(), "{name}");
                assert!(error.message().contains(&status.to_string()), "{name}: {error}");
                if let Some(message) = text(expect, "message") {
                    assert!(error.message().contains(&message), "{name}: {error}");
                }
            }
        }
    }
}

#[test]
fn classifies_known_error_codes() {
    for [code, status, kind, _, botocore, _, _, mt_aws] in known_rows::<8>("errors.csv") {
        let Ok(status) = status.get(..3).unwrap_or_default().parse::<u16>() else { continue };
        let body = format!(r#"{{"code":"{code}","message":"m","type":"{kind}"}}"#);
        let error = initiate(response(status, &[], &body));
        assert_eq!(error.service_code(), Some(code.as_str()));
        let passing = retry::classify(&error) == Class::Transient;
        // "by status": a server's error, whatever its name.
        let peers = botocore.starts_with("YES") || botocore == "by status" || mt_aws.starts_with("YES");
        assert_eq!(passing, peers, "{code}: {error}");
    }
    for (status, code, kind) in [
        (403, "AccessDeniedException", Kind::Access),
        (403, "ExpiredTokenException", Kind::Credentials),
        (403, "InvalidSignatureException", Kind::Credentials),
        (400, "MissingAuthenticationTokenException", Kind::Credentials),
        (400, "UnrecognizedClientException", Kind::Credentials),
        (404, "ResourceNotFoundException", Kind::NotFound),
        (400, "ThrottlingException", Kind::Throttled),
        (403, "ThrottlingException", Kind::Throttled),
        (400, "LimitExceededException", Kind::Limit),
        (400, "NoLongerSupportedException", Kind::NoLongerSupported),
        (400, "InvalidParameterValueException", Kind::Service),
        (500, "ServiceUnavailableException", Kind::Service),
        (408, "RequestTimeoutException", Kind::Service),
    ] {
        let body = format!(r#"{{"code":"{code}","message":"m"}}"#);
        assert_eq!(initiate(response(status, &[], &body)).kind(), kind, "{status} {code}");
    }
}

#[test]
fn reports_error_bodies_that_are_no_document() {
    let huge = "x".repeat(BODY_MAX);
    for body in ["", "<html>bad gateway</html>", r#"{"code":"#, "null", "\u{0}\u{1}", &huge] {
        let error = initiate(response(502, &[], body));
        assert_eq!((error.http_status(), error.service_code()), (Some(502), None));
        assert!(error.message().contains("502") && error.message().len() < 1000, "{error}");
        assert!(!error.message().contains('\u{0}'));
    }
    let header = initiate(response(400, &[("x-amzn-ErrorType", "ThrottlingException:http://internal")], ""));
    assert_eq!(header.service_code(), Some("ThrottlingException"));
    let long = format!(r#"{{"code":"BadRequest","message":"{huge}"}}"#);
    assert!(initiate(response(400, &[], &long)).message().len() < 1000);
}

#[test]
fn rejects_responses_without_required_headers() {
    let kind = |response| initiate(response).kind();
    assert_eq!(kind(response(201, &[("Location", "/x")], "{}")), Kind::Protocol, "no upload ID");
    assert_eq!(kind(response(201, &[("x-amz-multipart-upload-id", "u")], "")), Kind::Protocol, "no location");
    assert_eq!(kind(response(200, &[], "")), Kind::Protocol, "another success");
    let redirect = initiate(response(301, &[("Location", "https://elsewhere.example/")], ""));
    assert_eq!(redirect.kind(), Kind::Protocol);
    assert!(redirect.message().contains("elsewhere.example"), "{redirect}");
    for url in ["https://user:hunter2@elsewhere.example/", "https://elsewhere.example/x?token=hunter2", "/x?t=hunter2"]
    {
        let redirect = initiate(response(307, &[("Location", url)], ""));
        assert!(redirect.message().contains("a redirect to "), "{redirect}");
        assert!(!redirect.message().contains("hunter2"), "{redirect}");
    }
    let part = ScriptedTransport::new([response(204, &[("x-amz-sha256-tree-hash", "zz")], "")]).service();
    assert_eq!(upload_part(&part, Digest([0; 32])).unwrap_err().kind(), Kind::Protocol);
}

/// A success without the required headers is retried, because a proxy may have removed them.
#[test]
fn retries_a_success_that_acknowledges_nothing() {
    let hash = "00".repeat(32);
    let other = "11".repeat(32);
    let tree = ("x-amz-sha256-tree-hash", hash.as_str());
    let (id, place) = (("x-amz-archive-id", "a"), ("Location", "/x"));
    let parts: [&[(&str, &str)]; 5] = [
        &[],
        &[("x-amz-sha256-tree-hash", "")],
        &[("x-amz-sha256-tree-hash", "zz")],
        &[("x-amz-sha256-tree-hash", "\u{fffd}")],
        &[tree, ("x-amz-sha256-tree-hash", &other)],
    ];
    for headers in parts {
        let service = ScriptedTransport::new([response(204, headers, "")]).service();
        let error = upload_part(&service, Digest([0; 32])).unwrap_err();
        assert_eq!((error.kind(), retry::classify(&error)), (Kind::Protocol, Class::Ambiguous), "{headers:?}");
    }
    let completes: [&[(&str, &str)]; 6] = [
        &[id, place],
        &[tree, place],
        &[tree, id],
        &[tree, place, ("x-amz-archive-id", "\u{e9}")],
        &[tree, place, id, ("x-amz-archive-id", "b")],
        &[tree, id, place, ("Location", "/y")],
    ];
    for headers in completes {
        let service = ScriptedTransport::new([response(201, headers, "")]).service();
        let error = service.complete(UPLOAD, 1, Digest([0; 32]), 1, &context()).unwrap_err();
        assert_eq!((error.kind(), retry::classify(&error)), (Kind::Protocol, Class::Ambiguous), "{headers:?}");
    }
    let repeated = ScriptedTransport::new([response(204, &[tree, tree], "")]).service();
    upload_part(&repeated, Digest([0; 32])).unwrap();
}

#[test]
fn rejects_upload_ids_that_the_caller_could_not_set() {
    for id in ["", ".", "..", "a\nb", "\u{e9}", &"i".repeat(1025), &"i".repeat(70_000)] {
        let error = initiate(response(201, &[("Location", "/x"), ("x-amz-multipart-upload-id", id)], ""));
        assert_eq!((error.kind(), retry::classify(&error)), (Kind::Protocol, Class::Ambiguous), "{id:?}");
        let quoted = serde_json::to_string(id).unwrap();
        let list = format!(
            r#"{{"UploadsList":[{{"ArchiveDescription":null,"CreationDate":"2012-04-01T15:00:00.000Z","MultipartUploadId":{quoted},"PartSizeInBytes":1048576,"VaultARN":"x"}}],"Marker":null}}"#
        );
        let listed = ScriptedTransport::new([response(200, &[], &list)]).service().list_uploads("v1", &context());
        assert_eq!(listed.err().map(|error| error.kind()), (id != "\u{e9}").then_some(Kind::Protocol), "{id:?}");
    }
}

#[test]
fn rejects_texts_that_c_cannot_represent() {
    let list = |description: &[u8]| {
        let (start, end) = (br#"{"UploadsList":[{"ArchiveDescription":"#, br#","CreationDate":"2012-04-01T15:00:00.000Z","MultipartUploadId":"u","PartSizeInBytes":1048576}],"Marker":null}"#);
        let body = [&start[..], description, &end[..]].concat();
        ScriptedTransport::new([Response { body, ..response(200, &[], "") }]).service().list_uploads("v1", &context())
    };
    list(br#""plain""#).unwrap();
    let long = format!("\"{}\"", "d".repeat(1025));
    for bad in [&b"\"\xff\""[..], b"\"\\u0000\"", b"\"\\ud800\"", long.as_bytes()] {
        assert_eq!(list(bad).unwrap_err().kind(), Kind::Protocol, "{}", String::from_utf8_lossy(bad));
    }
}

/// A response that has neither a request ID nor a Glacier error document says nothing about the upload.
#[test]
fn a_404_means_not_found_only_from_the_service() {
    let document = r#"{"code":"ResourceNotFoundException","message":"The upload ID was not found: u"}"#;
    for (headers, body) in [
        (&[][..], document),
        (&[("x-amzn-RequestId", "r")], ""),
        (&[("x-amzn-RequestId", "r")], "<html>"),
        (&[("x-amzn-ErrorType", "ResourceNotFoundException:http://x")], ""),
    ] {
        let error = initiate(response(404, headers, body));
        assert_eq!((error.kind(), retry::classify(&error)), (Kind::NotFound, Class::Permanent), "{headers:?} {body}");
    }
    let foreign =
        ["", "<html>Not Found</html>", "{}", r#"{"code":404}"#, r#"{"code":"NotFound","message":"x"}"#, "\u{0}"];
    for body in foreign {
        let error = initiate(response(404, &[("Server", "nginx"), ("x-amzn-RequestId", "")], body));
        assert_eq!((error.kind(), error.service_code()), (Kind::Service, None), "{body:?}");
        assert!(retry::is_retryable(&error) && error.message().contains("proxy"), "{error}");
    }
    for (status, kind) in [(401, Kind::Access), (403, Kind::Access), (407, Kind::Access), (302, Kind::Protocol)] {
        let error = initiate(response(status, &[], "<html>"));
        assert_eq!((error.kind(), retry::classify(&error)), (kind, Class::Ambiguous), "{status}");
    }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,40}", "\\PC{0,20}", Just("\u{0}\u{fffd}".to_owned()), Just("x".repeat(70_000))]
}

fn any_header() -> impl Strategy<Value = (String, String)> {
    let names = [
        "x-amz-sha256-tree-hash",
        "x-amz-archive-id",
        "x-amz-multipart-upload-id",
        "location",
        "x-amzn-requestid",
        "x-amzn-errortype",
        "retry-after",
        "date",
    ];
    let value = prop_oneof![any_text(), Just("00".repeat(32)), Just("18446744073709551616".to_owned())];
    (prop::sample::select(names.to_vec()).prop_map(str::to_owned), value)
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let quoted = |text: String| serde_json::to_string(&text).unwrap();
    let parts = (any_text(), any::<u64>(), any_text()).prop_map(move |(range, size, marker)| {
        format!(
            r#"{{"PartSizeInBytes":{size},"Parts":[{{"RangeInBytes":{},"SHA256TreeHash":"{}"}}],"Marker":{}}}"#,
            quoted(range),
            "00".repeat(32),
            quoted(marker)
        )
    });
    let uploads = (any_text(), any_text(), any_text()).prop_map(move |(id, date, marker)| {
        format!(
            r#"{{"UploadsList":[{{"MultipartUploadId":{},"CreationDate":{},"PartSizeInBytes":1048576}}],"Marker":{}}}"#,
            quoted(id),
            quoted(date),
            quoted(marker)
        )
    });
    let error = (any_text(), any_text())
        .prop_map(move |(code, message)| format!(r#"{{"code":{},"message":{}}}"#, quoted(code), quoted(message)));
    let document = prop_oneof![parts, uploads, error].prop_map(String::into_bytes);
    prop_oneof![document, prop::collection::vec(any::<u8>(), 0..64)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// GLACIER_E_INTERNAL and GLACIER_E_INVALID are errors of the library and its caller, never of the service.
    #[test]
    fn no_response_is_an_internal_or_caller_error(
        status in prop_oneof![Just(200u16), Just(201), Just(204), 100u16..1000],
        headers in prop::collection::vec(any_header(), 0..6),
        body in any_body(),
    ) {
        let service = ScriptedTransport::new([Response { status, headers, body }]).service();
        let outcomes = [
            service.initiate("v1", "", 1 << 20, &context()).err(),
            upload_part(&service, Digest([0; 32])).err(),
            service.complete(UPLOAD, 1, Digest([0; 32]), 1, &context()).err(),
            service.abort(UPLOAD, &context()).err(),
            service.list_parts(UPLOAD, &context()).err(),
            service.list_uploads("v1", &context()).err(),
        ];
        for error in outcomes.into_iter().flatten() {
            let of_the_service = matches!(
                error.kind(),
                Kind::Protocol
                    | Kind::Service
                    | Kind::Access
                    | Kind::Credentials
                    | Kind::Throttled
                    | Kind::NotFound
                    | Kind::Limit
                    | Kind::NoLongerSupported
                    | Kind::TreeHash
            );
            prop_assert!(of_the_service, "{:?}: {}", error.kind(), error);
        }
    }
}

#[test]
fn all_error_codes_for_wrong_keys_are_credentials_errors() {
    for code in [
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "InvalidSignature",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "UnrecognizedClient",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "AuthFailure",
    ] {
        for status in [400, 401, 403] {
            let error = initiate(response(status, &[], &format!(r#"{{"code":"{code}","message":"m"}}"#)));
            assert_eq!((error.kind(), retry::is_retryable(&error)), (Kind::Credentials, false), "{status} {code}");
            let error = initiate(response(status, &[("x-amzn-ErrorType", &format!("com.amazon#{code}:x"))], ""));
            assert_eq!((error.kind(), error.service_code()), (Kind::Credentials, Some(code)), "{status} {code}");
        }
    }
}

#[test]
fn sends_markers_back_unchanged() {
    let page =
        |marker: &str| response(200, &[], &format!(r#"{{"PartSizeInBytes":1048576,"Parts":[],"Marker":{marker}}}"#));
    let transport = ScriptedTransport::new([page(r#""a+/=&b ü""#), page("\"1001\""), page("null")]);
    transport.service().list_parts(UPLOAD, &context()).unwrap();
    let requests = transport.requests.lock().unwrap();
    let path = "/-/vaults/v1/multipart-uploads/an%2Fodd%20id?limit=50";
    let targets: Vec<_> = requests.iter().map(|request| request.target.as_str()).collect();
    assert_eq!(targets, [path, &format!("{path}&marker=a%2B%2F%3D%26b%20%C3%BC"), &format!("{path}&marker=1001")]);

    let longest = "m".repeat(4096);
    ScriptedTransport::new([page(&format!("\"{longest}\"")), page("null")])
        .service()
        .list_parts(UPLOAD, &context())
        .unwrap();
    for long in [4097, 200_000] {
        let marker = page(&format!("\"{}\"", "m".repeat(long)));
        let error = ScriptedTransport::new([marker]).service().list_parts(UPLOAD, &context()).unwrap_err();
        assert!(error.kind() == Kind::Protocol && error.message().contains("at most 4096 bytes"), "{error}");
    }

    let endless = ScriptedTransport::new([page("\"again\"")]).service().list_parts(UPLOAD, &context()).unwrap_err();
    assert_eq!(endless.kind(), Kind::Protocol);
    assert!(endless.message().contains("again"), "{endless}");
}

/// A transport that returns pages without end, each with a new marker.
#[derive(Clone, Debug)]
struct Endless {
    /// The entries of page `n`.
    entries: fn(u64) -> String,
    pages: Arc<AtomicU64>,
}

impl Transport for Endless {
    fn connection(&self) -> Box<dyn Connection> {
        Box::new(self.clone())
    }
}

impl Connection for Endless {
    fn open(&mut self, _: &RequestContext) -> Result<()> {
        Ok(())
    }

    fn exchange(&mut self, _: &Request, _: &mut dyn BufRead, _: &RequestContext) -> Result<Response> {
        let n = self.pages.fetch_add(1, Ordering::Relaxed);
        assert!(n < 20_000, "the library requests pages without end");
        let entries = (self.entries)(n);
        let body =
            format!(r#"{{"PartSizeInBytes":1048576,"Parts":[{entries}],"UploadsList":[{entries}],"Marker":"{n}"}}"#);
        Ok(response(200, &[], &body))
    }
}

#[test]
fn endless_lists_are_protocol_errors() {
    let listed = |entries: fn(u64) -> String, parts: bool| {
        let endless = Endless { entries, pages: Arc::default() };
        let mut service = ScriptedTransport::new([]).service();
        service.connections = ConnectionPool::new(Arc::new(endless.clone()));
        let outcome = match parts {
            true => service.list_parts(UPLOAD, &context()).map(|listed| listed.parts.len()),
            false => service.list_uploads("v1", &context()).map(|listed| listed.len()),
        };
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), Kind::Protocol, "{error}");
        endless.pages.load(Ordering::Relaxed)
    };
    let part = |n: u64| {
        let entry = |n: u64| format!(r#"{{"RangeInBytes":"{n}-{n}","SHA256TreeHash":"{}"}}"#, "00".repeat(32));
        (0..50).map(|i| entry(n * 50 + i)).collect::<Vec<_>>().join(",")
    };
    let upload = |n: u64| {
        let entry = |n: u64| {
            format!(r#"{{"CreationDate":"2012-04-01T15:00:00Z","MultipartUploadId":"{n}","PartSizeInBytes":1048576}}"#)
        };
        (0..50).map(|i| entry(n * 50 + i)).collect::<Vec<_>>().join(",")
    };
    assert_eq!(listed(part, true), 10_000 / 50 + 1);
    assert_eq!(listed(upload, false), 50_000 / 50 + 1);
    assert_eq!(listed(|_| String::new(), true), 10_000);
    assert_eq!(listed(|_| String::new(), false), 10_000);
}

#[test]
fn sends_the_headers_of_each_operation() {
    let hash = "01".repeat(32);
    let transport = ScriptedTransport::new([response(204, &[("x-amz-sha256-tree-hash", &hash)], "")]);
    upload_part(&transport.service(), Digest([1; 32])).unwrap();
    let requests = transport.requests.lock().unwrap();
    let value = |name: &str| requests[0].headers.iter().find(|(have, _)| *have == name).map(|(_, value)| value.clone());
    assert_eq!(value("host").unwrap(), "glacier.us-east-1.amazonaws.com");
    assert_eq!(value("x-amz-glacier-version").unwrap(), "2012-06-01");
    assert_eq!(value("content-range").unwrap(), "bytes 0-0/*");
    assert_eq!(value("x-amz-sha256-tree-hash").unwrap(), "01".repeat(32));
    assert_eq!(value("x-amz-content-sha256").unwrap(), "00".repeat(32));
    let signed =
        "SignedHeaders=content-range;host;x-amz-content-sha256;x-amz-date;x-amz-glacier-version;x-amz-sha256-tree-hash";
    assert!(value("authorization").unwrap().contains(signed));
}

#[test]
fn reads_retry_after() {
    let retry_after = |value: &str| {
        initiate(response(503, &[("Retry-After", value), ("Date", "Wed, 21 Oct 2026 07:28:00 GMT")], "")).retry_after()
    };
    assert_eq!(retry_after("7"), Some(Duration::from_secs(7)));
    assert_eq!(retry_after("Wed, 21 Oct 2026 07:28:30 GMT"), Some(Duration::from_secs(30)));
    assert_eq!(retry_after("99999999999999999999"), Some(Duration::from_secs(u64::MAX)), "longer than any number");
    for other in ["soon", "", "+7", "-7", "7 s", "7.0", " 7", "9999999999999999999x"] {
        assert_eq!(retry_after(other), None, "{other:?}");
    }
}

const EXPIRED: &str = r#"{"code":"InvalidSignatureException","message":"Signature expired: 20120320T170000Z is now earlier than 20120320T170100Z (20120320T170600Z - 5 min.)"}"#;
const NOT_YET: &str = r#"{"code":"InvalidSignatureException","message":"Signature not yet current: 20120320T171200Z is still later than 20120320T171100Z (20120320T170600Z + 5 min.)"}"#;

/// Returns the HTTP date `seconds` from now.
fn date(seconds: i64) -> String {
    let now = SystemTime::now();
    let span = Duration::from_secs(seconds.unsigned_abs());
    httpdate::fmt_http_date(if seconds < 0 { now - span } else { now + span })
}

#[test]
fn corrects_the_clock_only_by_the_date_header() {
    for headers in [&[][..], &[("Date", "soon")], &[("Date", "20120320T170600Z")]] {
        for body in [EXPIRED, NOT_YET] {
            let transport = ScriptedTransport::new([response(403, headers, body)]);
            let error = transport.service().initiate("v1", "", 1 << 20, &context()).unwrap_err();
            assert_eq!((error.kind(), retry::is_retryable(&error)), (Kind::Credentials, false), "{error}");
            assert!(error.message().contains("machine's clock may be wrong"), "{error}");
            assert_eq!(transport.requests.lock().unwrap().len(), 1);
        }
    }
    let right = response(403, &[("Date", &date(0))], NOT_YET);
    let error = initiate(right);
    assert_eq!(retry::classify(&error), Class::Permanent, "a slow connection cannot cause this: {error}");
}

#[test]
fn gives_up_a_clock_that_cannot_be_corrected() {
    let drifting = (1..9).map(|hours| response(403, &[("Date", &date(hours * 3600))], EXPIRED));
    let transport = ScriptedTransport::new(drifting);
    let error = transport.service().initiate("v1", "", 1 << 20, &context()).unwrap_err();
    assert_eq!((error.kind(), retry::is_retryable(&error)), (Kind::Credentials, false), "{error}");
    assert_eq!(transport.requests.lock().unwrap().len(), 3, "once with the clock and twice corrected");
}

#[test]
fn signs_with_the_corrected_time() {
    let made = response(201, &[("Location", "/x"), ("x-amz-multipart-upload-id", "u")], "");
    for hours in [-30, 5] {
        let transport =
            ScriptedTransport::new([response(403, &[("Date", &date(hours * 3600))], EXPIRED), made.clone()]);
        transport.service().initiate("v1", "", 1 << 20, &context()).unwrap();
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        let requests = transport.requests.lock().unwrap();
        let signed = &requests[1].headers.iter().find(|(name, _)| *name == "x-amz-date").unwrap().1;
        let near = (-5..=5).map(|seconds| amz_date(now + hours * 3600 + seconds)).collect::<Vec<_>>();
        assert!(near.contains(signed), "{signed} is not of {near:?}");
        assert!(
            requests[1].headers.iter().any(|(name, value)| *name == "authorization" && value.contains(&signed[..8]))
        );
    }
}

#[test]
fn checks_the_ca_file_of_a_client() {
    let mut config = Config::new(Environment::isolated());
    config.set_region("us-east-1").unwrap();
    config.set_credentials("AK", "secret", None).unwrap();
    Client::new(&config).unwrap();
    let bad = support::glacier::file(b"no certificate");
    config.set_ca_file(bad.path()).unwrap();
    assert_eq!(Client::new(&config).unwrap_err().kind(), Kind::Invalid);
    config.set_ca_file("/no/such/file".as_ref()).unwrap();
    assert_eq!(Client::new(&config).unwrap_err().kind(), Kind::Io);
}
