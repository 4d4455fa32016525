//! `glacier-mp`: uploads archives to Amazon Glacier vaults.
//!
//! - `args`: the command line; `hyphens`, `size` and `schedule` parse its values.
//! - `commands`: one file for each subcommand.
//! - `upload`: the uploads of several files, and what surrounds each of them.
//! - `state`: journals of unfinished uploads and the catalog of finished archives.
//! - `progress`: what the uploads report, and its three forms: bars, lines and JSON.
//! - `signals`, `stop`, `limit`: what changes running uploads.
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

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::builder::{Resettable, StyledStr};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, CommandFactory, FromArgMatches};

use crate::args::{Cli, Command, given_options};
use crate::console::Output;
use crate::exit::{Exit, Failure};
use crate::upload::Invocation;

fn main() -> ExitCode {
    // A system that refuses the handler ends the program at the limit, as before.
    let _ = signals::report_file_size_limit();
    let arguments = hyphens::mark_ids(std::env::args_os());
    let (cli, invocation) = match parse(&arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            let exit = match error.use_stderr() {
                true => Exit::Usage,
                false if error.print().is_ok() => Exit::Done,
                false => Exit::Failed,
            };
            if exit == Exit::Usage {
                print_error(error, &arguments);
            }
            return ExitCode::from(exit.code());
        }
    };
    let output = Arc::new(Output::default());
    let exit = run(cli.command, &invocation, &output).unwrap_or_else(|failure: Failure| {
        console::message(&failure.message);
        failure.exit
    });
    match output.failure() {
        Some(cause) => {
            console::message(&format!("cannot write to standard output: {cause}"));
            ExitCode::from(exit.worse(Exit::Failed).code())
        }
        None => ExitCode::from(exit.code()),
    }
}

/// Prints an error of the command line. The parser repeats arguments and environment variables unchanged, so their control
/// characters are escaped.
fn print_error(error: clap::Error, arguments: &[OsString]) {
    // The suggestions of the parser contain arguments, so the escaped arguments are parsed again.
    let other = parse(&hyphens::printable(arguments)).err().filter(|other| other.kind() == error.kind());
    let error = with_printable_values(other.unwrap_or(error));
    match hyphens::without_marks(&error.to_string()) {
        Some(text) => console::raw_line(text.trim_end().as_ref()),
        // A failed write is ignored: there is no other stream for the message.
        None => drop(error.print()),
    }
}

/// Escapes the values that an error repeats: those of environment variables, and those of arguments that are valid when
/// they are escaped.
fn with_printable_values(mut error: clap::Error) -> clap::Error {
    let printable = |value: &ContextValue| match value {
        ContextValue::String(text) => Some(ContextValue::String(hyphens::printable_text(text))),
        ContextValue::Strings(texts) => {
            Some(ContextValue::Strings(texts.iter().map(|text| hyphens::printable_text(text)).collect()))
        }
        _ => None,
    };
    let values: Vec<_> = error.context().filter_map(|(kind, value)| Some((kind, printable(value)?))).collect();
    for (kind, value) in values {
        error.insert(kind, value);
    }
    error
}

fn parse(arguments: &[OsString]) -> Result<(Cli, Invocation), clap::Error> {
    let mut command = with_safe_variables(Cli::command());
    let matches = command.try_get_matches_from_mut(arguments).map_err(with_tips)?;
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

/// Removes the environment variables that are empty from the options: an empty variable counts as not set. Hides the values
/// of the others in the help, which the parser would print unchanged.
fn with_safe_variables(command: clap::Command) -> clap::Command {
    let is_empty = |option: &Arg| {
        option.get_env().is_some_and(|name| std::env::var_os(name).is_some_and(|value| value.is_empty()))
    };
    command.mut_subcommands(|command| {
        command.mut_args(|option| {
            let option = option.hide_env_values(true);
            if is_empty(&option) { option.env(Resettable::Reset) } else { option }
        })
    })
}

/// Adds to the error of a missing argument what else supplies it.
fn with_tips(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else { return error };
    let tips = [
        ("--vault <VAULT>", "the environment variable GLACIER_MP_VAULT also sets the vault"),
        ("<UPLOAD_ID>...", "--older-than=TIME selects uploads by their age instead"),
    ];
    let tips = tips.into_iter().filter(|(argument, _)| missing.iter().any(|missing| missing == argument));
    let tips: Vec<StyledStr> = tips.map(|(_, tip)| tip.into()).collect();
    if error.kind() == ErrorKind::MissingRequiredArgument && !tips.is_empty() {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    error
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
