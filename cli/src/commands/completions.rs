//! `glacier-mp completions`.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::args::Cli;
use crate::console::Output;
use crate::exit::{Exit, Result};

/// Runs the subcommand.
///
/// # Errors
/// None.
#[allow(clippy::unnecessary_wraps, reason = "all subcommands have the same signature")]
pub(crate) fn run(shell: Shell, output: &Output) -> Result<Exit> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "glacier-mp", &mut script);
    output.line(String::from_utf8_lossy(&script).trim_end());
    Ok(Exit::Done)
}
