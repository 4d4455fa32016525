//! All forms of responses: split anywhere, truncated, slow, or endless.

use std::thread;
use std::time::Duration;

use glacier_mp::error::Kind;
use glacier_mp::http::RequestContext;

use crate::client::{Settings, Source, connect, connection, context, get, put, settings};
use crate::server::{Peer, Server};

const STALL: Duration = Duration::from_millis(400);

fn impatient(server: &Server) -> Settings {
    Settings { stall_timeout: STALL, ..settings(server) }
}

/// Returns a script that sends the pieces of a response.
fn sends(pieces: &'static [&'static str]) -> impl Fn(&mut Peer) + Send + Sync + Copy + 'static {
    move |peer| {
        peer.whole_request();
        for piece in pieces {
            peer.send(piece);
        }
    }
}

#[test]
fn accepts_each_form_split_anywhere() {
    const FORMS: [(&str, u16, &str); 8] = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n", 200, "hello"),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", 200, "hello"),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, ""),
        (
            "HTTP/1.1 103 Early Hints\r\nA:\r\n b\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}",
            403,
            "{}",
        ),
        ("HTTP/1.0 100 Continue\r\n\r\nHTTP/1.1 200\r\nContent-Length:\r\n 5\r\n\r\nhello", 200, "hello"),
        ("HTTP/1.1 503 Slow Down\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", 503, "hello"),
    ];
    for tls in [false, true] {
        for (bytes, status, body) in FORMS {
            let splits = std::sync::Mutex::new(1..bytes.len());
            let server = Server::either(tls, move |peer| {
                while peer.whole_request().is_some() {
                    let Some(split) = splits.lock().unwrap().next() else { return };
                    peer.send(&bytes[..split]);
                    // So that the client receives the pieces separately. Only the coverage depends on this.
                    thread::sleep(Duration::from_millis(1));
                    peer.send(&bytes[split..]);
                    if bytes.contains("close") {
                        return peer.close();
                    }
                }
            });
            let mut connection = connect(&server);
            for split in 1..bytes.len() {
                let response = put(&mut *connection, 10, &mut Source::default(), &context())
                    .unwrap_or_else(|error| panic!("{bytes:?} split at byte {split}: {error}"));
                assert_eq!(
                    (response.status, response.body.as_slice()),
                    (status, body.as_bytes()),
                    "{bytes:?} at {split}"
                );
            }
            let is_kept = !bytes.contains("close");
            assert_eq!(server.connections(), if is_kept { 1 } else { bytes.len() - 1 }, "{bytes:?}");
        }
    }
}

#[test]
fn interim_response_of_any_form_does_not_stop_sending() {
    const LENGTH: u64 = 8 << 20;
    let long = format!("HTTP/1.1 103 Early Hints\r\nLink: <{}>\r\n\r\n", "x".repeat(5000));
    for pieces in [vec!["HTTP/1.1 1", "00 Continue\r\n\r\n"], vec![&long], vec!["HTTP/1.0 100\r\n\r\n"]] {
        let pieces: Vec<String> = pieces.into_iter().map(str::to_owned).collect();
        for tls in [false, true] {
            let pieces = pieces.clone();
            let server = Server::either(tls, move |peer| {
                peer.request();
                for piece in &pieces {
                    peer.send(piece);
                    thread::sleep(Duration::from_millis(50));
                }
                let length = peer.payload(LENGTH).len();
                peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Got: {length}\r\n\r\n"));
                peer.drain();
            });
            let response = put(&mut *connect(&server), LENGTH, &mut Source::default(), &context()).unwrap();
            assert_eq!((response.status, response.header("x-got")), (200, Some("8388608")));
        }
    }
}

#[test]
fn interim_response_changes_no_timeout() {
    // It is not the start of the response, so the response timeout still applies.
    let server = Server::plain(|peer| {
        peer.whole_request();
        peer.send("HTTP/1.1 100 Continue\r\n\r\n");
        thread::sleep(3 * STALL);
        peer.send("HTTP/1.1 204 No Content\r\n\r\n");
        peer.hold();
    });
    let patient = RequestContext { response_timeout: Some(Duration::from_secs(30)), ..context() };
    let response = put(&mut *connection(impatient(&server)), 10, &mut Source::default(), &patient).unwrap();
    assert_eq!(response.status, 204);

    // It does not extend the response timeout.
    let server = Server::plain(|peer| {
        peer.whole_request();
        for _ in 0..8 {
            peer.send("HTTP/1.1 102 Processing\r\n\r\n");
            thread::sleep(STALL / 2);
        }
        peer.send("HTTP/1.1 204 No Content\r\n\r\n");
        peer.hold();
    });
    let error = put(&mut *connection(impatient(&server)), 10, &mut Source::default(), &context()).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "{error}");
}

#[test]
fn limits_endless_responses() {
    let endless = |bytes: &'static str, start: &'static str| {
        move |peer: &mut Peer| {
            peer.whole_request();
            peer.send(start);
            while peer.try_send(bytes) {}
        }
    };
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (start, bytes) in [
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("HTTP/1.1 200 OK\r\n", "a: b\r\n"),
        ("", "\r\n"),
        ("HTTP/1.1 200 OK\r\na: ", "xxxxxxxxxxxxxxxx"),
        ("HTTP/1.1 200 OK\r\n\r\n", "xxxxxxxxxxxxxxxx"),
        (CHUNKED, "8\r\nxxxxxxxx\r\n"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "a: b\r\n"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "xxxxxxxxxxxxxxxx"),
    ] {
        for tls in [false, true] {
            let error = get(&mut *connect(&Server::either(tls, endless(bytes, start)))).unwrap_err();
            assert_eq!(error.kind(), Kind::Protocol, "{start:?} {bytes:?}: {error}");
        }
    }
    for tls in [false, true] {
        let server = Server::either(tls, endless("xxxxxxxxxxxxxxxx", "HTTP/1.1 500 Oops\r\n\r\n"));
        let response = get(&mut *connect(&server)).unwrap();
        assert_eq!((response.status, response.body.len()), (500, 64 << 10), "an error body is truncated");
    }
}

