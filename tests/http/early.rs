//! Error responses that arrive before the request was sent completely, for example when a signature is rejected at the first
//! byte of 4 GiB. ureq alone would continue sending and lose them.

use crate::client::{Source, connect, context, get, put};
use crate::server::{Peer, Server};

const REFUSED: &str = "HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nrefused";
const LENGTH: u64 = 256 << 20;

#[test]
fn response_then_close() {
    assert_returns_early_response(|_| {});
}

#[test]
fn response_then_reset() {
    assert_returns_early_response(|peer| peer.reset());
}

#[test]
fn response_then_half_close() {
    assert_returns_early_response(|peer| {
        peer.end_sending();
        peer.hold();
    });
}

#[test]
fn response_then_open_without_reading() {
    assert_returns_early_response(|peer| peer.hold());
}

#[test]
fn response_then_reading() {
    assert_returns_early_response(|peer| assert!(peer.drain() < LENGTH / 2));
}

/// An interim response does not decide the request.
#[test]
fn interim_response_does_not_stop_sending() {
    for tls in [false, true] {
        let server = Server::either(tls, |peer| {
            peer.request();
            peer.send("HTTP/1.1 100 Continue\r\n\r\n");
            let length = peer.payload(8 << 20).len();
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Got: {length}\r\n\r\n"));
            peer.drain();
        });
        let response = put(&mut *connect(&server), 8 << 20, &mut Source::default(), &context()).unwrap();
        assert_eq!((response.status, response.header("x-got")), (200, Some("8388608")));
    }
}

/// `Expect: 100-continue` would cost a round trip per part, and ureq waits without end after a final response to it.
#[test]
fn sends_no_expect_header() {
    let server = Server::plain(|peer| {
        peer.request();
        peer.send(REFUSED);
        peer.drain();
    });
    put(&mut *connect(&server), 1000, &mut Source::default(), &context()).unwrap();
    let head = server.heads.lock().unwrap()[0].to_lowercase();
    assert!(!head.contains("expect"), "{head}");
}

/// The server reads the head and a little of the payload, responds, and then runs `ending`. The client must return the
/// response, must not read most of the source, and must open a new connection for the next request.
fn assert_returns_early_response(ending: impl Fn(&mut Peer) + Send + Sync + Copy + 'static) {
    for tls in [false, true] {
        let server = Server::either(tls, move |peer| {
            if peer.request().is_some_and(|head| head.starts_with("PUT")) {
                peer.payload(100_000);
                peer.send(REFUSED);
                ending(peer);
            }
        });
        let mut connection = connect(&server);
        let source = Source::default();
        let response = put(&mut *connection, LENGTH, &mut source.clone(), &context()).unwrap();
        assert_eq!((response.status, response.body.as_slice()), (403, &b"refused"[..]), "tls: {tls}");
        assert!(source.was_read() < LENGTH / 2, "{} bytes were read, tls: {tls}", source.was_read());
        get(&mut *connection).unwrap_err();
        assert_eq!(server.connections(), 2, "tls: {tls}");
    }
}
