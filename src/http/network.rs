//! The network of a client: the settings that all its transports share.

use std::sync::Arc;
use std::time::Duration;

use ureq::http::HeaderValue;

use super::endpoint::Endpoint;
use super::proxy::ProxyRules;
use super::resolve::{Resolver, SystemResolver};
use super::server_role::ServerRole;
use super::tls::Tls;
use super::trust::TrustStore;
use crate::error::{Error, Result};
use crate::limits::quoted;

/// The settings that the transports of a client share.
#[derive(Clone, Debug)]
pub struct NetworkSettings {
    /// The value of the `User-Agent` header. An empty value omits the header.
    pub user_agent: String,
    /// The trusted certificates.
    pub trust: TrustStore,
    /// The time limit from the end of the name lookup to the end of the last TLS handshake.
    pub connect_timeout: Duration,
    /// The maximum time without progress in an exchange.
    pub stall_timeout: Duration,
    /// Which endpoints are reached through which proxy.
    pub proxies: ProxyRules,
}

/// Creates the transports of a client: one for each endpoint that it uses. A clone is cheap and shares the settings.
///
/// `transport.rs` has the methods that create them.
#[derive(Clone, Debug)]
pub struct Network {
    settings: Arc<NetworkSettings>,
    resolver: Arc<dyn Resolver>,
}

impl Network {
    /// Checks the settings. Opens no connection. The system resolver looks up names.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) names the value and the rule.
    pub fn new(settings: NetworkSettings) -> Result<Self> {
        if HeaderValue::from_str(&settings.user_agent).is_err() {
            return Err(Error::invalid(format!(
                "user agent {} is not allowed: it must consist of printable ASCII characters",
                quoted(&settings.user_agent)
            )));
        }
        Ok(Self { settings: Arc::new(settings), resolver: Arc::new(SystemResolver) })
    }

    /// Returns the same network with another resolver. Tests need it for several addresses or unknown names.
    #[must_use]
    pub fn with_resolver(&self, resolver: Arc<dyn Resolver>) -> Self {
        Self { settings: Arc::clone(&self.settings), resolver }
    }

    /// Returns the same network with other timeouts.
    #[must_use]
    pub fn with_timeouts(&self, connect_timeout: Duration, stall_timeout: Duration) -> Self {
        let settings = NetworkSettings { connect_timeout, stall_timeout, ..(*self.settings).clone() };
        Self { settings: Arc::new(settings), resolver: Arc::clone(&self.resolver) }
    }

    pub(super) fn settings(&self) -> &NetworkSettings {
        &self.settings
    }

    pub(super) fn resolver(&self) -> &dyn Resolver {
        &*self.resolver
    }

    /// Creates the TLS settings for a server, or `None` if its URL begins with `http:`.
    pub(super) fn tls(&self, server: &Endpoint, role: ServerRole) -> Result<Option<Tls>> {
        server.is_tls().then(|| Tls::new(server, role, &self.settings.trust)).transpose()
    }
}
