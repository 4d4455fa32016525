//! `glacier-mp man`: the manual pages, for `make`.

use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;

use crate::args::Cli;
use crate::console::shown_path;
use crate::exit::{Exit, Failure, Result};

/// The date of the pages. It is that of the text, so that two builds write the same pages.
const DATE: &str = "2026-11-28";

/// Writes a page for the command and one for each subcommand.
///
/// # Errors
/// The path and the cause.
pub(crate) fn run(directory: &Path) -> Result<Exit> {
    let failed = |cause| Failure::new(format!("cannot write the manual pages into {}: {cause}", shown_path(directory)));
    std::fs::create_dir_all(directory).map_err(failed)?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    write(&command, directory).map_err(failed)?;
    Ok(Exit::Done)
}

fn write(command: &clap::Command, directory: &Path) -> std::io::Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let man = Man::new(command.clone().name(name.clone()))
        .date(DATE)
        .manual("glacier-mp manual")
        .source(concat!("glacier-mp ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render(&mut page)?;
    std::fs::write(directory.join(format!("{name}.1")), without_empty_breaks(&String::from_utf8_lossy(&page)))?;
    command.get_subcommands().filter(|command| !command.is_hide_set()).try_for_each(|command| write(command, directory))
}

/// Removes line breaks beside vertical space, which `mandoc -T lint` rejects.
fn without_empty_breaks(page: &str) -> String {
    let lines: Vec<_> = page.lines().collect();
    let is_space = |index: Option<usize>| {
        index.and_then(|index| lines.get(index)).is_some_and(|line| line.is_empty() || *line == ".sp")
    };
    let is_kept =
        |index: usize| lines[index] != ".br" || !(is_space(Some(index + 1)) || is_space(index.checked_sub(1)));
    (0..lines.len()).filter(|index| is_kept(*index)).flat_map(|index| [lines[index], "\n"]).collect()
}
