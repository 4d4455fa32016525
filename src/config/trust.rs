//! The settings of the trusted certificates, and which of them applies.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::http::{CaFile, SystemStore, TrustStore};
use crate::limits::check_path;
use crate::log::Log;
use crate::profile::Profile;

/// The settings of the trusted certificates. Each replaces those after it: the CA file of the program, `AWS_CA_BUNDLE`,
/// `ca_bundle` of the profile, and the trust store of the system.
#[derive(Clone, Debug)]
pub(super) struct TrustSettings {
    ca_file: Option<PathBuf>,
    system: SystemStore,
}

impl TrustSettings {
    /// Finds the trust store of the system, without reading it. Call it only in `glacier_config_new`.
    pub(super) fn new(environment: &Environment) -> Self {
        let variable = |name| environment.raw(name).filter(|value| !value.is_empty());
        Self { ca_file: None, system: SystemStore::locate(variable("SSL_CERT_FILE"), variable("SSL_CERT_DIR")) }
    }

    /// Sets the CA file of the program.
    ///
    /// # Errors
    /// `Invalid` if the path is empty.
    pub(super) fn set_ca_file(&mut self, path: &Path) -> Result<()> {
        check_path("the CA file", path)?;
        self.ca_file = Some(path.to_owned());
        Ok(())
    }

    /// Reads the CA file that a setting names. Without one, the trust store of the system is read when it is needed.
    ///
    /// # Errors
    /// `Io` if the CA file cannot be read, `Invalid` if it is not a list of certificates. Both name the path and the setting.
    pub(super) fn resolve(&self, environment: &Environment, profile: &Profile, log: Arc<Log>) -> Result<TrustStore> {
        match self.ca_file(environment, profile)? {
            Some(file) => TrustStore::of_ca_file(file, log),
            None => Ok(TrustStore::of_system(self.system.clone(), log)),
        }
    }

    fn ca_file(&self, environment: &Environment, profile: &Profile) -> Result<Option<CaFile>> {
        if let Some(path) = &self.ca_file {
            return Ok(Some(CaFile::new(path, "glacier_config_set_ca_file")));
        }
        if let Some(value) = environment.raw("AWS_CA_BUNDLE") {
            // As in the AWS CLI. It may be a failed attempt to restrict the trusted certificates.
            if value.is_empty() {
                return Err(Error::invalid(
                    "AWS_CA_BUNDLE is empty; set it to the path of a CA file (certificates in PEM), or unset it",
                ));
            }
            return named(Path::new(value), "AWS_CA_BUNDLE", environment).map(Some);
        }
        let setting = profile.setting("ca_bundle")?;
        setting.map(|setting| named(Path::new(setting.value), &setting.to_string(), environment)).transpose()
    }
}

/// Returns the CA file that the environment or a profile names. No shell has expanded a `~` there.
fn named(path: &Path, setting: &str, environment: &Environment) -> Result<CaFile> {
    let expanded = environment.expand_home(path).ok_or_else(|| {
        Error::invalid(format!(
            "the CA file {} ({setting}) is not allowed: it begins with ~, but there is no home directory; set HOME",
            path.display()
        ))
    })?;
    Ok(CaFile::new(expanded, setting))
}
