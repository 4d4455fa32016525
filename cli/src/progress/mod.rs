//! What the uploads report: progress, warnings, results. Three displays show it: bars, lines and JSON.

mod bars;
mod json;
mod layout;
mod lines;
mod rate;
mod snapshot;
mod tracker;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Instant;

pub(crate) use self::snapshot::{Phase, Snapshot, Status};
pub(crate) use self::tracker::Tracker;
use crate::args::TransferArgs;
use crate::console::Output;
use crate::exit::Failure;
use crate::state::catalog::ArchiveRecord;
use crate::upload::resume_command::ResumeCommand;

/// An event, other than progress.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// The upload of a source begins.
    Started {
        source: &'a str,
        vault: &'a str,
        /// In bytes; `None` if it is unknown.
        size: Option<u64>,
    },
    /// A line of the library's log.
    Log { is_warning: bool, message: &'a str },
    /// A message to the user that is no failure.
    Note { message: &'a str },
    /// The bandwidth limit changed, in bytes per second; 0: no limit.
    Limit { bytes_per_second: u64 },
    /// An archive exists, and the catalog has it.
    Archive(&'a ArchiveRecord),
    /// A source failed.
    Failed { source: &'a str, failure: &'a Failure },
    /// A command resumes the uploads that were stopped.
    Stopped(&'a ResumeCommand),
    /// All uploads ended.
    Finished { done: u64, failed: u64, stopped: u64 },
}

/// A display of events and progress. Its methods are called by several threads.
pub(crate) trait Display: Send + Sync {
    /// Shows an event.
    fn event(&self, event: &Event<'_>);

    /// Shows the progress. Called several times a second.
    fn tick(&self, status: &Status);

    /// Shows the progress once, because the user asked for it.
    fn status(&self, status: &Status);

    /// Removes what is not to stay on the screen.
    fn close(&self) {}
}

/// Returns the display that the options and standard error allow.
pub(crate) fn display(args: &TransferArgs, output: &Arc<Output>) -> Box<dyn Display> {
    let messages = lines::Messages::new(args, Arc::clone(output));
    if args.json {
        return Box::new(json::JsonEvents::new(Arc::clone(output), args.verbose));
    }
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    if args.quiet || is_dumb || !std::io::stderr().is_terminal() {
        return Box::new(lines::Lines::new(messages, args.quiet, Instant::now()));
    }
    Box::new(bars::Bars::new(messages))
}
