//! The state that all connections to one endpoint share: settings, TLS, and the configuration of ureq.

use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::config::Config;

use super::endpoint::Endpoint;
use super::happy_eyeballs::AddressMemory;
use super::resolve::Resolver;
use super::tls::Tls;
use crate::error::Result;
use crate::sync::Mutex;

/// The settings of a transport.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The endpoint of the service.
    pub endpoint: Endpoint,
    /// The value of the `User-Agent` header. An empty value omits the header.
    pub user_agent: String,
    /// The certificate authorities to trust, in PEM. `None`: the public ones.
    pub ca_pem: Option<Vec<u8>>,
    /// The time limit from the end of the name lookup to the end of the TLS handshake.
    pub connect_timeout: Duration,
    /// The maximum time without progress in an exchange.
    pub stall_timeout: Duration,
}

/// The state that all connections to one endpoint share.
#[derive(Debug)]
pub(crate) struct TransportContext {
    pub(crate) settings: Settings,
    /// Host and port, as in error messages.
    pub(crate) address: String,
    pub(crate) tls: Option<Tls>,
    pub(crate) config: Config,
    pub(crate) resolver: Arc<dyn Resolver>,
    /// The results of earlier connection attempts.
    pub(crate) addresses: Mutex<AddressMemory>,
}

impl TransportContext {
    pub(crate) fn new(settings: Settings, resolver: Arc<dyn Resolver>) -> Result<Self> {
        let tls = match settings.endpoint.is_tls() {
            true => Some(Tls::new(&settings.endpoint, settings.ca_pem.as_deref())?),
            false => None,
        };
        let address = settings.endpoint.address();
        let config = ureq_config(&settings.user_agent);
        Ok(Self { settings, address, tls, config, resolver, addresses: Mutex::default() })
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
