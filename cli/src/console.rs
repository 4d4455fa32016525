//! Standard output and standard error.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::sync::Mutex;

use glacier_mp::sanitize::escaped;
use glacier_mp::sync::lock;

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

    /// Returns whether a write has failed.
    pub(crate) fn has_failed(&self) -> bool {
        lock(&self.0).is_some()
    }

    /// Returns the first write error.
    pub(crate) fn failure(&self) -> Option<String> {
        lock(&self.0).as_ref().map(ToString::to_string)
    }
}

/// Writes a message to standard error. A failed write is ignored: there is no other stream for the message.
pub(crate) fn message(text: &str) {
    let _ = write_to(&mut io::stderr().lock(), format!("glacier-mp: {text}").as_bytes());
}

/// Writes a line to standard error unchanged.
pub(crate) fn raw_line(line: &OsStr) {
    let _ = write_to(&mut io::stderr().lock(), line.as_bytes());
}

/// Returns external text for a message: on one line, without control characters.
pub(crate) fn shown(text: &str) -> String {
    escaped(text, TEXT_MAX)
}

/// Returns a path for a message.
pub(crate) fn shown_path(path: impl AsRef<std::path::Path>) -> String {
    shown(&path.as_ref().to_string_lossy())
}

fn write_to(stream: &mut impl Write, line: &[u8]) -> io::Result<()> {
    stream.write_all(&[line, b"\n"].concat())?;
    stream.flush()
}
