//! A server that sends and receives raw bytes. Each test has a script for its connections.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};

use crate::support::acceptor::Acceptor;

/// A server that runs a script for each connection on a separate thread. It accepts connections until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    /// The heads of all requests that [`Peer::request`] read.
    pub(crate) heads: Arc<Mutex<Vec<String>>>,
    /// The certificate authority, if the server speaks TLS.
    pub(crate) ca_pem: Option<String>,
    _acceptor: Acceptor,
}

impl Server {
    pub(crate) fn plain(script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        Self::start(None, None, script)
    }

    pub(crate) fn tls(script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let (config, ca_pem) = certificate("localhost");
        Self::start(Some(config), Some(ca_pem), script)
    }

    /// Starts a server with a certificate. Clients trust `ca_pem`.
    pub(crate) fn with_certificate(
        certificate: &rcgen::Certificate,
        key: &rcgen::KeyPair,
        ca_pem: String,
        script: impl Fn(&mut Peer) + Send + Sync + 'static,
    ) -> Self {
        Self::with_chain(&[certificate.der().clone()], key, ca_pem, script)
    }

    /// The same with a chain that begins with the server's certificate.
    pub(crate) fn with_chain(
        chain: &[CertificateDer<'static>],
        key: &rcgen::KeyPair,
        ca_pem: String,
        script: impl Fn(&mut Peer) + Send + Sync + 'static,
    ) -> Self {
        Self::with_config(config(chain, key, rustls::ALL_VERSIONS), ca_pem, script)
    }

    /// The same with TLS settings.
    pub(crate) fn with_config(
        config: Arc<ServerConfig>,
        ca_pem: String,
        script: impl Fn(&mut Peer) + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(config), Some(ca_pem), script)
    }

    pub(crate) fn either(tls: bool, script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        if tls { Self::tls(script) } else { Self::plain(script) }
    }

    fn start(
        tls: Option<Arc<ServerConfig>>,
        ca_pem: Option<String>,
        script: impl Fn(&mut Peer) + Send + Sync + 'static,
    ) -> Self {
        let connections = Arc::new(AtomicUsize::new(0));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (count, log) = (connections.clone(), heads.clone());
        let acceptor = Acceptor::start(move |stream| {
            count.fetch_add(1, Ordering::SeqCst);
            let socket = stream.try_clone().unwrap();
            let stream: Box<dyn Stream> = match &tls {
                None => Box::new(stream),
                Some(config) => Box::new(StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream)),
            };
            script(&mut Peer { stream: BufReader::new(stream), socket, heads: log.clone() });
        });
        Self { address: acceptor.address, connections, heads, ca_pem, _acceptor: acceptor }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Returns the URL with the host name of the certificate.
    pub(crate) fn url(&self) -> String {
        format!("{}://localhost:{}", if self.ca_pem.is_some() { "https" } else { "http" }, self.address.port())
    }
}

/// The server's end of a connection to a client.
pub(crate) struct Peer {
    pub(crate) stream: BufReader<Box<dyn Stream>>,
    pub(crate) socket: TcpStream,
    pub(crate) heads: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// Reads the head of a request. Returns `None` if the client has closed the connection.
    pub(crate) fn request(&mut self) -> Option<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        self.heads.lock().unwrap().push(head.clone());
        Some(head)
    }

    /// Reads `length` bytes of payload, or fewer if the connection ends.
    pub(crate) fn payload(&mut self, length: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = (&mut self.stream).take(length).read_to_end(&mut bytes);
        bytes
    }

    /// Reads a complete request and returns its payload. Returns `None` if the client has closed the connection.
    pub(crate) fn whole_request(&mut self) -> Option<Vec<u8>> {
        let head = self.request()?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map(|n| n.parse().unwrap());
        Some(self.payload(length.unwrap_or(0)))
    }

    /// Sends raw bytes. Ignores errors.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes);
    }

    /// Sends raw bytes. Returns false if the client has closed the connection.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let stream = self.stream.get_mut();
        stream.write_all(bytes.as_ref()).and_then(|()| stream.flush()).is_ok()
    }

    /// Closes the connection properly, with close_notify if it uses TLS.
    pub(crate) fn close(&mut self) {
        self.stream.get_mut().close();
    }

    /// Reads until the client closes the connection. Returns the number of bytes.
    pub(crate) fn drain(&mut self) -> u64 {
        let mut total = 0;
        let mut buf = vec![0; 64 << 10];
        while let Ok(length @ 1..) = self.stream.read(&mut buf) {
            total += length as u64;
        }
        total
    }

    /// Reads nothing until the client closes the connection, for at most a minute.
    pub(crate) fn hold(&self) {
        use std::os::fd::AsRawFd;
        let mut entry = libc::pollfd { fd: self.socket.as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
        // SAFETY: one pollfd, borrowed only here.
        #[allow(unsafe_code)]
        let _ = unsafe { libc::poll(&raw mut entry, 1, 60_000) };
    }

    /// Sets a small receive buffer, so that most of a payload stays in the client's kernel.
    pub(crate) fn narrow(&self) {
        socket2::SockRef::from(&self.socket).set_recv_buffer_size(32 << 10).unwrap();
    }

    /// Makes the end of the connection a reset.
    pub(crate) fn reset(&self) {
        socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Closes only the server's direction.
    pub(crate) fn end_sending(&self) {
        self.socket.shutdown(std::net::Shutdown::Write).unwrap();
    }
}

/// Sends the same response to all requests of a connection.
pub(crate) fn always(response: &'static str) -> impl Fn(&mut Peer) + Send + Sync + 'static {
    move |peer| {
        while peer.whole_request().is_some() {
            peer.send(response);
        }
    }
}
/// Creates a self-signed certificate for a name. Also returns it in PEM.
pub(crate) fn certificate(name: &str) -> (Arc<ServerConfig>, String) {
    let certified = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let config = config(&[certified.cert.der().clone()], &certified.signing_key, rustls::ALL_VERSIONS);
    (config, certified.cert.pem())
}

/// Returns the settings of a server with these TLS versions. The chain begins with its certificate.
pub(crate) fn config(
    chain: &[CertificateDer<'static>],
    key: &rcgen::KeyPair,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.to_vec(), key)
        .unwrap();
    Arc::new(config)
}

pub(crate) trait Stream: Read + Write + Send {
    /// Announces the end of the data.
    fn close(&mut self);
}

impl Stream for TcpStream {
    fn close(&mut self) {
        let _ = self.shutdown(std::net::Shutdown::Write);
    }
}

impl Stream for StreamOwned<ServerConnection, TcpStream> {
    fn close(&mut self) {
        self.conn.send_close_notify();
        let _ = self.conn.complete_io(&mut self.sock);
        let _ = self.sock.shutdown(std::net::Shutdown::Write);
    }
}
