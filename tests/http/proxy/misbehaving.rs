//! Proxies that refuse, fail, or do not behave like proxies.

use std::time::Duration;

use glacier_mp::error::{ConnectFailure, Error, Kind};
use glacier_mp::http::Transport;
use glacier_mp::retry::{Class, classify, is_throttling};

use super::{ESTABLISHED, HIDDEN, assert_hides_password, hidden_server, proxy_to, through, to_hidden};
use crate::client::{Settings, connection, context, settings_at};
use crate::connect::{Names, resolving};
use crate::server::{Peer, Server, always};
use crate::support::closed_port::ClosedPort;

fn open(settings: Settings) -> Error {
    let error = connection(settings).open(&context()).unwrap_err();
    assert!(error.is_not_sent(), "{error}");
    assert_hides_password(&format!("{error} {error:?}"));
    error
}

/// Opens a tunnel through proxies with and without TLS that run a script after the request. Checks the error.
fn assert_fails(
    script: impl Fn(&mut Peer) + Clone + Send + Sync + 'static,
    kind: Kind,
    failure: ConnectFailure,
    class: Class,
    words: &[&str],
) {
    for tls in [false, true] {
        let script = script.clone();
        let proxy = Server::either(tls, move |peer| {
            peer.request();
            script(peer);
        });
        let error = open(to_hidden(&proxy));
        assert_eq!((error.kind(), error.connect_failure()), (kind, Some(failure)), "{error}");
        assert_eq!(classify(&error), class, "{error}");
        assert!(!is_throttling(&error), "{error}");
        let scheme = if tls { "https" } else { "http" };
        let address = format!("glacier.example:443 through the proxy {scheme}://localhost:{}", proxy.address.port());
        for word in words.iter().copied().chain([address.as_str()]) {
            assert!(error.message().contains(word), "{word:?} is not in: {error}");
        }
    }
}

