//! Signature Version 4, the clock and the session token.

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use sha2::{Digest, Sha256};

use crate::SIGNATURE;
use crate::client::{MIB, Request};
use crate::rule::{Group, Rule};
use crate::scene::Scene;

const MISMATCH: &str = "The request signature we calculated does not match the signature you provided.";
const UNKNOWN: &str = "UnrecognizedClientException";

pub(crate) const GROUP: Group = Group {
    title: "Signature",
    rules: &[
        Rule::asks(
            "every request is signed",
            "G",
            &[|s| drop(s.accepted(&list()))],
            &[|s| {
                let request = list().with(|r| r.authorization = false);
                s.refused(&request, 400, "MissingAuthenticationTokenException", "");
            }],
        ),
        Rule::asks(
            "with a key that is known, and its secret",
            "G",
            &[|s| drop(s.accepted(&list()))],
            &[
                |s| s.refused(&list().with(|r| r.access_key = "AKIDOTHER".to_owned()), 400, UNKNOWN, ""),
                |s| s.refused(&list().with(|r| r.secret_key.push('x')), 403, SIGNATURE, MISMATCH),
            ],
        ),
        Rule::asks(
            "for the scope `{date}/{region}/glacier/aws4_request`",
            "G",
            &[|s| drop(s.accepted(&list()))],
            &[
                |s| {
                    let request = list().with(|r| r.region = "eu-west-1".to_owned());
                    s.refused(&request, 403, SIGNATURE, "valid region, not 'eu-west-1'");
                },
                |s| {
                    let request = list().with(|r| r.service = "s3".to_owned());
                    s.refused(&request, 403, SIGNATURE, "correct service: 'glacier', not 's3'");
                },
                |s| {
                    let today = format!("/{}/", &time_of(s)[..8]);
                    edited(s, &list(), "another day in its scope", |text| text.replace(&today, "/20120320/"));
                },
                |s| edited(s, &list(), "another end of its scope", |text| text.replace("aws4_request", "aws5_request")),
            ],
        ),
        Rule::refuses(
            "`Authorization` is written as Signature Version 4 has it",
            "choice: unreadable `Authorization`, no usable date, no `Host`",
            &[
                |s| {
                    edited(s, &list(), "another algorithm", |text| text.replace("AWS4-HMAC-SHA256", "AWS3-HMAC-SHA256"))
                },
                |s| edited(s, &list(), "no `SignedHeaders`", |text| text.replace("SignedHeaders", "Headers")),
                |s| edited(s, &list(), "no key", |text| text.replace("Credential", "Key")),
            ],
        ),
        Rule::asks(
            "the time is in `x-amz-date`, or in `Date` in that same form; `x-amz-date` wins",
            "G",
            &[
                |s| drop(s.accepted(&list())),
                |s| drop(s.accepted(&list().with(|r| r.date_header = "date"))),
                |s| drop(s.accepted(&list().header("date", "20120320T170343Z"))),
            ],
            &[
                |s| {
                    let time = time_of(s);
                    let request = by_hand(s, &list(), str::to_owned);
                    let request = request.header("x-amz-date", time.replace('Z', "+0000"));
                    refused_by_hand(s, &request, "`x-amz-date` in another form");
                },
                |s| {
                    let request = by_hand(s, &list(), str::to_owned).without("x-amz-date");
                    refused_by_hand(s, &request, "no date");
                },
                |s| {
                    let request = by_hand(s, &list(), str::to_owned).without("x-amz-date");
                    let request = request.header("date", "Tue, 20 Mar 2012 17:03:43 GMT");
                    refused_by_hand(s, &request, "no `x-amz-date`");
                },
            ],
        ),
        Rule::asks(
            "the time is that of the service, within 5 minutes",
            "L",
            &[
                |s| drop(s.accepted(&list().with(|r| r.clock_offset = -290))),
                |s| drop(s.accepted(&list().with(|r| r.clock_offset = 290))),
                |s| {
                    s.emulator.set_clock_offset(600);
                    s.accepted(&list().with(|r| r.clock_offset = 600));
                },
            ],
            &[
                |s| {
                    s.refused(&list().with(|r| r.clock_offset = -310), 403, SIGNATURE, "Signature expired: ");
                    s.refused(&list().with(|r| r.clock_offset = -310), 403, SIGNATURE, " - 5 min.)");
                },
                |s| {
                    s.refused(&list().with(|r| r.clock_offset = 310), 403, SIGNATURE, "Signature not yet current: ");
                    s.refused(&list().with(|r| r.clock_offset = 310), 403, SIGNATURE, " + 5 min.)");
                },
            ],
        ),
        Rule::refuses(
            "the time still holds when the body is in",
            "choice: when a signature's age is checked",
            &[|s| {
                let id = s.initiate(MIB);
                let part = Request::part(&id, 0, b"abc").header("expect", "100-continue");
                s.client.write(&part.head(&s.client.host)).unwrap();
                // Asked for the body, so the head was right.
                assert_eq!(s.client.read_answer().unwrap().status, 100);
                s.emulator.set_clock_offset(600);
                s.client.write(b"abc").unwrap();
                let answer = s.client.read_answer().unwrap();
                answer.expect_refusal(403, SIGNATURE, "Signature expired: ");
                s.show(crate::document::request(&part) + ", 10 minutes on its way", &answer);
            }],
        ),
        Rule::asks(
            "`host`, the date and `x-amz-` headers are signed; `content-*`, `accept` and others may be",
            "G, P",
            &[
                |s| drop(s.accepted(&list().header("accept", "*/*").header("content-type", "text/plain"))),
                |s| {
                    let part = abc(s).with(|r| r.unsigned.push("content-range".to_owned()));
                    s.accepted(&part);
                },
            ],
            &[
                |s| unsigned(s, list(), "x-amz-glacier-version"),
                |s| {
                    let part = abc(s);
                    unsigned(s, part, "x-amz-content-sha256");
                },
                |s| edited(s, &list(), "`host` not signed", |text| text.replace("=host;", "=")),
            ],
        ),
        Rule::asks(
            "what the guide's examples leave unsigned may be",
            "choice: headers that need not be signed",
            &[
                |s| drop(s.accepted(&Request::initiate(MIB).with(|r| r.unsigned.push("x-amz-part-size".to_owned())))),
                |s| {
                    let part = abc(s).with(|r| r.unsigned.push("x-amz-sha256-tree-hash".to_owned()));
                    s.accepted(&part);
                },
            ],
            &[|s| unsigned(s, list().header("x-amz-meta", "x"), "x-amz-meta")],
        ),
        Rule::asks(
            "without body the payload's hash is that of nothing",
            "G",
            &[|s| drop(s.accepted(&list().header("x-amz-content-sha256", hex::encode(Sha256::digest(b"")))))],
            &[|s| {
                let request = list().header("x-amz-content-sha256", hex::encode(Sha256::digest(b"abc")));
                s.refused(&request, 403, SIGNATURE, "does not match the computed payload hash");
            }],
        ),
        Rule::asks(
            "the payload is signed",
            "L",
            &[|s| {
                let part = abc(s);
                s.accepted(&part);
            }],
            &[
                |s| unsigned_payload(s, "UNSIGNED-PAYLOAD"),
                |s| unsigned_payload(s, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            ],
        ),
        Rule::asks(
            "in a signed value inner runs of spaces count as one, in quotes as well",
            "L",
            &[|s| drop(s.accepted(&described()))],
            &[|s| {
                let request = by_hand(s, &described(), |canonical| canonical.replace("\"to now", "\"to  now"));
                refused_by_hand(s, &request, "both spaces signed");
            }],
        ),
        Rule::asks(
            "the path is encoded once more for the signature",
            "G",
            &[|s| {
                let answer = s.client.send(&encoded_vault());
                s.show(crate::document::request(&encoded_vault()), &answer);
            }],
            &[|s| {
                let request = by_hand(s, &encoded_vault(), |canonical| canonical.replace("%2565", "%65"));
                refused_by_hand(s, &request, "the path signed as it is");
            }],
        ),
        Rule::asks(
            "the query is sorted for the signature",
            "G",
            &[|s| drop(s.accepted(&queried()))],
            &[|s| {
                let request = by_hand(s, &queried(), |text| text.replace("colour=blue&limit=5", "limit=5&colour=blue"));
                refused_by_hand(s, &request, "the query signed as it is");
            }],
        ),
        Rule::asks(
            "a session token is sent, signed, where the key has one, and only there",
            "G",
            &[|s| {
                with_token(s);
                s.accepted(&list().header("x-amz-security-token", "first/token=="));
            }],
            &[
                |s| {
                    with_token(s);
                    s.refused(&list(), 400, UNKNOWN, "");
                },
                |s| {
                    with_token(s);
                    s.refused(&list().header("x-amz-security-token", "another"), 400, UNKNOWN, "");
                },
                |s| s.refused(&list().header("x-amz-security-token", "token"), 400, UNKNOWN, ""),
                |s| {
                    with_token(s);
                    unsigned(s, list().header("x-amz-security-token", "first/token=="), "x-amz-security-token");
                },
                |s| {
                    with_token(s);
                    s.emulator.replace_session_token("second");
                    let request = list().header("x-amz-security-token", "first/token==");
                    s.refused(&request, 403, "ExpiredTokenException", "expired");
                    let fresh = list().header("x-amz-security-token", "second");
                    assert_eq!(s.client.send(&fresh).status, 200);
                },
                |s| {
                    with_token(s);
                    s.emulator.add_session_token("of an hour", Some(3600));
                    let request =
                        |offset| list().header("x-amz-security-token", "of an hour").with(|r| r.clock_offset = offset);
                    s.emulator.set_clock_offset(3500);
                    s.accepted(&request(3500));
                    s.emulator.set_clock_offset(3700);
                    s.refused(&request(3700), 403, "ExpiredTokenException", "expired");
                },
            ],
        ),
        Rule::asks(
            "without `x-amz-content-sha256`, the hash of the body is signed",
            "G",
            &[|s| drop(s.accepted(&Request::initiate(MIB).body(b"{}")))],
            &[|s| {
                let request = Request::initiate(MIB).body(b"{}").with(|r| r.signed_body = Some(Vec::new()));
                s.refused(&request, 403, SIGNATURE, "does not match the signature");
            }],
        ),
        Rule::refuses(
            "a part is not accepted without `x-amz-content-sha256`, whatever is signed",
            "L",
            &[
                |s| {
                    let part = abc(s).without("x-amz-content-sha256");
                    s.refused(&part, 403, SIGNATURE, "does not match the signature");
                },
                |s| {
                    let part = abc(s).without("x-amz-content-sha256").with(|r| r.signed_body = Some(Vec::new()));
                    s.refused(&part, 403, SIGNATURE, "The request has no x-amz-content-sha256");
                },
            ],
        ),
    ],
};

fn list() -> Request {
    Request::list_uploads("")
}

fn abc(s: &mut Scene) -> Request {
    Request::part(&s.initiate(MIB), 0, b"abc")
}

fn described() -> Request {
    Request::initiate(MIB).header("x-amz-archive-description", "from 1950 \"to  now\"")
}

/// `%65` is an `e`.
fn encoded_vault() -> Request {
    Request::new("GET", "/-/vaults/%65xamplevault/multipart-uploads")
}

fn queried() -> Request {
    Request::list_uploads("?limit=5&colour=blue")
}

fn with_token(s: &mut Scene) {
    s.restart(|options| options.session_token = Some("first/token==".to_owned()));
}

fn unsigned(s: &mut Scene, request: Request, header: &str) {
    let text = format!("'{header}' must be a 'SignedHeader' in the AWS Authorization.");
    s.refused(&request.with(|r| r.unsigned.push(header.to_owned())), 403, SIGNATURE, &text);
}

fn unsigned_payload(s: &mut Scene, hash: &str) {
    let part = abc(s).header("x-amz-content-sha256", hash);
    s.refused(&part, 403, SIGNATURE, "does not match the computed payload hash");
}

/// The time that a request signed now carries.
fn time_of(s: &Scene) -> String {
    header(&list().signature(&s.client.host), "x-amz-date")
}

/// Sends a request with a change in its `Authorization`, which must be refused.
fn edited(s: &mut Scene, request: &Request, note: &str, change: impl Fn(&str) -> String) {
    let signed = by_hand(s, request, str::to_owned);
    let authorization = header(&signed.headers, "authorization");
    assert_ne!(change(&authorization), authorization);
    refused_by_hand(s, &signed.header("authorization", change(&authorization)), note);
}

fn refused_by_hand(s: &mut Scene, request: &Request, note: &str) {
    let answer = s.client.send(request);
    answer.expect_refusal(403, SIGNATURE, "");
    let bare = request.clone().without("authorization").without("x-amz-date").with(|r| r.authorization = true);
    s.show(format!("{}, {note}", crate::document::request(&bare)), &answer);
}

/// The request signed over a changed canonical form: what no signer of repute would send.
fn by_hand(s: &Scene, request: &Request, change: impl Fn(&str) -> String) -> Request {
    let host = &s.client.host;
    let added = request.signature(host);
    let (time, authorization) = (header(&added, "x-amz-date"), header(&added, "authorization"));
    let names = between(&authorization, "SignedHeaders=", ",");
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let mut query: Vec<_> = query.split('&').collect();
    query.sort_unstable();
    let mut canonical = format!("{}\n{}\n{}\n", request.method, path.replace('%', "%25"), query.join("&"));
    let headers = [request.headers.clone(), added.clone(), vec![("host".to_owned(), host.clone())]].concat();
    for name in names.split(';') {
        let value = header(&headers, name);
        canonical.push_str(&format!("{name}:{}\n", value.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    canonical.push_str(&format!("\n{names}\n{}", hex::encode(Sha256::digest(&request.body))));

    let now = std::time::SystemTime::now();
    let key = generate_signing_key(&request.secret_key, now, &request.region, &request.service);
    let scope = between(&authorization, &format!("Credential={}/", request.access_key), ",");
    let signature = |canonical: &str| {
        let hash = hex::encode(Sha256::digest(canonical));
        calculate_signature(&key, format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{hash}").as_bytes())
    };
    let right = signature(&canonical);
    assert!(authorization.ends_with(&right), "signed by hand it is {right}, else {authorization}");
    let authorization = authorization.replace(&right, &signature(&change(&canonical)));
    let signed = request.clone().header("x-amz-date", time).header("authorization", authorization);
    signed.with(|r| r.authorization = false)
}

fn header(headers: &[(String, String)], name: &str) -> String {
    headers.iter().find(|(have, _)| have == name).unwrap_or_else(|| panic!("no {name}")).1.clone()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    text.split_once(before).unwrap().1.split_once(after).unwrap().0
}
