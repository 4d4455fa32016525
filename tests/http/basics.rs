//! Requests and responses, persistent connections, and invalid responses.

use std::io::{self, Read};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use glacier_mp::error::{Error, Kind};
use glacier_mp::http::response::ERROR_BODY_MAX;
use glacier_mp::http::{Endpoint, Method};

use crate::client::{
    Settings, Source, connect, connection, context, get, put, put_buffered, request, settings, settings_at,
};
use crate::server::{Peer, Server, always};
use crate::support::closed_port::ClosedPort;

const OK: &str = "HTTP/1.1 200 OK\r\nX-Amzn-RequestId: id 1\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn sends_a_request_unchanged_and_returns_the_complete_response() {
    let server = Server::plain(always(OK));
    let response = get(&mut *connect(&server)).unwrap();
    assert_eq!((response.status, response.body.as_slice()), (200, &b"hello"[..]));
    assert_eq!(response.header("x-amzn-requestid"), Some("id 1"));
    // No headers beyond those of the caller and the settings.
    assert_eq!(
        server.heads.lock().unwrap()[0],
        "GET /-/vaults/v%20v?limit=50 HTTP/1.1\r\naccept-encoding: identity\r\nuser-agent: tests/1\r\n\
         host: glacier.example:8080\r\nx-amz-glacier-version: 2012-06-01\r\n\r\n"
    );
}

#[test]
fn sends_a_payload_with_its_exact_length() {
    for tls in [false, true] {
        let length = 3_000_001;
        let server = Server::either(tls, move |peer| {
            let payload = peer.whole_request().unwrap();
            let verdict = if payload == Source::bytes(length) { "204 No Content" } else { "400 Bad Request" };
            peer.send(format!("HTTP/1.1 {verdict}\r\nContent-Length: 0\r\n\r\n"));
            peer.drain();
        });
        let (bytes, context) = (Source::bytes(length + 1), context());
        let mut left = bytes.as_slice();
        let response = put_buffered(&mut *connect(&server), length, &mut left, &context).unwrap();
        assert_eq!(response.status, 204);
        assert_eq!(left.len(), 1, "nothing is read beyond the announced length");
        assert_eq!(context.sent.load(Ordering::SeqCst), length);
        let head = server.heads.lock().unwrap()[0].clone();
        assert_eq!(head.matches("content-length: 3000001\r\n").count(), 1, "{head}");
        assert!(!head.contains("transfer-encoding"), "{head}");
    }
}

#[test]
fn sends_an_empty_payload() {
    let server = Server::plain(always("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"));
    let mut connection = connect(&server);
    for (method, says_length) in
        [(Method::Post, true), (Method::Put, true), (Method::Get, false), (Method::Delete, false)]
    {
        let response = connection.exchange(&request(method, 0), &mut io::empty(), &context()).unwrap();
        assert_eq!((response.status, response.body.len()), (201, 0));
        let head = server.heads.lock().unwrap().pop().unwrap();
        assert!(head.starts_with(&format!("{} ", method.as_str())), "{head}");
        assert_eq!(head.contains("content-length: 0\r\n"), says_length, "{head}");
        assert!(!head.contains("transfer-encoding"), "{head}");
    }
    let response = put(&mut *connection, 0, &mut io::empty(), &context()).unwrap();
    assert_eq!(response.status, 201);
    assert!(server.heads.lock().unwrap().pop().unwrap().contains("content-length: 0\r\n"));
    assert_eq!(server.connections(), 1);
}

#[test]
fn keeps_the_connection_after_any_response() {
    for response in [
        OK,
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\n\r\n{\"code\":\"x\"}",
        "HTTP/1.1 503 Slow Down\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://localhost:1/\r\nContent-Length: 0\r\n\r\n",
    ] {
        for tls in [false, true] {
            let server = Server::either(tls, always(response));
            let mut connection = connect(&server);
            for _ in 0..3 {
                connection.open(&context()).unwrap();
                put(&mut *connection, 1000, &mut Source::default(), &context()).unwrap();
            }
            assert_eq!(server.connections(), 1, "{response:?}");
        }
    }
}

#[test]
fn reopens_a_connection_that_the_server_closed() {
    let server = Server::plain(|peer| {
        peer.whole_request();
        peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end");
    });
    let mut connection = connect(&server);
    for _ in 0..3 {
        assert_eq!(get(&mut *connection).unwrap().body, b"to the end");
    }
    assert_eq!(server.connections(), 3);
}

#[test]
fn reports_an_idle_connection_that_was_lost_as_network_error() {
    let server = Server::plain(|peer| {
        peer.whole_request();
        peer.send(OK);
        peer.request();
    });
    let mut connection = connect(&server);
    get(&mut *connection).unwrap();
    assert_eq!(get(&mut *connection).unwrap_err().kind(), Kind::Network);
    get(&mut *connection).unwrap();
}

#[test]
fn returns_redirects_as_responses() {
    let server = Server::plain(always(
        "HTTP/1.1 301 Moved\r\nLocation: http://localhost:1/elsewhere\r\nContent-Length: 5\r\n\r\nmoved",
    ));
    let response = put(&mut *connect(&server), 10, &mut Source::default(), &context()).unwrap();
    assert_eq!((response.status, response.body.as_slice()), (301, &b"moved"[..]));
    assert_eq!(response.header("location"), Some("http://localhost:1/elsewhere"));
}

#[test]
fn truncates_an_error_body_at_64_kib_and_closes_the_connection() {
    let server = Server::plain(|peer| {
        while peer.whole_request().is_some() {
            let body = vec![b'x'; ERROR_BODY_MAX + 1];
            peer.send(format!("HTTP/1.1 500 Oops\r\nContent-Length: {}\r\n\r\n", body.len()));
            peer.send(body);
        }
    });
    let mut connection = connect(&server);
    for _ in 0..2 {
        let response = get(&mut *connection).unwrap();
        assert_eq!((response.status, response.body.len()), (500, ERROR_BODY_MAX));
    }
    assert_eq!(server.connections(), 2);
}

#[test]
fn rejects_invalid_responses() {
    for (response, kind) in [
        ("", Kind::Network),
        ("HTTP/1.1 200 OK\r\nContent-Le", Kind::Network),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", Kind::Network),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", Kind::Network),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", Kind::Protocol),
        ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", Kind::Protocol),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Kind::Protocol),
    ] {
        for tls in [false, true] {
            let server = Server::either(tls, move |peer: &mut Peer| {
                peer.request();
                peer.send(response);
            });
            let error = get(&mut *connect(&server)).expect_err(response);
            assert_eq!(error.kind(), kind, "{response:?}: {error}");
            let address = format!("localhost:{}", server.address.port());
            assert!(error.message().contains(&address), "{error}");
        }
    }
}

