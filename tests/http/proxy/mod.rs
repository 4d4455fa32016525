//! Connections through proxies, correct and faulty ones.

mod cancellation;
mod forward;
mod misbehaving;
mod relay;
mod tunnel;

use glacier_mp::http::Endpoint;

use self::relay::relay;
use crate::client::{Settings, settings_at};
use crate::server::{Peer, Server};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

/// The user name and the password of the proxy, as in its URL and as in requests. No message may contain the password.
const USER_INFO: &str = "user:sesame%2Fopen-sesame";
const TOKEN: &str = "dXNlcjpzZXNhbWUvb3Blbi1zZXNhbWU=";

/// The server behind the proxies. Its name exists only in its certificate: nobody can look it up.
const HIDDEN: &str = "https://glacier.example";

/// Starts a server with the name [`HIDDEN`].
fn hidden_server(script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Server {
    let certified = rcgen::generate_simple_self_signed(["glacier.example".to_owned()]).unwrap();
    Server::with_certificate(&certified.cert, &certified.signing_key, certified.cert.pem(), script)
}

/// Starts a proxy whose tunnels all lead to one server.
fn proxy_to(tls: bool, server: &Server) -> Server {
    let address = server.address;
    Server::either(tls, move |peer| {
        if peer.request().is_some() {
            peer.send(ESTABLISHED);
            relay(peer, address, u64::MAX);
        }
    })
}

/// Settings for an endpoint through a proxy, with long timeouts. The certificates of the proxy and of `server` are trusted.
fn through(proxy: &Server, endpoint: &str, server: Option<&Server>) -> Settings {
    let authorities = [Some(proxy), server].into_iter().flatten().filter_map(|server| server.ca_pem.clone());
    let ca_pem: String = authorities.collect();
    Settings {
        ca_pem: (!ca_pem.is_empty()).then_some(ca_pem.into_bytes()),
        proxy: Some(proxy.url().replace("://", &format!("://{USER_INFO}@"))),
        ..settings_at(endpoint)
    }
}

/// Settings for [`HIDDEN`] through a proxy without a server behind it.
fn to_hidden(proxy: &Server) -> Settings {
    through(proxy, HIDDEN, None)
}

fn endpoint(url: &str) -> Endpoint {
    Endpoint::parse(url).unwrap()
}

fn assert_hides_password(text: &str) {
    for secret in ["sesame", TOKEN] {
        assert!(!text.contains(secret), "{text}");
    }
}
