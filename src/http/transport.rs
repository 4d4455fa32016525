//! The ureq transport: creates the connections to one endpoint.

use std::sync::Arc;

use super::connection::UreqConnection;
use super::interface::{Connection, Transport};
use super::proxy::Proxy;
use super::transport_context::TransportContext;

/// Creates connections that use ureq. [`Network`](super::Network) creates it.
#[derive(Debug)]
pub struct UreqTransport {
    context: Arc<TransportContext>,
}

impl UreqTransport {
    pub(super) fn new(context: TransportContext) -> Self {
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
