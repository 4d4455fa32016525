//! The options that the user gave, for a command that resumes the uploads.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Command};
use glacier_mp::http::{Proxy, ProxySetting};

use crate::hyphens::unmarked;

/// The options whose values are paths. A command that is run in another directory needs them absolute.
const PATHS: [&str; 4] = ["journal", "limit-file", "ca-file", "state-dir"];
/// The options that a command which resumes does not repeat.
const LEFT_OUT: [&str; 2] = ["restart", "upload-id"];
/// The option whose value can have a user name and a password. The library rejects them in all other URLs.
const PROXY: &str = "proxy";
/// What stands for the user name and the password of a proxy in commands that are printed.
pub(crate) const PROXY_USER: &str = "USER:PASSWORD";

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
            let value = match long {
                PROXY => without_user(value),
                long if PATHS.contains(&long) => Some(absolute(value)),
                _ => Some(value),
            };
            let Some(value) = value else { continue };
            let mut word = OsString::from(format!("--{long}="));
            word.push(value);
            words.push(word);
        }
    }
    words
}

/// Returns the URL of a proxy with [`PROXY_USER`] in place of its user name and password, because a token can be in either.
/// `None`: the library rejects the URL, so nothing tells what in it is secret.
fn without_user(value: OsString) -> Option<OsString> {
    let text = value.to_string_lossy();
    if !text.contains('@') {
        return Some(value);
    }
    let server = Proxy::parse(&text, ProxySetting::Explicit).ok()?.to_string();
    let (scheme, address) = server.split_once("://")?;
    Some(format!("{scheme}://{PROXY_USER}@{address}").into())
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
    fn replaces_user_name_and_password_of_a_proxy() {
        let shown = |url: &str| without_user(url.into()).map(|url| url.into_string().unwrap());
        for url in [
            "http://user:secret@proxy:3128",
            "user:secret@proxy:3128",
            "http:user:secret@proxy:3128",
            r"http:\\user:secret@proxy:3128",
            "http://secret@proxy:3128",
            "secret@proxy:3128",
            "HTTP://:secret@Proxy:3128/path",
            "http://user:s@cret@proxy:3128",
        ] {
            assert_eq!(shown(url).as_deref(), Some("http://USER:PASSWORD@proxy:3128"), "{url}");
        }
        for url in ["socks5://user:secret@proxy", "http://user:sec/ret@proxy", "user:secret@", "http://h/?user:secret@"]
        {
            assert_eq!(shown(url), None, "{url}");
        }
        for url in ["http://proxy:3128", "proxy:3128", "https://proxy", ""] {
            assert_eq!(shown(url).as_deref(), Some(url));
        }
    }

    #[test]
    fn only_the_url_of_a_proxy_can_have_a_password() {
        let command = Cli::command();
        let mut urls: Vec<_> = command
            .get_subcommands()
            .flat_map(clap::Command::get_arguments)
            .filter(|option| option.get_value_names().is_some_and(|names| names.iter().any(|name| name == "URL")))
            .filter_map(clap::Arg::get_long)
            .collect();
        urls.sort_unstable();
        urls.dedup();
        assert_eq!(urls, ["endpoint", PROXY]);
        assert!(glacier_mp::http::Endpoint::parse("http://user@host").is_err());
    }
}
