//! The verification of server certificates, and messages for those that are rejected.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, DigitallySignedStruct, InvalidMessage, OtherError, PeerIncompatible,
    SignatureScheme,
};

use crate::dates;

/// Accepts certificates as rustls does, if a chain leads to an authority. Also accepts a certificate that is itself in the CA
/// file, byte for byte, if it is within its validity and for the host. `openssl req -x509` creates such certificates: they are
/// self-signed and marked as an authority, so rustls accepts them only as the start of a chain. OpenSSL and curl accept them.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    chain_verifier: Arc<WebPkiServerVerifier>,
    /// The certificates of the CA file.
    pinned: Vec<CertificateDer<'static>>,
}

impl ServerVerifier {
    pub(super) fn new(chain_verifier: Arc<WebPkiServerVerifier>, pinned: Vec<CertificateDer<'static>>) -> Self {
        Self { chain_verifier, pinned }
    }

    /// Accepts a certificate of the CA file that the chain verifier rejected.
    fn verify_pinned(
        &self,
        rejection: rustls::Error,
        end_entity: &CertificateDer<'_>,
        server_name: &ServerName<'_>,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // webpki checks the validity period before the chain and before the mark of an authority. After one of these two
        // rejections, the certificate is within its validity.
        if !is_without_issuer(&rejection) && !is_authority(&rejection) {
            return Err(rejection);
        }
        let certificate = ParsedCertificate::try_from(end_entity)?;
        if self.pinned.contains(end_entity) {
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
            .or_else(|rejection| self.verify_pinned(rejection, end_entity, server_name))
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

/// The error for a certificate that is its own issuer and is not in the CA file.
#[derive(Debug)]
struct SelfSigned;

impl std::fmt::Display for SelfSigned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("self-signed certificate")
    }
}

impl std::error::Error for SelfSigned {}

fn other(reason: impl std::error::Error + Send + Sync + 'static) -> rustls::Error {
    rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(reason))))
}

fn is_self_signed(certificate: &CertificateDer<'_>) -> bool {
    webpki::EndEntityCert::try_from(certificate).is_ok_and(|parsed| parsed.issuer() == parsed.subject())
}

fn is_without_issuer(rejection: &rustls::Error) -> bool {
    matches!(rejection, rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))
}

/// Returns true if a certificate was rejected because it is marked as an authority.
fn is_authority(rejection: &rustls::Error) -> bool {
    matches!(rejection, rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(reason)))
        if matches!(reason.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)))
}

/// Returns the rustls error inside an error of a TLS stream.
pub(super) fn tls_error(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|error| error.downcast_ref())
}

/// Returns true for a transient handshake failure: corruption in transit or an internal error of the peer. A rejected
/// certificate and a peer without a common TLS version are permanent failures.
pub(super) fn is_interruption(error: &rustls::Error) -> bool {
    use AlertDescription as Alert;
    matches!(
        error,
        rustls::Error::DecryptError
            | rustls::Error::AlertReceived(
                Alert::BadRecordMac
                    | Alert::DecodeError
                    | Alert::DecryptError
                    | Alert::InternalError
                    | Alert::UserCanceled
            )
    )
}

/// Describes a failed handshake: what is wrong with which certificate, and the setting that helps. `has_ca_file`: the trusted
/// authorities are those of a CA file.
pub(super) fn describe(error: &rustls::Error, host: &str, has_ca_file: bool) -> String {
    use AlertDescription as Alert;
    match error {
        rustls::Error::InvalidCertificate(reason) => {
            format!("the server's certificate was rejected: {}", describe_certificate(reason, host, has_ca_file))
        }
        rustls::Error::NoCertificatesPresented => "the server sent no certificate".to_owned(),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
            "the server does not speak TLS on this port: the response is not a TLS record; for plain HTTP set an endpoint that \
             begins with http:// (glacier_config_set_endpoint), otherwise correct the port"
                .to_owned()
        }
        rustls::Error::PeerIncompatible(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig)
        | rustls::Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13)
        | rustls::Error::AlertReceived(Alert::ProtocolVersion) => {
            "the server supports neither TLS 1.2 nor TLS 1.3; enable one of them on the server".to_owned()
        }
        rustls::Error::PeerIncompatible(_)
        | rustls::Error::AlertReceived(Alert::HandshakeFailure | Alert::InsufficientSecurity) => format!(
            "the server and this library have no TLS settings in common (cipher suites, key exchange or signatures): {error}"
        ),
        rustls::Error::AlertReceived(Alert::UnrecognisedName) => {
            format!("the server does not serve the host name {host}: {error}; check the endpoint")
        }
        rustls::Error::AlertReceived(Alert::CertificateRequired | Alert::BadCertificate) => {
            format!("the server requires a client certificate, which this library does not support: {error}")
        }
        rustls::Error::AlertReceived(_) => format!("the server rejected the TLS handshake: {error}"),
        _ => format!("the TLS handshake failed: {error}"),
    }
}

