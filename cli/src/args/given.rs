//! The options that the user gave, for a command that resumes the uploads.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Command};

use crate::hyphens::unmarked;

/// The options whose values are paths. A command that is run in another directory needs them absolute.
const PATHS: [&str; 4] = ["journal", "limit-file", "ca-file", "state-dir"];
/// The options that a command which resumes does not repeat.
const LEFT_OUT: [&str; 2] = ["restart", "upload-id"];

/// Returns the options of a subcommand that the command line has, each in one word.
pub(crate) fn given_options(command: &Command, matches: &ArgMatches) -> Vec<OsString> {
    let is_given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let mut words = Vec::new();
    for argument in command.get_arguments().filter(|argument| is_given(argument.get_id().as_str())) {
        let Some(long) = argument.get_long().filter(|long| !LEFT_OUT.contains(long)) else { continue };
        if matches!(argument.get_action(), ArgAction::SetTrue) {
            words.push(format!("--{long}").into());
            continue;
        }
        for value in matches.get_raw(argument.get_id().as_str()).into_iter().flatten() {
            let value = unmarked(value.to_owned());
            if has_password(&value) {
                continue;
            }
            let mut word = OsString::from(format!("--{long}="));
            word.push(if PATHS.contains(&long) { absolute(value) } else { value });
            words.push(word);
        }
    }
    words
}

/// Returns whether a value is a URL with a password, such as that of a proxy. It is not printed.
fn has_password(value: &OsString) -> bool {
    let value = value.to_string_lossy();
    let authority = value.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or(""));
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

fn absolute(path: OsString) -> OsString {
    std::path::absolute(&path).map_or(path, std::path::PathBuf::into_os_string)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn repeats_the_options_of_the_command_line() {
        let line = "glacier-mp upload --vault v --restart --limit-rate 5M --quiet --account-id - --ca-file ca.pem f";
        let mut command = Cli::command();
        let matches = command.try_get_matches_from_mut(line.split(' ')).unwrap();
        let (name, matches) = matches.subcommand().unwrap();
        let mut words = given_options(command.find_subcommand(name).unwrap(), matches);
        words.sort();
        let file = format!("--ca-file={}", std::env::current_dir().unwrap().join("ca.pem").display());
        assert_eq!(words, ["--account-id=-", &file, "--limit-rate=5M", "--quiet", "--vault=v"]);
    }

    #[test]
    fn leaves_out_urls_with_passwords() {
        assert!(has_password(&"http://user:secret@proxy:3128".into()));
        for url in ["http://proxy:3128", "http://user@proxy:3128", "https://host/a:b@c", "5M"] {
            assert!(!has_password(&url.into()), "{url}");
        }
    }
}
