//! Trusted authorities and TLS failures.

use std::io::{Read, Write};
use std::net::TcpStream;

use glacier_mp::error::Kind;
use glacier_mp::http::Endpoint;

use crate::client::{Settings, connect, connection, context, get, settings};
use crate::server::{Server, always, certificate, config};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn trusts_the_authority_of_the_ca_file() {
    let server = Server::tls(always(OK));
    assert_eq!(get(&mut *connect(&server)).unwrap().body, b"ok");
}

#[test]
fn trusts_each_of_several_authorities() {
    let server = Server::tls(always(OK));
    let mut pem = certificate("elsewhere").1;
    pem.push_str(server.ca_pem.as_deref().unwrap());
    let settings = Settings { ca_pem: Some(pem.into()), ..settings(&server) };
    assert_eq!(get(&mut *connection(settings)).unwrap().body, b"ok");
}

#[test]
fn rejects_unknown_authorities() {
    let server = Server::tls(always(OK));
    for ca_pem in [None, Some(certificate("localhost").1.into_bytes())] {
        let error = connection(Settings { ca_pem, ..settings(&server) }).open(&context()).unwrap_err();
        assert_eq!(error.kind(), Kind::Tls, "{error}");
        assert!(error.message().contains(&format!("localhost:{}", server.address.port())), "{error}");
    }
}

#[test]
fn accepts_tls_1_2_and_tls_1_3() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let config = config(&[certified.cert.der().clone()], &certified.signing_key, &[version]);
        let server = Server::with_config(config, certified.cert.pem(), always(OK));
        assert_eq!(get(&mut *connect(&server)).unwrap().body, b"ok", "{version:?}");
    }
}

#[test]
fn rejects_a_certificate_for_another_name() {
    let server = Server::tls(always(OK));
    let endpoint = Endpoint::parse(&format!("https://127.0.0.1:{}", server.address.port())).unwrap();
    let error = get(&mut *connection(Settings { endpoint, ..settings(&server) })).unwrap_err();
    assert_eq!(error.kind(), Kind::Tls, "{error}");
}

#[test]
fn rejects_a_server_without_tls() {
    let server = Server::plain(|peer| {
        peer.send("HTTP/1.1 400 Bad Request\r\n\r\n");
        peer.hold();
    });
    let error = connection(https(&server)).open(&context()).unwrap_err();
    assert_eq!(error.kind(), Kind::Tls, "{error}");
}

/// An interrupted handshake may succeed the next time.
#[test]
fn interrupted_handshake_is_a_network_error() {
    for reset in [false, true] {
        let server = Server::plain(move |peer| {
            peer.payload(10);
            if reset {
                peer.reset();
            }
        });
        let error = connection(https(&server)).open(&context()).unwrap_err();
        assert_eq!(error.kind(), Kind::Network, "{error}");
    }
}

/// Alerts for internal errors and for corrupted records are transient.
#[test]
fn distinguishes_transient_from_permanent_alerts() {
    const INTERNAL_ERROR: u8 = 80;
    const BAD_RECORD_MAC: u8 = 20;
    const HANDSHAKE_FAILURE: u8 = 40;
    for (alert, kind) in
        [(INTERNAL_ERROR, Kind::Network), (BAD_RECORD_MAC, Kind::Network), (HANDSHAKE_FAILURE, Kind::Tls)]
    {
        let server = Server::plain(move |peer| {
            peer.payload(10);
            peer.send([21, 3, 3, 0, 2, 2, alert]);
            peer.hold();
        });
        let error = connection(https(&server)).open(&context()).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

/// A byte of the server's first encrypted record is changed in transit.
#[test]
fn corrupted_handshake_is_a_network_error() {
    let behind = Server::tls(always(OK));
    let address = behind.address;
    let server = Server::plain(move |peer| {
        let mut server = TcpStream::connect(address).unwrap();
        let header = peer.payload(5);
        let hello = peer.payload(length_of(&header));
        server.write_all(&[header, hello].concat()).unwrap();
        let mut is_damaged = false;
        while !is_damaged {
            let mut record = vec![0; 5];
            server.read_exact(&mut record).unwrap();
            record.resize(5 + usize::try_from(length_of(&record)).unwrap(), 0);
            server.read_exact(&mut record[5..]).unwrap();
            is_damaged = record[0] == 23;
            *record.last_mut().unwrap() ^= u8::from(is_damaged);
            peer.send(record);
        }
        peer.hold();
    });
    let settings = Settings { ca_pem: behind.ca_pem.clone().map(String::into_bytes), ..https(&server) };
    let error = connection(settings).open(&context()).unwrap_err();
    assert_eq!(error.kind(), Kind::Network, "{error}");
}

#[test]
fn times_out_if_the_handshake_stalls() {
    let server = Server::plain(|peer| peer.hold());
    let settings = Settings { connect_timeout: std::time::Duration::from_millis(300), ..https(&server) };
    let error = connection(settings).open(&context()).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "{error}");
    assert!(error.message().contains("300ms"), "{error}");
}

/// A body without a length ends with the connection. Without close_notify, an attacker could have truncated it.
#[test]
fn rejects_a_body_without_length_and_close_notify() {
    let server = Server::tls(|peer| {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf of");
    });
    let error = get(&mut *connect(&server)).unwrap_err();
    assert_eq!(error.kind(), Kind::Network, "{error}");
    assert!(error.message().ends_with("the peer closed it without a TLS close_notify"), "{error}");
}

/// Bytes between the records of TLS, such as those of a proxy that breaks a connection.
#[test]
fn damaged_connection_is_a_network_error() {
    let server = Server::tls(|peer| {
        peer.request();
        let _ = peer.socket.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n");
        peer.hold();
    });
    let error = get(&mut *connect(&server)).unwrap_err();
    assert_eq!(error.kind(), Kind::Network, "{error}");
    assert!(
        error.message().ends_with("before the end of the response: the peer sent an invalid TLS message"),
        "{error}"
    );
}

/// Returns the length in the header of a TLS record.
fn length_of(header: &[u8]) -> u64 {
    u64::from(u16::from_be_bytes([header[3], header[4]]))
}

fn https(server: &Server) -> Settings {
    let endpoint = Endpoint::parse(&format!("https://localhost:{}", server.address.port())).unwrap();
    Settings { endpoint, ..settings(server) }
}