fn describe_certificate(reason: &CertificateError, host: &str, has_ca_file: bool) -> String {
    match reason {
        CertificateError::Other(OtherError(reason)) if reason.is::<SelfSigned>() => format!(
            "it is self-signed and {}; if it is the right one, set a CA file that contains it \
             (glacier_config_set_ca_file)",
            if has_ca_file { "not in the CA file" } else { "no CA file is set" }
        ),
        CertificateError::Other(OtherError(reason))
            if matches!(reason.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)) =>
        {
            "it is the certificate of a certificate authority (CA:TRUE), not of a server; use a server certificate, or set a \
             CA file that contains exactly this certificate (glacier_config_set_ca_file)"
                .to_owned()
        }
        CertificateError::UnknownIssuer if has_ca_file => {
            "its issuer is not in the CA file; add the certificate of its certificate authority to the CA file \
             (glacier_config_set_ca_file), or configure the server to send the intermediate certificates"
                .to_owned()
        }
        CertificateError::UnknownIssuer => {
            "its issuer is not one of the public certificate authorities; if the server, or a proxy that \
             intercepts TLS, uses a private authority, set a CA file with the certificate of that authority \
             (glacier_config_set_ca_file)"
                .to_owned()
        }
        CertificateError::ExpiredContext { time, not_after } => format!(
            "it expired on {}, and this machine's clock shows {}; renew the certificate or correct the clock",
            date(*not_after),
            date(*time)
        ),
        CertificateError::Expired => "it has expired; renew it or correct this machine's clock".to_owned(),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "it is valid from {}, and this machine's clock shows {}; correct the clock or wait",
            date(*not_before),
            date(*time)
        ),
        CertificateError::NotValidYet => "it is not valid yet; correct this machine's clock or wait".to_owned(),
        CertificateError::NotValidForNameContext { presented, .. } => {
            format!("it is not for the host {host}{}; {}", names(presented), advice(presented))
        }
        CertificateError::NotValidForName => {
            format!("it is not for the host {host}; check the endpoint (glacier_config_set_endpoint)")
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its extended key usage does not allow server authentication; use a server certificate".to_owned()
        }
        CertificateError::Revoked => "it is revoked".to_owned(),
        CertificateError::BadEncoding => "it is not a well-formed X.509 version 3 certificate".to_owned(),
        CertificateError::BadSignature => "its signature, or the signature of the handshake, is invalid".to_owned(),
        reason => reason.to_string(),
    }
}

/// Returns the advice for a certificate with these names that is not for the host. A host name only in the subject (CN) is not
/// used: RFC 9525 §2.
fn advice(presented: &[String]) -> &'static str {
    match presented {
        [] => {
            "create one with the host name in its subject alternative name (openssl req -addext subjectAltName=DNS:...)"
        }
        _ => "check the endpoint (glacier_config_set_endpoint)",
    }
}

/// Lists the names of a certificate for a message.
fn names(presented: &[String]) -> String {
    const SHOWN: usize = 4;
    let Some(first) = presented.get(..presented.len().min(SHOWN)).filter(|first| !first.is_empty()) else {
        return ", it has no subject alternative name".to_owned();
    };
    // webpki formats them as `DnsName("example.com")`.
    let plain = |name: &String| {
        let inner = name.strip_prefix("DnsName(\"").and_then(|rest| rest.strip_suffix("\")"));
        inner.unwrap_or(name).to_owned()
    };
    let more = if presented.len() > SHOWN { ", and others" } else { "" };
    format!(", only for {}{more}", first.iter().map(plain).collect::<Vec<_>>().join(", "))
}

fn date(time: UnixTime) -> String {
    dates::format_http(time.as_secs()).unwrap_or_else(|| format!("second {} (UNIX)", time.as_secs()))
}
