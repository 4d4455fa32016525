//! Tunnels (CONNECT) to an `https` endpoint, through `http` and `https` proxies.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use glacier_mp::error::{ConnectFailure, Kind};
use glacier_mp::http::{LookupError, Resolver, SystemResolver, Transport};
use glacier_mp::retry::is_retryable;

use super::{ESTABLISHED, HIDDEN, OK, TOKEN, endpoint, hidden_server, proxy_to, relay, through, to_hidden};
use crate::client::{Settings, Source, connection, context, get, put};
use crate::connect::{Names, Silent, resolving};
use crate::server::{Server, always};
use crate::support::closed_port::ClosedPort;

const REFUSED: &str = "HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nrefused";

/// The resolver of the system, which records the names that are looked up.
#[derive(Debug, Default)]
struct Recorder(Mutex<Vec<String>>);

impl Resolver for Recorder {
    fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, LookupError> {
        self.0.lock().unwrap().push(host.to_owned());
        SystemResolver.look_up(host, port)
    }
}

#[test]
fn opens_one_tunnel_for_all_requests_of_a_connection() {
    for tls in [false, true] {
        let server = hidden_server(always(OK));
        let proxy = proxy_to(tls, &server);
        let names = Arc::new(Recorder::default());
        let mut connection = resolving(&through(&proxy, HIDDEN, Some(&server)), names.clone()).connection();
        for _ in 0..3 {
            assert_eq!(get(&mut *connection).unwrap().body, b"ok");
        }
        assert_eq!((proxy.connections(), server.connections()), (1, 1));
        let expected = format!(
            "CONNECT glacier.example:443 HTTP/1.1\r\nHost: glacier.example:443\r\nUser-Agent: tests/1\r\n\
             Proxy-Authorization: Basic {TOKEN}\r\n\r\n"
        );
        assert_eq!(*proxy.heads.lock().unwrap(), [expected]);
        for head in server.heads.lock().unwrap().iter() {
            assert!(head.starts_with("GET /-/vaults/v%20v?limit=50 HTTP/1.1\r\n"), "{head}");
            assert!(!head.to_ascii_lowercase().contains("proxy"), "{head}");
        }
        assert_eq!(*names.0.lock().unwrap(), ["localhost"], "only the proxy looks up the name of the endpoint");
    }
}

#[test]
fn sends_payloads_unchanged_and_counts_them() {
    const LENGTH: u64 = (9 << 20) + 7;
    for tls in [false, true] {
        let server = hidden_server(|peer| {
            while let Some(payload) = peer.whole_request() {
                let is_same = payload == Source::bytes(LENGTH);
                peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Same: {is_same}\r\n\r\n"));
            }
        });
        let proxy = proxy_to(tls, &server);
        let mut connection = connection(through(&proxy, HIDDEN, Some(&server)));
        for _ in 0..2 {
            let context = context();
            let response = put(&mut *connection, LENGTH, &mut Source::default(), &context).unwrap();
            assert_eq!((response.status, response.header("x-same")), (200, Some("true")));
            assert_eq!(context.sent.load(Ordering::SeqCst), LENGTH);
        }
        assert_eq!((proxy.connections(), server.connections()), (1, 1));
    }
}

#[test]
fn early_error_response_stops_the_sending() {
    const LENGTH: u64 = 256 << 20;
    for tls in [false, true] {
        for holds in [false, true] {
            let server = hidden_server(move |peer| {
                peer.request();
                peer.send(REFUSED);
                if holds {
                    peer.hold();
                } else {
                    peer.drain();
                }
            });
            let proxy = proxy_to(tls, &server);
            let mut source = Source::default();
            let settings = through(&proxy, HIDDEN, Some(&server));
            let response = put(&mut *connection(settings), LENGTH, &mut source, &context()).unwrap();
            assert_eq!((response.status, response.body.as_slice()), (403, &b"refused"[..]));
            assert!(source.was_read() < LENGTH / 2);
        }
    }
}

#[test]
fn early_success_is_no_acknowledgement() {
    for tls in [false, true] {
        let server = hidden_server(|peer| {
            peer.request();
            peer.send(OK);
            peer.drain();
        });
        let proxy = proxy_to(tls, &server);
        let settings = through(&proxy, HIDDEN, Some(&server));
        let error = put(&mut *connection(settings), 256 << 20, &mut Source::default(), &context()).unwrap_err();
        assert!(error.message().contains("before the request was sent completely"), "{error}");
    }
}

