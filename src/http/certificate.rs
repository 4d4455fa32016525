//! The verification of server certificates.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};

use super::trust::Trusted;

/// Accepts certificates as rustls does, if a chain leads to a trusted authority. Also accepts a certificate that is itself
/// trusted, byte for byte, if it is within its validity and for the host. `openssl req -x509` creates such certificates: they
/// are self-signed and marked as an authority, so rustls accepts them only as the start of a chain. OpenSSL and curl accept
/// them.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    chain_verifier: Arc<WebPkiServerVerifier>,
    trusted: Arc<Trusted>,
}

impl ServerVerifier {
    pub(super) fn new(
        trusted: Arc<Trusted>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, rustls::client::VerifierBuilderError> {
        let chain_verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&trusted.roots), provider).build()?;
        Ok(Self { chain_verifier, trusted })
    }

    /// Accepts a trusted certificate that the chain verifier rejected, and makes other rejections precise.
    fn verify_rejected(
        &self,
        rejection: rustls::Error,
        end_entity: &CertificateDer<'_>,
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(reason) = outside_validity(&rejection).filter(|_| is_valid_at(end_entity, now)) {
            return Err(other(OutdatedIssuer(reason.clone())));
        }
        if is_signed_by_another_key(&rejection) {
            return Err(if is_self_signed(end_entity) { other(SelfSigned) } else { other(OtherIssuerKey) });
        }
        // webpki checks the validity period before the chain and before the mark of an authority. After one of these two
        // rejections, the certificate is within its validity.
        if !is_without_issuer(&rejection) && !is_authority(&rejection) {
            return Err(rejection);
        }
        let certificate = ParsedCertificate::try_from(end_entity)?;
        if self.trusted.contains(end_entity) {
            verify_server_name(&certificate, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        Err(if is_self_signed(end_entity) { other(SelfSigned) } else { rejection })
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.chain_verifier
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .or_else(|rejection| self.verify_rejected(rejection, end_entity, server_name, now))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain_verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain_verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain_verifier.supported_verify_schemes()
    }
}

/// The error for a certificate that is its own issuer and is not trusted.
#[derive(Debug)]
pub(super) struct SelfSigned;

impl std::fmt::Display for SelfSigned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("self-signed certificate")
    }
}

impl std::error::Error for SelfSigned {}

/// The error for a certificate whose issuer has the name of a trusted authority, but another key.
#[derive(Debug)]
pub(super) struct OtherIssuerKey;

impl std::fmt::Display for OtherIssuerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("signed by another key than that of the trusted authority")
    }
}

impl std::error::Error for OtherIssuerKey {}

/// The error for a valid certificate whose chain contains an authority that has expired or is not valid yet.
#[derive(Debug)]
pub(super) struct OutdatedIssuer(pub(super) CertificateError);

impl std::fmt::Display for OutdatedIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "issuer outside its validity period: {}", self.0)
    }
}

impl std::error::Error for OutdatedIssuer {}

fn other(reason: impl std::error::Error + Send + Sync + 'static) -> rustls::Error {
    rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(reason))))
}

fn is_self_signed(certificate: &CertificateDer<'_>) -> bool {
    webpki::EndEntityCert::try_from(certificate).is_ok_and(|parsed| parsed.issuer() == parsed.subject())
}

/// Returns the reason if a certificate of the chain was rejected because of its validity period.
fn outside_validity(rejection: &rustls::Error) -> Option<&CertificateError> {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    match rejection {
        rustls::Error::InvalidCertificate(
            reason @ (Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. }),
        ) => Some(reason),
        _ => None,
    }
}

/// Returns whether the certificate itself, without its chain, is within its validity. webpki checks that before it looks for
/// an issuer, which it cannot find here.
fn is_valid_at(certificate: &CertificateDer<'_>, now: UnixTime) -> bool {
    let usage = webpki::KeyUsage::server_auth();
    webpki::EndEntityCert::try_from(certificate).is_ok_and(|parsed| {
        let verified = parsed.verify_for_usage(&[], &[], &[], now, usage, None, None);
        matches!(verified, Err(webpki::Error::UnknownIssuer))
    })
}

fn is_signed_by_another_key(rejection: &rustls::Error) -> bool {
    matches!(rejection, rustls::Error::InvalidCertificate(CertificateError::BadSignature))
}

fn is_without_issuer(rejection: &rustls::Error) -> bool {
    matches!(rejection, rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))
}

/// Returns true if a certificate was rejected because it is marked as an authority.
fn is_authority(rejection: &rustls::Error) -> bool {
    matches!(rejection, rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(reason)))
        if matches!(reason.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)))
}
