//! The bandwidth limit while uploads run: a schedule from the command line or from a file that is read again.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{Local, Timelike};

use crate::args::TransferArgs;
use crate::console::shown_path;
use crate::every::Every;
use crate::exit::{Failure, Result};
use crate::files::open_file;
use crate::schedule::Schedule;

/// How often the time and the file are checked.
const INTERVAL: Duration = Duration::from_secs(1);
/// The maximum size of the file, in bytes.
const FILE_MAX: u64 = 4096;

/// The text of the file, or the error that names the file and the rule.
type Text = std::result::Result<String, String>;

/// The bandwidth limit, which depends on the time and on a file.
#[derive(Debug)]
pub(crate) struct Limit {
    file: Option<PathBuf>,
    /// The text of the file, or the error, of the last time that it was read.
    last: Option<Text>,
    schedule: Option<Schedule>,
    check: Every,
    current: Option<u64>,
}

/// What a check of the limit found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    /// The new limit in bytes per second; 0: no limit.
    Limit(u64),
    /// The file is invalid. The last limit stays.
    Invalid(String),
}

impl Limit {
    /// Creates the limit that the options describe.
    ///
    /// # Errors
    /// The file cannot be read, is empty, or is not valid.
    pub(crate) fn new(args: &TransferArgs) -> Result<Self> {
        let mut limit = Self {
            file: args.limit_file.clone(),
            last: None,
            schedule: args.limit_rate.clone(),
            check: Every::from_now(INTERVAL),
            current: None,
        };
        limit.read_file().map_err(Failure::usage)?;
        Ok(limit)
    }

    /// Checks the time and the file, at most once a second.
    pub(crate) fn check(&mut self) -> Change {
        if !self.check.is_due(Instant::now()) {
            return Change::None;
        }
        if let Err(message) = self.read_file() {
            return Change::Invalid(format!("{message}; the last limit stays in effect"));
        }
        let now = Local::now();
        self.limit_at(now.hour() * 60 + now.minute())
    }

    fn limit_at(&mut self, minute: u32) -> Change {
        let Some(schedule) = &self.schedule else { return Change::None };
        let limit = schedule.limit_at(minute);
        match self.current.replace(limit) {
            Some(current) if current == limit => Change::None,
            None if limit == 0 => Change::None,
            _ => Change::Limit(limit),
        }
    }

    /// Reads the file, if there is one and its text changed. After an error, the schedule is the last valid one.
    fn read_file(&mut self) -> std::result::Result<(), String> {
        let Some(path) = &self.file else { return Ok(()) };
        let text = read_text(path);
        if self.last.as_ref() == Some(&text) {
            return Ok(());
        }
        let text = self.last.insert(text).as_ref().map_err(Clone::clone)?;
        self.schedule = Some(text.parse().map_err(|cause| format!("limit file {}: {cause}", shown_path(path)))?);
        Ok(())
    }
}

/// Reads the text of a limit file. Each run of white space becomes one space: a list may have several lines.
fn read_text(path: &Path) -> Text {
    let mut bytes = Vec::new();
    // One byte more shows that the file is too large.
    let read = open_file(path).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut bytes));
    read.map_err(|cause| format!("cannot read the limit file {}: {cause}", shown_path(path)))?;
    let invalid = |rule: fmt::Arguments<'_>| Err(format!("limit file {} {rule}", shown_path(path)));
    if bytes.len() as u64 > FILE_MAX {
        return invalid(format_args!("has more than {FILE_MAX} bytes: write one rate or one schedule"));
    }
    let Ok(text) = std::str::from_utf8(&bytes) else { return invalid(format_args!("is not valid UTF-8")) };
    let text = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    // A program that replaces the text can leave the file empty for a moment, so this must not mean "no limit".
    if text.is_empty() {
        return invalid(format_args!(
            "is empty: write a rate such as 5M, a schedule such as 08:00-18:00=1M,*=0, or 0 for no limit"
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(file: Option<PathBuf>, schedule: Option<&str>) -> Limit {
        let schedule = schedule.map(|text| text.parse().unwrap());
        Limit { file, last: None, schedule, check: Every::from_now(Duration::ZERO), current: None }
    }

    #[test]
    fn schedule_changes_the_limit_with_the_time() {
        let mut limit = limit(None, Some("08:00-18:00=1M,*=0"));
        let changes = [0, 479, 480, 481, 1080].map(|minute| limit.limit_at(minute));
        assert_eq!(changes, [Change::None, Change::None, Change::Limit(1 << 20), Change::None, Change::Limit(0)]);
    }

    #[test]
    fn reads_the_file_again_when_it_changes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut limit = limit(Some(file.path().to_owned()), None);
        let mut check = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            limit.check()
        };
        assert_eq!(check("5M\n"), Change::Limit(5 << 20));
        assert_eq!(check("5M\n"), Change::None);
        assert_eq!(check("0\n"), Change::Limit(0));
        let Change::Invalid(message) = check("fast") else { panic!() };
        assert!(
            message.contains("\"fast\" is not a size") && message.ends_with("the last limit stays in effect"),
            "{message}"
        );
        assert_eq!(check("fast"), Change::None, "an error is reported once");
        assert_eq!(check("1K"), Change::Limit(1024));
    }

    #[test]
    fn empty_or_too_large_file_keeps_the_limit() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut limit = limit(Some(file.path().to_owned()), None);
        let mut check = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            limit.check()
        };
        let rule = |change: Change, rule: &str| {
            let Change::Invalid(message) = change else { panic!("{change:?}") };
            let names_file = message.contains(&shown_path(file.path()));
            assert!(names_file && message.contains(rule) && message.ends_with("stays in effect"), "{message}");
        };
        rule(check(""), "is empty: write a rate");
        assert_eq!(check("5M"), Change::Limit(5 << 20));
        for text in ["", "\n \n"] {
            rule(check(text), "is empty: write a rate");
            assert_eq!(check(text), Change::None, "an error is reported once");
            assert_eq!(check("5M"), Change::None);
        }
        let digits = "10M";
        assert_eq!(check(&(" ".repeat(4096 - digits.len()) + digits)), Change::Limit(10 << 20));
        rule(check(&(" ".repeat(4097 - digits.len()) + digits)), "has more than 4096 bytes");
        assert_eq!(check("10M"), Change::None);
        rule(check(&("1".to_owned() + &"\u{e4}".repeat(2048))), "has more than 4096 bytes");
        rule(check("5\n0"), "is not a size");
        assert_eq!(check("12:00-24:00=1K,\n00:00-12:00=1K\n"), Change::Limit(1024));
    }

    #[test]
    fn unreadable_file_is_reported_once() {
        let mut limit = limit(Some(PathBuf::from("/no/such/file")), Some("1K"));
        assert!(matches!(limit.check(), Change::Invalid(message) if message.contains("/no/such/file")));
        assert_eq!(limit.check(), Change::Limit(1024));
    }
}
