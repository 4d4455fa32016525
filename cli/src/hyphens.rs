//! IDs that begin with a hyphen, on the command line.
//!
//! Upload IDs and archive IDs of the service are base64url text, so one in 64 begins with a hyphen and looks like an option.
//! Such an argument gets a mark before the command line is parsed, and loses it in the value parser.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use glacier_mp::sanitize::{escaped, quoted};

/// The mark: a character that no ID contains.
const MARK: u8 = 0x01;
/// The length from which an argument is an ID. No option of this program is that long.
const ID_MIN: usize = 24;
/// The maximum length of an argument in a message, in characters. It exceeds the lengths of IDs.
const TEXT_MAX: usize = 256;

/// Marks the arguments that are IDs.
pub(crate) fn mark_ids(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    arguments
        .into_iter()
        .map(|argument| if is_id(argument.as_bytes()) { marked(&argument) } else { argument })
        .collect()
}

/// Removes the mark.
pub(crate) fn unmarked(argument: OsString) -> OsString {
    match argument.as_bytes().strip_prefix(&[MARK]).filter(|rest| is_id(rest)) {
        Some(rest) => OsString::from_vec(rest.to_vec()),
        None => argument,
    }
}

/// Returns an argument, or the value of a variable, for a message: truncated, without control characters and the
/// mark of an ID.
pub(crate) fn printable_text(text: &str) -> String {
    escaped(without_mark(text), TEXT_MAX)
}

/// Returns an argument, or a part of it, in quotation marks, for the message of a value parser.
pub(crate) fn quoted_argument(text: &str) -> String {
    quoted(without_mark(text))
}

/// Parses a text that can be an ID.
#[allow(clippy::unnecessary_wraps, reason = "clap expects a result")]
pub(crate) fn parse_text(text: &str) -> Result<String, String> {
    Ok(without_mark(text).to_owned())
}

/// Removes the mark. A control character that the user wrote stays, because no ID follows it.
fn without_mark(text: &str) -> &str {
    text.strip_prefix(char::from(MARK)).filter(|rest| is_id(rest.as_bytes())).unwrap_or(text)
}

fn is_id(argument: &[u8]) -> bool {
    let is_base64url = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    argument.len() >= ID_MIN && argument[0] == b'-' && argument.iter().all(is_base64url)
}

fn marked(argument: &OsString) -> OsString {
    OsString::from_vec([&[MARK], argument.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_ids_and_nothing_else() {
        let id = "-hGj3WZerNPYabcdefghijklmnop";
        let double = "--Gj3WZerNPYabcdefghijklmnop";
        let others = ["--part-size=64M", "-h", "abort", "--description=-hGj3WZerNPYabcdefghijklmnop", ""];
        let marked = mark_ids([id, double].into_iter().chain(others).map(OsString::from));
        assert!(marked[..2].iter().all(|argument| argument.as_bytes()[0] == MARK));
        assert!(marked[2..].iter().zip(others).all(|(argument, other)| argument == other));
        assert_eq!(unmarked(marked[0].clone()), id);
        assert_eq!(parse_text(marked[1].to_str().unwrap()), Ok(double.to_owned()));
    }

    #[test]
    fn escapes_an_argument_that_the_user_began_with_the_mark() {
        let id = mark_ids([OsString::from("-hGj3WZerNPYabcdefghijklmnop")]).remove(0);
        let printed = [id.to_str().unwrap(), "\u{1}-x\u{1b}[2J", "\u{1}"].map(printable_text);
        assert_eq!(printed, ["-hGj3WZerNPYabcdefghijklmnop", "\\x01-x\\x1b[2J", "\\x01"]);
    }
}
