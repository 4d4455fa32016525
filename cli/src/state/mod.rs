//! The state directory: journals of unfinished uploads, and the catalog of finished archives.

pub(crate) mod catalog;
pub(crate) mod entry;
mod files;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use self::catalog::Catalog;
use crate::args::StateArgs;
use crate::console::shown_path;
use crate::exit::{Failure, Result};

/// The mode of the directories. The state names the files and vaults of the user.
const DIRECTORY_MODE: u32 = 0o700;
/// The state directory.
#[derive(Clone, Debug)]
pub(crate) struct StateDirectory {
    path: PathBuf,
    /// The setting that chose the path.
    pub(crate) origin: &'static str,
}

impl StateDirectory {
    /// Finds the state directory. It may not exist yet.
    ///
    /// # Errors
    /// Neither an option nor a variable names it.
    pub(crate) fn find(args: &StateArgs) -> Result<Self> {
        if let Some(path) = &args.directory {
            let path = std::path::absolute(path).map_err(|cause| {
                Failure::usage(format!("cannot use the state directory {}: {cause}", shown_path(path)))
            })?;
            return Ok(Self { path, origin: "--state-dir or GLACIER_MP_STATE_DIR" });
        }
        // The XDG Base Directory Specification ignores relative paths.
        let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        if let Some(path) = variable("XDG_STATE_HOME") {
            return Ok(Self { path: path.join("glacier-mp"), origin: "XDG_STATE_HOME" });
        }
        match variable("HOME") {
            Some(home) => Ok(Self { path: home.join(".local/state/glacier-mp"), origin: "HOME" }),
            None => Err(Failure::usage(
                "no state directory: neither XDG_STATE_HOME nor HOME is an absolute path; name one by --state-dir",
            )),
        }
    }

    /// Returns the path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the catalog. It may not exist yet.
    pub(crate) fn catalog(&self) -> Catalog {
        Catalog::new(self.path.join("archives.jsonl"))
    }

    /// Returns the directory of the unfinished uploads.
    fn uploads(&self) -> PathBuf {
        self.path.join("uploads")
    }

    /// Creates the directories, and checks that the catalog can be written.
    ///
    /// # Errors
    /// The path and the cause.
    pub(crate) fn prepare(&self) -> Result<()> {
        let hint = "nothing was sent; make it writable, or name another directory by --state-dir";
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(self.uploads()).map_err(|cause| {
            Failure::new(format!("cannot create the state directory {}: {cause}", shown_path(self.uploads())))
                .with_hint(hint)
        })?;
        self.catalog().check_writable().map_err(|failure| failure.with_hint(hint))
    }
}
