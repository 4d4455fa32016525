//! The transports of the providers, which fetch keys over HTTP.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Kind, Result};
use crate::http::{Endpoint, Network, Transport};

/// How a request reaches its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Through the proxy that the proxy rules give for the endpoint.
    Proxied,
    /// Never through a proxy: the endpoint is on this machine, and a proxy would respond with its own identity.
    Direct,
}

/// Creates the transports of providers. Tests redirect them to a local server.
pub trait Transports: Send + Sync + std::fmt::Debug {
    /// Creates a transport to an endpoint. `time_limit` bounds the time to connect, and each wait without progress.
    ///
    /// # Errors
    /// As [`Network::transport`].
    fn transport(&self, endpoint: &Endpoint, route: Route, time_limit: Duration) -> Result<Arc<dyn Transport>>;
}

impl Transports for Network {
    fn transport(&self, endpoint: &Endpoint, route: Route, time_limit: Duration) -> Result<Arc<dyn Transport>> {
        let network = self.with_timeouts(time_limit, time_limit);
        let transport = match route {
            Route::Proxied => network.transport(endpoint)?,
            Route::Direct => network.direct_transport(endpoint)?,
        };
        Ok(Arc::new(transport))
    }
}

/// No network, for clients whose keys need none.
#[derive(Debug)]
pub(super) struct NoTransports;

impl Transports for NoTransports {
    fn transport(&self, endpoint: &Endpoint, _: Route, _: Duration) -> Result<Arc<dyn Transport>> {
        Err(Error::new(
            Kind::Internal,
            format!("keys cannot be fetched from {endpoint}: the client has no transport for it"),
        ))
    }
}
