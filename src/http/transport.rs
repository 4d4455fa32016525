//! The ureq transport: creates the connections to one endpoint.

use std::sync::Arc;

use ureq::http::HeaderValue;

use super::connection::UreqConnection;
use super::interface::{Connection, Transport};
use super::resolve::{Resolver, SystemResolver};
use super::tls::check_ca_file;
use super::transport_context::{Settings, TransportContext};
use crate::error::{Error, Result};
use crate::limits::quoted;

/// Creates connections that use ureq.
#[derive(Debug)]
pub struct UreqTransport {
    context: Arc<TransportContext>,
}

impl UreqTransport {
    /// Checks the settings. Opens no connection. The system resolver looks up names.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) names the value and the rule.
    pub fn new(settings: Settings) -> Result<Self> {
        Self::with_resolver(settings, Arc::new(SystemResolver))
    }

    /// As [`UreqTransport::new`], but with another resolver. Tests need it for several addresses or unknown names.
    ///
    /// # Errors
    /// As [`UreqTransport::new`].
    pub fn with_resolver(settings: Settings, resolver: Arc<dyn Resolver>) -> Result<Self> {
        if HeaderValue::from_str(&settings.user_agent).is_err() {
            return Err(Error::invalid(format!(
                "user agent {} is not allowed: it must consist of printable ASCII characters",
                quoted(&settings.user_agent)
            )));
        }
        // Also checked for plain HTTP, so that an invalid file is reported before the endpoint changes to HTTPS.
        settings.ca_pem.as_deref().map(check_ca_file).transpose()?;
        Ok(Self { context: Arc::new(TransportContext::new(settings, resolver)?) })
    }
}

impl Transport for UreqTransport {
    fn connection(&self) -> Box<dyn Connection> {
        Box::new(UreqConnection::new(self.context.clone()))
    }
}
