//! The bandwidth limit while uploads run: a schedule from the command line or from a file that is read again.

use std::io::Read;
use std::path::PathBuf;
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

/// The bandwidth limit, which depends on the time and on a file.
#[derive(Debug)]
pub(crate) struct Limit {
    file: Option<PathBuf>,
    /// The text of the file, as it was read last.
    text: String,
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
    /// The file cannot be read, or is not valid.
    pub(crate) fn new(args: &TransferArgs) -> Result<Self> {
        let mut limit = Self {
            file: args.limit_file.clone(),
            text: String::new(),
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

    /// Reads the file, if there is one and its text changed.
    fn read_file(&mut self) -> std::result::Result<(), String> {
        let Some(path) = &self.file else { return Ok(()) };
        let mut text = String::new();
        let read = open_file(path).and_then(|file| file.take(FILE_MAX).read_to_string(&mut text));
        if let Err(cause) = read {
            text = format!("cannot read the limit file {}: {cause}", shown_path(path));
            return if std::mem::replace(&mut self.text, text.clone()) == text { Ok(()) } else { Err(text) };
        }
        if text == self.text {
            return Ok(());
        }
        self.text = text;
        let parsed = self.text.trim().parse();
        self.schedule = Some(parsed.map_err(|cause| format!("limit file {}: {cause}", shown_path(path)))?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(file: Option<PathBuf>, schedule: Option<&str>) -> Limit {
        let schedule = schedule.map(|text| text.parse().unwrap());
        Limit { file, text: String::new(), schedule, check: Every::from_now(Duration::ZERO), current: None }
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
    fn unreadable_file_is_reported_once() {
        let mut limit = limit(Some(PathBuf::from("/no/such/file")), Some("1K"));
        assert!(matches!(limit.check(), Change::Invalid(message) if message.contains("/no/such/file")));
        assert_eq!(limit.check(), Change::Limit(1024));
    }
}
