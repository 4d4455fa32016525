//! HTTP by ureq: the settings, and what all connections to the endpoint share.

use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::config::Config;
use ureq::http::HeaderValue;

use super::tls::{Tls, authorities};
use super::{Connection, Endpoint, Transport, UreqConnection};
use crate::error::{Error, Result};
use crate::limits::quoted;

/// What a transport is made from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the service is.
    pub endpoint: Endpoint,
    /// What the `User-Agent` header says; if empty there is none.
    pub user_agent: String,
    /// The certificate authorities to trust, in PEM, instead of those that browsers trust.
    pub ca_pem: Option<Vec<u8>>,
    /// How long connecting may take, from the looked-up name to the end of the TLS handshake.
    pub connect_timeout: Duration,
    /// How long no byte may move in an exchange.
    pub stall_timeout: Duration,
}

/// Makes connections by ureq.
#[derive(Debug)]
pub struct UreqTransport {
    site: Arc<Site>,
}

impl UreqTransport {
    /// Checks the settings; opens nothing.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) names the value and the rule.
    pub fn new(settings: Settings) -> Result<Self> {
        if HeaderValue::from_str(&settings.user_agent).is_err() {
            return Err(Error::invalid(format!(
                "user agent {} is not allowed: it must be of printable ASCII characters",
                quoted(&settings.user_agent)
            )));
        }
        // Checked for plain HTTP too: a bad file is found when it is set, not when the endpoint changes.
        settings.ca_pem.as_deref().map(authorities).transpose()?;
        let tls = match settings.endpoint.is_tls() {
            true => Some(Tls::new(&settings.endpoint, settings.ca_pem.as_deref())?),
            false => None,
        };
        let address = settings.endpoint.address();
        let config = ureq_config(&settings.user_agent);
        Ok(Self { site: Arc::new(Site { settings, address, tls, config }) })
    }
}

impl Transport for UreqTransport {
    fn connection(&self) -> Box<dyn Connection> {
        Box::new(UreqConnection::new(self.site.clone()))
    }
}

/// What the connections to one endpoint share.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) settings: Settings,
    /// Host and port, as messages name them.
    pub(crate) address: String,
    pub(crate) tls: Option<Tls>,
    pub(crate) config: Config,
}

/// ureq as a plain HTTP/1.1 engine: it follows, adds, looks up and times nothing. None of its timeouts is set, for we
/// watch the time below it, and some of them start a thread a request.
fn ureq_config(user_agent: &str) -> Config {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent(user_agent)
        .accept("")
        .accept_encoding("")
        .max_idle_connections(1)
        .max_idle_connections_per_host(1)
        .max_idle_age(Duration::MAX)
        .build()
}
