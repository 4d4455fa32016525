//! The ureq transport: creates the connections to one endpoint.

use std::sync::Arc;

use super::connection::UreqConnection;
use super::endpoint::Endpoint;
use super::interface::{Connection, Transport};
use super::network::Network;
use super::proxy::Proxy;
use super::transport_context::TransportContext;
use crate::error::Result;

impl Network {
    /// Creates the transport to an endpoint, through the proxy that the proxy rules give for it.
    ///
    /// # Errors
    /// As [`Network::direct_transport`]; also [`Kind::Invalid`](crate::error::Kind::Invalid) if the environment variable for
    /// the endpoint is not a proxy URL.
    pub fn transport(&self, endpoint: &Endpoint) -> Result<UreqTransport> {
        self.transport_through(endpoint, self.settings().proxies.proxy_for(endpoint)?)
    }

    /// Creates the transport to an endpoint without a proxy.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) if no certificate can contain the host of the endpoint. With TLS also
    /// [`Kind::Io`](crate::error::Kind::Io) or [`Kind::Invalid`](crate::error::Kind::Invalid) if the trusted certificates of
    /// the system cannot be read.
    pub fn direct_transport(&self, endpoint: &Endpoint) -> Result<UreqTransport> {
        self.transport_through(endpoint, None)
    }

    fn transport_through(&self, endpoint: &Endpoint, proxy: Option<Arc<Proxy>>) -> Result<UreqTransport> {
        Ok(UreqTransport::new(TransportContext::new(self.clone(), endpoint.clone(), proxy)?))
    }
}

/// Creates connections that use ureq. [`Network`](super::Network) creates it.
#[derive(Debug)]
pub struct UreqTransport {
    context: Arc<TransportContext>,
}

impl UreqTransport {
    fn new(context: TransportContext) -> Self {
        Self { context: Arc::new(context) }
    }

    /// Returns the proxy that the connections use, if any.
    pub fn proxy(&self) -> Option<&Proxy> {
        self.context.proxy.as_ref().map(|route| &*route.proxy)
    }
}

impl Transport for UreqTransport {
    fn connection(&self) -> Box<dyn Connection> {
        Box::new(UreqConnection::new(self.context.clone()))
    }
}
