//! Standard output and standard error.

use std::ffi::OsStr;
use std::fmt::{Display, Write as _};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Mutex;

use glacier_mp::sanitize::escaped;
use glacier_mp::sync::lock;
use serde::Serialize;

/// The maximum length of a text in a message, in characters.
const TEXT_MAX: usize = 16 << 10;

/// Standard output. It remembers the first write that failed: the command goes on, and fails at its end.
#[derive(Debug, Default)]
pub(crate) struct Output(Mutex<Option<io::Error>>);

impl Output {
    /// Writes a line. After a failed write it writes nothing.
    pub(crate) fn line(&self, line: &str) {
        let mut failure = lock(&self.0);
        if failure.is_none() {
            *failure = write_to(&mut io::stdout().lock(), line.as_bytes()).err();
        }
    }

    /// Writes an object as one line of JSON.
    pub(crate) fn json(&self, object: &impl Serialize) {
        match json_line(object) {
            Ok(line) => self.line(&line),
            Err(cause) => message(&cause.to_string()),
        }
    }

    /// Returns whether a write has failed.
    pub(crate) fn has_failed(&self) -> bool {
        lock(&self.0).is_some()
    }

    /// Returns the first write error.
    pub(crate) fn failure(&self) -> Option<String> {
        lock(&self.0).as_ref().map(ToString::to_string)
    }
}

/// Writes a message to standard error, on one line and without control characters. A failed write is ignored: there is no
/// other stream for the message.
pub(crate) fn message(text: &str) {
    let _ = write_to(&mut io::stderr().lock(), format!("glacier-mp: {}", shown(text)).as_bytes());
}

/// Writes a line to standard error unchanged.
pub(crate) fn raw_line(line: &OsStr) {
    let _ = write_to(&mut io::stderr().lock(), line.as_bytes());
}

/// Writes the message of a failed write to standard output.
pub(crate) fn output_failed(cause: &impl Display) {
    message(&format!("cannot write to standard output: {cause}"));
}

/// Returns external text for a message: on one line, without control characters.
pub(crate) fn shown(text: &str) -> String {
    escaped(text, TEXT_MAX)
}

/// Returns a path for a message.
pub(crate) fn shown_path(path: impl AsRef<Path>) -> String {
    shown(&path_text(path))
}

/// Returns a path as text. Each byte that is not UTF-8 becomes `\xNN`, so that the texts of two paths differ.
pub(crate) fn path_text(path: impl AsRef<Path>) -> String {
    let mut text = String::new();
    for chunk in path.as_ref().as_os_str().as_bytes().utf8_chunks() {
        text += chunk.valid();
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Returns an object as one line of JSON, in which no character controls a terminal or reorders text.
///
/// # Errors
/// A map has a key that is no text.
pub(crate) fn json_line(object: &impl Serialize) -> serde_json::Result<String> {
    let mut line = String::new();
    for c in serde_json::to_string(object)?.chars() {
        // JSON has other characters than ASCII only in strings, where they may be escaped.
        if c.is_ascii() && c != '\x7f' || escaped(c.encode_utf8(&mut [0; 4]), 1).chars().eq([c]) {
            line.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(line, "\\u{unit:04x}");
            }
        }
    }
    Ok(line)
}

/// Returns a number with its noun: `1 file`, `2 files`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn write_to(stream: &mut impl Write, line: &[u8]) -> io::Result<()> {
    stream.write_all(&[line, b"\n"].concat())?;
    stream.flush()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_that_differ_have_different_texts() {
        let text = |bytes| path_text(Path::new(OsStr::from_bytes(bytes)));
        assert_eq!(
            [text(b"/a\xff"), text(b"/a\xfe"), text("/\u{e4}\n".as_bytes())],
            ["/a\\xff", "/a\\xfe", "/\u{e4}\n"]
        );
        assert_eq!(shown_path(OsStr::from_bytes(b"/a\n\xff\x1b")), "/a\\n\\xff\\x1b");
    }

    #[test]
    fn json_has_no_control_character_and_keeps_the_text() {
        let text = "k\u{e4}se \u{1f980} \n\x1b\x7f\u{9b}\u{202e}\u{e0041}";
        let line = json_line(&json!({ "source": text })).unwrap();
        assert_eq!(line, "{\"source\":\"k\u{e4}se \u{1f980} \\n\\u001b\\u007f\\u009b\\u202e\\udb40\\udc41\"}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap()["source"], text);
    }

    #[test]
    fn counts_with_the_right_noun() {
        assert_eq!([0, 1, 2].map(|number| count(number, "file")), ["0 files", "1 file", "2 files"]);
    }
}
