//! The option of the state directory.

use std::path::PathBuf;

use clap::Args;

use super::values::path;

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct StateArgs {
    /// The directory of journals and catalog, instead of $XDG_STATE_HOME/glacier-mp
    #[arg(long = "state-dir", value_name = "DIR", env = "GLACIER_MP_STATE_DIR", value_parser = path())]
    pub(crate) directory: Option<PathBuf>,
}
