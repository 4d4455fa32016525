//! Quoting for a POSIX shell: commands that messages name have values from outside.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::sanitize::is_unprintable;

/// Joins the words of a command, quoted so that a shell splits them again.
pub fn command(words: &[OsString]) -> OsString {
    let quoted: Vec<_> = words.iter().map(|word| quote(word)).collect();
    OsString::from_vec(quoted.join(&b' '))
}

/// Returns a word for a command in a message, quoted if the shell would read it differently.
pub(crate) fn word(text: &str) -> String {
    String::from_utf8_lossy(&quote(OsStr::new(text))).into_owned()
}

fn quote(word: &OsStr) -> Vec<u8> {
    let bytes = word.as_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./:,=@%+".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(is_plain) {
        return bytes.to_vec();
    }
    let is_printable = |text: &str| !text.chars().any(|c| c.is_control() || is_unprintable(c));
    if !word.to_str().is_some_and(is_printable) {
        return quote_with_escapes(bytes);
    }
    let mut out = vec![b'\''];
    for byte in bytes {
        match byte {
            b'\'' => out.extend(b"'\\''"),
            byte => out.push(*byte),
        }
    }
    out.push(b'\'');
    out
}

/// Quotes bytes that a terminal must not receive, in the form `$'...'` of bash, zsh and POSIX 2024.
fn quote_with_escapes(bytes: &[u8]) -> Vec<u8> {
    let mut out = b"$'".to_vec();
    for byte in bytes {
        match byte {
            b'\'' | b'\\' => out.extend([b'\\', *byte]),
            0x20..0x7f => out.push(*byte),
            byte => out.extend(format!("\\{byte:03o}").bytes()),
        }
    }
    out.push(b'\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_splits_the_quoted_words_again() {
        let words: Vec<OsString> = [
            &b"plain-1.tar"[..],
            b"",
            b"two words",
            b"it's",
            b"$(rm -rf /)",
            b"-starts",
            b"a\nb\x1b[2J",
            b"\xff\xfe'\\",
            "käse".as_bytes(),
            "\u{9b}31m\u{202e}txt".as_bytes(),
            b"~",
            b"*",
        ]
        .map(|bytes| OsString::from_vec(bytes.to_vec()))
        .to_vec();
        let mut script = b"printf '%s\\0' ".to_vec();
        script.extend(command(&words).as_bytes());
        let output = std::process::Command::new("bash").arg("-c").arg(OsString::from_vec(script)).output();
        let Ok(output) = output else { return };
        let expected = [words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>().join(&0), vec![0]].concat();
        assert_eq!(output.stdout, expected);
        let shown = command(&words).into_string().unwrap();
        assert!(!shown.chars().any(|c| c.is_control() || is_unprintable(c)), "{shown:?}");
    }
}
