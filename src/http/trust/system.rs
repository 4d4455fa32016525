//! The trust store of the system: files that OpenSSL and curl use as well.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls_native_certs::{CertificateResult, ErrorKind, load_certs_from_paths};

use super::ca_file::{CA_FILE_MAX, MEMORY_PER_BYTE};
use super::origin::{CA_FILE_SETTINGS, Origin};
use super::pem_text;
use crate::error::{Error, Kind, Result, is_exhausted};
use crate::sys::emergency_memory;

/// The locations of the system's certificates: a file, directories, or both.
#[derive(Clone, Debug, Default)]
pub struct SystemStore {
    file: Option<PathBuf>,
    directories: Vec<PathBuf>,
    /// Whether variables of the environment name the locations.
    is_named: bool,
}

/// What the locations contain.
pub(super) struct Found {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    /// Why a location or a certificate cannot be read.
    pub(super) problems: Vec<String>,
}

impl Found {
    /// Adds what the loader read.
    ///
    /// # Errors
    /// `Memory` if file descriptors or memory are exhausted: the certificates would be an accidental part of the store.
    fn add(&mut self, loaded: CertificateResult) -> Result<()> {
        self.certificates.extend(loaded.certs);
        for error in loaded.errors {
            match &error.kind {
                ErrorKind::Io { inner, .. } if is_exhausted(inner) => {
                    return Err(no_resources(&error.to_string()).caused_by(error));
                }
                ErrorKind::Pem(reason) => {
                    self.problems.push(format!("{}: {}", error.context, pem_text::text(reason)));
                }
                _ => self.problems.push(error.to_string()),
            }
        }
        Ok(())
    }

    /// Returns the size in bytes of a location that may be loaded. Records why it may not.
    ///
    /// # Errors
    /// As [`Found::add`].
    fn may_load(&mut self, checked: Checked) -> Result<Option<u64>> {
        let Unreadable { path, cause } = match checked {
            Ok(size) => return Ok(Some(size)),
            Err(unreadable) => unreadable,
        };
        let problem = format!("{}: {cause}", path.display());
        if is_exhausted(&cause) {
            return Err(no_resources(&problem).caused_by(cause));
        }
        self.problems.push(problem);
        Ok(None)
    }
}

impl SystemStore {
    /// Returns the locations that the variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name, or those of the system if both are
    /// `None`. `directories` separates several with colons.
    ///
    /// Call it only where the environment is read: the search for the system's locations reads it too.
    pub fn locate(file: Option<&OsStr>, directories: Option<&OsStr>) -> Self {
        let split = directories.map(std::env::split_paths).into_iter().flatten();
        let named = Self {
            file: file.map(PathBuf::from),
            directories: split.filter(|directory| !directory.as_os_str().is_empty()).collect(),
            is_named: true,
        };
        if named.file.is_some() || !named.directories.is_empty() {
            return named;
        }
        let found = openssl_probe::probe();
        Self::at(found.cert_file, found.cert_dir)
    }

    /// Returns a store at these locations, as if they were those of the system.
    pub fn at(file: Option<PathBuf>, directories: Vec<PathBuf>) -> Self {
        Self { file, directories, is_named: false }
    }

    /// Reads the locations. As OpenSSL does, it skips what it cannot read.
    ///
    /// # Errors
    /// `Memory` if file descriptors or memory are exhausted.
    pub(super) fn load(&self) -> Result<Found> {
        let mut found = Found { certificates: Vec::new(), problems: Vec::new() };
        let mut file = None;
        let mut size = 0;
        if let Some(path) = self.file.as_deref()
            && let Some(file_size) = found.may_load(check_file(path))?
        {
            file = Some(path);
            size += file_size;
        }
        let mut directories = Vec::new();
        for path in &self.directories {
            if let Some(directory_size) = found.may_load(check_directory(path))? {
                directories.push(path.as_path());
                size += directory_size;
            }
        }
        // The loader allocates infallibly. It keeps nothing of files without certificates, of which a directory may have
        // many.
        let memory = usize::try_from(size.min(CA_FILE_MAX)).unwrap_or(usize::MAX).saturating_mul(MEMORY_PER_BYTE);
        emergency_memory::ensure_beside(memory)?;
        // One call with the file and a directory reads the file once if the directory contains it, as on Debian.
        let (first, others) =
            directories.split_first().map_or((None, &[][..]), |(first, others)| (Some(*first), others));
        let calls = [(file, first)].into_iter().chain(others.iter().map(|directory| (None, Some(*directory))));
        for (file, directory) in calls {
            found.add(load_certs_from_paths(file, directory))?;
        }
        Ok(found)
    }

