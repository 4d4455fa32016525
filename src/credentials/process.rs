//! Keys from a program: `credential_process` of a profile.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::{Zeroize, Zeroizing};

use super::documents;
use super::provider::{Configured, LoadContext, Loaded, Provider, failure};
use crate::active_time::ActiveInstant;
use crate::environment::Environment;
use crate::error::{Error, Kind, Result};
use crate::profile::Profile;
use crate::sanitize::printed_secrets::{lossy_text, printed_secrets, without_user_information};
use crate::sanitize::{Redactor, quoted};
use crate::shell_words;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, canceled};
use crate::sys::child::{Child, ExitStatus, Signal};

/// The maximum size of the standard output, in bytes.
const OUTPUT_MAX: usize = 256 << 10;
/// The part of standard error that an error shows, in bytes from its end.
const ERRORS_SHOWN: usize = 1 << 10;
/// The part of standard error that is searched for secrets, in bytes from its end.
const ERRORS_KEPT: usize = 16 << 10;
/// The text in place of standard error if a redactor cannot find all secrets.
const NOT_SHOWN: &str = "its output is not shown: it contains too many or too long values after names such as SessionToken, \
                         and any of them may be a secret";
/// The time that a child has to end after SIGTERM.
const TERMINATE_TIME: Duration = Duration::from_millis(100);
/// The time that a killed child has to be collected. A child in an uninterruptible system call needs longer and is left.
const KILL_TIME: Duration = Duration::from_millis(50);
/// The interval between checks whether a child has ended. Its exit closes its streams, which wakes the waiter; other
/// processes may keep the streams open.
const EXIT_POLL_INTERVAL: Duration = Duration::from_millis(10);
/// The search path if PATH is not set.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A program and its arguments.
#[derive(Debug)]
pub(super) struct Process {
    words: Vec<String>,
    /// The profile and the place of the setting, for errors.
    place: String,
}

/// Configures the provider.
///
/// # Errors
/// `Invalid` for an unbalanced quote, or without a program.
pub(super) fn configure(profile: &Profile) -> Result<Configured> {
    let Some(setting) = profile.text("credential_process") else {
        return Ok(Configured::No("it has no credential_process".to_owned()));
    };
    let place = format!("profile {}, {setting}", quoted(profile.name()));
    let words = shell_words::split(setting.value).filter(|words| words.first().is_some_and(|word| !word.is_empty()));
    let Some(words) = words else {
        return Err(Error::invalid(format!(
            "{place}: the command is empty, has an unclosed quote, or ends with an unescaped backslash; white space followed by \
             # or ; begins a comment, also inside quotes"
        )));
    };
    if setting.value.contains('\0') {
        return Err(Error::invalid(format!("{place}: the command must not have a NUL byte")));
    }
    Ok(Configured::provider(Process { words, place }))
}

impl Provider for Process {
    fn source(&self) -> String {
        // Further lines are probably keys with an indentation too much.
        format!("the program {} ({})", quoted(self.program().lines().next().unwrap_or_default()), self.place)
    }

    fn is_of_profile(&self) -> bool {
        true
    }

    fn load(&self, context: &LoadContext<'_>) -> Result<Loaded> {
        let source = self.source();
        let mut child = self.start(context.environment)?;
        let mut output = CapturedOutput::default();
        let result = wait(&mut child, &mut output, &source, context);
        if result.is_err() {
            end(&mut child);
        }
        let explained = |error| output.explained(error, context.redactor);
        let status = result.map_err(explained)?;
        if let Some(problem) = problem(status) {
            return Err(explained(failure(format!("{source} {problem}"))));
        }
        documents::process_credentials(&source, &output.output, context.redactor).map(Loaded::Keys).map_err(|error| {
            match output.secrets() {
                Some(_) => explained(error),
                // The error may show a part of the output.
                None => explained(failure(format!("the output of {source} is not valid"))),
            }
        })
    }
}

impl Process {
    fn program(&self) -> &str {
        self.words.first().map(String::as_str).unwrap_or_default()
    }

