//! A server of raw bytes: each test says what it does with each connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A server that runs `script` on each connection, on a thread of its own. Its threads go with the process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    /// The heads of all requests that [`Peer::request`] read, as they came.
    pub(crate) heads: Arc<Mutex<Vec<String>>>,
    /// The certificate authority, if the server speaks TLS.
    pub(crate) ca_pem: Option<String>,
}

impl Server {
    pub(crate) fn plain(script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        Self::start(None, None, script)
    }

    pub(crate) fn tls(script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let (config, ca_pem) = certificate("localhost");
        Self::start(Some(config), Some(ca_pem), script)
    }

    /// A server with that certificate; clients are given `ca_pem`.
    pub(crate) fn with_certificate(
        certificate: &rcgen::Certificate,
        key: &rcgen::KeyPair,
        ca_pem: String,
        script: impl Fn(&mut Peer) + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(config(certificate, key)), Some(ca_pem), script)
    }

    pub(crate) fn either(tls: bool, script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        if tls { Self::tls(script) } else { Self::plain(script) }
    }

    fn start(
        tls: Option<Arc<ServerConfig>>,
        ca_pem: Option<String>,
        script: impl Fn(&mut Peer) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(script);
        let (count, log) = (connections.clone(), heads.clone());
        named("server", move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // Else an answer may still wait in the kernel when a script resets the connection.
                stream.set_nodelay(true).unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let (tls, script, log) = (tls.clone(), script.clone(), log.clone());
                named("server", move || {
                    let socket = stream.try_clone().unwrap();
                    let stream: Box<dyn Stream> = match tls {
                        None => Box::new(stream),
                        Some(config) => Box::new(StreamOwned::new(ServerConnection::new(config).unwrap(), stream)),
                    };
                    script(&mut Peer { stream: BufReader::new(stream), socket, heads: log });
                });
            }
        });
        Self { address, connections, heads, ca_pem }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// By name, since certificates are for that.
    pub(crate) fn url(&self) -> String {
        format!("{}://localhost:{}", if self.ca_pem.is_some() { "https" } else { "http" }, self.address.port())
    }
}

/// The client's end, as the server sees it.
pub(crate) struct Peer {
    stream: BufReader<Box<dyn Stream>>,
    socket: TcpStream,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// Reads the head of a request; `None` once the client has gone.
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

    /// Reads that many bytes of payload, or as many as come.
    pub(crate) fn payload(&mut self, length: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = (&mut self.stream).take(length).read_to_end(&mut bytes);
        bytes
    }

    /// Reads a whole request, and returns its payload; `None` once the client has gone.
    pub(crate) fn whole_request(&mut self) -> Option<Vec<u8>> {
        let head = self.request()?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map(|n| n.parse().unwrap());
        Some(self.payload(length.unwrap_or(0)))
    }

    /// Sends raw bytes; a client that has gone is no matter.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes);
    }

    /// Sends raw bytes; false once the client has gone.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let stream = self.stream.get_mut();
        stream.write_all(bytes.as_ref()).and_then(|()| stream.flush()).is_ok()
    }

    /// Ends the connection properly, with close_notify where there is TLS.
    pub(crate) fn close(&mut self) {
        self.stream.get_mut().close();
    }

    /// Reads until the client ends the connection, and returns how many bytes came.
    pub(crate) fn drain(&mut self) -> u64 {
        let mut total = 0;
        let mut buf = vec![0; 64 << 10];
        while let Ok(length @ 1..) = self.stream.read(&mut buf) {
            total += length as u64;
        }
        total
    }

    /// Reads nothing, until the client ends the connection. At most a minute.
    pub(crate) fn hold(&self) {
        use std::os::fd::AsRawFd;
        let mut entry = libc::pollfd { fd: self.socket.as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
        // SAFETY: one pollfd, borrowed by nobody else.
        #[allow(unsafe_code)]
        let _ = unsafe { libc::poll(&raw mut entry, 1, 60_000) };
    }

    /// Takes in little at a time: the rest of a payload stays in the client's kernel.
    pub(crate) fn narrow(&self) {
        socket2::SockRef::from(&self.socket).set_recv_buffer_size(32 << 10).unwrap();
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(&self) {
        socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Ends the server's direction only.
    pub(crate) fn end_sending(&self) {
        self.socket.shutdown(std::net::Shutdown::Write).unwrap();
    }
}

/// Answers all requests on a connection alike.
pub(crate) fn always(answer: &'static str) -> impl Fn(&mut Peer) + Send + Sync + 'static {
    move |peer| {
        while peer.whole_request().is_some() {
            peer.send(answer);
        }
    }
}

pub(crate) fn named(name: &str, run: impl FnOnce() + Send + 'static) {
    thread::Builder::new().name(name.to_owned()).spawn(run).unwrap();
}

/// A certificate for a name that is its own authority, in PEM.
pub(crate) fn certificate(name: &str) -> (Arc<ServerConfig>, String) {
    let certified = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    (config(&certified.cert, &certified.signing_key), certified.cert.pem())
}

fn config(certificate: &rcgen::Certificate, key: &rcgen::KeyPair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    Arc::new(config)
}

trait Stream: Read + Write + Send {
    /// Says that nothing more is sent.
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
