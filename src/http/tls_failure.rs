//! The descriptions of failed TLS handshakes: what is wrong with which certificate, and the setting that helps.

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, InvalidMessage, OtherError, PeerIncompatible};

use super::certificate::{OtherIssuerKey, OutdatedIssuer, SelfSigned};
use super::certificate_names;
use super::server_role::ServerRole;
use super::tls_text::{self, tls_error};
use super::trust::Origin;
use crate::dates;

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

/// Returns the alert of a peer that rejected the client after the client had completed its part of the handshake. Only an
/// alert about the client is a rejection: the peer sends it before it reads a request.
pub(super) fn rejection(error: &std::io::Error) -> Option<&rustls::Error> {
    use AlertDescription as Alert;
    tls_error(error).filter(|error| {
        matches!(
            error,
            rustls::Error::AlertReceived(
                Alert::CertificateRequired
                    | Alert::BadCertificate
                    | Alert::UnsupportedCertificate
                    | Alert::CertificateRevoked
                    | Alert::CertificateExpired
                    | Alert::CertificateUnknown
                    | Alert::UnknownCA
                    | Alert::AccessDenied
                    | Alert::HandshakeFailure
            )
        )
    })
}

/// Returns true if the peer sent something else than TLS.
pub(super) fn is_not_tls(error: &rustls::Error) -> bool {
    use InvalidMessage::{InvalidContentType, UnknownProtocolVersion};
    matches!(error, rustls::Error::InvalidMessage(InvalidContentType | UnknownProtocolVersion))
}

/// Describes a failed handshake: what is wrong with which certificate, and the setting that helps. `origin`: where the
/// trusted certificates come from.
pub(super) fn describe(error: &rustls::Error, host: &str, role: ServerRole, origin: &Origin) -> String {
    use AlertDescription as Alert;
    const CLIENT_CERTIFICATE: &str = "the server requires a client certificate, which this library does not support";
    const NOTHING_IN_COMMON: &str =
        "the server and this library have no TLS settings in common (cipher suites, key exchange or signatures)";
    let text = tls_text::text(error);
    match error {
        rustls::Error::InvalidCertificate(reason) => {
            format!("the server's certificate was rejected: {}", describe_certificate(reason, host, role, origin))
        }
        rustls::Error::NoCertificatesPresented => "the server sent no certificate".to_owned(),
        error if is_not_tls(error) => format!(
            "the server does not speak TLS on this port: the response is not a TLS record; for plain HTTP set {}, otherwise \
             correct the port",
            role.plain_url()
        ),
        rustls::Error::PeerIncompatible(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig)
        | rustls::Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13)
        | rustls::Error::AlertReceived(Alert::ProtocolVersion) => {
            "the server supports neither TLS 1.2 nor TLS 1.3; enable one of them on the server".to_owned()
        }
        rustls::Error::PeerIncompatible(_) | rustls::Error::AlertReceived(Alert::InsufficientSecurity) => {
            format!("{NOTHING_IN_COMMON}: {text}")
        }
        // With TLS 1.2, OpenSSL sends this alert also for a missing client certificate.
        rustls::Error::AlertReceived(Alert::HandshakeFailure) => {
            format!("{NOTHING_IN_COMMON}, or {CLIENT_CERTIFICATE}: {text}")
        }
        rustls::Error::AlertReceived(Alert::UnrecognisedName) => {
            format!("the server does not serve the host name {host}: {text}; {}", role.check())
        }
        rustls::Error::AlertReceived(Alert::CertificateRequired | Alert::BadCertificate) => {
            format!("{CLIENT_CERTIFICATE}: {text}")
        }
        rustls::Error::AlertReceived(_) => format!("the server rejected the TLS handshake: {text}"),
        _ => format!("the TLS handshake failed: {text}"),
    }
}

fn describe_certificate(reason: &CertificateError, host: &str, role: ServerRole, origin: &Origin) -> String {
    match reason {
        CertificateError::Other(OtherError(reason)) => describe_other(reason.as_ref(), origin),
        CertificateError::UnknownIssuer => format!(
            "its issuer is not in {origin}; if the server, or a proxy that intercepts TLS, uses a private authority, {}; \
             otherwise configure the server to send its intermediate certificates",
            origin.advice("the certificate of that authority")
        ),
        CertificateError::ExpiredContext { .. } | CertificateError::Expired => {
            format!("it {}", describe_validity(reason, "renew the certificate or correct the clock"))
        }
        CertificateError::NotValidYetContext { .. } | CertificateError::NotValidYet => {
            format!("it {}", describe_validity(reason, "correct the clock or wait"))
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            certificate_names::describe(host, presented, role)
        }
        CertificateError::NotValidForName => {
            format!("it is not for the host {host}; {}", role.check())
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its extended key usage does not allow server authentication; use a server certificate".to_owned()
        }
        CertificateError::Revoked => "it is revoked".to_owned(),
        CertificateError::BadEncoding => "it is not a well-formed X.509 version 3 certificate".to_owned(),
        CertificateError::BadSignature => {
            "the handshake is not signed with its private key; check the certificate and the key of the server"
                .to_owned()
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "it, or a certificate of its chain, has a signature algorithm or a key that is not supported, such as SHA-1"
                .to_owned()
        }
        // Reasons of revocation lists and OCSP responses, which are not used.
        _ => "it was not accepted".to_owned(),
    }
}

