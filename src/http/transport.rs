//! HTTP by ureq: the settings, and what all connections to the endpoint share.

use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::config::Config;
use ureq::http::HeaderValue;

use super::happy_eyeballs::AddressMemory;
use super::tls::{Tls, check_ca_file};
use super::{Connection, Endpoint, Resolver, SystemResolver, Transport, UreqConnection};
use crate::error::{Error, Result};
use crate::limits::quoted;
use crate::sync::Mutex;

/// What a transport is made from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the service is.
    pub endpoint: Endpoint,
    /// What the `User-Agent` header says; if empty there is none.
    pub user_agent: String,
    /// The certificate authorities to trust, in PEM, instead of those that browsers trust.
    pub ca_pem: Option<Vec<u8>>,
    /// How long connecting may take, from the end of the name lookup to the end of the TLS handshake.
    pub connect_timeout: Duration,
    /// How long no byte may move in an exchange.
    pub stall_timeout: Duration,
}

/// Makes connections by ureq.
#[derive(Debug)]
pub struct UreqTransport {
    context: Arc<TransportContext>,
}

impl UreqTransport {
    /// Checks the settings; opens nothing. Names are looked up by the system.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) names the value and the rule.
    pub fn new(settings: Settings) -> Result<Self> {
        Self::with_resolver(settings, Arc::new(SystemResolver))
    }

    /// As [`UreqTransport::new`], with names looked up by `resolver`: for tests that need several addresses, or a name that
    /// does not exist.
    ///
    /// # Errors
    /// As [`UreqTransport::new`].
    pub fn with_resolver(settings: Settings, resolver: Arc<dyn Resolver>) -> Result<Self> {
        if HeaderValue::from_str(&settings.user_agent).is_err() {
            return Err(Error::invalid(format!(
                "user agent {} is not allowed: it must be of printable ASCII characters",
                quoted(&settings.user_agent)
            )));
        }
        // Checked for plain HTTP too: a bad file is found when it is set, not when the endpoint changes.
        settings.ca_pem.as_deref().map(check_ca_file).transpose()?;
        Ok(Self { context: Arc::new(TransportContext::new(settings, resolver)?) })
    }
}

impl Transport for UreqTransport {
    fn connection(&self) -> Box<dyn Connection> {
        Box::new(UreqConnection::new(self.context.clone()))
    }
}

/// What the connections to one endpoint share.
#[derive(Debug)]
pub(crate) struct TransportContext {
    pub(crate) settings: Settings,
    /// Host and port, as messages name them.
    pub(crate) address: String,
    pub(crate) tls: Option<Tls>,
    pub(crate) config: Config,
    pub(crate) resolver: Arc<dyn Resolver>,
    /// Which address worked last; shared by all connections of a client.
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

/// ureq as a plain HTTP/1.1 engine: it follows, adds, looks up and times nothing. None of its timeouts is set, for we
/// context the time below it, and some of them start a thread a request.
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