#[test]
fn rejects_an_endless_header_section() {
    let server = Server::plain(|peer| {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\n");
        peer.send("a: b\r\n".repeat(20_000));
        peer.hold();
    });
    assert_eq!(get(&mut *connect(&server)).unwrap_err().kind(), Kind::Protocol);
}

#[test]
fn reports_a_closed_port() {
    let server = Server::plain(always(OK));
    let closed = ClosedPort::new();
    let endpoint = Endpoint::parse(&format!("http://{}", closed.address)).unwrap();
    let mut connection = connection(Settings { endpoint, ..settings(&server) });
    for error in [connection.open(&context()).unwrap_err(), get(&mut *connection).unwrap_err()] {
        assert_eq!(error.kind(), Kind::Network);
        assert!(error.message().contains(&closed.address.to_string()), "{error}");
    }
}

#[test]
fn returns_an_error_of_the_payload_unchanged() {
    struct Failing(Option<io::Error>);
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(self.0.take().unwrap())
        }
    }
    let server = Server::plain(always(OK));
    let mut connection = connect(&server);

    let ours = io::Error::other(Error::new(Kind::SourceChanged, "it changed"));
    let error = put(&mut *connection, 10, &mut Failing(Some(ours)), &context()).unwrap_err();
    assert_eq!((error.kind(), error.message()), (Kind::SourceChanged, "it changed"));

    let foreign = io::Error::new(io::ErrorKind::ConnectionReset, "the disk went away");
    let error = put(&mut *connection, 10, &mut Failing(Some(foreign)), &context()).unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    assert!(error.message().contains("the disk went away"), "{error}");
}

/// ureq would retry without end, and none of its timeouts would apply.
#[test]
fn rejects_a_payload_that_ends_early() {
    let server = Server::plain(always(OK));
    let error = put(&mut *connect(&server), 1000, &mut Source::default().take(999), &context()).unwrap_err();
    assert_eq!(error.kind(), Kind::SourceShort, "{error}");
}

#[test]
fn request_that_is_too_long_is_not_sent_completely() {
    let server = Server::plain(always(OK));
    for (target, header, is_begun) in
        [("/x".repeat(40_000), String::new(), false), ("/".to_owned(), "x".repeat(200_000), true)]
    {
        let mut connection = connect(&server);
        let mut too_long = request(Method::Get, 0);
        too_long.target = target;
        too_long.headers.push(("x-amz-security-token", header));
        let error = connection.exchange(&too_long, &mut io::empty(), &context()).unwrap_err();
        assert_eq!((error.kind(), error.is_not_sent()), (Kind::Invalid, !is_begun), "{error}");
        assert!(error.message().contains("the request cannot be sent"), "{error}");
        assert!(!error.message().contains("HTTP"), "{error}");
    }
    assert!(server.heads.lock().unwrap().is_empty());
}

/// With some timeouts, ureq resolves names on a thread that it abandons. The code of that thread would still run after the
/// library is unloaded.
#[cfg(target_os = "linux")]
#[test]
fn exchange_starts_no_thread() {
    const URL: &str = "TEST_SERVER_URL";
    if let Ok(url) = std::env::var(URL) {
        return assert_exchanges_start_no_thread(&url);
    }
    // Other tests start threads, so the exchanges run in a separate process.
    let server = Server::plain(always(OK));
    let mut alone = Command::new(std::env::current_exe().unwrap());
    let output = alone.args(["--exact", "basics::exchange_starts_no_thread"]).env(URL, server.url()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(server.heads.lock().unwrap().len(), 300);
}

#[cfg(target_os = "linux")]
fn assert_exchanges_start_no_thread(url: &str) {
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let mut connection = connection(settings_at(url));
    let (over, (ready, is_ready)) = (AtomicBool::new(false), mpsc::channel());
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let at_start = threads();
            ready.send(()).unwrap();
            let mut most = at_start;
            while !over.load(Ordering::SeqCst) {
                most = most.max(threads());
            }
            (at_start, most)
        });
        is_ready.recv().unwrap();
        let results: Vec<_> = (0..300).map(|_| get(&mut *connection)).collect();
        over.store(true, Ordering::SeqCst);
        let (at_start, most) = watcher.join().unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        assert_eq!(most, at_start);
    });
}

#[test]
fn rejects_invalid_settings() {
    let server = Server::plain(always(OK));
    for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----\n"] {
        let settings = Settings { ca_pem: Some(pem.into()), ..settings(&server) };
        let error = settings.transport().unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.message().contains("CA file"), "{error}");
    }
    let settings = Settings { user_agent: "a\r\nb: c".to_owned(), ..settings(&server) };
    assert_eq!(settings.transport().unwrap_err().kind(), Kind::Invalid);
}
