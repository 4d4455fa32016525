//! The state that all connections to one endpoint share: endpoint, TLS, and the configuration of ureq.

use std::time::Duration;

use ureq::Agent;
use ureq::config::Config;

use super::endpoint::Endpoint;
use super::happy_eyeballs::AddressMemory;
use super::network::Network;
use super::tls::Tls;
use crate::error::Result;
use crate::sync::Mutex;

/// The state that all connections to one endpoint share.
#[derive(Debug)]
pub(crate) struct TransportContext {
    pub(crate) network: Network,
    pub(crate) endpoint: Endpoint,
    /// Host and port, as in error messages.
    pub(crate) address: String,
    pub(crate) tls: Option<Tls>,
    pub(crate) config: Config,
    /// The results of earlier connection attempts.
    pub(crate) addresses: Mutex<AddressMemory>,
}

impl TransportContext {
    pub(crate) fn new(network: Network, endpoint: Endpoint) -> Result<Self> {
        let tls = network.tls(&endpoint)?;
        let address = endpoint.address();
        let config = ureq_config(&network.settings().user_agent);
        Ok(Self { network, endpoint, address, tls, config, addresses: Mutex::default() })
    }
}

/// Configures ureq as a plain HTTP/1.1 engine, without redirects, proxies and timeouts. The files below ureq implement the
/// timeouts, because some timeouts of ureq start a thread per request.
fn ureq_config(user_agent: &str) -> Config {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent(user_agent)
        .accept("")
        .accept_encoding("identity")
        .max_idle_connections(1)
        .max_idle_connections_per_host(1)
        .max_idle_age(Duration::MAX)
        .build()
}