/// Describes a reason that is not one of rustls.
fn describe_other(reason: &(dyn std::error::Error + Send + Sync + 'static), origin: &Origin) -> String {
    if reason.is::<SelfSigned>() {
        let advice = origin.advice("this certificate");
        return format!("it is self-signed and not in {origin}; if it is the right one, {advice}");
    }
    if reason.is::<OtherIssuerKey>() {
        let advice = origin.advice("the current certificate of that authority");
        return format!("an authority with the name of its issuer is in {origin}, but with another key; {advice}");
    }
    if let Some(webpki::Error::CaUsedAsEndEntity) = reason.downcast_ref() {
        let advice = origin.advice("exactly this certificate");
        return format!(
            "it is the certificate of a certificate authority (CA:TRUE), not of a server, and not in {origin}; use a server \
             certificate, or {advice}"
        );
    }
    if let Some(OutdatedIssuer(reason)) = reason.downcast_ref() {
        let advice = "configure the server to send the current intermediate certificates, or correct the clock";
        return format!("the certificate of its issuer {}", describe_validity(reason, advice));
    }
    match reason.downcast_ref() {
        Some(webpki::Error::NameConstraintViolation) => {
            "an authority of its chain may not issue certificates for its names (name constraints)".to_owned()
        }
        Some(webpki::Error::PathLenConstraintViolated) => {
            "its chain is longer than one of its authorities allows (path length constraint)".to_owned()
        }
        Some(webpki::Error::UnsupportedCriticalExtension) => {
            "it, or a certificate of its chain, has a critical extension that this library does not support".to_owned()
        }
        Some(webpki::Error::EndEntityUsedAsCa) => "its issuer is not a certificate authority (CA:FALSE)".to_owned(),
        _ => "it, or a certificate of its chain, is malformed or has an unsupported feature".to_owned(),
    }
}

/// Describes why a certificate is not valid now. `advice` applies unless this machine's clock is certainly wrong.
fn describe_validity(reason: &CertificateError, advice: &str) -> String {
    /// 2026-01-01. No version of this library is older.
    const FIRST_RELEASE: u64 = 1_767_225_600;
    let (validity, now) = match reason {
        CertificateError::ExpiredContext { time, not_after } => (format!("expired on {}", date(*not_after)), *time),
        CertificateError::NotValidYetContext { time, not_before } => {
            (format!("is valid from {}", date(*not_before)), *time)
        }
        CertificateError::Expired => return format!("has expired; {advice}"),
        _ => return format!("is not valid yet; {advice}"),
    };
    match now.as_secs() {
        ..FIRST_RELEASE => {
            format!("{validity}, and this machine's clock is wrong: it shows {}; set the clock", date(now))
        }
        _ => format!("{validity}, and this machine's clock shows {}; {advice}", date(now)),
    }
}

fn date(time: UnixTime) -> String {
    dates::format_http(time.as_secs()).unwrap_or_else(|| format!("second {} (UNIX)", time.as_secs()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(unix_time: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(unix_time))
    }

    fn described(reason: CertificateError) -> String {
        describe(&rustls::Error::InvalidCertificate(reason), "localhost", ServerRole::Endpoint, &Origin::BuiltIn)
    }

    #[test]
    fn distinguishes_a_rejection_from_an_interruption() {
        use AlertDescription as Alert;
        let is_rejection = |error| rejection(&std::io::Error::new(std::io::ErrorKind::InvalidData, error)).is_some();
        for alert in [
            Alert::CertificateRequired,
            Alert::AccessDenied,
            Alert::UnknownCA,
            Alert::CertificateUnknown,
            Alert::HandshakeFailure,
        ] {
            assert!(is_rejection(rustls::Error::AlertReceived(alert)), "{alert:?}");
        }
        for alert in [Alert::InternalError, Alert::UserCanceled, Alert::BadRecordMac, Alert::UnexpectedMessage] {
            assert!(!is_rejection(rustls::Error::AlertReceived(alert)), "{alert:?}");
        }
        assert!(!is_rejection(rustls::Error::DecryptError));
        assert!(rejection(&std::io::ErrorKind::ConnectionReset.into()).is_none());
    }

    #[test]
    fn names_an_unsupported_critical_extension() {
        let reason = OtherError(std::sync::Arc::new(webpki::Error::UnsupportedCriticalExtension));
        let text = described(CertificateError::Other(reason));
        let words = "it, or a certificate of its chain, has a critical extension that this library does not support";
        assert!(text.ends_with(words), "{text}");
    }

    #[test]
    fn names_a_clock_that_is_certainly_wrong() {
        let not_valid_yet =
            |time| described(CertificateError::NotValidYetContext { time: at(time), not_before: at(4_102_444_800) });
        let words = "it is valid from Fri, 01 Jan 2100 00:00:00 GMT, and this machine's clock";
        for (time, clock) in [
            (0, "is wrong: it shows Thu, 01 Jan 1970 00:00:00 GMT; set the clock"),
            (1_767_225_599, "is wrong: it shows Wed, 31 Dec 2025 23:59:59 GMT; set the clock"),
            (1_767_225_600, "shows Thu, 01 Jan 2026 00:00:00 GMT; correct the clock or wait"),
        ] {
            let text = not_valid_yet(time);
            assert!(text.ends_with(&format!("{words} {clock}")), "{text}");
        }
        let expired =
            described(CertificateError::ExpiredContext { time: at(1_000_000_001), not_after: at(1_000_000_000) });
        assert!(
            expired
                .ends_with("and this machine's clock is wrong: it shows Sun, 09 Sep 2001 01:46:41 GMT; set the clock"),
            "{expired}"
        );
    }
}
