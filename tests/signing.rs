//! Signatures: all intermediate steps compared with test vectors, and random requests compared with another implementation.

#![cfg(test)] // so that the lints let shared functions fail as tests do

mod support;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use glacier_mp::dates::amz_date;
use glacier_mp::sign::{
    EMPTY_PAYLOAD_SHA256, Key, SERVICE, Signer, SigningKey, UnsignedRequest, canonical_request, is_signed_by_default,
    signed_headers, string_to_sign,
};
use proptest::prelude::*;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use support::known_answers;

#[derive(Deserialize)]
struct Known {
    name: String,
    method: String,
    wire_target: String,
    region: String,
    service: String,
    unix_time: i64,
    x_amz_date: String,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    headers_signed: Vec<(String, String)>,
    signed_headers: String,
    payload_sha256: String,
    payload_generator: Option<String>,
    payload_size: Option<usize>,
    payload_text: Option<String>,
    canonical_request: String,
    canonical_request_sha256: String,
    string_to_sign: String,
    signing_key: String,
    signature: String,
    authorization: String,
}

impl Known {
    fn all() -> Vec<Self> {
        let all: Vec<Self> = serde_json::from_str(&known_answers("signing_glacier.json")).unwrap();
        assert_eq!(all.len(), 41);
        all
    }

    fn key(&self) -> Key {
        Key::new(&self.access_key_id, &self.secret_access_key, self.session_token.clone())
    }

    fn request(&self, without: &[&str]) -> UnsignedRequest<'_> {
        let headers = self.headers_signed.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        UnsignedRequest {
            method: &self.method,
            target: &self.wire_target,
            headers: headers.filter(|(name, _)| !without.contains(name)).collect(),
            payload_sha256: &self.payload_sha256,
        }
    }
}

#[test]
fn intermediate_steps_match_the_test_vectors() {
    for known in Known::all() {
        let name = &known.name;
        let request = known.request(&[]);
        assert_eq!(known.service, SERVICE);
        assert_eq!(amz_date(known.unix_time), known.x_amz_date, "{name}");
        assert_eq!(signed_headers(&request), known.signed_headers, "{name}");
        let canonical = canonical_request(&request);
        assert_eq!(canonical, known.canonical_request, "{name}");
        assert_eq!(hex::encode(Sha256::digest(&canonical)), known.canonical_request_sha256, "{name}");
        let to_sign = string_to_sign(&canonical, &known.region, known.unix_time);
        assert_eq!(to_sign, known.string_to_sign, "{name}");
        let key = SigningKey::derive(&known.key(), &known.region, known.unix_time);
        assert_eq!(hex::encode(key.as_bytes()), known.signing_key, "{name}");
        assert_eq!(key.signature(&to_sign), known.signature, "{name}");
    }
}

#[test]
fn authorizations_of_cached_signers_match_the_test_vectors() {
    let mut signers = HashMap::new();
    for known in Known::all() {
        let signer = signers.entry(known.region.clone()).or_insert_with(|| Signer::new(&known.region));
        let request = known.request(&["x-amz-date", "x-amz-security-token"]);
        let mut expected = vec![("x-amz-date", known.x_amz_date.clone())];
        expected.extend(known.session_token.clone().map(|token| ("x-amz-security-token", token)));
        expected.push(("authorization", known.authorization.clone()));
        assert_eq!(signer.sign(&request, &known.key(), known.unix_time), expected, "{}", known.name);
    }
}

#[test]
fn payload_hashes_match_the_test_vectors() {
    let empty = hex::encode(Sha256::digest(b""));
    assert_eq!(EMPTY_PAYLOAD_SHA256, empty);
    for known in Known::all() {
        let payload = match (&known.payload_text, &known.payload_generator) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(generator)) => support::data::generate(generator, known.payload_size.unwrap()),
            (None, None) => Vec::new(),
        };
        assert_eq!(known.payload_sha256, hex::encode(Sha256::digest(payload)), "{}", known.name);
    }
}

#[test]
fn signs_the_right_headers_by_default() {
    for known in Known::all().iter().filter(|known| !known.name.starts_with("docs")) {
        assert!(known.headers_signed.iter().all(|(name, _)| is_signed_by_default(name)), "{}", known.name);
    }
    for name in ["host", "content-range", "x-amz-date", "x-amz-sha256-tree-hash", "x-amz-archive-description"] {
        assert!(is_signed_by_default(name), "{name}");
    }
    for name in ["content-length", "content-type", "user-agent", "connection", "expect", "authorization", "x-am"] {
        assert!(!is_signed_by_default(name), "{name}");
    }
}

