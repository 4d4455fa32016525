//! The order of request and response. A success that arrives before the request was sent completely acknowledges nothing.
//! Bytes that arrive before the request belong to no request.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use glacier_mp::error::Kind;
use glacier_mp::http::Connection;

use crate::client::{Source, connect, context, get, put};
use crate::server::{Peer, Server};

const NO_CONTENT: &str = "HTTP/1.1 204 No Content\r\n\r\n";
/// More than the buffers of both kernels: the client cannot send this completely while the server does not read.
const LENGTH: u64 = 64 << 20;

#[test]
fn rejects_a_success_before_the_end_of_the_request() {
    for tls in [false, true] {
        for response in [
            NO_CONTENT,
            "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        ] {
            for reads_on in [false, true] {
                let server = Server::either(tls, move |peer| {
                    peer.request();
                    peer.send(response);
                    if reads_on {
                        peer.drain();
                    }
                    peer.hold();
                });
                let mut connection = connect(&server);
                assert_early(&mut *connection);
                assert_early(&mut *connection);
                assert_eq!(server.connections(), 2, "the broken connection is not used again");
            }
        }
    }
}

/// The first byte decides, not the last.
#[test]
fn rejects_a_success_that_begins_before_the_end_of_the_request() {
    for tls in [false, true] {
        for split in [1, 9, 12, 15, NO_CONTENT.len() - 1] {
            let server = Server::either(tls, move |peer| {
                peer.request();
                peer.send(&NO_CONTENT[..split]);
                peer.payload(LENGTH);
                peer.send(&NO_CONTENT[split..]);
                peer.hold();
            });
            assert_early(&mut *connect(&server));
        }
    }
}

#[test]
fn skips_an_interim_response_that_begins_early_and_ends_late() {
    const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
    for tls in [false, true] {
        for split in [1, 10, 12, CONTINUE.len() - 1] {
            let server = Server::either(tls, move |peer| {
                peer.request();
                peer.send(&CONTINUE[..split]);
                peer.payload(LENGTH);
                peer.send(&CONTINUE[split..]);
                peer.send(NO_CONTENT);
                peer.hold();
            });
            let response = put(&mut *connect(&server), LENGTH, &mut Source::default(), &context()).unwrap();
            assert_eq!(response.status, 204, "split at byte {split}");
        }
    }
}

#[test]
fn rejects_bytes_before_the_first_request() {
    for tls in [false, true] {
        let (sender, receiver) = mpsc::channel();
        let (sender, is_first) = (Mutex::new(sender), AtomicBool::new(true));
        let server = Server::either(tls, move |peer| {
            if is_first.swap(false, Ordering::SeqCst) {
                peer.send("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nunasked");
                sender.lock().unwrap().send(()).unwrap();
                peer.request();
                peer.hold();
            }
            while peer.whole_request().is_some() {
                peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nasked");
            }
        });
        let mut connection = connect(&server);
        connection.open(&context()).unwrap();
        receiver.recv().unwrap();
        // The client may find the bytes before or during the request. They are not its response.
        match put(&mut *connection, LENGTH, &mut Source::default(), &context()) {
            Ok(response) => assert_eq!(response.body, b"asked"),
            Err(error) => assert_eq!(error.kind(), Kind::Network, "{error}"),
        }
        let response = put(&mut *connection, 1000, &mut Source::default(), &context()).unwrap();
        assert_eq!((response.body.as_slice(), server.connections()), (&b"asked"[..], 2));
    }
}

/// Bytes after a response, in the same segment or later, belong to no request. The client closes the connection.
#[test]
fn duplicate_response_acknowledges_one_request() {
    for tls in [false, true] {
        for (first, second) in [
            (NO_CONTENT, NO_CONTENT),
            ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "hello"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "\r\n"),
        ] {
            for in_one_segment in [true, false] {
                let (sender, receiver) = mpsc::channel();
                let sender = Mutex::new(sender);
                let server = Server::either(tls, move |peer| {
                    while peer.whole_request().is_some() {
                        if in_one_segment {
                            peer.send(format!("{first}{second}"));
                        } else {
                            peer.send(first);
                            peer.send(second);
                        }
                        sender.lock().unwrap().send(()).unwrap();
                    }
                });
                let mut connection = connect(&server);
                for number in 1..=3 {
                    get(&mut *connection).unwrap();
                    receiver.recv().unwrap();
                    thread::sleep(Duration::from_millis(20));
                    assert_eq!(server.connections(), number, "{first:?} {second:?}");
                }
            }
        }
    }
}

/// A success for one request never acknowledges the next one on the same connection.
#[test]
fn rejects_an_early_success_on_a_reused_connection() {
    for tls in [false, true] {
        let requests = Arc::new(AtomicUsize::new(0));
        let count = requests.clone();
        let server = Server::either(tls, move |peer: &mut Peer| {
            peer.whole_request();
            peer.send(NO_CONTENT);
            while peer.request().is_some() {
                count.fetch_add(1, Ordering::SeqCst);
                peer.send(NO_CONTENT);
                peer.payload(LENGTH);
            }
        });
        let mut connection = connect(&server);
        put(&mut *connection, 1000, &mut Source::default(), &context()).unwrap();
        assert_early(&mut *connection);
        assert_eq!((server.connections(), requests.load(Ordering::SeqCst)), (1, 1));
    }
}

#[track_caller]
fn assert_early(connection: &mut dyn Connection) {
    let error = put(connection, LENGTH, &mut Source::default(), &context()).unwrap_err();
    assert_eq!(error.kind(), Kind::Network, "{error}");
    assert!(error.message().contains("before the request was sent completely"), "{error}");
}
