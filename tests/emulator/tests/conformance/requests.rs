//! What every request must be: addressed, framed and signed.

use glacier_emulator::{Options, Storage};

use crate::client::{MIB, Request, data, start_with};
use crate::{Case, INVALID, MISSING, NOT_FOUND, SIGNATURE};

/// New ones go to the end of their group.
pub(crate) const CASES: &[Case] = &[
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
    ("signature: must still be fresh when the body is in", |emulator, client| {
        let id = client.initiate(MIB);
        let part = Request::part(&id, 0, b"abc").header("expect", "100-continue");
        client.write(&part.head(&client.host)).unwrap();
        // Asked for the body, so the head was right.
        assert_eq!(client.read_answer().unwrap().status, 100);
        emulator.set_clock_offset(600);
        client.write(b"abc").unwrap();
        client.read_answer().unwrap().expect_refusal(403, SIGNATURE, "Signature expired: ");
    }),
];

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
