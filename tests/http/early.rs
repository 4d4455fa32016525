//! Answers that come before the request is all sent, as when a signature is refused at the first byte of 4 GiB. ureq by
//! itself sends on and loses them.

use crate::client::{Source, connect, get, put, watch};
use crate::server::{Peer, Server};

const REFUSED: &str = "HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nrefused";
const LENGTH: u64 = 256 << 20;

#[test]
fn answer_and_close() {
    check(|_| {});
}

#[test]
fn answer_and_reset() {
    check(|peer| peer.reset());
}

#[test]
fn answer_and_end_sending() {
    check(|peer| {
        peer.end_sending();
        peer.hold();
    });
}

#[test]
fn answer_and_hold() {
    check(|peer| peer.hold());
}

#[test]
fn answer_and_read_on() {
    check(|peer| assert!(peer.drain() < LENGTH / 2));
}

/// An interim answer says nothing of what becomes of the request.
#[test]
fn an_interim_answer_stops_nothing() {
    for tls in [false, true] {
        let server = Server::either(tls, |peer| {
            peer.request();
            peer.send("HTTP/1.1 100 Continue\r\n\r\n");
            let length = peer.payload(8 << 20).len();
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Got: {length}\r\n\r\n"));
            peer.drain();
        });
        let answer = put(&mut *connect(&server), 8 << 20, &mut Source::default(), &watch()).unwrap();
        assert_eq!((answer.status, answer.header("x-got")), (200, Some("8388608")));
    }
}

/// To ask before sending would cost a round trip a part, and ureq waits for ever when the answer to it is final.
#[test]
fn the_server_is_not_asked_whether_to_go_on() {
    let server = Server::plain(|peer| {
        peer.request();
        peer.send(REFUSED);
        peer.drain();
    });
    put(&mut *connect(&server), 1000, &mut Source::default(), &watch()).unwrap();
    let head = server.heads.lock().unwrap()[0].to_lowercase();
    assert!(!head.contains("expect"), "{head}");
}

/// The server reads the head and a little of the payload, answers, and then does what `ending` says. The answer must
/// come through whatever that is, most of the source must not be read, and the next request needs a new connection.
fn check(ending: impl Fn(&mut Peer) + Send + Sync + Copy + 'static) {
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
        let answer = put(&mut *connection, LENGTH, &mut source.clone(), &watch()).unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (403, &b"refused"[..]), "tls: {tls}");
        assert!(source.was_read() < LENGTH / 2, "{} bytes were read, tls: {tls}", source.was_read());
        get(&mut *connection).unwrap_err();
        assert_eq!(server.connections(), 2, "tls: {tls}");
    }
}
