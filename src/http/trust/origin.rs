//! Where trusted certificates come from, and what to change if the right one is not among them.

use std::fmt;

use super::ca_file::CaFile;

/// The settings of a CA file, as in messages.
pub(super) const CA_FILE_SETTINGS: &str = "glacier_config_set_ca_file, AWS_CA_BUNDLE or ca_bundle of the profile";

/// Where trusted certificates come from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    CaFile(CaFile),
    /// The files of the system, or of the variables `SSL_CERT_FILE` and `SSL_CERT_DIR`. The text is their name in messages.
    System(String),
    /// The public authorities that are compiled in, because the system has no trust store.
    BuiltIn,
}

impl Origin {
    /// Says how to trust the certificate of a server or of its authority, as the end of a message.
    pub(crate) fn advice(&self, certificate: &str) -> String {
        match self {
            Self::CaFile(_) => format!("add {certificate} to that file"),
            Self::System(_) => {
                format!("add {certificate} there, or set a CA file that contains it ({CA_FILE_SETTINGS})")
            }
            Self::BuiltIn => format!("set a CA file that contains {certificate} ({CA_FILE_SETTINGS})"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CaFile(file) => file.fmt(f),
            Self::System(name) => f.write_str(name),
            Self::BuiltIn => {
                f.write_str("the built-in list of public certificate authorities (the system has no trust store)")
            }
        }
    }
}
