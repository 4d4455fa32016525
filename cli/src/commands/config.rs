//! `glacier-mp config`.

use crate::args::ConfigArgs;
use crate::console::Output;
use crate::exit::{Exit, Result};

/// Runs the subcommand.
///
/// # Errors
/// An invalid setting.
pub(crate) fn run(args: &ConfigArgs, output: &Output) -> Result<Exit> {
    let _ = (args.json, &args.state, &args.connection, output);
    Ok(Exit::Done)
}
