//! Signature Version 4, the clock and the session token.

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use sha2::{Digest, Sha256};

use crate::SIGNATURE;
use crate::client::{MIB, Request};
use crate::fixture::Fixture;
use crate::rule::{Group, Rule};

const MISMATCH: &str = "The request signature we calculated does not match the signature you provided.";
const UNKNOWN: &str = "UnrecognizedClientException";

pub(crate) const GROUP: Group = Group {
    title: "Signature",
    rules: &[
        Rule::required(
            "every request must be signed",
            "G",
            &[|s| drop(s.accepted(&list()))],
            &[|s| {
                let request = list().with(|r| r.authorization = false);
                s.refused(&request, 400, "MissingAuthenticationTokenException", "");
            }],
        ),
        Rule::required(
            "the signature uses a known access key and its secret key",
            "G",
            &[|s| drop(s.accepted(&list()))],
            &[
                |s| s.refused(&list().with(|r| r.access_key = "AKIDOTHER".to_owned()), 400, UNKNOWN, ""),
                |s| s.refused(&list().with(|r| r.secret_key.push('x')), 403, SIGNATURE, MISMATCH),
            ],
        ),
        Rule::required(
            "the credential scope is `{date}/{region}/glacier/aws4_request`",
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
        Rule::refused(
            "`Authorization` has the format of Signature Version 4",
            "choice: malformed `Authorization`, no valid date, no `Host`",
            &[
                |s| {
                    edited(s, &list(), "another algorithm", |text| text.replace("AWS4-HMAC-SHA256", "AWS3-HMAC-SHA256"))
                },
                |s| edited(s, &list(), "no `SignedHeaders`", |text| text.replace("SignedHeaders", "Headers")),
                |s| edited(s, &list(), "no key", |text| text.replace("Credential", "Key")),
            ],
        ),
        Rule::required(
            "the time is in `x-amz-date`, or in `Date` in the same format; `x-amz-date` takes precedence",
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
        Rule::required(
            "the time differs from the service's clock by at most 5 minutes",
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
        Rule::refused(
            "the time is checked again at the end of the body",
            "choice: when the age of a signature is checked",
            &[|s| {
                let id = s.initiate(MIB);
                let part = Request::part(&id, 0, b"abc").header("expect", "100-continue");
                s.client.write(&part.head(&s.client.host)).unwrap();
                // The service sent 100 Continue, so the head was accepted.
                assert_eq!(s.client.read_response().unwrap().status, 100);
                s.emulator.set_clock_offset(600);
                s.client.write(b"abc").unwrap();
                let response = s.client.read_response().unwrap();
                response.expect_refusal(403, SIGNATURE, "Signature expired: ");
                s.show(crate::document::request(&part) + ", 10 minutes on its way", &response);
            }],
        ),
        Rule::required(
            "`host`, the date and `x-amz-` headers must be signed; other headers, such as `content-*` and `accept`, may be",
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
        Rule::required(
            "the headers that the examples of the developer guide leave unsigned may be unsigned",
            "choice: headers that may be unsigned",
            &[
                |s| drop(s.accepted(&Request::initiate(MIB).with(|r| r.unsigned.push("x-amz-part-size".to_owned())))),
                |s| {
                    let part = abc(s).with(|r| r.unsigned.push("x-amz-sha256-tree-hash".to_owned()));
                    s.accepted(&part);
                },
            ],
            &[|s| unsigned(s, list().header("x-amz-meta", "x"), "x-amz-meta")],
        ),
        Rule::required(
            "without a body, the payload hash is the hash of no bytes",
            "G",
            &[|s| drop(s.accepted(&list().header("x-amz-content-sha256", hex::encode(Sha256::digest(b"")))))],
            &[|s| {
                let request = list().header("x-amz-content-sha256", hex::encode(Sha256::digest(b"abc")));
                s.refused(&request, 403, SIGNATURE, "does not match the computed payload hash");
            }],
        ),
        Rule::required(
            "the payload hash must be signed",
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
        Rule::required(
            "consecutive spaces in a signed value count as one, also inside quotes",
            "L",
            &[|s| drop(s.accepted(&described()))],
            &[|s| {
                let request = by_hand(s, &described(), |canonical| canonical.replace("\"to now", "\"to  now"));
                refused_by_hand(s, &request, "both spaces signed");
            }],
        ),
        Rule::required(
            "the path is encoded a second time for the signature",
            "G",
            &[|s| {
                let response = s.client.send(&encoded_vault());
                s.show(crate::document::request(&encoded_vault()), &response);
            }],
            &[|s| {
                let request = by_hand(s, &encoded_vault(), |canonical| canonical.replace("%2565", "%65"));
                refused_by_hand(s, &request, "the path signed as it is");
            }],
        ),
        Rule::required(
            "the query parameters are sorted for the signature",
            "G",
            &[|s| drop(s.accepted(&queried()))],
            &[|s| {
                let request = by_hand(s, &queried(), |text| text.replace("colour=blue&limit=5", "limit=5&colour=blue"));
                refused_by_hand(s, &request, "the query signed as it is");
            }],
        ),
        Rule::required(
            "a session token is sent and signed if and only if the key has one",
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
        Rule::required(
            "without `x-amz-content-sha256`, the signature uses the hash of the body",
            "G",
            &[|s| drop(s.accepted(&Request::initiate(MIB).body(b"{}")))],
            &[|s| {
                let request = Request::initiate(MIB).body(b"{}").with(|r| r.signed_body = Some(Vec::new()));
                s.refused(&request, 403, SIGNATURE, "does not match the signature");
            }],
        ),
        Rule::refused(
            "a part requires `x-amz-content-sha256`, whatever is signed",
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

fn abc(s: &mut Fixture) -> Request {
    Request::part(&s.initiate(MIB), 0, b"abc")
}

fn described() -> Request {
    Request::initiate(MIB).header("x-amz-archive-description", "from 1950 \"to  now\"")
}

/// `%65` is the letter `e`.
fn encoded_vault() -> Request {
    Request::new("GET", "/-/vaults/%65xamplevault/multipart-uploads")
}

fn queried() -> Request {
    Request::list_uploads("?limit=5&colour=blue")
}

fn with_token(s: &mut Fixture) {
    s.restart(|options| options.session_token = Some("first/token==".to_owned()));
}

fn unsigned(s: &mut Fixture, request: Request, header: &str) {
    let text = format!("'{header}' must be a 'SignedHeader' in the AWS Authorization.");
    s.refused(&request.with(|r| r.unsigned.push(header.to_owned())), 403, SIGNATURE, &text);
}

fn unsigned_payload(s: &mut Fixture, hash: &str) {
    let part = abc(s).header("x-amz-content-sha256", hash);
    s.refused(&part, 403, SIGNATURE, "does not match the computed payload hash");
}

/// Returns the signing time of a request that is signed now.
fn time_of(s: &Fixture) -> String {
    header(&list().signature(&s.client.host), "x-amz-date")
}

/// Sends a request with a changed `Authorization`. It must be refused.
fn edited(s: &mut Fixture, request: &Request, note: &str, change: impl Fn(&str) -> String) {
    let signed = by_hand(s, request, str::to_owned);
    let authorization = header(&signed.headers, "authorization");
    assert_ne!(change(&authorization), authorization);
    refused_by_hand(s, &signed.header("authorization", change(&authorization)), note);
}

fn refused_by_hand(s: &mut Fixture, request: &Request, note: &str) {
    let response = s.client.send(request);
    response.expect_refusal(403, SIGNATURE, "");
    let bare = request.clone().without("authorization").without("x-amz-date").with(|r| r.authorization = true);
    s.show(format!("{}, {note}", crate::document::request(&bare)), &response);
}

/// Signs the request over a changed canonical form, as no correct client does.
fn by_hand(s: &Fixture, request: &Request, change: impl Fn(&str) -> String) -> Request {
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
