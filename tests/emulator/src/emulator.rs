//! A running emulator: its listener, its connections, and its methods for tests.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::ServerConfig;

use crate::connection;
use crate::connections::{Connections, OpenConnection};
use crate::options::Options;
use crate::random_faults::RandomFaults;
use crate::record::{ArchiveRecord, RequestRecord, UploadRecord};
use crate::scripted_faults::Fault;
use crate::service::Service;
use crate::tls::Identity;
use crate::wire::Wire;

/// The pause after a failed `accept`, for example if no file descriptor is free, and between attempts to wake the listener.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// A local Glacier on 127.0.0.1. Dropping it closes its connections and stops its threads.
pub struct Emulator {
    service: Arc<Service>,
    connections: Arc<Connections>,
    address: SocketAddr,
    endpoint: String,
    ca_pem: Option<String>,
    listening: Option<JoinHandle<()>>,
}

impl Emulator {
    /// Starts an emulator.
    ///
    /// # Errors
    /// `InvalidInput` if [`Options::check`] rejects a value, or the delay in the environment is invalid; the port is in use, or
    /// the storage directory cannot be used.
    pub fn start(options: Options) -> io::Result<Self> {
        options.check().map_err(|message| io::Error::new(io::ErrorKind::InvalidInput, message))?;
        let service = Arc::new(Service::new(&options)?);
        let identity = if options.tls { Some(Identity::generate()?) } else { None };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))
            .map_err(|e| io::Error::new(e.kind(), format!("port {} of 127.0.0.1: {e}", options.port)))?;
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

    /// The endpoint, such as `http://127.0.0.1:41234`. With TLS the scheme is `https`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The certificate of the CA that a client must trust, in PEM. `None` without TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The archives of all vaults, in the order of their creation.
    pub fn archives(&self) -> Vec<ArchiveRecord> {
        self.service.store.archives()
    }

    /// The uploads that are neither completed nor aborted, in the order of their IDs.
    pub fn uploads(&self) -> Vec<UploadRecord> {
        self.service.store.upload_records()
    }

    /// All requests so far, in the order in which their heads arrived. Requests with faults are included.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.requests_from(0)
    }

    /// The requests from this number on.
    pub fn requests_from(&self, number: usize) -> Vec<RequestRecord> {
        self.service.log.from(number)
    }

    /// The number of connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.connections.accepted()
    }

    /// The number of open connections.
    pub fn open_connections(&self) -> usize {
        self.connections.open()
    }

    /// Adds a fault after the existing ones.
    pub fn add_fault(&self, fault: Fault) {
        self.service.add_fault(fault);
    }

    /// Removes all scripted faults. Random faults continue.
    pub fn clear_faults(&self) {
        self.service.scripted_faults.clear();
    }

    /// Restarts random faults with these settings. `None` disables them.
    pub fn set_random_faults(&self, faults: Option<RandomFaults>) {
        self.service.random_faults.set(faults);
    }

    /// Sets the service's clock this many seconds ahead of the real one. A negative number sets it behind. Uploads age by
    /// this clock.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.service.set_clock_offset(seconds);
    }

    /// Expires all valid session tokens and makes this one valid.
    pub fn replace_session_token(&self, token: &str) {
        self.service.verifier.replace_tokens(token);
    }

    /// Adds a valid session token. `seconds` is its lifetime by the service's clock; `None` means no limit.
    pub fn add_session_token(&self, token: &str, seconds: Option<i64>) {
        self.service.add_session_token(token, seconds);
    }

    /// Admits this many requests per second of the service's clock. Further ones get 400 `ThrottlingException`. `None`
    /// removes the limit.
    pub fn limit_requests(&self, per_second: Option<u64>) {
        self.service.limit_requests(per_second);
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.service.stop.raise();
        self.connections.shut_down();
        if let Some(listening) = self.listening.take() {
            // A connection wakes the listener, which then checks the signal. Connecting fails until a descriptor is free.
            while !listening.is_finished() && TcpStream::connect(self.address).is_err() {
                thread::sleep(RETRY_INTERVAL);
            }
            // The panic message of that thread has been printed.
            let _ = listening.join();
        }
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Accepts connections until the stop signal, serves each on its own thread, and joins all threads.
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
        let Ok(tcp) = accepted else {
            // Without a free descriptor the error repeats until a connection ends.
            service.stop.wait(RETRY_INTERVAL);
            continue;
        };
        let Some(open) = registered(connections, &tcp, service) else { break };
        let number = open.number();
        let (service, config) = (Arc::clone(service), config.cloned());
        let serve = move || {
            let _open = open;
            if let Ok(wire) = Wire::new(tcp, config) {
                connection::serve(&service, wire, number);
            }
        };
        // If the thread cannot be started, the client sees a closed connection.
        threads.extend(thread::Builder::new().name(format!("glacier-{number}")).spawn(serve));
    }
    connections.shut_down();
    for thread in threads {
        // The panic message of that thread has been printed.
        let _ = thread.join();
    }
}

/// Adds a connection to the list. Without a free descriptor, waits for one. Returns none after the stop signal.
fn registered(connections: &Arc<Connections>, tcp: &TcpStream, service: &Service) -> Option<OpenConnection> {
    loop {
        if let Ok(open) = connections.add(tcp) {
            return Some(open);
        }
        if service.stop.wait(RETRY_INTERVAL) {
            return None;
        }
    }
}
