//! TLS by rustls with ring: the trusted authorities, and the settings that all connections of one transport share.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::Endpoint;
use super::certificate::ServerVerifier;
use super::ureq_adapter::SEND_BUFFER;
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
        let certificates = ca_pem.map(certificates).transpose()?.unwrap_or_default();
        let roots = match ca_pem {
            Some(_) => authorities_of(&certificates)?,
            None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        };
        // The provider is named, so that no default of the process is read or set.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .map_err(|error| internal(&error).caused_by(error))?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| internal(&error).caused_by(error))?
            // Not less than rustls's own verifier, which it calls: see there.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(ServerVerifier::new(chains, certificates)))
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), name })
    }

    /// The TLS side of one new connection.
    pub(crate) fn client(&self) -> std::result::Result<ClientConnection, rustls::Error> {
        let mut client = ClientConnection::new(self.config.clone(), self.name.clone())?;
        // What is sent in one step is encrypted ahead of the socket, so that its records leave in one system call.
        client.set_buffer_limit(Some(SEND_BUFFER));
        Ok(client)
    }
}

fn internal(error: &dyn std::error::Error) -> Error {
    Error::new(Kind::Internal, format!("TLS cannot be set up: {error}"))
}

/// Checks a CA file.
///
/// # Errors
/// `Invalid`, with the rule that it breaks.
pub(crate) fn check_ca_file(pem: &[u8]) -> Result<()> {
    authorities_of(&certificates(pem)?).map(|_| ())
}

/// The certificates of a CA file in PEM, at least one. Each must be valid PEM: one that is skipped in silence is searched for
/// long.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|error| bad_ca_file(&format!("it is not PEM: {error}")).caused_by(error))?;
    if certificates.is_empty() {
        return Err(bad_ca_file("it must hold at least one certificate in PEM (-----BEGIN CERTIFICATE-----)"));
    }
    Ok(certificates)
}

fn authorities_of(certificates: &[CertificateDer<'static>]) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for (index, certificate) in certificates.iter().enumerate() {
        let number = index + 1;
        roots.add(certificate.clone()).map_err(|error| {
            bad_ca_file(&format!("its certificate {number} cannot be read: {error}")).caused_by(error)
        })?;
    }
    Ok(roots)
}

fn bad_ca_file(rule: &str) -> Error {
    Error::invalid(format!("the CA file is not allowed: {rule}"))
}
