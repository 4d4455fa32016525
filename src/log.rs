//! What happened, for people: levels, and a queue that a caller's callback is fed from.
//!
//! Workers only put lines into the queue; the thread that is inside a working call takes them out and delivers them, so that
//! the callback never runs on a thread the caller does not know. The queue is bounded: what does not fit is counted.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use crate::ffi_text::to_cstring;
use crate::sanitize::Redactor;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, lock};

/// How much to say. Each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Level {
    /// Nothing.
    Off,
    /// What made a call fail.
    Error,
    /// What went wrong and was recovered, such as a retry.
    Warn,
    /// The steps of an upload.
    Info,
    /// Each request.
    Debug,
}

/// Receives the lines. One call at a time, never with a lock held.
pub type Sink = Box<dyn Fn(Level, &std::ffi::CStr) + Send + Sync>;

const QUEUE_MAX: usize = 4096;
/// The most characters of a line: an error message has several texts.
const LINE_MAX: usize = 16 << 10;

/// The queue, with the level from which lines enter it and the callback that takes them.
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
    /// A log that says nothing.
    pub fn off() -> Self {
        Self::new(Level::Off, None)
    }

    /// A log of one level that ends in a callback.
    pub fn new(level: Level, sink: Option<Sink>) -> Self {
        Self::redacting(level, sink, Arc::default())
    }

    /// A log whose lines hold no secret that the redactor knows.
    pub fn redacting(level: Level, sink: Option<Sink>, redactor: Arc<Redactor>) -> Self {
        Self { level, sink, queue: Mutex::default(), delivering: AtomicBool::new(false), redactor }
    }

    /// Whether lines of this level are wanted; asked before a costly line is made.
    pub fn is_enabled(&self, level: Level) -> bool {
        self.sink.is_some() && level != Level::Off && level <= self.level
    }

    /// Puts a line into the queue, sanitized.
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

    /// Whether anything waits for delivery.
    pub fn has_pending(&self) -> bool {
        let queue = lock(&self.queue);
        !queue.lines.is_empty() || queue.dropped > 0
    }

    /// Delivers what waits. When another thread is delivering already, it delivers these lines as well.
    pub fn deliver(&self) {
        let Some(sink) = &self.sink else { return };
        // Asked again after the flag is down: a line that came in between would otherwise wait for the next call.
        while self.has_pending() && !self.delivering.swap(true, Ordering::Acquire) {
            let lower = ResetOnDrop(&self.delivering);
            while let Some((level, line)) = self.next() {
                sink(level, &to_cstring(line));
            }
            drop(lower);
        }
    }

    fn next(&self) -> Option<(Level, String)> {
        let mut queue = lock(&self.queue);
        if let Some(line) = queue.lines.pop_front() {
            return Some(line);
        }
        match std::mem::take(&mut queue.dropped) {
            0 => None,
            dropped => {
                Some((Level::Warn, format!("{dropped} log lines were dropped: they came faster than they were taken")))
            }
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("level", &self.level).finish_non_exhaustive()
    }
}

/// Lowers the flag when delivery ends, also by a panic in the callback.
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
    fn levels_include_those_before_them() {
        let (log, lines) = collecting(Level::Info);
        log.write(Level::Error, format_args!("error"));
        log.write(Level::Info, format_args!("info"));
        log.write(Level::Debug, format_args!("debug"));
        assert!(lines.lock().unwrap().is_empty(), "nothing arrives before delivery");
        log.deliver();
        assert_eq!(*lines.lock().unwrap(), ["error", "info"]);
    }

    #[test]
    fn what_does_not_fit_is_counted() {
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
    fn writes_one_line_per_message() {
        let (log, lines) = collecting(Level::Warn);
        log.write(Level::Warn, format_args!("a\0b\r\nERROR forged \x1b[2J"));
        log.deliver();
        assert_eq!(*lines.lock().unwrap(), ["a\\x00b\\r\\nERROR forged \\x1b[2J"]);
    }

    #[test]
    fn redacts_secrets_added_after_its_start() {
        let (log, lines) = collecting(Level::Warn);
        log.redactor.add("a-secret-of-the-client");
        log.write(Level::Warn, format_args!("sent a-secret-of-the-client"));
        log.deliver();
        assert_eq!(*lines.lock().unwrap(), ["sent [redacted]"]);
    }
}
