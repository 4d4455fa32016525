//! Requests and payload sources of the tests.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use glacier_mp::error::Result;
use glacier_mp::http::{
    CaFile, Connection, Endpoint, Method, Network, NetworkSettings, ProxyRules, Request, RequestContext, Response,
    SystemStore, Transport, TrustStore, UreqTransport,
};
use glacier_mp::log::Log;

use crate::server::Server;

/// The settings of a network and one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) endpoint: Endpoint,
    pub(crate) user_agent: String,
    pub(crate) ca_pem: Option<Vec<u8>>,
    pub(crate) connect_timeout: Duration,
    pub(crate) stall_timeout: Duration,
    pub(crate) proxy: Option<String>,
}

impl Settings {
    pub(crate) fn network(&self) -> Result<Network> {
        let mut proxies = ProxyRules::default();
        proxies.set(self.proxy.as_deref())?;
        Network::new(NetworkSettings {
            user_agent: self.user_agent.clone(),
            trust: self.trust()?,
            connect_timeout: self.connect_timeout,
            stall_timeout: self.stall_timeout,
            proxies,
        })
    }

    /// The certificates of `ca_pem`, or the built-in ones.
    fn trust(&self) -> Result<TrustStore> {
        let log = Arc::new(Log::off());
        let file = || CaFile::new("/etc/ca.pem", "glacier_config_set_ca_file");
        match &self.ca_pem {
            Some(pem) => TrustStore::of_pem(file(), pem, log),
            None => Ok(TrustStore::of_system(SystemStore::default(), log)),
        }
    }

    pub(crate) fn transport(&self) -> Result<UreqTransport> {
        self.network()?.transport(&self.endpoint)
    }
}

/// Settings for a server, with long timeouts.
pub(crate) fn settings(server: &Server) -> Settings {
    Settings { ca_pem: server.ca_pem.clone().map(String::into_bytes), ..settings_at(&server.url()) }
}

/// The same for the URL of a server.
pub(crate) fn settings_at(url: &str) -> Settings {
    Settings {
        endpoint: Endpoint::parse(url).unwrap(),
        user_agent: "tests/1".to_owned(),
        ca_pem: None,
        connect_timeout: Duration::from_secs(30),
        stall_timeout: Duration::from_secs(30),
        proxy: None,
    }
}

pub(crate) fn connect(server: &Server) -> Box<dyn Connection> {
    connection(settings(server))
}

pub(crate) fn connection(settings: Settings) -> Box<dyn Connection> {
    settings.transport().unwrap().connection()
}

pub(crate) fn context() -> RequestContext {
    RequestContext::default()
}

pub(crate) fn request(method: Method, length: u64) -> Request {
    let headers = vec![("host", "glacier.example:8080".to_owned()), ("x-amz-glacier-version", "2012-06-01".to_owned())];
    Request { method, target: "/-/vaults/v%20v?limit=50".to_owned(), headers, length }
}

pub(crate) fn get(connection: &mut dyn Connection) -> Result<Response> {
    connection.exchange(&request(Method::Get, 0), &mut io::empty(), &context())
}

pub(crate) fn put(
    connection: &mut dyn Connection,
    length: u64,
    reader: &mut dyn Read,
    context: &RequestContext,
) -> Result<Response> {
    put_buffered(connection, length, &mut BufReader::new(reader), context)
}

pub(crate) fn put_buffered(
    connection: &mut dyn Connection,
    length: u64,
    reader: &mut dyn BufRead,
    context: &RequestContext,
) -> Result<Response> {
    connection.exchange(&request(Method::Put, length), reader, context)
}

/// An endless source of different bytes, which counts the bytes read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source(Arc<AtomicU64>);

impl Source {
    pub(crate) fn was_read(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Returns the first `length` bytes of a source.
    pub(crate) fn bytes(length: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        Source::default().take(length).read_to_end(&mut bytes).unwrap();
        bytes
    }
}

impl Read for Source {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let start = self.0.fetch_add(buf.len() as u64, Ordering::SeqCst);
        for (offset, byte) in (start..).zip(buf.iter_mut()) {
            *byte = (offset % 251) as u8;
        }
        Ok(buf.len())
    }
}