    /// Starts the program with the captured environment.
    fn start(&self, environment: &Environment) -> Result<Child> {
        let unusable = |cause: io::Error| {
            let kind = Kind::of_io(&cause, Kind::Credentials);
            Error::new(kind, format!("cannot start {}: {cause}", self.source())).caused_by(cause)
        };
        let arguments: Vec<_> = self.words.iter().filter_map(|word| CString::new(word.as_str()).ok()).collect();
        let variables: Vec<_> = environment.pairs().filter_map(|(name, value)| variable(name, value)).collect();
        let mut denied = None;
        for path in candidates(self.program(), environment) {
            let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { continue };
            match Child::spawn(&path, &arguments, &variables) {
                Ok(child) => return Ok(child),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => denied = Some(error),
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(error) => return Err(unusable(error)),
            }
        }
        Err(unusable(denied.unwrap_or_else(|| {
            let place =
                if self.program().contains('/') { "the file does not exist" } else { "PATH does not contain it" };
            io::Error::new(io::ErrorKind::NotFound, place)
        })))
    }
}

fn variable(name: &OsStr, value: &OsStr) -> Option<CString> {
    let mut text = Vec::with_capacity(name.len() + value.len() + 2);
    text.extend_from_slice(name.as_bytes());
    text.push(b'=');
    text.extend_from_slice(value.as_bytes());
    CString::new(text).ok()
}

/// Returns the paths at which a program may be, as `execvp` does. An empty directory is the working directory.
fn candidates(program: &str, environment: &Environment) -> Vec<PathBuf> {
    if program.contains('/') {
        return vec![PathBuf::from(program)];
    }
    let path = environment.raw("PATH").unwrap_or(OsStr::new(DEFAULT_PATH));
    let directories = path.as_bytes().split(|byte| *byte == b':').map(|directory| match directory {
        [] => Path::new("."),
        directory => Path::new(OsStr::from_bytes(directory)),
    });
    directories.map(|directory| directory.join(program)).collect()
}

/// What a child wrote.
struct CapturedOutput {
    /// Allocated at full size, so that no copies of keys remain.
    output: Zeroizing<Vec<u8>>,
    /// The end of standard error. It may contain keys.
    errors: Zeroizing<Vec<u8>>,
}

impl Default for CapturedOutput {
    fn default() -> Self {
        Self { output: Zeroizing::new(Vec::with_capacity(OUTPUT_MAX)), errors: Zeroizing::default() }
    }
}

impl CapturedOutput {
    /// Reads what is available. Returns false if the output is too large.
    fn read(&mut self, child: &mut Child) -> io::Result<bool> {
        let mut buffer = Zeroizing::new([0; 8 << 10]);
        loop {
            let length = child.read_output(&mut *buffer)?;
            let bytes = buffer.get(..length).unwrap_or_default();
            if self.output.len() + bytes.len() > OUTPUT_MAX {
                return Ok(false);
            }
            self.output.extend_from_slice(bytes);
            let error_length = child.read_errors(&mut *buffer)?;
            self.errors.extend_from_slice(buffer.get(..error_length).unwrap_or_default());
            let excess = self.errors.len().saturating_sub(ERRORS_KEPT);
            self.errors.drain(..excess);
            buffer.zeroize();
            if length == 0 && error_length == 0 {
                return Ok(true);
            }
        }
    }

    /// Returns a redactor of the secrets in both outputs, or `None` if it cannot find all of them.
    fn secrets(&self) -> Option<Redactor> {
        printed_secrets([&self.output, &self.errors])
    }

    /// Adds the end of standard error, and redacts the secrets of the client and those in both outputs: the client does not
    /// know the keys of a program that failed.
    fn explained(&self, error: Error, redactor: &Redactor) -> Error {
        if error.kind() == Kind::Canceled {
            return error.redacted(redactor);
        }
        let Some(secrets) = self.secrets() else {
            return error.with_hint(NOT_SHOWN).redacted(redactor);
        };
        let text = lossy_text(self.errors.trim_ascii());
        // Redacted before it is cut: the rest of a secret can be too short to be found.
        let text = redactor.redacted(&text);
        let text = secrets.redacted(&text);
        let text = without_user_information(&text);
        let error = match last_bytes(&text, ERRORS_SHOWN).trim_start() {
            "" => error.with_hint("its standard error is empty"),
            text => error.with_hint(format_args!("its standard error ends with: {text}")),
        };
        error.redacted(redactor).redacted(&secrets)
    }
}

/// Returns at most the last `max` bytes of a text.
fn last_bytes(text: &str, max: usize) -> &str {
    let start = (text.len().saturating_sub(max)..=text.len()).find(|&start| text.is_char_boundary(start));
    text.get(start.unwrap_or_default()..).unwrap_or_default()
}

