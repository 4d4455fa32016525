//! Connecting to hosts with several addresses, some of which do not work, and to hosts without an address.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use glacier_mp::error::{ConnectFailure, Error, Kind};
use glacier_mp::http::{Connection, LookupError, Resolver, Transport, UreqTransport};

use crate::client::{Settings, context, get, settings_at};
use crate::server::{Server, always};
use crate::support::acceptor::named;
use crate::support::closed_port::ClosedPort;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A resolver with the same addresses for every name, or none.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<Vec<SocketAddr>>);

impl Names {
    pub(crate) fn of(addresses: &[SocketAddr]) -> Arc<Self> {
        Arc::new(Self(Mutex::new(addresses.to_vec())))
    }

    fn set(&self, addresses: &[SocketAddr]) {
        *self.0.lock().unwrap() = addresses.to_vec();
    }
}

impl Resolver for Names {
    fn look_up(&self, _: &str, _: u16) -> Result<Vec<SocketAddr>, LookupError> {
        match self.0.lock().unwrap().as_slice() {
            [] => Err(LookupError::NotFound("Name or service not known".to_owned())),
            addresses => Ok(addresses.to_vec()),
        }
    }
}

/// A resolver that fails as without a name server.
#[derive(Debug)]
struct NoNameServer;

impl Resolver for NoNameServer {
    fn look_up(&self, _: &str, _: u16) -> Result<Vec<SocketAddr>, LookupError> {
        Err(LookupError::Failed("Temporary failure in name resolution".to_owned()))
    }
}

fn settings(url: &str, connect_timeout: Duration) -> Settings {
    Settings { connect_timeout, stall_timeout: LONG, ..settings_at(url) }
}

const LONG: Duration = Duration::from_secs(60);

pub(crate) fn resolving(settings: &Settings, resolver: Arc<dyn Resolver>) -> UreqTransport {
    settings.network().unwrap().with_resolver(resolver).transport(&settings.endpoint).unwrap()
}

fn transport(names: &Arc<Names>, connect_timeout: Duration) -> UreqTransport {
    resolving(&settings("http://glacier.example:80", connect_timeout), names.clone())
}

fn open_error(connection: &mut dyn Connection) -> Error {
    connection.open(&context()).unwrap_err()
}

/// An address that never responds, because the queue of its listener is full.
pub(crate) struct Silent {
    pub(crate) address: SocketAddr,
    _listener: socket2::Socket,
    _queue: Vec<socket2::Socket>,
}

impl Silent {
    pub(crate) fn new() -> Self {
        let socket = || socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let listener = socket();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut queue = Vec::new();
        // Until a connection is not accepted at once.
        loop {
            let filler = socket();
            let connected = filler.connect_timeout(&address.into(), Duration::from_millis(100));
            queue.push(filler);
            if connected.is_err() {
                return Self { address, _listener: listener, _queue: queue };
            }
            assert!(queue.len() < 100, "this system accepts more connections than the queue can hold");
        }
    }
}

#[test]
fn connects_to_another_address_if_the_first_does_not_respond() {
    let (silent, other, server) = (Silent::new(), Silent::new(), Server::plain(always(OK)));
    let names = Names::of(&[silent.address, other.address, server.address]);
    assert_eq!(get(&mut *transport(&names, LONG).connection()).unwrap().body, b"ok");
}

#[test]
fn connects_to_another_address_if_the_first_refuses() {
    let server = Server::plain(always(OK));
    let closed = [ClosedPort::new(), ClosedPort::new(), ClosedPort::new()];
    let names = Names::of(&[closed[0].address, closed[1].address, server.address, closed[2].address]);
    assert_eq!(get(&mut *transport(&names, LONG).connection()).unwrap().body, b"ok");
}

#[test]
fn connects_over_ipv6_and_over_ipv4() {
    let Ok(closed) = ClosedPort::at((Ipv6Addr::LOCALHOST, 0).into()) else { return };
    let server = Server::plain(always(OK));
    let names = Names::of(&[closed.address, server.address]);
    assert_eq!(get(&mut *transport(&names, LONG).connection()).unwrap().body, b"ok");
}

#[test]
fn tries_the_address_that_worked_first_on_the_next_connection() {
    let (first, second) = (Server::plain(always(OK)), Server::plain(always(OK)));
    let names = Names::of(&[second.address]);
    let transport = transport(&names, LONG);
    get(&mut *transport.connection()).unwrap();
    names.set(&[first.address, second.address]);
    get(&mut *transport.connection()).unwrap();
    assert_eq!((first.connections(), second.connections()), (0, 2));
}

/// A load balancer accepts connections also while the server behind it does not work.
#[test]
fn tries_an_address_whose_connections_fail_last() {
    let silent = Server::plain(|peer| peer.hold());
    let closing = Server::plain(|peer| _ = peer.whole_request());
    let other_protocol = Server::plain(|peer| peer.send("220 ready\r\n"));
    let server = Server::plain(always(OK));
    let names = Names::of(&[silent.address, closing.address, other_protocol.address, server.address]);
    let impatient = Settings { stall_timeout: Duration::from_secs(3), ..settings("http://glacier.example:80", LONG) };
    let transport = resolving(&impatient, names);
    for failed in [&silent, &closing, &other_protocol] {
        get(&mut *transport.connection()).unwrap_err();
        assert!(failed.connections() > 0);
    }
    for _ in 0..2 {
        assert_eq!(get(&mut *transport.connection()).unwrap().body, b"ok");
    }
    assert_eq!(server.connections(), 2);
}

