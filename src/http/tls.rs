//! TLS with rustls and ring: the settings that all connections of a transport share.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use super::buffers::SEND_BUFFER;
use super::certificate::ServerVerifier;
use super::endpoint::Endpoint;
use super::server_role::ServerRole;
use super::tls_failure;
use super::trust::{TrustStore, Trusted};
use crate::error::{Error, Kind, Result};

/// Creates the TLS sessions of connections. They share session tickets, which shortens later handshakes.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    role: ServerRole,
    trusted: Arc<Trusted>,
}

impl Tls {
    /// Creates the TLS settings for a server. Loads the trusted certificates if this has not been done yet.
    ///
    /// # Errors
    /// `Invalid` if no certificate can contain the host of the server; the errors of [`TrustStore::load`].
    pub(super) fn new(server: &Endpoint, role: ServerRole, trust: &TrustStore) -> Result<Self> {
        let name = ServerName::try_from(server.host().to_owned()).map_err(|error| {
            let noun = match role {
                ServerRole::Endpoint => "endpoint",
                ServerRole::Proxy => "proxy",
            };
            Error::invalid(format!("{noun} {server} is not allowed: no certificate can name this host"))
                .caused_by(error)
        })?;
        let trusted = trust.load()?;
        // An explicit provider: the default of the process is neither read nor set.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = ServerVerifier::new(Arc::clone(&trusted), Arc::clone(&provider))
            .map_err(|error| internal(&error).caused_by(error))?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| internal(&error).caused_by(error))?
            // The custom verifier calls that of rustls.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), name, role, trusted })
    }

    /// Creates the TLS session of a new connection.
    pub(crate) fn client(&self) -> std::result::Result<ClientConnection, rustls::Error> {
        let mut client = ClientConnection::new(self.config.clone(), self.name.clone())?;
        // The buffer holds one send step, so that all of its records are sent with one system call.
        client.set_buffer_limit(Some(SEND_BUFFER));
        Ok(client)
    }

    /// Describes a failed handshake: what is wrong with which certificate, and the setting that helps.
    pub(crate) fn describe(&self, error: &rustls::Error) -> String {
        tls_failure::describe(error, &self.name.to_str(), self.role, &self.trusted.origin)
    }
}

fn internal(error: &dyn std::error::Error) -> Error {
    Error::new(Kind::Internal, format!("cannot set up TLS: {error}"))
}
