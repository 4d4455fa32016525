//! A running emulator: its listener, its connections, and what a test asks of it.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rustls::ServerConfig;

use crate::connection;
use crate::faults::Fault;
use crate::options::Options;
use crate::random::RandomFaults;
use crate::records::{ArchiveRecord, RequestRecord, UploadRecord};
use crate::service::Service;
use crate::stop::lock;
use crate::tls::Identity;
use crate::wire::Wire;

/// A local Glacier on 127.0.0.1. Dropping it closes its connections and ends its threads.
pub struct Emulator {
    service: Arc<Service>,
    connections: Arc<Connections>,
    address: SocketAddr,
    endpoint: String,
    ca_pem: Option<String>,
    listening: Option<JoinHandle<()>>,
}

impl Emulator {
    /// Starts one.
    ///
    /// # Errors
    /// The port is taken, or the directory cannot be used.
    pub fn start(options: Options) -> io::Result<Self> {
        let service = Arc::new(Service::new(&options)?);
        let identity = if options.tls { Some(Identity::generate()?) } else { None };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        let address = listener.local_addr()?;
        let scheme = if options.tls { "https" } else { "http" };
        let (config, ca_pem) = identity.map(|identity| (identity.config, identity.ca_pem)).unzip();

        let connections = Arc::<Connections>::default();
        let (for_service, for_connections) = (Arc::clone(&service), Arc::clone(&connections));
        let listening = thread::Builder::new()
            .name("glacier-accept".to_owned())
            .spawn(move || accept(&listener, &for_service, &for_connections, config.as_ref()))?;
        let endpoint = format!("{scheme}://{address}");
        Ok(Self { service, connections, address, endpoint, ca_pem, listening: Some(listening) })
    }

    /// `http://127.0.0.1:41234`, or with `https`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The certificate of the authority to trust, with HTTPS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The archives in all vaults, in the order they came.
    pub fn archives(&self) -> Vec<ArchiveRecord> {
        self.service.store.archives()
    }

    /// The uploads that are neither completed nor aborted, in the order of their IDs.
    pub fn uploads(&self) -> Vec<UploadRecord> {
        self.service.store.upload_records()
    }

    /// The requests so far, in the order their heads came, those that met a fault included.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.requests_from(0)
    }

    /// The same without those below this number, for who has seen them.
    pub fn requests_from(&self, number: usize) -> Vec<RequestRecord> {
        self.service.log.from(number)
    }

    /// The connections accepted so far.
    pub fn connections(&self) -> u64 {
        lock(&self.connections.state).accepted
    }

    /// The connections that are open now.
    pub fn open_connections(&self) -> usize {
        lock(&self.connections.state).open.len()
    }

    /// Adds a fault behind those that are waiting.
    pub fn add_fault(&self, fault: Fault) {
        self.service.add_fault(fault);
    }

    /// Drops all faults that have not struck yet. Those at random go on.
    pub fn clear_faults(&self) {
        self.service.faults.clear();
    }

    /// Lets requests meet faults at random, drawn from the start; `None` ends it.
    pub fn set_random_faults(&self, faults: Option<RandomFaults>) {
        self.service.random.set(faults);
    }

    /// Sets the service's clock this many seconds ahead of the real one, or behind. Uploads age with it.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.service.set_clock_offset(seconds);
    }

    /// Lets the session tokens that were valid expire; this one is valid from now on.
    pub fn replace_session_token(&self, token: &str) {
        self.service.verifier.replace_tokens(token);
    }

    /// Makes this session token valid beside the others; for so many seconds of the service's clock, if that is said.
    pub fn add_session_token(&self, token: &str, seconds: Option<i64>) {
        self.service.add_session_token(token, seconds);
    }

    /// Admits so many requests in a second of the service's clock, and refuses more with 400 `ThrottlingException`;
    /// `None` admits all.
    pub fn limit_requests(&self, per_second: Option<u64>) {
        self.service.limit_requests(per_second);
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.service.stop.raise();
        self.connections.shut_down();
        // Wakes the listener, which then sees the signal.
        let _ = TcpStream::connect(self.address);
        if let Some(listening) = self.listening.take() {
            // A thread that panicked has said so.
            let _ = listening.join();
        }
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Accepts connections until the signal, each on a thread of its own, and waits for all of them.
fn accept(
    listener: &TcpListener,
    service: &Arc<Service>,
    connections: &Arc<Connections>,
    config: Option<&Arc<ServerConfig>>,
) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    for accepted in listener.incoming() {
        if service.stop.is_raised() {
            break;
        }
        threads.retain(|thread| !thread.is_finished());
        // A client that was gone before it was accepted, or no thread for it: it sees a closed connection.
        let Ok(tcp) = accepted else { continue };
        let Ok(number) = connections.add(&tcp) else { continue };
        let (service, connections, config) = (Arc::clone(service), Arc::clone(connections), config.cloned());
        let serve = move || {
            let _registered = Registered { connections: &connections, number };
            if let Ok(wire) = Wire::new(tcp, config) {
                connection::serve(&service, wire, number);
            }
        };
        threads.extend(thread::Builder::new().name(format!("glacier-{number}")).spawn(serve));
    }
    connections.shut_down();
    for thread in threads {
        // As above.
        let _ = thread.join();
    }
}

/// The connections that are open, so that they can be shut down from outside.
#[derive(Default)]
struct Connections {
    state: Mutex<ConnectionsState>,
}

#[derive(Default)]
struct ConnectionsState {
    accepted: u64,
    open: HashMap<u64, TcpStream>,
}

impl Connections {
    fn add(&self, tcp: &TcpStream) -> io::Result<u64> {
        let handle = tcp.try_clone()?;
        let mut state = lock(&self.state);
        let number = state.accepted;
        state.accepted += 1;
        state.open.insert(number, handle);
        Ok(number)
    }

    fn shut_down(&self) {
        for tcp in lock(&self.state).open.values() {
            // It may have ended by itself.
            let _ = tcp.shutdown(Shutdown::Both);
        }
    }
}

/// Takes a connection off the list when its thread ends, however it ends.
struct Registered<'a> {
    connections: &'a Connections,
    number: u64,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        lock(&self.connections.state).open.remove(&self.number);
    }
}