#[test]
fn reports_every_address_that_refuses() {
    let closed = [ClosedPort::new(), ClosedPort::new()];
    let addresses = closed.each_ref().map(|port| port.address);
    let error = open_error(&mut *transport(&Names::of(&addresses), LONG).connection());
    assert_eq!((error.kind(), error.connect_failure()), (Kind::Network, Some(ConnectFailure::Tcp)), "{error}");
    assert!(error.is_not_sent());
    for address in addresses {
        assert!(error.message().contains(&format!("{address}: Connection refused")), "{error}");
    }
}

#[test]
fn connect_timeout_limits_all_attempts_together() {
    let (closed, one, two) = (ClosedPort::new(), Silent::new(), Silent::new());
    let names = Names::of(&[closed.address, one.address, two.address]);
    let error = open_error(&mut *transport(&names, Duration::from_millis(300)).connection());
    assert_eq!((error.kind(), error.connect_failure()), (Kind::Timeout, Some(ConnectFailure::Tcp)), "{error}");
    assert!(error.is_not_sent());
    assert!(error.message().contains("300ms: no response from"), "{error}");
    assert!(error.message().contains("Connection refused"), "{error}");
}

/// Each of these timeouts ends before the attempt to the working address is due.
#[test]
fn connect_timeout_does_not_hide_the_addresses_after_silent_ones() {
    for silent in [vec![Silent::new()], vec![Silent::new(), Silent::new()]] {
        let server = Server::plain(always(OK));
        let addresses: Vec<_> = silent.iter().map(|silent| silent.address).chain([server.address]).collect();
        let timeout = Duration::from_millis(200) * u32::try_from(silent.len()).unwrap();
        let transport = transport(&Names::of(&addresses), timeout);
        let connected = (0..20).any(|_| transport.connection().open(&context()).is_ok());
        assert!(connected, "{} silent addresses", silent.len());
    }
}

#[test]
fn cancel_ends_connecting() {
    let silent = Silent::new();
    let (transport, context) = (transport(&Names::of(&[silent.address]), LONG), context());
    let cancel = context.cancel.clone();
    named("cancel", move || {
        std::thread::sleep(Duration::from_millis(20));
        cancel.raise();
    });
    let error = transport.connection().open(&context).unwrap_err();
    assert_eq!(error.kind(), Kind::Canceled, "{error}");
}

#[test]
fn distinguishes_an_unknown_host_name_from_a_failed_lookup() {
    let names = Names::of(&[]);
    let of = |url: &str| {
        let transport = resolving(&settings(url, LONG), names.clone());
        open_error(&mut *transport.connection())
    };
    for (url, hint) in [
        ("https://glacier.eu-wets-1.amazonaws.com", "check the region \"eu-wets-1\""),
        ("https://storage.example", "check the endpoint"),
    ] {
        let error = of(url);
        assert_eq!((error.kind(), error.connect_failure()), (Kind::Network, Some(ConnectFailure::NameNotFound)));
        assert!(error.is_not_sent());
        assert!(error.message().contains("does not exist") && error.message().contains(hint), "{error}");
    }
    let transport = resolving(&settings("http://glacier.example", LONG), Arc::new(NoNameServer));
    let error = open_error(&mut *transport.connection());
    assert_eq!((error.kind(), error.connect_failure()), (Kind::Network, Some(ConnectFailure::NameLookup)), "{error}");
}

/// An address at which the handshake is interrupted is tried once, and last for the next connection.
#[test]
fn tries_the_next_address_after_an_interrupted_handshake() {
    let broken = Server::plain(|peer| {
        peer.payload(10);
        peer.reset();
    });
    let server = Server::tls(always(OK));
    let names = Names::of(&[broken.address, server.address]);
    let ca_pem = server.ca_pem.clone().map(String::into_bytes);
    let settings = Settings { ca_pem, ..settings("https://localhost:443", LONG) };
    let transport = resolving(&settings, names.clone());
    for _ in 0..2 {
        assert_eq!(get(&mut *transport.connection()).unwrap().body, b"ok");
    }
    assert_eq!((broken.connections(), server.connections()), (1, 2));
    names.set(&[broken.address]);
    let error = open_error(&mut *transport.connection());
    assert_eq!((error.kind(), error.connect_failure()), (Kind::Network, Some(ConnectFailure::TlsHandshake)), "{error}");
}

/// All addresses belong to one service, so its certificate would be rejected at the other addresses too.
#[test]
fn rejected_certificate_is_permanent() {
    let (untrusted, server) = (Server::tls(always(OK)), Server::tls(always(OK)));
    let names = Names::of(&[untrusted.address, server.address]);
    let ca_pem = server.ca_pem.clone().map(String::into_bytes);
    let settings = Settings { ca_pem, ..settings("https://localhost:443", LONG) };
    let error = open_error(&mut *resolving(&settings, names).connection());
    assert_eq!(
        (error.kind(), error.connect_failure()),
        (Kind::Tls, Some(ConnectFailure::CertificateRefused)),
        "{error}"
    );
    assert_eq!(server.connections(), 0);
}

#[test]
fn looks_up_no_ip_address() {
    let server = Server::plain(always(OK));
    let url = format!("http://{}", server.address);
    let mut connection = settings(&url, LONG).transport().unwrap().connection();
    assert_eq!(get(&mut *connection).unwrap().body, b"ok");
}
