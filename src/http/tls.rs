//! TLS with rustls and ring: the trusted authorities and the settings that all connections of a transport share.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::buffers::SEND_BUFFER;
use super::certificate::ServerVerifier;
use super::endpoint::Endpoint;
use crate::error::{Error, Kind, Result};

/// Creates the TLS sessions of connections. They share session tickets, which shortens later handshakes.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// Creates the TLS settings of an endpoint. `ca_pem`: the trusted authorities, in PEM. `None`: the public ones.
    pub(crate) fn new(endpoint: &Endpoint, ca_pem: Option<&[u8]>) -> Result<Self> {
        let name = ServerName::try_from(endpoint.host().to_owned()).map_err(|error| {
            Error::invalid(format!("endpoint {endpoint} is not allowed: a certificate cannot contain its host"))
                .caused_by(error)
        })?;
        let certificates = ca_pem.map(certificates).transpose()?.unwrap_or_default();
        let roots = match ca_pem {
            Some(_) => authorities_of(&certificates)?,
            None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        };
        // An explicit provider: the default of the process is neither read nor set.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain_verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .map_err(|error| internal(&error).caused_by(error))?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| internal(&error).caused_by(error))?
            // The custom verifier calls that of rustls.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(ServerVerifier::new(chain_verifier, certificates)))
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), name })
    }

    /// Creates the TLS session of a new connection.
    pub(crate) fn client(&self) -> std::result::Result<ClientConnection, rustls::Error> {
        let mut client = ClientConnection::new(self.config.clone(), self.name.clone())?;
        // The buffer holds one send step, so that all of its records are sent with one system call.
        client.set_buffer_limit(Some(SEND_BUFFER));
        Ok(client)
    }
}

fn internal(error: &dyn std::error::Error) -> Error {
    Error::new(Kind::Internal, format!("cannot set up TLS: {error}"))
}

/// Checks a CA file.
///
/// # Errors
/// `Invalid` names the rule.
pub(crate) fn check_ca_file(pem: &[u8]) -> Result<()> {
    authorities_of(&certificates(pem)?).map(|_| ())
}

/// Parses the certificates of a CA file in PEM, at least one. Each must be valid PEM: a certificate that is skipped silently is
/// hard to find.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|error| invalid_ca_file(&format!("it is not PEM: {error}")).caused_by(error))?;
    if certificates.is_empty() {
        return Err(invalid_ca_file("it must contain at least one certificate in PEM (-----BEGIN CERTIFICATE-----)"));
    }
    Ok(certificates)
}

fn authorities_of(certificates: &[CertificateDer<'static>]) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for (index, certificate) in certificates.iter().enumerate() {
        let number = index + 1;
        roots.add(certificate.clone()).map_err(|error| {
            invalid_ca_file(&format!("its certificate {number} cannot be read: {error}")).caused_by(error)
        })?;
    }
    Ok(roots)
}

fn invalid_ca_file(rule: &str) -> Error {
    Error::invalid(format!("the CA file is not allowed: {rule}"))
}
