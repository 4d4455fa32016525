//! Logging: levels, and a queue of lines for the caller's callback.
//!
//! Worker threads only append lines to the queue. The caller's thread, inside a working call, delivers them, so the
//! callback never runs on a worker thread. The queue is bounded; lines that do not fit are dropped and counted.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use crate::ffi_text::to_cstring;
use crate::sanitize::Redactor;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, lock};

/// The log level. Each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Level {
    /// No messages.
    Off,
    /// Errors that made a call fail.
    Error,
    /// Problems that the library handles, such as a retry.
    Warn,
    /// The steps of an upload.
    Info,
    /// Every request.
    Debug,
}

/// The callback that receives log lines. One call runs at a time, without a lock held.
pub type Sink = Box<dyn Fn(Level, &std::ffi::CStr) + Send + Sync>;

/// The maximum number of queued lines.
const QUEUE_MAX: usize = 4096;
/// The maximum length of a line, in characters. An error message contains several external texts.
const LINE_MAX: usize = 16 << 10;

/// A log: a level, a queue and the callback that receives the lines.
pub struct Log {
    level: Level,
    sink: Option<Sink>,
    queue: Mutex<Queue>,
    delivering: AtomicBool,
    redactor: Arc<Redactor>,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<(Level, String)>,
    dropped: u64,
}

impl Log {
    /// Creates a disabled log.
    pub fn off() -> Self {
        Self::new(Level::Off, None)
    }

    /// Creates a log that delivers to `sink`.
    pub fn new(level: Level, sink: Option<Sink>) -> Self {
        Self::redacting(level, sink, Arc::default())
    }

    /// Creates a log that redacts the secrets of `redactor`.
    pub fn redacting(level: Level, sink: Option<Sink>, redactor: Arc<Redactor>) -> Self {
        Self { level, sink, queue: Mutex::default(), delivering: AtomicBool::new(false), redactor }
    }

    /// Returns whether lines of this level are logged. Check this before formatting an expensive line.
    pub fn is_enabled(&self, level: Level) -> bool {
        self.sink.is_some() && level != Level::Off && level <= self.level
    }

    /// Sanitizes a line and appends it to the queue.
    pub fn write(&self, level: Level, line: fmt::Arguments<'_>) {
        if !self.is_enabled(level) {
            return;
        }
        let line = self.redactor.sanitized(&line.to_string(), LINE_MAX);
        let mut queue = lock(&self.queue);
        if queue.lines.len() < QUEUE_MAX {
            queue.lines.push_back((level, line));
        } else {
            queue.dropped += 1;
        }
    }

    /// Returns whether lines are pending.
    pub fn has_pending(&self) -> bool {
        let queue = lock(&self.queue);
        !queue.lines.is_empty() || queue.dropped > 0
    }

    /// Delivers the pending lines. If another thread is delivering, that thread delivers them.
    pub fn deliver(&self) {
        let Some(sink) = &self.sink else { return };
        // Checks again after the flag was reset: a line appended just before the reset would otherwise remain queued.
        while self.has_pending() && !self.delivering.swap(true, Ordering::Acquire) {
            let reset = ResetOnDrop(&self.delivering);
            while let Some((level, line)) = self.next() {
                sink(level, &to_cstring(line));
            }
            drop(reset);
        }
    }

    fn next(&self) -> Option<(Level, String)> {
        let mut queue = lock(&self.queue);
        if let Some(line) = queue.lines.pop_front() {
            return Some(line);
        }
        match std::mem::take(&mut queue.dropped) {
            0 => None,
            dropped => Some((Level::Warn, format!("{dropped} log lines were dropped: the log queue was full"))),
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("level", &self.level).finish_non_exhaustive()
    }
}

/// Resets the flag when delivery ends, even if the callback panics.
struct ResetOnDrop<'a>(&'a AtomicBool);

impl Drop for ResetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collecting(level: Level) -> (Log, Arc<Mutex<Vec<String>>>) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&lines);
        let sink: Sink = Box::new(move |_, line| into.lock().unwrap().push(line.to_str().unwrap().to_owned()));
        (Log::new(level, Some(sink)), lines)
    }

    #[test]
    fn level_includes_more_severe_levels() {
        let (log, lines) = collecting(Level::Info);
        log.write(Level::Error, format_args!("error"));
        log.write(Level::Info, format_args!("info"));
        log.write(Level::Debug, format_args!("debug"));
        assert!(lines.lock().unwrap().is_empty(), "lines are queued until delivery");
        log.deliver();
        assert_eq!(*lines.lock().unwrap(), ["error", "info"]);
    }

    #[test]
    fn counts_dropped_lines() {
        let (log, lines) = collecting(Level::Warn);
        for n in 0..QUEUE_MAX + 3 {
            log.write(Level::Warn, format_args!("{n}"));
        }
        log.deliver();
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), QUEUE_MAX + 1);
        assert!(lines.last().unwrap().starts_with("3 log lines were dropped"));
    }

    #[test]
    fn escapes_line_breaks_and_control_characters() {
        let (log, lines) = collecting(Level::Warn);
        log.write(Level::Warn, format_args!("a\0b\r\nERROR forged \x1b[2J"));
        log.deliver();
        assert_eq!(*lines.lock().unwrap(), ["a\\x00b\\r\\nERROR forged \\x1b[2J"]);
    }

    #[test]
    fn redacts_secrets_added_after_creation() {
        let (log, lines) = collecting(Level::Warn);
        log.redactor.add("a-secret-of-the-client");
        log.write(Level::Warn, format_args!("sent a-secret-of-the-client"));
        log.deliver();
        assert_eq!(*lines.lock().unwrap(), ["sent [redacted]"]);
    }
}
