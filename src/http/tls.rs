//! TLS by rustls with ring: who is trusted, and the settings that all connections of one transport share.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::Endpoint;
use super::guard::OUTPUT;
use crate::error::{Error, Kind, Result};

/// Makes the TLS side of connections. They share tickets, so that later handshakes are short.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// For an endpoint, trusting the given certificate authorities (PEM), or else those that browsers trust.
    pub(crate) fn new(endpoint: &Endpoint, ca_pem: Option<&[u8]>) -> Result<Self> {
        let name = ServerName::try_from(endpoint.host().to_owned()).map_err(|error| {
            Error::invalid(format!("endpoint {endpoint} is not allowed: its host cannot be in a certificate"))
                .caused_by(error)
        })?;
        let roots = match ca_pem {
            Some(pem) => authorities(pem)?,
            None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        };
        // The provider is named, so that no default of the process is read or set.
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::new(Kind::Internal, format!("TLS cannot be set up: {error}")).caused_by(error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), name })
    }

    /// The TLS side of one new connection.
    pub(crate) fn client(&self) -> std::result::Result<ClientConnection, rustls::Error> {
        let mut client = ClientConnection::new(self.config.clone(), self.name.clone())?;
        // What is sent in one step is encrypted ahead of the socket, so that its records leave in one system call.
        client.set_buffer_limit(Some(OUTPUT));
        Ok(client)
    }
}

/// The certificates of a PEM file. Each must be good: one that is skipped in silence is searched for long.
pub(crate) fn authorities(pem: &[u8]) -> Result<RootCertStore> {
    let bad = |what: String| Error::invalid(format!("the CA file is not allowed: {what}"));
    let mut roots = RootCertStore::empty();
    for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
        let number = index + 1;
        let certificate = certificate.map_err(|error| bad(format!("it is not PEM: {error}")))?;
        roots
            .add(certificate)
            .map_err(|error| bad(format!("its certificate {number} is not one of an authority: {error}")))?;
    }
    if roots.is_empty() {
        return Err(bad("it must hold at least one certificate in PEM".to_owned()));
    }
    Ok(roots)
}
