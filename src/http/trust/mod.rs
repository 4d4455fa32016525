//! The certificates that a client trusts: those of a CA file, of the system, or the built-in ones.

mod ca_file;
mod origin;
mod pem_text;
mod system;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use once_cell::sync::OnceCell;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};

pub use ca_file::CaFile;
pub(crate) use origin::Origin;
pub use system::SystemStore;

use crate::error::Result;
use crate::log::{Level, Log};

/// The trusted certificates of a client. Clones share them.
#[derive(Clone, Debug)]
pub struct TrustStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Used if no CA file is set.
    system: SystemStore,
    loaded: OnceCell<Arc<Trusted>>,
    log: Arc<Log>,
}

impl TrustStore {
    /// Reads a CA file and trusts exactly its certificates.
    ///
    /// # Errors
    /// `Io` if the file cannot be read, `Invalid` if it is not a list of certificates in PEM. Both name the path and the
    /// setting.
    pub fn of_ca_file(file: CaFile, log: Arc<Log>) -> Result<Self> {
        let pem = file.read()?;
        Self::of_pem(file, &pem, log)
    }

    /// As [`TrustStore::of_ca_file`], for the content of a CA file.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn of_pem(file: CaFile, pem: &[u8], log: Arc<Log>) -> Result<Self> {
        let (roots, certificates) = file.parse(pem)?;
        let trusted = Trusted::new(Origin::CaFile(file), roots, &certificates);
        log.write(Level::Debug, format_args!("trusted certificates: {} in {}", certificates.len(), trusted.origin));
        Ok(Self(Arc::new(Inner {
            system: SystemStore::default(),
            loaded: OnceCell::with_value(Arc::new(trusted)),
            log,
        })))
    }

    /// Trusts the certificates of the system, or the built-in ones if it has none. Reads nothing yet: this takes
    /// milliseconds, and plain HTTP does not need them.
    pub fn of_system(system: SystemStore, log: Arc<Log>) -> Self {
        Self(Arc::new(Inner { system, loaded: OnceCell::new(), log }))
    }

    /// Returns where the trusted certificates come from, as messages name it. Reads the trust store of the system.
    ///
    /// # Errors
    /// See [`TrustStore::of_ca_file`]; there is no certificate.
    pub fn place(&self) -> Result<String> {
        self.load().map(|trusted| trusted.origin.to_string())
    }

    /// Returns the trusted certificates. The first call loads those of the system; a failed call is repeated by the next.
    ///
    /// # Errors
    /// `Io` or `Invalid` if the locations of the system's certificates contain none that can be read.
    pub(crate) fn load(&self) -> Result<Arc<Trusted>> {
        self.0.loaded.get_or_try_init(|| self.load_system()).cloned()
    }

    fn load_system(&self) -> Result<Arc<Trusted>> {
        let start = Instant::now();
        let found = self.0.system.load()?;
        let mut roots = RootCertStore::empty();
        let mut usable = Vec::with_capacity(found.certificates.len());
        let mut problems = found.problems;
        for certificate in found.certificates {
            match roots.add(certificate.clone()) {
                Ok(()) => usable.push(certificate),
                Err(_) => problems.push(format!(
                    "the certificate with the SHA-256 {:.16}...: it is not a well-formed X.509 certificate",
                    Fingerprint::of(&certificate)
                )),
            }
        }
        let origin = self.0.system.origin(&usable, &problems)?;
        if matches!(origin, Origin::BuiltIn) {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        let log = &self.0.log;
        log.write(
            Level::Debug,
            format_args!("trusted certificates: {} in {origin}, loaded in {:?}", roots.len(), start.elapsed()),
        );
        const SHOWN: usize = 8;
        for problem in problems.iter().take(SHOWN) {
            log.write(Level::Debug, format_args!("{origin}: skipped: {problem}"));
        }
        if let Some(more @ 1..) = problems.len().checked_sub(SHOWN) {
            log.write(Level::Debug, format_args!("{origin}: skipped: {more} more"));
        }
        Ok(Arc::new(Trusted::new(origin, roots, &usable)))
    }
}

/// Loaded certificates.
#[derive(Debug)]
pub(crate) struct Trusted {
    /// The certificates as authorities that issue others.
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) origin: Origin,
    /// The certificates themselves, except the built-in ones.
    fingerprints: HashSet<Fingerprint>,
}

impl Trusted {
    fn new(origin: Origin, roots: RootCertStore, certificates: &[CertificateDer<'_>]) -> Self {
        let fingerprints = certificates.iter().map(Fingerprint::of).collect();
        Self { roots: Arc::new(roots), origin, fingerprints }
    }

    /// Returns whether the certificate itself, byte for byte, is trusted.
    pub(crate) fn contains(&self, certificate: &CertificateDer<'_>) -> bool {
        self.fingerprints.contains(&Fingerprint::of(certificate))
    }
}

/// The SHA-256 of a certificate. It takes 32 bytes instead of about 1,500.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}
