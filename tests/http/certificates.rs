//! Accepted and rejected server certificates, and the messages for rejected ones.

use glacier_mp::error::{ConnectFailure, Error, Kind};
use glacier_mp::http::Endpoint;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
    date_time_ymd,
};

use crate::client::{Settings, connection, context, get, settings};
use crate::server::{Server, always};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Parameters of a certificate for localhost, modified by `change`.
fn params(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "localhost");
    change(&mut params);
    params
}

/// Marks a certificate as an authority (CA:TRUE), like `openssl req -x509`.
fn as_openssl_default(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

/// Starts a server with a self-signed certificate, which is also the CA file.
fn self_signed(params: &CertificateParams) -> Server {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let pem = certificate.pem();
    Server::with_certificate(&certificate, &key, pem, always(OK))
}

/// Starts a server with a certificate of an authority. Also returns the authority.
fn issued(params: &CertificateParams) -> (Server, CertifiedIssuer<'static, KeyPair>) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "Authority");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let pem = authority.pem();
    (Server::with_certificate(&certificate, &key, pem, always(OK)), authority)
}

fn assert_accepted(settings: Settings) {
    assert_eq!(get(&mut *connection(settings)).unwrap().body, b"ok");
}

/// Checks that the certificate is rejected with a message that contains all words.
fn assert_rejected(settings: Settings, words: &[&str]) -> Error {
    assert_fails(settings, ConnectFailure::CertificateRefused, words)
}

/// Checks that the handshake fails with a message that contains all words.
fn assert_fails(settings: Settings, failure: ConnectFailure, words: &[&str]) -> Error {
    let error = connection(settings).open(&context()).unwrap_err();
    assert_eq!((error.kind(), error.connect_failure()), (Kind::Tls, Some(failure)), "{error}");
    assert!(error.is_not_sent());
    for word in words {
        assert!(error.message().contains(word), "{word:?} is not in: {error}");
    }
    for internal in
        ["OtherError", "OtherIssuerKey", "OutdatedIssuer", "BadSignature", "CaUsedAsEndEntity", "DnsName", "UnixTime"]
            .into_iter()
            .chain(["IpAddress", "fatal alert:", "HandshakeFailure", "UnrecognisedName", "CertificateRequired"])
    {
        assert!(!error.message().contains(internal), "{error}");
    }
    error
}

fn trusting(server: &Server, ca_pem: Option<String>) -> Settings {
    Settings { ca_pem: ca_pem.map(String::into_bytes), ..settings(server) }
}

/// The same settings with an IP address as the host of the endpoint.
fn at_address(server: &Server) -> Settings {
    let endpoint = Endpoint::parse(&format!("https://127.0.0.1:{}", server.address.port())).unwrap();
    Settings { endpoint, ..settings(server) }
}

fn some_other_certificate() -> String {
    params(|params| params.distinguished_name = rcgen::DistinguishedName::new())
        .self_signed(&KeyPair::generate().unwrap())
        .unwrap()
        .pem()
}

#[test]
fn accepts_the_self_signed_certificate_of_the_server_as_the_ca_file() {
    let server = self_signed(&params(as_openssl_default));
    assert_accepted(settings(&server));
    let both = some_other_certificate() + server.ca_pem.as_deref().unwrap();
    assert_accepted(trusting(&server, Some(both)));
}

#[test]
fn accepts_the_issued_certificate_of_the_server_as_the_ca_file() {
    let key = KeyPair::generate().unwrap();
    let (_, authority) = issued(&params(|_| {}));
    let certificate = params(|_| {}).signed_by(&key, &authority).unwrap();
    let pem = certificate.pem();
    assert_accepted(settings(&Server::with_certificate(&certificate, &key, pem, always(OK))));
}

#[test]
fn rejects_an_expired_certificate_even_if_it_is_in_the_ca_file() {
    for (from, to, words) in [
        (2000, 2001, ["it expired on Mon, 01 Jan 2001 00:00:00 GMT", "correct the clock"]),
        (9000, 9001, ["it is valid from Wed, 01 Jan 9000 00:00:00 GMT", "correct the clock"]),
    ] {
        let outdated = |params: &mut CertificateParams| {
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(to, 1, 1);
        };
        for is_ca in [false, true] {
            let params = params(|params| {
                outdated(params);
                if is_ca {
                    as_openssl_default(params);
                }
            });
            assert_rejected(settings(&self_signed(&params)), &words);
        }
        assert_rejected(settings(&issued(&params(outdated)).0), &words);
    }
}

#[test]
fn rejects_a_certificate_for_another_host_even_if_it_is_in_the_ca_file() {
    let server = self_signed(&params(as_openssl_default));
    let words = ["not for the host 127.0.0.1", "only for localhost", "glacier_config_set_endpoint"];
    assert_rejected(at_address(&server), &words);
    assert_rejected(at_address(&issued(&params(|_| {})).0), &words);
}

/// The certificate is like that of `openssl req -x509 -subj /CN=localhost`.
#[test]
fn names_a_missing_subject_alternative_name() {
    let server = self_signed(&params(|params| {
        as_openssl_default(params);
        params.subject_alt_names.clear();
    }));
    let words = ["it has no subject alternative name", "with the host name", "-addext subjectAltName=DNS:localhost)"];
    assert_rejected(settings(&server), &words);
    let words = ["it has no subject alternative name", "with the IP address", "-addext subjectAltName=IP:127.0.0.1)"];
    assert_rejected(at_address(&server), &words);
}

/// The certificate is like that of `openssl req -x509 -addext subjectAltName=DNS:127.0.0.1`.
#[test]
fn names_an_ip_address_that_is_a_dns_name_in_the_certificate() {
    let with_names = |names: &[SanType]| {
        self_signed(&params(|params| {
            as_openssl_default(params);
            params.subject_alt_names = names.to_vec();
        }))
    };
    let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
    let server = with_names(&[dns("127.0.0.1")]);
    let words =
        ["not for the host 127.0.0.1", "it has this IP address only as a DNS name", "subjectAltName=IP:127.0.0.1)"];
    assert_rejected(at_address(&server), &words);
    let server = with_names(&[dns("storage.example"), SanType::IpAddress([10, 0, 0, 1].into())]);
    let words = ["only for storage.example, 10.0.0.1;", "check the endpoint (glacier_config_set_endpoint)"];
    assert_rejected(at_address(&server), &words);
}

#[test]
fn rejects_another_self_signed_certificate() {
    // The same name and attributes, but another key.
    let (server, other) = (self_signed(&params(as_openssl_default)), self_signed(&params(as_openssl_default)));
    let words =
        ["it is self-signed and not in the CA file /etc/ca.pem (glacier_config_set_ca_file)", "add this certificate"];
    assert_rejected(trusting(&server, other.ca_pem.clone()), &words);
    assert_rejected(trusting(&server, Some(some_other_certificate())), &words);
    let words = ["it is self-signed and not in the built-in list of public certificate authorities", "set a CA file"];
    assert_rejected(trusting(&server, None), &words);
}

#[test]
fn names_the_trusted_certificates_if_the_issuer_is_unknown() {
    let (server, _) = issued(&params(|_| {}));
    let words = ["its issuer is not in the built-in list of public certificate authorities", "AWS_CA_BUNDLE"];
    assert_rejected(trusting(&server, None), &words);
    let words = ["its issuer is not in the CA file /etc/ca.pem (glacier_config_set_ca_file)", "to that file"];
    assert_rejected(trusting(&server, Some(some_other_certificate())), &words);
}

/// A private authority that was created again often has its old name.
#[test]
fn distinguishes_another_key_of_the_issuer_from_an_unknown_issuer() {
    let ((server, _), (_, other)) = (issued(&params(|_| {})), issued(&params(|_| {})));
    let words = ["an authority with the name of its issuer is in the CA file", "but with another key"];
    assert_rejected(trusting(&server, Some(other.pem())), &words);
    let both = other.pem() + server.ca_pem.as_deref().unwrap();
    assert_accepted(trusting(&server, Some(both)));
}

/// The server's own certificate is valid. Renewing it would not help.
#[test]
fn distinguishes_an_expired_issuer_from_an_expired_certificate() {
    let authority = |name: &str, change: &dyn Fn(&mut CertificateParams)| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        params
    };
    let root = CertifiedIssuer::self_signed(authority("Root", &|_| {}), KeyPair::generate().unwrap()).unwrap();
    for (from, to, words) in [
        (2000, 2001, "the certificate of its issuer expired on Mon, 01 Jan 2001 00:00:00 GMT"),
        (9000, 9001, "the certificate of its issuer is valid from Wed, 01 Jan 9000 00:00:00 GMT"),
    ] {
        let outdated = authority("Intermediate", &|params| {
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(to, 1, 1);
        });
        let intermediate = CertifiedIssuer::signed_by(outdated, KeyPair::generate().unwrap(), &root).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params(|_| {}).signed_by(&key, &intermediate).unwrap();
        let chain = [certificate.der().clone(), intermediate.der().clone()];
        let server = Server::with_chain(&chain, &key, root.pem(), always(OK));
        assert_rejected(settings(&server), &[words, "send the current intermediate certificates"]);
    }
}

