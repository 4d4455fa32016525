//! `glacier-mp`: uploads archives to Amazon Glacier vaults.
//!
//! - `args`: the command line; `hyphens`, `size` and `schedule` parse its values.
//! - `commands`: one file for each subcommand.
//! - `upload`: the uploads of several files, and what surrounds each of them.
//! - `state`: journals of unfinished uploads and the catalog of finished archives.
//! - `progress`: what the uploads report, and its three forms: bars, lines and JSON.
//! - `signals`, `stop`, `limit`: what changes running uploads.
//! - `usage`: errors of the command line.
//! - `stdin`, `closed_stdin`, `console`, `exit`: input, output and exit statuses.
//! - `files`: opening of files; `terms`: names in messages of the library.
//! - `every`: a minimum time between two actions.

mod args;
mod closed_stdin;
mod commands;
mod console;
mod every;
mod exit;
mod files;
mod hyphens;
mod limit;
mod progress;
mod schedule;
mod signals;
mod size;
mod state;
mod stdin;
mod stop;
mod terms;
mod upload;
mod usage;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, FromArgMatches};

use crate::args::{Cli, Command, given_options, with_safe_variables};
use crate::console::Output;
use crate::exit::{Exit, Failure};
use crate::upload::Invocation;

fn main() -> ExitCode {
    // A system that refuses the handler ends the program at the limit, as before.
    let _ = signals::report_file_size_limit();
    let arguments = hyphens::mark_ids(std::env::args_os());
    let (cli, invocation) = match parse(&arguments) {
        Ok(parsed) => parsed,
        Err(error) => return ExitCode::from(usage::print(error, &arguments).code()),
    };
    let output = Arc::new(Output::default());
    let exit = run(cli.command, &invocation, &output).unwrap_or_else(|failure: Failure| {
        console::message(&failure.message);
        failure.exit
    });
    match output.failure() {
        Some(cause) => {
            console::output_failed(&cause);
            ExitCode::from(exit.worse(Exit::Failed).code())
        }
        None => ExitCode::from(exit.code()),
    }
}

fn parse(arguments: &[OsString]) -> Result<(Cli, Invocation), clap::Error> {
    let mut command = with_safe_variables(Cli::command());
    let matches = command.try_get_matches_from_mut(arguments).map_err(usage::with_tips)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    let program = arguments.first().cloned().unwrap_or_else(|| "glacier-mp".into());
    let (subcommand, options) = match matches.subcommand() {
        Some((name, matches)) => {
            let options = command.find_subcommand(name).map(|command| given_options(command, matches));
            (name.to_owned(), options.unwrap_or_default())
        }
        None => Default::default(),
    };
    Ok((cli, Invocation { program, subcommand, options }))
}

fn run(command: Command, invocation: &Invocation, output: &Arc<Output>) -> exit::Result<Exit> {
    match command {
        Command::Upload(args) => commands::upload::run(args, invocation, output),
        Command::Resume(args) => commands::resume::run(args, invocation, output),
        Command::List(args) => commands::list::run(&args, output),
        Command::Parts(args) => commands::parts::run(&args, output),
        Command::Abort(args) => commands::abort::run(&args, output),
        Command::Treehash(args) => commands::treehash::run(&args, output),
        Command::Plan(args) => commands::plan::run(&args, output),
        Command::Config(args) => commands::config::run(&args, output),
        Command::Archives(args) => commands::archives::run(&args, output),
        Command::Completions { shell } => commands::completions::run(shell, output),
        Command::Man { directory } => commands::man::run(&directory),
    }
}
