//! Plain lines, for a standard error that is no terminal. Also the messages that all displays for people share.

use std::ffi::OsString;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use glacier_mp::sync::lock;

use super::layout::fields;
use super::{Display, Event, Phase, Snapshot, Status};
use crate::args::TransferArgs;
use crate::console::{Output, count, message, raw_line, shown};
use crate::every::Every;
use crate::upload::resume_command::ResumeCommand;

/// The time between two progress lines.
const INTERVAL: Duration = Duration::from_secs(10);
/// The minimum time between two warnings of the library. During an outage, each part in flight causes one every few seconds.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// Turns events into lines for people.
#[derive(Debug)]
pub(crate) struct Messages {
    output: Arc<Output>,
    is_quiet: bool,
    is_verbose: bool,
    warnings: Mutex<Warnings>,
}

#[derive(Debug)]
struct Warnings {
    next: Every,
    suppressed: u64,
}

impl Messages {
    pub(super) fn new(args: &TransferArgs, output: Arc<Output>) -> Self {
        let warnings = Mutex::new(Warnings { next: Every::from_now(WARNING_INTERVAL), suppressed: 0 });
        Self { output, is_quiet: args.quiet, is_verbose: args.verbose, warnings }
    }

    /// Writes the lines of an event.
    pub(super) fn write(&self, event: &Event<'_>) {
        match event {
            Event::Archive(record) => {
                self.output.line(&format!("{}  {}", shown(&record.archive_id), shown(&record.source)));
            }
            Event::Failed { source, failure } => message(&format!("{}: {failure}", shown(source))),
            Event::Stopped(command) => {
                message(introduction(command));
                let mut line = OsString::from("  ");
                line.push(&command.text);
                raw_line(&line);
            }
            Event::Log { is_warning: true, message } if !self.is_quiet => self.warn(message),
            Event::Log { is_warning: false, message: text } if self.is_verbose => message(text),
            Event::Note { message: text } if !self.is_quiet => message(text),
            Event::Finished { done, failed, stopped } if done + failed + stopped > 1 && !self.is_quiet => {
                let (done, failed) = (count(*done, "archive"), count(*failed, "file"));
                message(&format!("{done} done, {failed} failed, {stopped} unfinished"));
            }
            _ => {}
        }
    }

    /// Writes the progress of each running source.
    pub(super) fn write_status(&self, status: &Status) {
        status_lines(status).iter().for_each(|line| message(line));
    }

    fn warn(&self, text: &str) {
        let mut warnings = lock(&self.warnings);
        if !self.is_verbose && !warnings.next.is_due(Instant::now()) {
            warnings.suppressed += 1;
            return;
        }
        match std::mem::take(&mut warnings.suppressed) {
            0 => message(&format!("warning: {text}")),
            more => message(&format!("warning: {text} ({}; --verbose shows all)", count(more, "more warning"))),
        }
    }
}

/// Returns the line before a command that resumes: what the user supplies with it.
fn introduction(command: &ResumeCommand) -> &'static str {
    match (command.reads_stdin, command.needs_proxy_password) {
        (false, false) => "to resume, run:",
        (true, false) => "to resume, run this with the same standard input, from its start:",
        (false, true) => {
            "to resume, run this with the user name and the password of the proxy in place of USER:PASSWORD:"
        }
        (true, true) => {
            "to resume, run this with the user name and the password of the proxy in place of USER:PASSWORD, and with the \
             same standard input, from its start:"
        }
    }
}

/// The display of plain lines.
#[derive(Debug)]
pub(crate) struct Lines {
    messages: Messages,
    is_quiet: bool,
    progress: Mutex<Every>,
}

impl Lines {
    pub(super) fn new(messages: Messages, is_quiet: bool, start: Instant) -> Self {
        Self { messages, is_quiet, progress: Mutex::new(Every::after(start, INTERVAL)) }
    }

    /// Returns the progress lines that are due.
    fn due_lines(&self, status: &Status, now: Instant) -> Vec<String> {
        if self.is_quiet || !lock(&self.progress).is_due(now) { Vec::new() } else { status_lines(status) }
    }
}

impl Display for Lines {
    fn event(&self, event: &Event<'_>) {
        self.messages.write(event);
    }

    fn tick(&self, status: &Status) {
        self.due_lines(status, Instant::now()).iter().for_each(|line| message(line));
    }

    fn status(&self, status: &Status) {
        self.messages.write_status(status);
    }
}

/// Returns one line for each running source, and one for all if there are several.
fn status_lines(status: &Status) -> Vec<String> {
    let is_single = status.files.len() == 1;
    let running = status.files.iter().filter(|file| file.phase == Phase::Running);
    let mut lines: Vec<_> = running.map(|file| status_line(file, if is_single { status.limit } else { 0 })).collect();
    if !is_single {
        lines.push(status_line(&status.sum(), status.limit));
    }
    lines
}

fn status_line(file: &Snapshot, limit: u64) -> String {
    let cause = file.last_retry.as_ref().filter(|_| file.retries > 0);
    let cause = cause.map(|cause| format!(", last error: {cause}")).unwrap_or_default();
    format!("{}: {}{cause}", shown(&file.name), fields(file, limit).join(", "))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};
    use crate::progress::snapshot::tests::snapshot;

    #[test]
    fn progress_lines_come_every_10_seconds_unless_quiet() {
        let start = Instant::now();
        let status = Status { files: vec![snapshot()], rate: None, limit: 0 };
        let counts = |option: &str| {
            let words = ["glacier-mp", "upload", "--vault=v", option, "f"];
            let Command::Upload(args) = Cli::parse_from(words).command else { panic!() };
            let messages = Messages::new(&args.transfer, Arc::default());
            let lines = Lines::new(messages, args.transfer.quiet, start);
            [0, 9_900, 10_000, 10_100, 19_900, 20_000]
                .map(|ms| lines.due_lines(&status, start + Duration::from_millis(ms)).len())
        };
        assert_eq!(counts("--no-journal"), [0, 0, 1, 0, 0, 1]);
        assert_eq!(counts("--quiet"), [0; 6]);
    }

    #[test]
    fn status_names_each_running_file_and_the_sum() {
        let retried = Snapshot { retries: 2, last_retry: Some("part 1: reset".to_owned()), ..snapshot() };
        let waiting = Snapshot { phase: Phase::Waiting, ..snapshot() };
        let status = Status { files: vec![retried, waiting], rate: Some(1 << 20), limit: 5 << 20 };
        assert_eq!(
            status_lines(&status),
            [
                "backup.tar: 45 %, 52.0 MiB/s, 1:49 left, 4.5 GiB of 10.0 GiB, 288/640 parts, 8 in flight, 2 retries, last \
                 error: part 1: reset",
                "all 0/2: 45 %, 1.0 MiB/s, 3:07:44 left, 9.0 GiB of 20.0 GiB, 576 parts, 16 in flight, 2 retries, limit \
                 5.0 MiB/s"
            ]
        );
    }
}
