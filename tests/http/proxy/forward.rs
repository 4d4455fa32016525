//! Requests to an `http` endpoint, which a proxy forwards.

use std::sync::atomic::Ordering;

use glacier_mp::error::{ConnectFailure, Kind};
use glacier_mp::retry::is_retryable;

use super::{OK, TOKEN, assert_hides_password, through};
use crate::client::{Settings, Source, connection, context, get, put};
use crate::server::{Peer, Server, always};

const ENDPOINT: &str = "http://glacier.example:8080";

fn to_endpoint(proxy: &Server) -> Settings {
    through(proxy, ENDPOINT, None)
}

#[test]
fn names_the_absolute_url_and_keeps_the_signed_host() {
    for tls in [false, true] {
        let proxy = Server::either(tls, always(OK));
        let mut connection = connection(to_endpoint(&proxy));
        for _ in 0..2 {
            assert_eq!(get(&mut *connection).unwrap().body, b"ok");
        }
        assert_eq!(proxy.connections(), 1);
        for head in proxy.heads.lock().unwrap().iter() {
            let expected =
                format!("GET {ENDPOINT}/-/vaults/v%20v?limit=50 HTTP/1.1\r\nProxy-Authorization: Basic {TOKEN}\r\n");
            assert!(head.starts_with(&expected), "{head}");
            assert_eq!(head.matches("\r\nhost: glacier.example:8080\r\n").count(), 1, "{head}");
        }
    }
}

#[test]
fn sends_payloads_unchanged_and_counts_them() {
    const LENGTH: u64 = (3 << 20) + 7;
    for tls in [false, true] {
        let proxy = Server::either(tls, |peer| {
            while let Some(payload) = peer.whole_request() {
                let is_same = payload == Source::bytes(LENGTH);
                peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Same: {is_same}\r\n\r\n"));
            }
        });
        let mut connection = connection(to_endpoint(&proxy));
        for _ in 0..2 {
            let context = context();
            let response = put(&mut *connection, LENGTH, &mut Source::default(), &context).unwrap();
            assert_eq!(response.header("x-same"), Some("true"));
            assert_eq!(context.sent.load(Ordering::SeqCst), LENGTH);
        }
    }
}

#[test]
fn missing_credentials_are_permanent() {
    let proxy = Server::plain(always(
        "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"p\"\r\nContent-Length: 0\r\n\r\n",
    ));
    let error = get(&mut *connection(to_endpoint(&proxy))).unwrap_err();
    assert_eq!((error.kind(), error.connect_failure()), (Kind::Network, Some(ConnectFailure::ProxyRefused)), "{error}");
    assert_eq!(error.http_status(), Some(407));
    assert!(!is_retryable(&error));
    assert!(error.message().contains("rejected the user name and the password"), "{error}");
    assert_hides_password(&format!("{error:?}"));
}

/// The retry policy decides about other responses: they may come from the service.
#[test]
fn returns_other_responses() {
    for status in [302, 403, 502] {
        let proxy = Server::plain(move |peer: &mut Peer| {
            peer.request();
            peer.send(format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n"));
            peer.drain();
        });
        assert_eq!(get(&mut *connection(to_endpoint(&proxy))).unwrap().status, status);
    }
}
