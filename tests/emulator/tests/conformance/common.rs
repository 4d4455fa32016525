//! Rules for every request and every response.

use sha2::{Digest as _, Sha256};

use crate::client::{Client, MIB, Request, data, upload};
use crate::rule::{Group, Rule};
use crate::{INVALID, MISSING, NOT_FOUND, SIGNATURE};

pub(crate) const GROUP: Group = Group {
    title: "Every request",
    rules: &[
        Rule::required(
            "requests use HTTP/1.1 over TCP, or over TLS if the endpoint is HTTPS",
            "M",
            &[
                |s| drop(s.accepted(&list("-", "examplevault"))),
                |s| {
                    s.restart(|options| options.tls = true);
                    s.accepted(&list("-", "examplevault"));
                },
            ],
            &[|s| {
                s.restart(|options| options.tls = true);
                let mut plain = Client::connect_without_tls(s.emulator.endpoint());
                let error = plain.try_send(&list("-", "examplevault")).unwrap_err();
                // Otherwise the client would start a handshake.
                assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock);
                s.show_no_response("`GET …` without TLS to an HTTPS endpoint", "no response, the connection closes");
            }],
        ),
        Rule::required(
            "the account is `-`, or 12 digits without hyphens",
            "M, G",
            &[
                |s| drop(s.accepted(&list("-", "examplevault"))),
                |s| drop(s.accepted(&list("111122223333", "examplevault"))),
            ],
            &[|s| denied(s, "1111-2222-3333")],
        ),
        Rule::refused("the account must be the account of the key", "L", &[|s| denied(s, "999999999999")]),
        Rule::refused("the account must not be empty", "choice: an empty account", &[|s| denied(s, "")]),
        Rule::required(
            "a vault name has 1 to 255 characters of `A-Z a-z 0-9 _ - .`; an invalid name is reported as not found",
            "G, L",
            &[|s| exists(s, "v"), |s| exists(s, &"v".repeat(255)), |s| exists(s, "AZaz09_-.")],
            &[
                |s| vault_not_found(s, "testz"),
                |s| vault_not_found(s, "testz:z"),
                |s| vault_not_found(s, "%C3%A9"),
                |s| vault_not_found(s, &"v".repeat(256)),
                |s| s.refused(&Request::new("PUT", "/-/vaults/a:b"), 404, NOT_FOUND, "Vault not found for ARN: "),
            ],
        ),
        Rule::required(
            "`Host` is signed with the port, except the default port of the scheme",
            "P",
            &[|s| drop(s.accepted(&list("-", "examplevault")))],
            &[|s| {
                let request = list("-", "examplevault").with(|r| r.signed_host = Some("127.0.0.1".to_owned()));
                s.refused(&request, 403, SIGNATURE, "does not match");
            }],
        ),
        Rule::refused(
            "`Host` is required",
            "choice: malformed `Authorization`, no valid date, no `Host`",
            &[|s| {
                let request = list("-", "examplevault").with(|r| r.sends_host = false);
                s.refused(&request, 403, SIGNATURE, "'Host' must be in the request");
            }],
        ),
        Rule::required(
            "`x-amz-glacier-version` is required",
            "G, L",
            &[|s| drop(s.accepted(&list("-", "examplevault").header("x-amz-glacier-version", "2012-06-01")))],
            &[|s| {
                let request = list("-", "examplevault").without("x-amz-glacier-version");
                s.refused(&request, 400, MISSING, "Required parameter missing: API version");
            }],
        ),
        Rule::refused(
            "the only API version is 2012-06-01",
            "choice: API version other than 2012-06-01",
            &[|s| {
                let request = list("-", "examplevault").header("x-amz-glacier-version", "2012-06-02");
                s.refused(&request, 400, INVALID, "2012-06-02");
            }],
        ),
        Rule::required(
            "a payload requires `Content-Length`",
            "G",
            &[|s| {
                let id = s.initiate(MIB);
                s.accepted(&Request::part(&id, 0, b"abc"));
            }],
            &[|s| {
                let id = s.initiate(MIB);
                let part = Request::part(&id, 0, b"abc").body(b"").with(|r| r.content_length = None);
                s.refused(&part, 400, "BadRequest", "Content-Length");
                assert!(s.client.is_closed());
            }],
        ),
        Rule::provided(
            "`Content-Length: 0` is optional",
            "T",
            &[
                |s| drop(s.accepted(&Request::initiate(MIB))),
                |s| drop(s.accepted(&Request::initiate(MIB).with(|r| r.content_length = None))),
                |s| {
                    let id = s.initiate(MIB);
                    s.accepted(&Request::abort(&id).with(|r| r.content_length = None));
                },
            ],
        ),
        Rule::refused(
            "the end of a request must be unambiguous",
            "choice: `Transfer-Encoding`, two lengths, or a payload without length",
            &[
                |s| {
                    let request = Request::initiate(MIB).header("transfer-encoding", "chunked");
                    s.refused(&request.with(|r| r.content_length = None), 400, "BadRequest", "Transfer-Encoding");
                    assert!(s.client.is_closed());
                },
                |s| {
                    let request = Request::initiate(MIB).header("content-length", "0");
                    s.refused(&request, 400, "BadRequest", "Invalid Content-Length");
                    assert!(s.client.is_closed());
                },
            ],
        ),
        Rule::refused(
            "an operation without payload accepts no body",
            "choice: a body for an operation without payload",
            &[
                |s| {
                    s.refused(&Request::initiate(MIB).body(b"x"), 400, "BadRequest", "takes no body");
                    assert!(s.emulator.uploads().is_empty());
                },
                |s| s.refused(&Request::initiate(MIB).body(b"{} "), 400, "BadRequest", "takes no body"),
                |s| s.refused(&Request::initiate(MIB).body(b"{}{}"), 400, "BadRequest", "takes no body"),
                |s| {
                    let id = s.initiate(MIB);
                    s.refused(&Request::abort(&id).body(b"{}"), 400, "BadRequest", "takes no body");
                    assert_eq!(s.emulator.uploads().len(), 1);
                },
                |s| s.refused(&list("-", "examplevault").body(b"{}"), 400, "BadRequest", "takes no body"),
            ],
        ),
        Rule::provided(
            "`Accept` is optional and ignored",
            "T",
            &[|s| drop(s.accepted(&list("-", "examplevault").header("accept", "application/json")))],
        ),
        Rule::provided(
            "with `Expect: 100-continue` the service sends `100 Continue`",
            "T",
            &[|s| {
                let id = s.initiate(MIB);
                let part = Request::part(&id, 0, b"abc").header("expect", "100-continue");
                s.client.write(&part.head(&s.client.host)).unwrap();
                assert_eq!(s.client.read_response().unwrap().status, 100);
                s.client.write(b"abc").unwrap();
                let response = s.client.read_response().unwrap();
                s.show(crate::document::request(&part), &response);
            }],
        ),
        Rule::provided(
            "unknown query parameters are ignored",
            "choice: an unknown query parameter",
            &[|s| drop(s.accepted(&Request::list_uploads("?colour=blue")))],
        ),
        Rule::refused(
            "the path must name an operation",
            "choice: a path without operation",
            &[|s| s.refused(&Request::new("GET", "/-/vaultz/examplevault"), 400, "BadRequest", "GET /-/vaultz")],
        ),
        Rule::refused(
            "of several errors, the first in this order is reported",
            "choice: order of the checks",
            &[|s| {
                let id = s.initiate(MIB);
                let wrong = Request::part(&id, 0, b"abc").body(b"abd").header("content-range", "bytes 5-7/*");
                let no_upload = wrong.clone().with(|r| r.target = upload("none"));
                let no_vault = no_upload.clone().with(|r| r.target = r.target.replace("examplevault", "other"));
                let no_version = no_vault.clone().without("x-amz-glacier-version");
                let no_account = no_version.clone().with(|r| r.target = r.target.replace("/-/", "/999999999999/"));
                let unsigned = no_account.clone().with(|r| r.secret_key.push('x'));
                s.refused(&unsigned, 403, SIGNATURE, "does not match the signature");
                s.refused(&no_account, 403, "AccessDeniedException", "");
                s.refused(&no_version, 400, MISSING, "API version");
                s.refused(&no_vault, 404, NOT_FOUND, "Vault not found");
                s.refused(&no_upload, 404, NOT_FOUND, "The upload ID was not found");
                s.refused(&wrong, 400, INVALID, "Invalid Content-Range");
            }],
        ),
        Rule::refused(
            "a refusal keeps the connection open",
            "choice: refusal based on the head",
            &[|s| {
                let id = s.initiate(MIB);
                let wrong = Request::part(&id, 0, &data(MIB)).header("content-range", "bytes 1-1048576/*");
                s.refused(&wrong, 400, INVALID, "Invalid Content-Range: bytes 1-1048576/*");
                assert_eq!(s.client.send(&Request::part(&id, 0, &data(MIB))).status, 204);
            }],
        ),
        Rule::refused(
            "after a refusal the service does not send `100 Continue`",
            "choice: refusal based on the head, with `Expect: 100-continue`",
            &[|s| {
                let part = Request::part("none", 0, b"abc").header("expect", "100-continue");
                s.client.write(&part.head(&s.client.host)).unwrap();
                let response = s.client.read_response().unwrap();
                response.expect_refusal(404, NOT_FOUND, "The upload ID was not found");
                assert!(s.client.is_closed());
                s.show(crate::document::request(&part), &response);
            }],
        ),
        Rule::provided(
            "a response has a unique `x-amzn-RequestId` with 47 URL-safe characters, and `Date`",
            "G, L",
            &[|s| {
                let responses = [s.accepted(&Request::list_uploads("")), s.accepted(&Request::list_uploads(""))];
                let ids = responses.each_ref().map(|response| response.header("x-amzn-requestid").unwrap());
                assert!(ids.iter().all(|id| id.len() == 47 && is_url_safe(id)) && ids[0] != ids[1], "{ids:?}");
                let date = responses[0].header("date").unwrap();
                assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
                assert_eq!(responses[0].header("content-length").unwrap(), responses[0].body.len().to_string());
            }],
        ),
        Rule::provided(
            "a 201 has the content `{}` as `application/json`; a 204 has neither content nor length",
            "L",
            &[
                |s| {
                    let response = s.accepted(&Request::initiate(MIB));
                    assert_eq!((response.status, response.body.as_slice()), (201, &b"{}"[..]));
                    assert_eq!(response.header("content-type"), Some("application/json"));
                },
                |s| {
                    let id = s.initiate(MIB);
                    let response = s.accepted(&Request::abort(&id));
                    assert_eq!((response.status, response.body.len()), (204, 0));
                    assert_eq!((response.header("content-length"), response.header("content-type")), (None, None));
                },
            ],
        ),
        Rule::provided(
            "upload IDs have 92 URL-safe characters, and some begin with `-`",
            "L",
            &[|s| {
                let ids: Vec<_> = (0..20).map(|_| s.initiate(MIB)).collect();
                assert!(ids.iter().all(|id| id.len() == 92 && is_url_safe(id)), "{ids:?}");
                assert!(ids.iter().any(|id| id.starts_with('-')), "{ids:?}");
            }],
        ),
        Rule::required(
            "a client sends IDs unchanged, percent-encoded or not",
            "L",
            &[|s| {
                let id = s.initiate(MIB);
                let encoded: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
                s.name(encoded.clone(), "{upload}, percent-encoded");
                let response = s.client.send(&Request::list_parts(&encoded, ""));
                s.show(format!("`GET …/multipart-uploads/{encoded}`"), &response);
            }],
            &[|s| {
                let id = s.initiate(MIB);
                s.refused(&Request::list_parts(&id[..91], ""), 404, NOT_FOUND, "The upload ID was not found");
                s.refused(&Request::list_parts(&format!("{id}="), ""), 404, NOT_FOUND, "The upload ID was not found");
            }],
        ),
        Rule::required(
            "requests above the rate limit are throttled",
            "choice: the rate limit",
            &[|s| drop(s.accepted(&list("-", "examplevault")))],
            &[|s| {
                s.emulator.limit_requests(Some(0));
                s.refused(&list("-", "examplevault"), 400, "ThrottlingException", "Rate exceeded");
            }],
        ),
        Rule::provided(
            "`{}` may be the body of CreateVault, Initiate and Complete",
            "P",
            &[
                |s| drop(s.accepted(&Request::new("PUT", "/-/vaults/v").body(b"{}"))),
                |s| {
                    s.accepted(&Request::initiate(MIB).body(b"{}"));
                    assert_eq!(s.emulator.uploads().len(), 1);
                },
                |s| {
                    let id = s.initiate(MIB);
                    s.accepted(&Request::part(&id, 0, b"abc"));
                    let complete = Request::complete(&id, b"abc").body(b"{}");
                    s.accepted(&complete.header("x-amz-content-sha256", hex::encode(Sha256::digest(b"{}"))));
                },
            ],
        ),
        Rule::refused(
            "numbers consist of digits only",
            "choice: a number with characters other than digits, including `+`",
            &[
                |s| {
                    let request = Request::initiate(MIB).header("x-amz-part-size", "+1048576");
                    s.refused(&request, 400, INVALID, "Invalid part size: +1048576. ");
                },
                |s| {
                    let id = s.initiate(MIB);
                    s.accepted(&Request::part(&id, 0, b"abc"));
                    let request = Request::complete(&id, b"abc").header("x-amz-archive-size", "+3");
                    s.refused(&request, 400, INVALID, "Invalid x-amz-archive-size: +3");
                },
                |s| s.refused(&Request::list_uploads("?limit=%2B5"), 400, INVALID, "Invalid limit: +5."),
                |s| {
                    let id = s.initiate(MIB);
                    let request = Request::part(&id, 0, b"abc").header("content-range", "bytes 0-+2/*");
                    s.refused(&request, 400, INVALID, "Invalid Content-Range: bytes 0-+2/*");
                },
                |s| {
                    let request =
                        Request::initiate(MIB).header("content-length", "+0").with(|r| r.content_length = None);
                    s.refused(&request, 400, "BadRequest", "Invalid Content-Length: +0");
                },
            ],
        ),
    ],
};

fn list(account: &str, vault: &str) -> Request {
    Request::new("GET", format!("/{account}/vaults/{vault}/multipart-uploads"))
}

fn denied(s: &mut crate::fixture::Fixture, account: &str) {
    let text = format!("Access denied for account ID: {account}");
    s.refused(&list(account, "examplevault"), 403, "AccessDeniedException", &text);
}

fn exists(s: &mut crate::fixture::Fixture, vault: &str) {
    s.accepted(&Request::new("PUT", format!("/-/vaults/{vault}")));
    s.accepted(&list("-", vault));
}

fn vault_not_found(s: &mut crate::fixture::Fixture, vault: &str) {
    let text = "Vault not found for ARN: arn:aws:glacier:us-east-1:111122223333:vaults/";
    s.refused(&list("-", vault), 404, NOT_FOUND, text);
}

fn is_url_safe(id: &str) -> bool {
    id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}