/// The peer sends without a pause, so the client never waits.
#[test]
fn times_out_if_a_body_floods_the_client() {
    let server = Server::plain(|peer| {
        peer.whole_request();
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunks = format!("1;{}\r\nx\r\n", "e".repeat(1000)).repeat(64);
        while peer.try_send(&chunks) {}
    });
    let error = get(&mut *connection(impatient(&server))).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "{error}");
}

/// Each byte arrives soon after the previous one, but the section does not end in time.
#[test]
fn times_out_if_a_section_is_too_slow() {
    for start in [
        "HTTP/1.1 200 OK\r\na: ",
        "HTTP/1.1 103 Early Hints\r\na: ",
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\na: ",
    ] {
        let server = Server::plain(move |peer| {
            peer.whole_request();
            peer.send(start);
            while peer.try_send("x") {
                thread::sleep(STALL / 8);
            }
        });
        let error = get(&mut *connection(impatient(&server))).unwrap_err();
        assert_eq!(error.kind(), Kind::Timeout, "{start:?}: {error}");
        assert!(error.message().contains("did not end within 400ms"), "{error}");
    }
}

#[test]
fn a_trickling_error_body_leaves_the_status() {
    let server = Server::plain(|peer| {
        peer.whole_request();
        peer.send("HTTP/1.1 403 Forbidden\r\nx-amzn-ErrorType: AccessDeniedException\r\n\r\n");
        while peer.try_send("x") {
            thread::sleep(STALL / 8);
        }
    });
    let response = get(&mut *connection(impatient(&server))).unwrap();
    assert_eq!((response.status, response.header("x-amzn-errortype")), (403, Some("AccessDeniedException")));
}

/// Each read of the server takes less than 1 KB in the stall timeout.
#[test]
fn a_request_that_trickles_out_times_out() {
    let server = Server::plain(|peer| {
        peer.narrow();
        peer.request();
        while peer.payload(1).len() == 1 {
            thread::sleep(STALL / 8);
        }
    });
    let error = put(&mut *connection(impatient(&server)), 1 << 30, &mut Source::default(), &context()).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "{error}");
    assert!(error.message().contains("less than 1024 bytes of the request were acknowledged"), "{error}");
}

/// RFC 9112 §8: a response whose header section is complete was received, even if its body is not.
#[test]
fn the_header_section_of_a_201_or_an_error_suffices() {
    for (head, status) in [
        ("HTTP/1.1 201 Created\r\nx-amz-archive-id: a\r\nContent-Length: 2\r\n\r\n", 201),
        ("HTTP/1.1 201 Created\r\nx-amz-archive-id: a\r\nTransfer-Encoding: chunked\r\n\r\n", 201),
        ("HTTP/1.1 204 No Content\r\nx-amz-archive-id: a\r\nContent-Length: 2\r\n\r\n", 204),
        ("HTTP/1.1 403 Forbidden\r\nx-amz-archive-id: a\r\nContent-Length: 2\r\n\r\n", 403),
    ] {
        for tls in [false, true] {
            for ending in [Peer::close as fn(&mut Peer), |peer| peer.reset(), |peer| peer.hold()] {
                let server = Server::either(tls, move |peer| {
                    peer.whole_request();
                    peer.send(head);
                    ending(peer);
                });
                let mut connection = connection(impatient(&server));
                let response = get(&mut *connection).unwrap();
                assert_eq!((response.status, response.header("x-amz-archive-id")), (status, Some("a")));
                // The body may come later, so the connection is not used again.
                get(&mut *connection).unwrap();
                assert_eq!(server.connections(), 2, "{head:?}");
            }
        }
    }
}

#[test]
fn rejects_a_truncated_list() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    ] {
        for tls in [false, true] {
            let server = Server::either(tls, move |peer| {
                peer.whole_request();
                peer.send(head);
            });
            assert_eq!(get(&mut *connect(&server)).unwrap_err().kind(), Kind::Network);
        }
    }
}

/// Many servers close TLS connections without close_notify. The error response is still usable.
#[test]
fn accepts_an_error_body_without_close_notify() {
    let server = Server::tls(sends(&["HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n", r#"{"code":"x"}"#]));
    let response = get(&mut *connect(&server)).unwrap();
    assert_eq!((response.status, response.body.as_slice()), (403, &br#"{"code":"x"}"#[..]));
}

#[test]
fn unfolds_header_lines() {
    let server = Server::plain(sends(&["HTTP/1.1 204 No Content\r\nA: b\r\n\tc\r\nx-amz-archive-id:\r\n  id\r\n\r\n"]));
    let response = get(&mut *connect(&server)).unwrap();
    assert_eq!((response.header("a"), response.header("x-amz-archive-id")), (Some("b c"), Some("id")));
}

#[test]
fn names_an_unknown_content_coding() {
    let server =
        Server::plain(sends(&["HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x0b"]));
    let error = get(&mut *connect(&server)).unwrap_err();
    assert_eq!(error.kind(), Kind::Protocol);
    assert!(error.message().contains(r#"content coding "gzip""#), "{error}");
}