/// Waits until the child ends, within the time limit. Time in which this process was stopped does not count: whatever stopped it
/// may have stopped the child too.
fn wait(
    child: &mut Child,
    captured: &mut CapturedOutput,
    source: &str,
    context: &LoadContext<'_>,
) -> Result<ExitStatus> {
    let broken = |cause: io::Error| {
        Error::new(Kind::of_io(&cause, Kind::Credentials), format!("cannot read the output of {source}: {cause}"))
    };
    let start = context.clock.active();
    loop {
        // Checked before the output is read: what an ended child wrote is then complete.
        let status = child.try_wait().map_err(broken)?;
        if !captured.read(child).map_err(broken)? {
            return Err(failure(format!("{source} wrote more than {OUTPUT_MAX} bytes to its standard output")));
        }
        if let Some(status) = status {
            return Ok(status);
        }
        if context.cancel.is_raised() {
            return Err(canceled());
        }
        let elapsed = context.clock.active().saturating_sub(start);
        let left = context.process_time_limit.saturating_sub(elapsed);
        if left.is_zero() {
            let limit = context.process_time_limit.as_secs_f64();
            return Err(failure(format!("{source} did not end within {limit} s and was killed")));
        }
        if child.has_closed_streams() {
            std::thread::sleep(left.min(EXIT_POLL_INTERVAL));
        } else {
            child.wait_for_output(left.min(CANCEL_POLL_INTERVAL)).map_err(broken)?;
        }
    }
}

/// Ends a child and its own children, which may ignore SIGTERM even if the child does not.
fn end(child: &mut Child) {
    child.signal(Signal::Terminate);
    wait_until(TERMINATE_TIME, || child.has_ended());
    child.signal(Signal::Kill);
    wait_until(KILL_TIME, || !matches!(child.try_wait(), Ok(None)));
}

fn wait_until(limit: Duration, is_done: impl FnMut() -> bool) {
    let start = ActiveInstant::now();
    let mut is_done = is_done;
    while !is_done() && start.elapsed() < limit {
        std::thread::sleep(EXIT_POLL_INTERVAL);
    }
}

fn problem(status: ExitStatus) -> Option<String> {
    match status {
        ExitStatus::Exited(0) | ExitStatus::Unknown => None,
        ExitStatus::Exited(status) => Some(format!("failed with exit status {status}")),
        ExitStatus::Signaled(signal) => Some(format!("was ended by signal {signal}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(output: &str, errors: &str, kind: Kind, redactor: &Redactor) -> String {
        let captured = CapturedOutput {
            output: Zeroizing::new(output.as_bytes().to_vec()),
            errors: Zeroizing::new(errors.as_bytes().to_vec()),
        };
        captured.explained(Error::new(kind, "the program failed"), redactor).message().to_owned()
    }

    #[test]
    fn redacts_a_secret_that_begins_before_the_shown_part() {
        let client = Redactor::default();
        client.add("secret-of-the-client/0123456789");
        for secret in ["secret-of-the-client/0123456789", "secret-of-the-output/0123456789"] {
            for shown in 1..=secret.len() {
                let errors =
                    format!("{secret}{}", "é".repeat(ERRORS_SHOWN).get(..(ERRORS_SHOWN - shown) & !1).unwrap());
                let output = "SessionToken=secret-of-the-output/0123456789";
                let message = explained(output, &errors, Kind::Credentials, &client);
                assert!(!message.contains('9'), "{message}");
            }
        }
    }

    #[test]
    fn shows_the_end_of_standard_error() {
        let errors = format!("begin{} end \n", "é".repeat(ERRORS_SHOWN));
        let message = explained("", &errors, Kind::Credentials, &Redactor::default());
        assert!(!message.contains("begin") && message.ends_with("éé end"), "{message}");
        assert_eq!(message.chars().filter(|c| *c == 'é').count(), (ERRORS_SHOWN - " end".len()) / 2);
    }

    #[test]
    fn removes_the_user_information_of_urls() {
        let errors = "cannot open https://user:pw@host/path and http://me@other; see https://host.example/?a=b";
        let message = explained("", errors, Kind::Credentials, &Redactor::default());
        assert!(
            message.ends_with(
                "cannot open https://[redacted]@host/path and http://[redacted]@other; see https://host.example/?a=b"
            ),
            "{message}"
        );
    }

    #[test]
    fn shows_no_output_if_it_has_too_many_secrets() {
        let errors: String = (0..100).map(|number| format!("SessionToken=secret-{number:04}\n")).collect();
        let message = explained("", &errors, Kind::Credentials, &Redactor::default());
        assert_eq!(message, format!("the program failed; {NOT_SHOWN}"));
        let message = explained("", &errors, Kind::Canceled, &Redactor::default());
        assert_eq!(message, "the program failed");
    }
}
