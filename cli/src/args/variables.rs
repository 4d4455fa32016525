//! The environment variables that options read.

use std::ffi::OsStr;

use clap::builder::Resettable;

/// Removes the environment variables that are empty from the options: an empty variable counts as not set. Hides the values
/// of the others in the help, which the parser would print unchanged.
pub(crate) fn with_safe_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    without_variables(command, is_empty)
        .mut_subcommands(|command| command.mut_args(|option| option.hide_env_values(true)))
}

/// Removes these environment variables from the options.
pub(crate) fn without_variables(command: clap::Command, is_removed: impl Fn(&OsStr) -> bool) -> clap::Command {
    command.mut_subcommands(|command| {
        command.mut_args(
            |option| {
                if option.get_env().is_some_and(&is_removed) { option.env(Resettable::Reset) } else { option }
            },
        )
    })
}