#[test]
fn distinguishes_the_certificate_of_an_authority_from_that_of_a_server() {
    let (server, _) = issued(&params(as_openssl_default));
    assert_rejected(
        settings(&server),
        &["certificate authority (CA:TRUE)", "add exactly this certificate to that file"],
    );
}

#[test]
fn rejects_a_certificate_for_another_purpose() {
    let for_clients =
        |params: &mut CertificateParams| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    assert_rejected(settings(&issued(&params(for_clients)).0), &["extended key usage"]);
}

#[test]
fn distinguishes_a_port_without_tls_from_an_invalid_certificate() {
    for greeting in ["HTTP/1.1 400 Bad Request\r\n\r\n", "220 ready\r\n", "SSH-2.0-x\r\n"] {
        let server = Server::plain(move |peer| {
            peer.send(greeting);
            peer.hold();
        });
        let endpoint = Endpoint::parse(&format!("https://localhost:{}", server.address.port())).unwrap();
        let words = ["does not speak TLS on this port", "http://", "glacier_config_set_endpoint"];
        assert_fails(Settings { endpoint, ..settings(&server) }, ConnectFailure::TlsRefused, &words);
    }
}

#[test]
fn distinguishes_a_port_with_tls_from_other_servers_that_do_not_speak_http() {
    let server = Server::tls(always(OK));
    let endpoint = Endpoint::parse(&format!("http://localhost:{}", server.address.port())).unwrap();
    let error = get(&mut *connection(Settings { endpoint, ..settings(&server) })).unwrap_err();
    assert_eq!(error.kind(), Kind::Protocol, "{error}");
    for word in ["expects TLS on this port", "https://", "glacier_config_set_endpoint"] {
        assert!(error.message().contains(word), "{error}");
    }
}

#[test]
fn names_the_tls_requirements_of_the_server() {
    const PROTOCOL_VERSION: u8 = 70;
    const HANDSHAKE_FAILURE: u8 = 40;
    const UNRECOGNIZED_NAME: u8 = 112;
    const CERTIFICATE_REQUIRED: u8 = 116;
    for (alert, word) in [
        (PROTOCOL_VERSION, "neither TLS 1.2 nor TLS 1.3"),
        (HANDSHAKE_FAILURE, "no TLS settings in common"),
        (HANDSHAKE_FAILURE, "or the server requires a client certificate"),
        (HANDSHAKE_FAILURE, ": TLS alert handshake_failure"),
        (UNRECOGNIZED_NAME, "does not serve the host name localhost"),
        (CERTIFICATE_REQUIRED, "requires a client certificate"),
    ] {
        let server = Server::plain(move |peer| {
            peer.payload(10);
            peer.send([21, 3, 3, 0, 2, 2, alert]);
            peer.hold();
        });
        let endpoint = Endpoint::parse(&format!("https://localhost:{}", server.address.port())).unwrap();
        assert_fails(Settings { endpoint, ..settings(&server) }, ConnectFailure::TlsRefused, &[word]);
    }
}
