//! Requests and answers, kept connections, and answers that are not as they should be.

use std::io::{self, Read};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use glacier_mp::error::{Error, Kind};
use glacier_mp::http::response::ERROR_BODY_MAX;
use glacier_mp::http::{Endpoint, Method, Payload, UreqTransport};

use crate::client::{Source, connect, connection, get, put, put_lent, request, settings, settings_at, watch};
use crate::server::{Peer, Server, always};

const OK: &str = "HTTP/1.1 200 OK\r\nX-Amzn-RequestId: id 1\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn a_request_goes_out_as_it_is_and_its_answer_comes_back_whole() {
    let server = Server::plain(always(OK));
    let answer = get(&mut *connect(&server)).unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"hello"[..]));
    assert_eq!(answer.header("x-amzn-requestid"), Some("id 1"));
    // Nothing that the caller did not give: a header that nobody signed is noise at best.
    assert_eq!(
        server.heads.lock().unwrap()[0],
        "GET /-/vaults/v%20v?limit=50 HTTP/1.1\r\naccept-encoding: identity\r\nuser-agent: tests/1\r\n\
         host: glacier.example:8080\r\nx-amz-glacier-version: 2012-06-01\r\n\r\n"
    );
}

#[test]
fn a_payload_is_sent_with_its_exact_length() {
    for tls in [false, true] {
        let length = 3_000_001;
        let server = Server::either(tls, move |peer| {
            let payload = peer.whole_request().unwrap();
            let verdict = if payload == Source::bytes(length) { "204 No Content" } else { "400 Bad Request" };
            peer.send(format!("HTTP/1.1 {verdict}\r\nContent-Length: 0\r\n\r\n"));
            peer.drain();
        });
        let (bytes, watch) = (Source::bytes(length + 1), watch());
        let mut left = bytes.as_slice();
        let answer = put_lent(&mut *connect(&server), length, &mut left, &watch).unwrap();
        assert_eq!(answer.status, 204);
        assert_eq!(left.len(), 1, "nothing is taken beyond the announced length");
        assert_eq!(watch.sent.load(Ordering::SeqCst), length);
        let head = server.heads.lock().unwrap()[0].clone();
        assert_eq!(head.matches("content-length: 3000001\r\n").count(), 1, "{head}");
        assert!(!head.contains("transfer-encoding"), "{head}");
    }
}

#[test]
fn an_empty_payload() {
    let server = Server::plain(always("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"));
    let mut connection = connect(&server);
    for (method, says_length) in
        [(Method::Post, true), (Method::Put, true), (Method::Get, false), (Method::Delete, false)]
    {
        let answer = connection.exchange(&request(method), Payload::Empty, &watch()).unwrap();
        assert_eq!((answer.status, answer.body.len()), (201, 0));
        let head = server.heads.lock().unwrap().pop().unwrap();
        assert!(head.starts_with(&format!("{} ", method.as_str())), "{head}");
        assert_eq!(head.contains("content-length: 0\r\n"), says_length, "{head}");
        assert!(!head.contains("transfer-encoding"), "{head}");
    }
    let answer = put(&mut *connection, 0, &mut io::empty(), &watch()).unwrap();
    assert_eq!(answer.status, 201);
    assert!(server.heads.lock().unwrap().pop().unwrap().contains("content-length: 0\r\n"));
    assert_eq!(server.connections(), 1);
}

