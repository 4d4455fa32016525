//! What holds for every request and every answer.

use sha2::{Digest as _, Sha256};

use crate::client::{Client, MIB, Request, data, upload};
use crate::rule::{Group, Rule};
use crate::{INVALID, MISSING, NOT_FOUND, SIGNATURE};

pub(crate) const GROUP: Group = Group {
    title: "Every request",
    rules: &[
        Rule::asks(
            "HTTP/1.1, over TCP or TLS, as the endpoint says",
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
                // Rather than waiting for a handshake.
                assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock);
                s.show_no_answer("`GET …` in clear to an HTTPS endpoint", "no answer, the connection ends");
            }],
        ),
        Rule::asks(
            "the account is `-` or its 12 digits without hyphens",
            "M, G",
            &[
                |s| drop(s.accepted(&list("-", "examplevault"))),
                |s| drop(s.accepted(&list("111122223333", "examplevault"))),
            ],
            &[|s| denied(s, "1111-2222-3333")],
        ),
        Rule::refuses("the account must be the key's own", "L", &[|s| denied(s, "999999999999")]),
        Rule::refuses("an account is named", "choice: an empty account", &[|s| denied(s, "")]),
        Rule::asks(
            "a vault's name is 1 to 255 of `A-Z a-z 0-9 _ - .`; another is as one that is not there",
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
        Rule::asks(
            "`Host` is signed with the port, unless it is the scheme's own",
            "P",
            &[|s| drop(s.accepted(&list("-", "examplevault")))],
            &[|s| {
                let request = list("-", "examplevault").with(|r| r.signed_host = Some("127.0.0.1".to_owned()));
                s.refused(&request, 403, SIGNATURE, "does not match");
            }],
        ),
        Rule::refuses(
            "`Host` is required",
            "choice: unreadable `Authorization`, no usable date, no `Host`",
            &[|s| {
                let request = list("-", "examplevault").with(|r| r.sends_host = false);
                s.refused(&request, 403, SIGNATURE, "'Host' must be in the request");
            }],
        ),
        Rule::asks(
            "`x-amz-glacier-version` is required",
            "G, L",
            &[|s| drop(s.accepted(&list("-", "examplevault").header("x-amz-glacier-version", "2012-06-01")))],
            &[|s| {
                let request = list("-", "examplevault").without("x-amz-glacier-version");
                s.refused(&request, 400, MISSING, "Required parameter missing: API version");
            }],
        ),
        Rule::refuses(
            "there is one version",
            "choice: API version other than 2012-06-01",
            &[|s| {
                let request = list("-", "examplevault").header("x-amz-glacier-version", "2012-06-02");
                s.refused(&request, 400, INVALID, "2012-06-02");
            }],
        ),
        Rule::asks(
            "a payload comes with its `Content-Length`",
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
        Rule::gives(
            "`Content-Length: 0` may be left out",
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
        Rule::refuses(
            "a request's end is certain",
            "choice: `Transfer-Encoding`, two lengths, a payload without one",
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
        Rule::refuses(
            "an operation without payload takes no body",
            "choice: a body where the operation takes none",
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
        Rule::gives(
            "`Accept` may be left out, and makes no difference",
            "T",
            &[|s| drop(s.accepted(&list("-", "examplevault").header("accept", "application/json")))],
        ),
        Rule::gives(
            "with `Expect: 100-continue` the body is asked for",
            "T",
            &[|s| {
                let id = s.initiate(MIB);
                let part = Request::part(&id, 0, b"abc").header("expect", "100-continue");
                s.client.write(&part.head(&s.client.host)).unwrap();
                assert_eq!(s.client.read_answer().unwrap().status, 100);
                s.client.write(b"abc").unwrap();
                let answer = s.client.read_answer().unwrap();
                s.show(crate::document::request(&part), &answer);
            }],
        ),
        Rule::gives(
            "a query parameter of no operation is nothing",
            "choice: a query parameter that the operation does not know",
            &[|s| drop(s.accepted(&Request::list_uploads("?colour=blue")))],
        ),
        Rule::refuses(
            "an operation has an address",
            "choice: an address that is no operation here",
            &[|s| s.refused(&Request::new("GET", "/-/vaultz/examplevault"), 400, "BadRequest", "GET /-/vaultz")],
        ),
        Rule::refuses(
            "of several things wrong, the first in this order is told",
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
        Rule::refuses(
            "a refusal leaves the connection as it was",
            "choice: refused by the head alone",
            &[|s| {
                let id = s.initiate(MIB);
                let wrong = Request::part(&id, 0, &data(MIB)).header("content-range", "bytes 1-1048576/*");
                s.refused(&wrong, 400, INVALID, "Invalid Content-Range: bytes 1-1048576/*");
                assert_eq!(s.client.send(&Request::part(&id, 0, &data(MIB))).status, 204);
            }],
        ),
        Rule::refuses(
            "a body that is waited with is not asked for",
            "choice: refused by the head alone, with `Expect: 100-continue`",
            &[|s| {
                let part = Request::part("none", 0, b"abc").header("expect", "100-continue");
                s.client.write(&part.head(&s.client.host)).unwrap();
                let answer = s.client.read_answer().unwrap();
                answer.expect_refusal(404, NOT_FOUND, "The upload ID was not found");
                assert!(s.client.is_closed());
                s.show(crate::document::request(&part), &answer);
            }],
        ),
        Rule::gives(
            "an answer has `x-amzn-RequestId` with 47 url-safe characters, another each time, and `Date`",
            "G, L",
            &[|s| {
                let answers = [s.accepted(&Request::list_uploads("")), s.accepted(&Request::list_uploads(""))];
                let ids = answers.each_ref().map(|answer| answer.header("x-amzn-requestid").unwrap());
                assert!(ids.iter().all(|id| id.len() == 47 && is_url_safe(id)) && ids[0] != ids[1], "{ids:?}");
                let date = answers[0].header("date").unwrap();
                assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
                assert_eq!(answers[0].header("content-length").unwrap(), answers[0].body.len().to_string());
            }],
        ),
        Rule::gives(
            "a 201 carries `{}` as `application/json`, a 204 neither content nor length",
            "L",
            &[
                |s| {
                    let answer = s.accepted(&Request::initiate(MIB));
                    assert_eq!((answer.status, answer.body.as_slice()), (201, &b"{}"[..]));
                    assert_eq!(answer.header("content-type"), Some("application/json"));
                },
                |s| {
                    let id = s.initiate(MIB);
                    let answer = s.accepted(&Request::abort(&id));
                    assert_eq!((answer.status, answer.body.len()), (204, 0));
                    assert_eq!((answer.header("content-length"), answer.header("content-type")), (None, None));
                },
            ],
        ),
        Rule::gives(
            "upload IDs have 92 url-safe characters, and some begin with `-`",
            "L",
            &[|s| {
                let ids: Vec<_> = (0..20).map(|_| s.initiate(MIB)).collect();
                assert!(ids.iter().all(|id| id.len() == 92 && is_url_safe(id)), "{ids:?}");
                assert!(ids.iter().any(|id| id.starts_with('-')), "{ids:?}");
            }],
        ),
        Rule::asks(
            "an ID is sent back as it is, percent-encoded or not",
            "L",
            &[|s| {
                let id = s.initiate(MIB);
                let encoded: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
                s.name(encoded.clone(), "{upload}, percent-encoded");
                let answer = s.client.send(&Request::list_parts(&encoded, ""));
                s.show(format!("`GET …/multipart-uploads/{encoded}`"), &answer);
            }],
            &[|s| {
                let id = s.initiate(MIB);
                s.refused(&Request::list_parts(&id[..91], ""), 404, NOT_FOUND, "The upload ID was not found");
                s.refused(&Request::list_parts(&format!("{id}="), ""), 404, NOT_FOUND, "The upload ID was not found");
            }],
        ),
        Rule::asks(
            "requests do not come faster than they are admitted",
            "choice: how many requests are admitted",
            &[|s| drop(s.accepted(&list("-", "examplevault")))],
            &[|s| {
                s.emulator.limit_requests(Some(0));
                s.refused(&list("-", "examplevault"), 400, "ThrottlingException", "Rate exceeded");
            }],
        ),
        Rule::gives(
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
        Rule::refuses(
            "a number is written in digits only",
            "choice: a number with anything but digits, a `+` included",
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

fn denied(s: &mut crate::scene::Scene, account: &str) {
    let text = format!("Access denied for account ID: {account}");
    s.refused(&list(account, "examplevault"), 403, "AccessDeniedException", &text);
}

fn exists(s: &mut crate::scene::Scene, vault: &str) {
    s.accepted(&Request::new("PUT", format!("/-/vaults/{vault}")));
    s.accepted(&list("-", vault));
}

fn vault_not_found(s: &mut crate::scene::Scene, vault: &str) {
    let text = "Vault not found for ARN: arn:aws:glacier:us-east-1:111122223333:vaults/";
    s.refused(&list("-", vault), 404, NOT_FOUND, text);
}

fn is_url_safe(id: &str) -> bool {
    id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}
