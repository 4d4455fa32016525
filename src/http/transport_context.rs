//! The state that all connections to one endpoint share: endpoint, TLS, and the configuration of ureq.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::config::Config;

use super::deadline::Deadlines;
use super::endpoint::Endpoint;
use super::happy_eyeballs::AddressMemory;
use super::network::Network;
use super::proxy::{Proxy, hint, is_transient};
use super::server_role::ServerRole;
use super::tls::Tls;
use super::tls_text;
use crate::error::{ConnectFailure, Error, Kind, Result};
use crate::sync::Mutex;

/// The state that all connections to one endpoint share.
#[derive(Debug)]
pub(crate) struct TransportContext {
    pub(crate) network: Network,
    pub(crate) endpoint: Endpoint,
    /// The proxy that the connections use, if any.
    pub(crate) proxy: Option<ProxyRoute>,
    /// Host and port of the endpoint, as in error messages, and the proxy.
    pub(crate) address: String,
    pub(crate) tls: Option<Tls>,
    pub(crate) config: Config,
    /// The results of earlier connection attempts.
    pub(crate) addresses: Mutex<AddressMemory>,
}

/// A proxy, and TLS to it if its URL begins with `https:`.
#[derive(Debug)]
pub(crate) struct ProxyRoute {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) tls: Option<Tls>,
}

impl ProxyRoute {
    /// Describes a failed TLS handshake with the proxy.
    pub(super) fn describe_tls(&self, error: &rustls::Error) -> String {
        let reason = self.tls.as_ref().map_or_else(|| tls_text::text(error), |tls| tls.describe(error));
        format!("the TLS handshake with the proxy ({}) failed: {reason}", self.proxy.setting())
    }
}

impl TransportContext {
    pub(crate) fn new(network: Network, endpoint: Endpoint, proxy: Option<Arc<Proxy>>) -> Result<Self> {
        let tls = network.tls(&endpoint, ServerRole::Endpoint)?;
        let proxy = match proxy {
            Some(proxy) => Some(ProxyRoute { tls: network.tls(proxy.server(), ServerRole::Proxy)?, proxy }),
            None => None,
        };
        let address = match &proxy {
            Some(route) => format!("{} through the proxy {}", endpoint.address(), route.proxy),
            None => endpoint.address(),
        };
        let config = ureq_config(&network.settings().user_agent);
        Ok(Self { network, endpoint, proxy, address, tls, config, addresses: Mutex::default() })
    }

    /// Returns the server that connections connect to: the proxy or the endpoint.
    pub(crate) fn server(&self) -> &Endpoint {
        self.proxy.as_ref().map_or(&self.endpoint, |route| route.proxy.server())
    }

    /// Returns the proxy that forwards requests: that of an `http` endpoint. For an `https` endpoint the proxy opens a tunnel.
    pub(crate) fn forward_proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref().filter(|_| !self.endpoint.is_tls()).map(|route| &*route.proxy)
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        self.network.settings().connect_timeout
    }

    /// Creates the deadlines of an exchange, see [`Deadlines::new`].
    pub(crate) fn deadlines(&self, response: Option<Duration>, acknowledged: u64) -> Deadlines {
        Deadlines::new(self.network.settings().stall_timeout, response, acknowledged)
            .through_proxy(self.proxy.is_some())
    }

    pub(crate) fn user_agent(&self) -> &str {
        &self.network.settings().user_agent
    }

    /// Creates an error of a connection to the endpoint.
    pub(crate) fn error(&self, kind: Kind, what: impl fmt::Display) -> Error {
        Error::new(kind, format!("{}: {what}", self.address))
    }

    /// Creates an error of connecting to the proxy or the endpoint.
    pub(crate) fn server_error(&self, kind: Kind, what: &str) -> Error {
        match &self.proxy {
            Some(route) => Error::new(kind, format!("the proxy {} ({}): {what}", route.proxy, route.proxy.setting())),
            None => self.error(kind, what),
        }
    }

    /// Describes a failure of the TLS session that exchanges use: that to the endpoint, else that to the proxy.
    pub(crate) fn describe_tls(&self, error: &rustls::Error) -> String {
        match (&self.tls, &self.proxy) {
            (Some(tls), _) => tls.describe(error),
            (None, Some(route)) => route.describe_tls(error),
            (None, None) => tls_text::text(error),
        }
    }

    /// Creates the error of a proxy that opens no tunnel, or that forwards no request.
    pub(crate) fn refused(&self, proxy: &Proxy, status: u16, schemes: &[String]) -> Error {
        let failure = if is_transient(status) { ConnectFailure::Proxy } else { ConnectFailure::ProxyRefused };
        let hint = hint(proxy, status, schemes);
        let text = format!("the proxy ({}) responded with status {status}: {hint}", proxy.setting());
        self.error(Kind::Network, text).with_response(status, None, None).not_connected(failure)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::response::Phase;
    use crate::http::{NetworkSettings, ProxyRules, ProxySetting, SystemStore, TrustStore};
    use crate::log::Log;

    #[test]
    fn only_a_proxy_may_delay_the_response_by_the_time_of_the_request() {
        let network = Network::new(NetworkSettings {
            user_agent: String::new(),
            trust: TrustStore::of_system(SystemStore::default(), Arc::new(Log::off())),
            connect_timeout: Duration::from_secs(1),
            stall_timeout: Duration::from_secs(10),
            proxies: ProxyRules::default(),
        })
        .unwrap();
        let endpoint = Endpoint::parse("http://glacier.example").unwrap();
        for (proxy, delay) in [(None, 0), (Some("http://proxy.example"), 7)] {
            let proxy = proxy.map(|url| Arc::new(Proxy::parse(url, ProxySetting::Explicit).unwrap()));
            let context = TransportContext::new(network.clone(), endpoint.clone(), proxy).unwrap();
            let mut deadlines = context.deadlines(None, 0);
            let end_of_request = Duration::from_secs(7);
            deadlines.acknowledge(end_of_request, 1 << 20, 0);
            deadlines.receive(end_of_request, 0, Phase::Waiting);
            let left = deadlines.time_left(end_of_request, false, None).unwrap();
            assert_eq!(left, Duration::from_secs(10 + delay));
        }
    }
}
