//! A CA file: certificates in PEM that a setting names.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::pem_text;
use crate::error::{Error, Kind, Result};
use crate::sys::emergency_memory;

/// The maximum size of a CA file, in bytes. The list of all public authorities has about 200 KB.
pub(super) const CA_FILE_MAX: u64 = 16 << 20;

/// The memory that the certificates of a file take while they are read, as a multiple of its size. Small entries take
/// the most.
pub(super) const MEMORY_PER_BYTE: usize = 8;

/// The path of a CA file, and the setting that names it.
#[derive(Clone, Debug)]
pub struct CaFile {
    path: PathBuf,
    setting: String,
}

impl CaFile {
    /// `setting`: the setting that names the file, as in messages, such as `AWS_CA_BUNDLE`.
    pub fn new(path: impl Into<PathBuf>, setting: impl Into<String>) -> Self {
        Self { path: path.into(), setting: setting.into() }
    }

    /// Reads the file.
    pub(super) fn read(&self) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        let length = self.open().and_then(|file| file.take(CA_FILE_MAX + 1).read_to_end(&mut content));
        let length = length.map_err(|cause| {
            let kind = Kind::of_io(&cause, Kind::Io);
            Error::new(kind, format!("cannot read {self}: {cause}")).caused_by(cause)
        })?;
        if length as u64 > CA_FILE_MAX {
            return Err(self.invalid(&format!("it is larger than {CA_FILE_MAX} bytes (16 MiB)")));
        }
        Ok(content)
    }

    fn open(&self) -> io::Result<impl Read> {
        // Without O_NONBLOCK, opening a FIFO waits for a writer. The flag has no effect on regular files.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&self.path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::from_raw_os_error(libc::EISDIR));
        }
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        Ok(file)
    }

    /// Parses the content: at least one certificate. Each must be valid, because a certificate that is skipped silently is
    /// hard to find.
    pub(super) fn parse(&self, pem: &[u8]) -> Result<(RootCertStore, Vec<CertificateDer<'static>>)> {
        emergency_memory::ensure_beside(pem.len() * MEMORY_PER_BYTE)
            .map_err(|error| error.with_context(format_args!("{self}")))?;
        let mut roots = RootCertStore::empty();
        let mut certificates = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate =
                certificate.map_err(|error| self.invalid(&format!("it is not PEM: {}", pem_text::text(&error))))?;
            let number = certificates.len() + 1;
            roots.add(certificate.clone()).map_err(|error| {
                self.invalid(&format!("its certificate {number} is not a well-formed X.509 certificate"))
                    .caused_by(error)
            })?;
            certificates.push(certificate);
        }
        if certificates.is_empty() {
            return Err(self.invalid("it must contain at least one certificate in PEM (-----BEGIN CERTIFICATE-----)"));
        }
        Ok((roots, certificates))
    }

    fn invalid(&self, rule: &str) -> Error {
        Error::invalid(format!("{self} is not allowed: {rule}"))
    }
}

impl fmt::Display for CaFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the CA file {} ({})", self.path.display(), self.setting)
    }
}