#[test]
fn stall_behind_the_proxy_is_a_timeout() {
    for tls in [false, true] {
        let server = hidden_server(|peer| {
            peer.request();
            peer.narrow();
            peer.hold();
        });
        let proxy = proxy_to(tls, &server);
        let stall_timeout = std::time::Duration::from_millis(300);
        let settings = Settings { stall_timeout, ..through(&proxy, HIDDEN, Some(&server)) };
        let error = put(&mut *connection(settings), 256 << 20, &mut Source::default(), &context()).unwrap_err();
        assert_eq!(error.kind(), Kind::Timeout, "{error}");
        assert!(error.message().contains("through the proxy"), "{error}");
    }
}

#[test]
fn tunnel_closed_within_a_request_is_transient_and_reopened() {
    for tls in [false, true] {
        let server = hidden_server(always(OK));
        let address = server.address;
        let proxy = Server::either(tls, move |peer| {
            let is_first = peer.heads.lock().unwrap().is_empty();
            peer.request();
            peer.send(ESTABLISHED);
            relay(peer, address, if is_first { 1 << 20 } else { u64::MAX });
        });
        let mut connection = connection(through(&proxy, HIDDEN, Some(&server)));
        let error = put(&mut *connection, 256 << 20, &mut Source::default(), &context()).unwrap_err();
        assert_eq!((error.kind(), error.connect_failure()), (Kind::Network, None), "{error}");
        assert!(is_retryable(&error) && !error.is_not_sent());
        assert_eq!(get(&mut *connection).unwrap().body, b"ok");
        assert_eq!(proxy.connections(), 2);
    }
}

/// The alert comes in one segment with the response to CONNECT, before the client has sent anything through the tunnel.
#[test]
fn early_bytes_of_the_tunnel_are_not_lost() {
    const HANDSHAKE_FAILURE: &[u8] = b"\x15\x03\x03\x00\x02\x02\x28";
    for tls in [false, true] {
        let proxy = Server::either(tls, |peer| {
            peer.request();
            peer.send([ESTABLISHED.as_bytes(), HANDSHAKE_FAILURE].concat());
            peer.drain();
        });
        let error = connection(to_hidden(&proxy)).open(&context()).unwrap_err();
        assert_eq!((error.kind(), error.connect_failure()), (Kind::Tls, Some(ConnectFailure::TlsRefused)), "{error}");
        assert!(error.message().contains("no TLS settings in common"), "{error}");
    }
}

#[test]
fn early_bytes_of_the_tunnel_are_not_trusted() {
    let proxy = Server::plain(|peer| {
        peer.request();
        peer.send([ESTABLISHED, OK].concat());
        peer.drain();
    });
    let error = get(&mut *connection(to_hidden(&proxy))).unwrap_err();
    assert_eq!((error.kind(), error.connect_failure()), (Kind::Tls, Some(ConnectFailure::TlsRefused)), "{error}");
    assert!(error.is_not_sent());
}

#[test]
fn connects_to_the_address_of_the_proxy_that_responds() {
    let (silent, closed, server) = (Silent::new(), ClosedPort::new(), hidden_server(always(OK)));
    let proxy = proxy_to(false, &server);
    let names = Names::of(&[silent.address, closed.address, proxy.address]);
    let transport = resolving(&through(&proxy, HIDDEN, Some(&server)), names);
    assert_eq!(get(&mut *transport.connection()).unwrap().body, b"ok");
}

/// A proxy whose name has several addresses is a group of machines. One of them may be out of order.
#[test]
fn tries_the_next_address_of_a_proxy_that_closes_the_connection() {
    let (broken, server) = (Server::plain(|_| {}), hidden_server(always(OK)));
    let proxy = proxy_to(false, &server);
    let names = Names::of(&[broken.address, proxy.address]);
    let transport = resolving(&through(&proxy, HIDDEN, Some(&server)), names);
    for _ in 0..2 {
        assert_eq!(get(&mut *transport.connection()).unwrap().body, b"ok");
    }
    assert_eq!((broken.connections(), proxy.connections()), (1, 2));
}

#[test]
fn direct_transport_uses_no_proxy() {
    let server = Server::tls(always(OK));
    let proxy = Server::plain(|_| {});
    let settings = through(&proxy, &server.url(), Some(&server));
    let transport = settings.network().unwrap().direct_transport(&endpoint(&server.url())).unwrap();
    assert_eq!(get(&mut *transport.connection()).unwrap().body, b"ok");
    assert_eq!(proxy.connections(), 0);
}
