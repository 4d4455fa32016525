//! Each form that a response may have, on the wire: split anywhere, cut, slow, or endless.

use std::thread;
use std::time::Duration;

use glacier_mp::error::Kind;
use glacier_mp::http::{RequestContext, Settings};

use crate::client::{Source, connect, connection, get, put, settings, watch};
use crate::server::{Peer, Server};

const STALL: Duration = Duration::from_millis(400);

fn impatient(server: &Server) -> Settings {
    Settings { stall_timeout: STALL, ..settings(server) }
}

/// A response to each request: all but `pieces` is up to the test.
fn sends(pieces: &'static [&'static str]) -> impl Fn(&mut Peer) + Send + Sync + Copy + 'static {
    move |peer| {
        peer.whole_request();
        for piece in pieces {
            peer.send(piece);
        }
    }
}

#[test]
fn each_form_may_be_split_anywhere() {
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
                    // Lets the client see the pieces one by one. Nothing else depends on it.
                    thread::sleep(Duration::from_millis(1));
                    peer.send(&bytes[split..]);
                    if bytes.contains("close") {
                        return peer.close();
                    }
                }
            });
            let mut connection = connect(&server);
            for split in 1..bytes.len() {
                let response = put(&mut *connection, 10, &mut Source::default(), &watch())
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
fn an_interim_response_of_any_form_stops_nothing() {
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
            let response = put(&mut *connect(&server), LENGTH, &mut Source::default(), &watch()).unwrap();
            assert_eq!((response.status, response.header("x-got")), (200, Some("8388608")));
        }
    }
}

#[test]
fn an_interim_response_changes_no_timeout() {
    // It does not begin the response, which may take its time.
    let server = Server::plain(|peer| {
        peer.whole_request();
        peer.send("HTTP/1.1 100 Continue\r\n\r\n");
        thread::sleep(3 * STALL);
        peer.send("HTTP/1.1 204 No Content\r\n\r\n");
        peer.hold();
    });
    let patient = RequestContext { response_timeout: Some(Duration::from_secs(30)), ..watch() };
    let response = put(&mut *connection(impatient(&server)), 10, &mut Source::default(), &patient).unwrap();
    assert_eq!(response.status, 204);

    // It gives the response no more time.
    let server = Server::plain(|peer| {
        peer.whole_request();
        for _ in 0..8 {
            peer.send("HTTP/1.1 102 Processing\r\n\r\n");
            thread::sleep(STALL / 2);
        }
        peer.send("HTTP/1.1 204 No Content\r\n\r\n");
        peer.hold();
    });
    let error = put(&mut *connection(impatient(&server)), 10, &mut Source::default(), &watch()).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "{error}");
}

#[test]
fn endless_responses_end() {
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
        assert_eq!((response.status, response.body.len()), (500, 64 << 10), "an error body is cut");
    }
}

/// Each byte comes soon after the one before it, but the section does not end in time.
#[test]
fn a_section_that_trickles_times_out() {
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
    let error = put(&mut *connection(impatient(&server)), 1 << 30, &mut Source::default(), &watch()).unwrap_err();
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
                // The 204 is complete. After the others the connection is not used again.
                if status != 204 {
                    get(&mut *connection).unwrap();
                    assert_eq!(server.connections(), 2, "{head:?}");
                }
            }
        }
    }
}

#[test]
fn a_list_needs_its_whole_body() {
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

/// Many servers end TLS without close_notify. The error that they sent explains itself all the same.
#[test]
fn an_error_until_the_end_of_a_tls_connection_needs_no_close_notify() {
    let server = Server::tls(sends(&["HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n", r#"{"code":"x"}"#]));
    let response = get(&mut *connect(&server)).unwrap();
    assert_eq!((response.status, response.body.as_slice()), (403, &br#"{"code":"x"}"#[..]));
}

#[test]
fn header_lines_are_unfolded() {
    let server = Server::plain(sends(&["HTTP/1.1 204 No Content\r\nA: b\r\n\tc\r\nx-amz-archive-id:\r\n  id\r\n\r\n"]));
    let response = get(&mut *connect(&server)).unwrap();
    assert_eq!((response.header("a"), response.header("x-amz-archive-id")), (Some("b c"), Some("id")));
}

#[test]
fn a_compressed_list_is_named_as_such() {
    let server =
        Server::plain(sends(&["HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x0b"]));
    let error = get(&mut *connect(&server)).unwrap_err();
    assert_eq!(error.kind(), Kind::Protocol);
    assert!(error.message().contains(r#"content coding "gzip""#), "{error}");
}
