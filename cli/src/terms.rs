//! The names of settings in messages: the library names its setters, this command its options.

use glacier_mp::error::Error;

/// How the name of a setter of the library begins.
const SETTER: &str = "glacier_config_set_";

/// Phrases of library messages that name the calling program, and their replacements, which name the option.
const PHRASES: [(&str, &str); 3] = [
    ("(set by the program)", "(--profile)"),
    ("the program selects a profile", "--profile selects a profile"),
    ("the endpoint, which is from the program", "the endpoint, which is from --endpoint"),
];

/// Returns the message of an error of the library, with the names of options.
pub(crate) fn message_of(error: &Error) -> String {
    with_options(error.message())
}

/// Replaces the names of setters by those of the options: `glacier_config_set_ca_file` by `--ca-file`. Replaces the program
/// as the origin of a setting by the option.
pub(crate) fn with_options(text: &str) -> String {
    let mut pieces = text.split(SETTER);
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(piece.len());
        let (name, rest) = piece.split_at(end);
        out += "--";
        out += &match name {
            "bandwidth_limit" => "limit-rate".to_owned(),
            "memory_limit" => "memory".to_owned(),
            name => name.trim_end_matches("_ms").replace('_', "-"),
        };
        out += rest;
    }
    for (of_library, of_command) in PHRASES {
        out = out.replace(of_library, of_command);
    }
    out
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn names_options_instead_of_setters() {
        let text = "check the endpoint (glacier_config_set_endpoint), glacier_config_set_ca_file or AWS_CA_BUNDLE";
        assert_eq!(with_options(text), "check the endpoint (--endpoint), --ca-file or AWS_CA_BUNDLE");
        assert_eq!(with_options("no setter"), "no setter");
    }

    #[test]
    fn every_replacement_is_an_option() {
        let setters = [
            "region",
            "endpoint",
            "account_id",
            "profile",
            "ca_file",
            "proxy",
            "concurrency",
            "max_attempts",
            "memory_limit",
            "bandwidth_limit",
            "connect_timeout_ms",
            "stall_timeout_ms",
            "give_up_after_ms",
        ];
        let mut command = Cli::command();
        let upload = command.find_subcommand_mut("upload").unwrap();
        for setter in setters {
            let option = with_options(&format!("{SETTER}{setter}"));
            assert!(upload.get_arguments().any(|known| known.get_long() == option.strip_prefix("--")), "{option}");
        }
    }
}