fn responds(response: &'static str) -> impl Fn(&mut Peer) + Clone + Send + Sync + 'static {
    move |peer| {
        peer.send(response);
        peer.drain();
    }
}

#[test]
fn refusal_is_permanent_and_names_status_and_setting() {
    for (response, words) in [
        (
            "HTTP/1.1 407 Authentication required\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 3\r\n\r\nno!",
            ["status 407", "rejected the user name and the password"],
        ),
        (
            "HTTP/1.1 407 x\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate\r\n\r\n",
            ["status 407", "by NTLM or Negotiate, but only Basic is supported"],
        ),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", ["status 403", "does not allow this connection"]),
        ("HTTP/1.0 404 Not Found\r\n\r\n", ["status 404", "check that the proxy URL"]),
        ("HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n", ["status 302", "not followed"]),
    ] {
        let words = [words[0], words[1], "glacier_config_set_proxy"];
        let (failure, class) = (ConnectFailure::ProxyRefused, Class::Permanent);
        assert_fails(responds(response), Kind::Network, failure, class, &words);
    }
}

#[test]
fn asks_for_credentials_if_the_url_has_none() {
    let proxy = Server::plain(|peer| {
        peer.request();
        peer.send("HTTP/1.1 407 x\r\nProxy-Authenticate: Basic realm=x\r\n\r\n");
    });
    let error = open(Settings { proxy: Some(proxy.url()), ..to_hidden(&proxy) });
    assert_eq!(error.http_status(), Some(407));
    assert!(error.message().contains("add them to the proxy URL, http://user:password@host:port"), "{error}");
}

#[test]
fn failure_of_the_proxy_is_transient() {
    for response in ["HTTP/1.1 502 Bad Gateway\r\n\r\n", "HTTP/1.1 503 x\r\n\r\n", "HTTP/1.1 500 x\r\n\r\n"] {
        let status = format!("status {}", &response[9..12]);
        let (failure, class) = (ConnectFailure::Proxy, Class::Transient);
        assert_fails(responds(response), Kind::Network, failure, class, &[&status, "glacier_config_set_proxy"]);
    }
}

#[test]
fn closed_connection_is_transient() {
    let scripts: [fn(&mut Peer); 3] = [
        |_| {},
        |peer| peer.send("HTTP/1.1 200 Connection estab"),
        |peer| {
            peer.send("HTTP/1.1 200 OK\r\n");
            peer.reset();
        },
    ];
    for script in scripts {
        let words = ["connection was lost", "response of the proxy to CONNECT"];
        assert_fails(script, Kind::Network, ConnectFailure::Proxy, Class::Transient, &words);
    }
}

#[test]
fn other_bytes_than_a_response_are_ambiguous() {
    let endless = |start: &'static str, rest: &'static str| {
        move |peer: &mut Peer| {
            peer.send(start);
            while peer.try_send(rest.repeat(100)) {}
        }
    };
    let (kind, failure, class) = (Kind::Protocol, ConnectFailure::Proxy, Class::Ambiguous);
    let setting = "glacier_config_set_proxy";
    assert_fails(responds("SSH-2.0-OpenSSH_9.2\r\n"), kind, failure, class, &["not HTTP", setting]);
    assert_fails(responds("\x15\x03\x01\0\x02\x02\x46"), kind, failure, class, &["expects TLS", "https://", setting]);
    assert_fails(endless("HTTP/1.1 200 OK\r\nA: ", "a"), kind, failure, class, &["longer than", setting]);
    assert_fails(endless("HTTP/1.1 200 OK\r\n", "A: b\r\n"), kind, failure, class, &["too many headers", setting]);
    assert_fails(endless("", "HTTP/1.1 100 Continue\r\n\r\n"), kind, failure, class, &["interim", setting]);
}

/// A captive portal responds to every request with its page.
#[test]
fn page_instead_of_a_tunnel_is_permanent() {
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n<html>please log in\n";
    let words = ["the bytes received through the tunnel are not TLS", "glacier_config_set_proxy"];
    assert_fails(responds(page), Kind::Tls, ConnectFailure::TlsRefused, Class::Permanent, &words);
}

#[test]
fn connect_timeout_limits_the_response_to_connect() {
    let scripts: [fn(&mut Peer); 3] = [
        |peer| peer.hold(),
        |peer| {
            peer.send("HTTP/1.1 200 OK\r\nA: b");
            peer.hold();
        },
        |peer| {
            peer.send("HTTP/1.1 200 OK\r\nA: ");
            while peer.try_send("a") {
                std::thread::sleep(Duration::from_millis(5));
            }
        },
    ];
    for script in scripts {
        let proxy = Server::plain(move |peer| {
            peer.request();
            script(peer);
        });
        let connect_timeout = Duration::from_millis(300);
        let error = open(Settings { connect_timeout, ..to_hidden(&proxy) });
        assert_eq!((error.kind(), error.connect_failure()), (Kind::Timeout, Some(ConnectFailure::Proxy)), "{error}");
        assert!(error.message().contains("did not end within the connect timeout of 300ms"), "{error}");
    }
}

#[test]
fn connect_timeout_limits_the_handshakes_with_proxy_and_endpoint() {
    let connect_timeout = Duration::from_millis(300);
    let silent = Server::plain(|peer| peer.hold());
    let url = silent.url().replace("http:", "https:");
    let error = open(Settings { connect_timeout, proxy: Some(url), ..to_hidden(&silent) });
    assert_eq!((error.kind(), error.connect_failure()), (Kind::Timeout, Some(ConnectFailure::TlsHandshake)), "{error}");
    assert!(error.message().contains("the TLS handshake with the proxy did not end"), "{error}");

    let silent_tunnel = Server::plain(|peer| {
        peer.request();
        peer.send(ESTABLISHED);
        peer.hold();
    });
    let error = open(Settings { connect_timeout, ..to_hidden(&silent_tunnel) });
    assert_eq!((error.kind(), error.connect_failure()), (Kind::Timeout, Some(ConnectFailure::TlsHandshake)), "{error}");
    assert!(error.message().contains("the TLS handshake did not end"), "{error}");
}

#[test]
fn rejects_an_unknown_certificate_of_the_proxy() {
    let server = hidden_server(always(super::OK));
    let proxy = proxy_to(true, &server);
    let ca_pem = server.ca_pem.clone().map(String::into_bytes);
    let error = open(Settings { ca_pem, ..to_hidden(&proxy) });
    assert_eq!(
        (error.kind(), error.connect_failure()),
        (Kind::Tls, Some(ConnectFailure::CertificateRefused)),
        "{error}"
    );
    for word in ["the TLS handshake with the proxy (glacier_config_set_proxy)", "self-signed"] {
        assert!(error.message().contains(word), "{error}");
    }
}

#[test]
fn rejects_a_certificate_of_the_proxy_for_another_host() {
    let server = hidden_server(always(super::OK));
    let proxy = proxy_to(true, &server);
    let url = format!("https://127.0.0.1:{}", proxy.address.port());
    let error = open(Settings { proxy: Some(url), ..through(&proxy, HIDDEN, Some(&server)) });
    assert_eq!(
        (error.kind(), error.connect_failure()),
        (Kind::Tls, Some(ConnectFailure::CertificateRefused)),
        "{error}"
    );
    assert!(error.message().contains("not for the host 127.0.0.1"), "{error}");
    assert!(error.message().contains("glacier_config_set_proxy"), "{error}");
    assert!(!error.message().contains("glacier_config_set_endpoint"), "{error}");
    assert_eq!(server.connections(), 0);
}

#[test]
fn rejects_an_unknown_certificate_behind_the_proxy() {
    let server = hidden_server(always(super::OK));
    let proxy = proxy_to(true, &server);
    let error = open(to_hidden(&proxy));
    assert_eq!(
        (error.kind(), error.connect_failure()),
        (Kind::Tls, Some(ConnectFailure::CertificateRefused)),
        "{error}"
    );
    assert!(!error.message().contains("handshake with the proxy"), "{error}");
}

#[test]
fn rejects_an_https_url_for_a_proxy_without_tls() {
    let proxy = Server::plain(|peer| {
        peer.payload(100);
        peer.send("HTTP/1.1 400 Bad Request\r\n\r\n");
        peer.drain();
    });
    let error = open(Settings { proxy: Some(proxy.url().replace("http:", "https:")), ..to_hidden(&proxy) });
    assert_eq!((error.kind(), error.connect_failure()), (Kind::Tls, Some(ConnectFailure::TlsRefused)), "{error}");
    assert!(error.message().contains("does not speak TLS on this port"), "{error}");
    assert!(error.message().contains("glacier_config_set_proxy"), "{error}");
    assert!(!error.message().contains("glacier_config_set_endpoint"), "{error}");
}

#[test]
fn names_the_proxy_that_refuses_the_connection() {
    let port = ClosedPort::new();
    let closed = port.address;
    let error = open(Settings { proxy: Some(format!("http://{closed}")), ..settings_at(HIDDEN) });
    assert_eq!((error.kind(), error.connect_failure()), (Kind::Network, Some(ConnectFailure::Tcp)), "{error}");
    for word in [format!("the proxy http://{closed} (glacier_config_set_proxy)"), "Connection refused".to_owned()] {
        assert!(error.message().contains(&word), "{error}");
    }
}

#[test]
fn names_the_proxy_that_does_not_exist() {
    let settings = Settings { proxy: Some("http://proxy.example:3128".to_owned()), ..settings_at(HIDDEN) };
    let error = resolving(&settings, Names::of(&[])).connection().open(&context()).unwrap_err();
    let failure = (error.kind(), error.connect_failure());
    assert_eq!(failure, (Kind::Network, Some(ConnectFailure::NameNotFound)), "{error}");
    for word in [
        "the proxy http://proxy.example:3128 (glacier_config_set_proxy)",
        "the host name does not exist",
        "check the proxy URL (glacier_config_set_proxy)",
    ] {
        assert!(error.message().contains(word), "{error}");
    }
}