    /// Returns the origin of the loaded certificates, as messages name it.
    ///
    /// # Errors
    /// `Io` or `Invalid` if the locations are named or cannot be read, and have no certificate: the built-in authorities
    /// would be others than those that the user or the system chose.
    pub(super) fn origin(&self, certificates: &[CertificateDer<'_>], problems: &[String]) -> Result<Origin> {
        if !certificates.is_empty() {
            return Ok(Origin::System(self.name()));
        }
        let problem = problems.first().map(String::as_str);
        if problem.is_none() && !self.is_named {
            return Ok(Origin::BuiltIn);
        }
        let kind = if problem.is_some() { Kind::Io } else { Kind::Invalid };
        let help = if self.is_named { "correct or unset the variable" } else { "repair it" };
        Err(Error::new(
            kind,
            format!(
                "no trusted certificate can be read from {}: {}; {help}, or set a CA file ({CA_FILE_SETTINGS})",
                self.name(),
                problem.unwrap_or("it must contain at least one certificate in PEM (-----BEGIN CERTIFICATE-----)")
            ),
        ))
    }

    fn name(&self) -> String {
        let (what, file, directory) = match self.is_named {
            true => ("the trust store of the environment", "SSL_CERT_FILE ", "SSL_CERT_DIR "),
            false => ("the trust store of the system", "", ""),
        };
        let file = self.file.iter().map(|path| format!("{file}{}", path.display()));
        let directories = self.directories.iter().map(|path| format!("{directory}{}", path.display()));
        format!("{what} ({})", file.chain(directories).collect::<Vec<_>>().join(", "))
    }
}

fn no_resources(problem: &str) -> Error {
    Error::new(Kind::Memory, format!("no resources to read the trusted certificates: {problem}"))
}

/// A file or directory that cannot be read, or must not be.
struct Unreadable {
    path: PathBuf,
    cause: io::Error,
}

impl Unreadable {
    fn new(path: &Path, cause: io::Error) -> Self {
        Self { path: path.to_owned(), cause }
    }

    fn by_rule(path: &Path, rule: impl Into<String>) -> Self {
        Self::new(path, io::Error::other(rule.into()))
    }
}

/// The size of a location in bytes.
type Checked = std::result::Result<u64, Unreadable>;

/// Checks that a file can be read without blocking, into bounded memory.
fn check_file(path: &Path) -> Checked {
    let metadata = fs::metadata(path).map_err(|cause| Unreadable::new(path, cause))?;
    if !metadata.is_file() {
        return Err(Unreadable::by_rule(path, "it is not a regular file"));
    }
    check_size(path, &metadata)
}

/// Checks the sizes of the files of a directory. The loader skips what is not a regular file, and reports what it cannot
/// read.
fn check_directory(path: &Path) -> Checked {
    let mut size = 0;
    for entry in fs::read_dir(path).map_err(|cause| Unreadable::new(path, cause))?.flatten() {
        let path = entry.path();
        if let Ok(metadata) = fs::metadata(&path) {
            size += check_size(&path, &metadata)?;
        }
    }
    Ok(size)
}

fn check_size(path: &Path, metadata: &Metadata) -> Checked {
    if metadata.is_file() && metadata.len() > CA_FILE_MAX {
        return Err(Unreadable::by_rule(path, format!("it is larger than {CA_FILE_MAX} bytes (16 MiB)")));
    }
    Ok(if metadata.is_file() { metadata.len() } else { 0 })
}

#[cfg(test)]
mod tests {
    use rustls_native_certs::Error as LoadError;

    use super::*;

    #[test]
    fn skips_what_cannot_be_read_unless_resources_are_exhausted() {
        for (code, kind) in [
            (libc::EACCES, None),
            (libc::EIO, None),
            (libc::EMFILE, Some(Kind::Memory)),
            (libc::ENFILE, Some(Kind::Memory)),
            (libc::ENOMEM, Some(Kind::Memory)),
        ] {
            let mut loaded = CertificateResult::default();
            let inner = io::Error::from_raw_os_error(code);
            loaded.errors.push(LoadError { context: "reading", kind: ErrorKind::Io { inner, path: "/ca.pem".into() } });
            let mut found = Found { certificates: Vec::new(), problems: Vec::new() };
            assert_eq!(found.add(loaded).err().map(|error| error.kind()), kind, "{code}");
            let location = Unreadable::new(Path::new("/certs"), io::Error::from_raw_os_error(code));
            assert_eq!(found.may_load(Err(location)).err().map(|error| error.kind()), kind, "{code}");
            assert_eq!(found.problems.len(), 2 * usize::from(kind.is_none()), "{code}");
        }
    }
}
