//! The texts of errors of rustls for messages. Those of rustls have names of its Rust enums and addresses of its manual.

use std::borrow::Cow;
use std::io;

use rustls::{AlertDescription as Alert, Error, PeerIncompatible};

/// Returns the rustls error inside an error of a TLS stream.
pub(super) fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|error| error.downcast_ref())
}

/// Describes an error of a connection, with or without TLS.
pub(super) fn reason(error: &io::Error) -> String {
    tls_error(error).map_or_else(|| error.to_string(), text)
}

/// Describes an error of a TLS session.
pub(super) fn text(error: &Error) -> String {
    match error {
        Error::AlertReceived(alert) => format!("TLS alert {}", alert_name(*alert)),
        Error::InvalidMessage(_) => "the peer sent an invalid TLS message".to_owned(),
        Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            "the peer sent an unexpected TLS message".to_owned()
        }
        Error::PeerMisbehaved(_) => "the peer violated the TLS protocol".to_owned(),
        Error::PeerIncompatible(reason) => incompatibility(reason).to_owned(),
        Error::DecryptError => "a TLS record was damaged".to_owned(),
        Error::PeerSentOversizedRecord => "the peer sent a TLS record that is too long".to_owned(),
        Error::NoApplicationProtocol => "the peer supports no application protocol of this library".to_owned(),
        Error::InvalidCertificate(_) => "the certificate of the peer was rejected".to_owned(),
        Error::General(text) => text.clone(),
        _ => "the TLS session failed".to_owned(),
    }
}

fn incompatibility(reason: &PeerIncompatible) -> &'static str {
    use PeerIncompatible as Reason;
    match reason {
        Reason::NoCipherSuitesInCommon => "no cipher suite in common",
        Reason::NoKxGroupsInCommon => "no key exchange group in common",
        Reason::NoSignatureSchemesInCommon | Reason::NoCertificateRequestSignatureSchemesInCommon => {
            "no signature scheme in common"
        }
        Reason::ExtendedMasterSecretExtensionRequired => "the server lacks the extension extended_master_secret",
        _ => "the server lacks a TLS feature that this library requires",
    }
}

/// Returns the name of an alert as in the registry of IANA, or its number.
fn alert_name(alert: Alert) -> Cow<'static, str> {
    Cow::Borrowed(match alert {
        Alert::CloseNotify => "close_notify",
        Alert::UnexpectedMessage => "unexpected_message",
        Alert::BadRecordMac => "bad_record_mac",
        Alert::DecryptionFailed => "decryption_failed",
        Alert::RecordOverflow => "record_overflow",
        Alert::DecompressionFailure => "decompression_failure",
        Alert::HandshakeFailure => "handshake_failure",
        Alert::NoCertificate => "no_certificate",
        Alert::BadCertificate => "bad_certificate",
        Alert::UnsupportedCertificate => "unsupported_certificate",
        Alert::CertificateRevoked => "certificate_revoked",
        Alert::CertificateExpired => "certificate_expired",
        Alert::CertificateUnknown => "certificate_unknown",
        Alert::IllegalParameter => "illegal_parameter",
        Alert::UnknownCA => "unknown_ca",
        Alert::AccessDenied => "access_denied",
        Alert::DecodeError => "decode_error",
        Alert::DecryptError => "decrypt_error",
        Alert::ExportRestriction => "export_restriction",
        Alert::ProtocolVersion => "protocol_version",
        Alert::InsufficientSecurity => "insufficient_security",
        Alert::InternalError => "internal_error",
        Alert::InappropriateFallback => "inappropriate_fallback",
        Alert::UserCanceled => "user_canceled",
        Alert::NoRenegotiation => "no_renegotiation",
        Alert::MissingExtension => "missing_extension",
        Alert::UnsupportedExtension => "unsupported_extension",
        Alert::CertificateUnobtainable => "certificate_unobtainable",
        Alert::UnrecognisedName => "unrecognized_name",
        Alert::BadCertificateStatusResponse => "bad_certificate_status_response",
        Alert::BadCertificateHashValue => "bad_certificate_hash_value",
        Alert::UnknownPSKIdentity => "unknown_psk_identity",
        Alert::CertificateRequired => "certificate_required",
        Alert::NoApplicationProtocol => "no_application_protocol",
        Alert::EncryptedClientHelloRequired => "ech_required",
        alert => return Cow::Owned(u8::from(alert).to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_alerts_as_in_the_registry() {
        for (number, name) in [
            (0, "close_notify"),
            (48, "unknown_ca"),
            (112, "unrecognized_name"),
            (116, "certificate_required"),
            (99, "99"),
        ] {
            assert_eq!(alert_name(Alert::from(number)), name);
        }
    }

    #[test]
    fn contains_no_names_of_rust_enums() {
        let errors = [
            Error::AlertReceived(Alert::HandshakeFailure),
            Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType),
            Error::PeerMisbehaved(rustls::PeerMisbehaved::TooManyEmptyFragments),
            Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
            Error::PeerIncompatible(PeerIncompatible::KeyShareExtensionRequired),
            Error::InvalidCertRevocationList(rustls::CertRevocationListError::ParseError),
        ];
        for error in errors {
            let text = text(&error);
            let is_enum_name = |word: &str| word.chars().skip(1).any(|c| c.is_ascii_uppercase()) && word != "TLS";
            assert!(!text.split(' ').any(is_enum_name), "{text}");
        }
    }
}
