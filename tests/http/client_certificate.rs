//! Servers and proxies that require a client certificate. With TLS 1.3 they reject the client after its handshake.

use std::sync::Arc;

use glacier_mp::error::{ConnectFailure, Error, Kind};
use glacier_mp::http::Endpoint;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::client::{Settings, Source, connection, context, get, put, settings, settings_at};
use crate::server::{Server, always};

const TEXT: &str = "the server requires a client certificate, which this library does not support";

/// Starts a server for localhost that requires a client certificate. It never responds.
fn server(version: &'static SupportedProtocolVersion) -> Server {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    Server::with_config(Arc::new(config), certified.cert.pem(), |peer| {
        assert_eq!(peer.request(), None);
        // A connection that is closed while it has unread bytes is reset.
        peer.hold();
    })
}

fn assert_rejected(error: &Error) {
    assert_eq!(error.kind(), Kind::Tls, "{error}");
    assert!(error.message().contains(TEXT), "{error}");
    assert!(error.message().contains("certificate_required"), "{error}");
}

#[test]
fn rejection_after_the_handshake_is_a_tls_error() {
    let server = server(&rustls::version::TLS13);
    let error = get(&mut *connection(settings(&server))).unwrap_err();
    assert_rejected(&error);
    assert!(error.message().contains(&format!("localhost:{}", server.address.port())), "{error}");
    assert_eq!((error.connect_failure(), error.is_not_sent()), (Some(ConnectFailure::ClientRefused), true));
    // A payload that fills the buffers of the connection.
    let error = put(&mut *connection(settings(&server)), 64 << 20, &mut Source::default(), &context()).unwrap_err();
    assert_rejected(&error);
    assert!(error.is_not_sent(), "the server processed nothing");
}

#[test]
fn rejection_in_the_handshake_is_a_tls_error() {
    let error = get(&mut *connection(settings(&server(&rustls::version::TLS12)))).unwrap_err();
    assert_rejected(&error);
    assert_eq!(error.connect_failure(), Some(ConnectFailure::TlsRefused), "{error}");
}

#[test]
fn rejection_by_a_proxy_names_the_proxy() {
    let proxy = server(&rustls::version::TLS13);
    let hidden = Server::plain(always("HTTP/1.1 200 OK\r\n\r\n"));
    for endpoint in ["https://glacier.example".to_owned(), hidden.url()] {
        let endpoint = Endpoint::parse(&endpoint).unwrap();
        let ca_pem = proxy.ca_pem.clone().map(String::into_bytes);
        let settings = Settings { endpoint, ca_pem, proxy: Some(proxy.url()), ..settings_at("https://localhost") };
        let error = get(&mut *connection(settings)).unwrap_err();
        assert_rejected(&error);
        assert!(
            error.message().contains("the TLS handshake with the proxy (glacier_config_set_proxy) failed"),
            "{error}"
        );
    }
}