#[test]
fn caches_the_signing_key_per_day_and_secret() {
    let request = UnsignedRequest {
        method: "GET",
        target: "/",
        headers: vec![("host", "h")],
        payload_sha256: EMPTY_PAYLOAD_SHA256,
    };
    let keys = ["secret", "Secret", "secret2", "secreT"].map(|secret| Key::new("AKID", secret, None));
    let midnight = 20_000 * 86_400;
    let cached = Signer::new("us-east-1");
    for key in &keys {
        for time in [midnight - 1, midnight, midnight + 86_399, midnight + 86_400, midnight - 1] {
            for _ in 0..2 {
                let fresh = Signer::new("us-east-1");
                assert_eq!(cached.sign(&request, key, time), fresh.sign(&request, key, time), "{time}");
            }
        }
    }
}

#[test]
fn debug_output_contains_no_secret() {
    let key = Key::new("AKIDEXAMPLE", "verysecret", Some("alsosecret".to_owned()));
    let signer = Signer::new("us-east-1");
    let request = UnsignedRequest { method: "GET", target: "/", headers: vec![], payload_sha256: EMPTY_PAYLOAD_SHA256 };
    signer.sign(&request, &key, 0);
    let derived = SigningKey::derive(&key, "us-east-1", 0);
    let shown = format!("{key:?} {signer:?} {derived:?}");
    assert!(shown.contains("AKIDEXAMPLE"));
    let bytes = format!("{:?}", derived.as_bytes());
    for secret in ["verysecret", "alsosecret", &hex::encode(derived.as_bytes()), bytes.trim_matches(['[', ']'])] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn canonicalizes_path_and_query() {
    let request = |target| UnsignedRequest { method: "GET", target, headers: vec![], payload_sha256: "" };
    for (target, canonical) in [
        ("/-/vaults/v", "/-/vaults/v\n"),
        ("", "/\n"),
        ("/", "/\n"),
        ("/..", "/\n"),
        ("/a/./b/../c", "/a/c\n"),
        ("//a//b/", "/a/b/\n"),
        ("/a/..", "/\n"),
        ("/a/b/..", "/a/\n"),
        ("/a/%2E%2E/b%20c~", "/a/%252E%252E/b%2520c~\n"),
        ("/v?marker=+&limit=5", "/v\nlimit=5&marker=%2B"),
        ("/v?b&a=2&a=1&&a=%7e%2f", "/v\na=1&a=2&a=~%2F&b="),
        ("/v?a=b=c?d", "/v\na=b%3Dc%3Fd"),
    ] {
        let expected = format!("GET\n{canonical}\n");
        let text = canonical_request(&request(target));
        assert!(text.starts_with(&expected), "{target}: {text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn matches_the_aws_sigv4_crate(
        method in "GET|PUT|POST|DELETE",
        path in "(/([A-Za-z0-9._~:@!$&'()*+,;=-]|%[2-7][0-9A-F]){0,12}|/\\.|/\\.\\.|/){1,6}",
        query in prop::option::of("([a-cA-C=&._~!*'():@/?;-]|%[2-7][0-9A-F]|%C3%A9){0,40}"),
        headers in prop::collection::vec(
            ("x-amz-[a-c]{1,2}|content-range", "[ -~]{0,3}( {0,3}[!-~]{1,4}){0,4} {0,2}"),
            0..6,
        ),
        host in "[a-z]{1,8}\\.example(:[1-9][0-9]{3})?",
        token in prop::option::of("[A-Za-z0-9+/=]{1,80}"),
        secret in "[ -~]{1,100}",
        region in "[a-z]{2}-[a-z]{1,9}-[1-9]",
        unix_time in 0..253_402_300_800_i64,
        payload: [u8; 8],
    ) {
        let target = query.map_or(path.clone(), |query| format!("{path}?{query}"));
        let payload_sha256 = hex::encode(Sha256::digest(payload));
        let mut signed = vec![("host", host.as_str())];
        signed.extend(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let headers = signed.clone();
        let request = UnsignedRequest { method: &method, target: &target, headers, payload_sha256: &payload_sha256 };
        let ours = Signer::new(&region).sign(&request, &Key::new("AKID", &secret, token.clone()), unix_time);

        let identity = Credentials::new("AKID", &secret, token, None, "test").into();
        let settings = v4::SigningParams::builder()
            .identity(&identity)
            .region(&region)
            .name("glacier")
            .time(SystemTime::UNIX_EPOCH + Duration::from_secs(unix_time.unsigned_abs()))
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let body = SignableBody::Precomputed(payload_sha256.clone());
        let url = format!("https://{host}{target}");
        let theirs = sign(SignableRequest::new(&method, url, signed.into_iter(), body).unwrap(), &settings).unwrap();
        let (instructions, _) = theirs.into_parts();
        let ours: BTreeMap<_, _> = ours.iter().map(|(name, value)| (*name, value.as_str())).collect();
        prop_assert_eq!(ours, instructions.headers().collect());
    }
}
