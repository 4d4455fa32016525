//! Errors of the command line, which the parser finds. It repeats arguments and environment variables unchanged, so their
//! control characters are escaped.

use std::ffi::{OsStr, OsString};

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory};

use crate::args::{Cli, with_safe_variables, without_variables};
use crate::console;
use crate::exit::Exit;
use crate::hyphens::printable_text;

/// Prints an error of the command line, or the help or the version. Returns the exit status.
pub(crate) fn print(error: clap::Error, arguments: &[OsString]) -> Exit {
    if error.use_stderr() {
        // A failed write is ignored: there is no other stream for the message.
        let _ = with_printable_values(with_variable(error, arguments)).print();
        return Exit::Usage;
    }
    match error.print() {
        Ok(()) => Exit::Done,
        Err(cause) => {
            console::output_failed(&cause);
            Exit::Failed
        }
    }
}

/// Adds to the error of a missing argument what else supplies it.
pub(crate) fn with_tips(mut error: clap::Error) -> clap::Error {
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

/// Adds to the error of an invalid value the environment variable that has it.
fn with_variable(mut error: clap::Error, arguments: &[OsString]) -> clap::Error {
    // The parser checks values before it checks which arguments are present.
    let is_of_value =
        matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue | ErrorKind::InvalidUtf8);
    if let Some(name) = variables().into_iter().find(|name| is_of_value && !is_without(name, &error, arguments)) {
        let tip = format!("the value is from the environment variable {}", name.to_string_lossy());
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// Returns the environment variables that options read.
fn variables() -> Vec<OsString> {
    let command = Cli::command();
    let mut names: Vec<_> = command
        .get_subcommands()
        .flat_map(Command::get_arguments)
        .filter_map(Arg::get_env)
        .map(OsStr::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Returns whether the command line has the same error without an environment variable.
fn is_without(name: &OsStr, error: &clap::Error, arguments: &[OsString]) -> bool {
    let mut command = without_variables(with_safe_variables(Cli::command()), |variable| variable == name);
    let same = |other: &clap::Error| {
        let fields = [ContextKind::InvalidArg, ContextKind::InvalidValue];
        other.kind() == error.kind() && fields.into_iter().all(|field| other.get(field) == error.get(field))
    };
    command.try_get_matches_from_mut(arguments).is_err_and(|other| same(&other))
}

/// Escapes and truncates the values that an error repeats.
fn with_printable_values(mut error: clap::Error) -> clap::Error {
    let texts: Vec<_> = error.context().filter_map(|(_, value)| text_of(value)).map(str::to_owned).collect();
    // A suggestion has an argument between the escape sequences of the styles.
    let printable_tip = |tip: &StyledStr| -> StyledStr {
        let tip = tip.ansi().to_string();
        texts.iter().fold(tip, |tip, text| tip.replace(text, &printable_text(text))).into()
    };
    let printable = |value: &ContextValue| match value {
        ContextValue::String(text) => Some(ContextValue::String(printable_text(text))),
        ContextValue::Strings(texts) => {
            Some(ContextValue::Strings(texts.iter().map(|text| printable_text(text)).collect()))
        }
        ContextValue::StyledStrs(tips) => Some(ContextValue::StyledStrs(tips.iter().map(printable_tip).collect())),
        _ => None,
    };
    let values: Vec<_> = error.context().filter_map(|(kind, value)| Some((kind, printable(value)?))).collect();
    for (kind, value) in values {
        error.insert(kind, value);
    }
    error
}

/// Returns the text of a value, unless it is empty.
fn text_of(value: &ContextValue) -> Option<&str> {
    match value {
        ContextValue::String(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}
