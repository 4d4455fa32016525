//! Whom TLS trusts, and what its failures are.

use std::io::{Read, Write};
use std::net::TcpStream;

use glacier_mp::error::Kind;
use glacier_mp::http::{Endpoint, Settings};

use crate::client::{connect, connection, get, settings, watch};
use crate::server::{Server, always, certificate};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn an_authority_that_was_given_is_trusted() {
    let server = Server::tls(always(OK));
    assert_eq!(get(&mut *connect(&server)).unwrap().body, b"ok");
}

#[test]
fn any_of_several_authorities_is_trusted() {
    let server = Server::tls(always(OK));
    let mut pem = certificate("elsewhere").1;
    pem.push_str(server.ca_pem.as_deref().unwrap());
    let settings = Settings { ca_pem: Some(pem.into()), ..settings(&server) };
    assert_eq!(get(&mut *connection(settings)).unwrap().body, b"ok");
}

#[test]
fn unknown_authorities_are_refused() {
    let server = Server::tls(always(OK));
    for ca_pem in [None, Some(certificate("localhost").1.into_bytes())] {
        let error = connection(Settings { ca_pem, ..settings(&server) }).open(&watch()).unwrap_err();
        assert_eq!(error.kind(), Kind::Tls, "{error}");
        assert!(error.message().contains(&format!("localhost:{}", server.address.port())), "{error}");
    }
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let server = Server::tls(always(OK));
    let endpoint = Endpoint::parse(&format!("https://127.0.0.1:{}", server.address.port())).unwrap();
    let error = get(&mut *connection(Settings { endpoint, ..settings(&server) })).unwrap_err();
    assert_eq!(error.kind(), Kind::Tls, "{error}");
}

#[test]
fn a_server_without_tls_is_refused() {
    let server = Server::plain(|peer| {
        peer.send("HTTP/1.1 400 Bad Request\r\n\r\n");
        peer.hold();
    });
    let error = connection(https(&server)).open(&watch()).unwrap_err();
    assert_eq!(error.kind(), Kind::Tls, "{error}");
}

/// A handshake that breaks off may go well the next time.
#[test]
fn an_interrupted_handshake_is_the_networks_fault() {
    for reset in [false, true] {
        let server = Server::plain(move |peer| {
            peer.payload(10);
            if reset {
                peer.reset();
            }
        });
        let error = connection(https(&server)).open(&watch()).unwrap_err();
        assert_eq!(error.kind(), Kind::Network, "{error}");
    }
}

/// A peer in trouble says so by an alert; so does one that got other bytes than were sent.
#[test]
fn alerts_tell_what_may_pass_from_what_will_not() {
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
        let error = connection(https(&server)).open(&watch()).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

/// A byte of the server's first encrypted record arrives as another one.
#[test]
fn a_damaged_handshake_is_the_networks_fault() {
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
    let error = connection(settings).open(&watch()).unwrap_err();
    assert_eq!(error.kind(), Kind::Network, "{error}");
}

#[test]
fn a_handshake_that_stalls_times_out() {
    let server = Server::plain(|peer| peer.hold());
    let settings = Settings { connect_timeout: std::time::Duration::from_millis(300), ..https(&server) };
    let error = connection(settings).open(&watch()).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "{error}");
    assert!(error.message().contains("300ms"), "{error}");
}

/// A body without a length ends with the connection: only the peer itself may end that.
#[test]
fn a_body_that_an_attacker_could_have_cut_is_refused() {
    let server = Server::tls(|peer| {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf of");
    });
    assert_eq!(get(&mut *connect(&server)).unwrap_err().kind(), Kind::Network);
}

/// What the header of a TLS record says of the bytes behind it.
fn length_of(header: &[u8]) -> u64 {
    u64::from(u16::from_be_bytes([header[3], header[4]]))
}

fn https(server: &Server) -> Settings {
    let endpoint = Endpoint::parse(&format!("https://localhost:{}", server.address.port())).unwrap();
    Settings { endpoint, ..settings(server) }
}