#[test]
fn the_connection_is_kept_after_any_answer() {
    for answer in [
        OK,
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\n\r\n{\"code\":\"x\"}",
        "HTTP/1.1 503 Slow Down\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://localhost:1/\r\nContent-Length: 0\r\n\r\n",
    ] {
        for tls in [false, true] {
            let server = Server::either(tls, always(answer));
            let mut connection = connect(&server);
            for _ in 0..3 {
                connection.open(&watch()).unwrap();
                put(&mut *connection, 1000, &mut Source::default(), &watch()).unwrap();
            }
            assert_eq!(server.connections(), 1, "{answer:?}");
        }
    }
}

#[test]
fn a_connection_that_the_server_ended_is_opened_again() {
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
fn a_kept_connection_that_turns_out_dead_is_an_ordinary_error() {
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
fn redirects_are_answers() {
    let server = Server::plain(always(
        "HTTP/1.1 301 Moved\r\nLocation: http://localhost:1/elsewhere\r\nContent-Length: 5\r\n\r\nmoved",
    ));
    let answer = put(&mut *connect(&server), 10, &mut Source::default(), &watch()).unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (301, &b"moved"[..]));
    assert_eq!(answer.header("location"), Some("http://localhost:1/elsewhere"));
}

#[test]
fn the_body_of_an_error_is_cut_at_64_kib_and_its_connection_closed() {
    let server = Server::plain(|peer| {
        while peer.whole_request().is_some() {
            let body = vec![b'x'; ERROR_BODY_MAX + 1];
            peer.send(format!("HTTP/1.1 500 Oops\r\nContent-Length: {}\r\n\r\n", body.len()));
            peer.send(body);
        }
    });
    let mut connection = connect(&server);
    for _ in 0..2 {
        let answer = get(&mut *connection).unwrap();
        assert_eq!((answer.status, answer.body.len()), (500, ERROR_BODY_MAX));
    }
    assert_eq!(server.connections(), 2);
}

#[test]
fn broken_answers() {
    for (answer, kind) in [
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
                peer.send(answer);
            });
            let error = get(&mut *connect(&server)).expect_err(answer);
            assert_eq!(error.kind(), kind, "{answer:?}: {error}");
            let address = format!("localhost:{}", server.address.port());
            assert!(error.message().contains(&address), "{error}");
        }
    }
}

#[test]
fn a_head_without_end_is_refused() {
    let server = Server::plain(|peer| {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\n");
        peer.send("a: b\r\n".repeat(20_000));
        peer.hold();
    });
    assert_eq!(get(&mut *connect(&server)).unwrap_err().kind(), Kind::Protocol);
}

#[test]
fn nobody_listens() {
    let server = Server::plain(always(OK));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = Endpoint::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    let mut connection = connection(glacier_mp::http::Settings { endpoint, ..settings(&server) });
    for error in [connection.open(&watch()).unwrap_err(), get(&mut *connection).unwrap_err()] {
        assert_eq!(error.kind(), Kind::Network);
        assert!(error.message().contains(&format!("127.0.0.1:{port}")), "{error}");
    }
}

#[test]
fn an_error_of_the_payload_comes_back_as_it_is() {
    struct Failing(Option<io::Error>);
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(self.0.take().unwrap())
        }
    }
    let server = Server::plain(always(OK));
    let mut connection = connect(&server);

    let ours = io::Error::other(Error::new(Kind::SourceChanged, "it changed"));
    let error = put(&mut *connection, 10, &mut Failing(Some(ours)), &watch()).unwrap_err();
    assert_eq!((error.kind(), error.message()), (Kind::SourceChanged, "it changed"));

    let foreign = io::Error::new(io::ErrorKind::ConnectionReset, "the disk went away");
    let error = put(&mut *connection, 10, &mut Failing(Some(foreign)), &watch()).unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    assert!(error.message().contains("the disk went away"), "{error}");
}

/// ureq would ask for more for ever, and no timeout of its own would end that.
#[test]
fn a_payload_that_ends_early_is_an_error() {
    let server = Server::plain(always(OK));
    let error = put(&mut *connect(&server), 1000, &mut Source::default().take(999), &watch()).unwrap_err();
    assert_eq!(error.kind(), Kind::SourceShort, "{error}");
}

/// ureq resolves a name on a thread of its own if one of its timeouts is set, and abandons that thread. Its code would
/// still run after the library is unloaded.
#[cfg(target_os = "linux")]
#[test]
fn exchange_starts_no_thread() {
    const URL: &str = "TEST_SERVER_URL";
    if let Ok(url) = std::env::var(URL) {
        return assert_exchanges_start_no_thread(&url);
    }
    // Other tests start threads, so the exchanges happen in a process that runs nothing else.
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
fn bad_settings_are_refused() {
    let server = Server::plain(always(OK));
    for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----\n"] {
        let settings = glacier_mp::http::Settings { ca_pem: Some(pem.into()), ..settings(&server) };
        let error = UreqTransport::new(settings).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.message().contains("CA file"), "{error}");
    }
    let settings = glacier_mp::http::Settings { user_agent: "a\r\nb: c".to_owned(), ..settings(&server) };
    assert_eq!(UreqTransport::new(settings).unwrap_err().kind(), Kind::Invalid);
}
