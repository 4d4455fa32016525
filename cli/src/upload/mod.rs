//! The uploads of one command: several sources, some at the same time, with signals, bandwidth limit and display.

mod changed;
mod description;
mod failure;
mod finished;
mod job;
mod journal;
mod resume_command;
mod stdin;

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use glacier_mp::client::Client;
use glacier_mp::config::Config;
use glacier_mp::log::Level;

pub(crate) use self::description::default_description;
pub(crate) use self::job::{Job, JobSource, Outcome};
pub(crate) use self::journal::JournalChoice;
pub(crate) use self::resume_command::{Invocation, ResumeCommand};
use crate::args::{ConnectionArgs, TransferArgs};
use crate::console::{Output, message, shown_path};
use crate::exit::{Exit, Failure, Result};
use crate::limit::{Change, Limit};
use crate::progress::{Display, Event, Phase, Tracker, display};
use crate::signals::SignalWatch;
use crate::state::StateDirectory;
use crate::state::catalog::ArchiveRecord;
use crate::stop::Stop;
use crate::terms::with_options;

/// How often the display and the bandwidth limit are updated.
const TICK: Duration = Duration::from_millis(100);
/// The time after which a message says that the catalog is locked. Other commands lock it for milliseconds.
const CATALOG_NOTE_AFTER: Duration = Duration::from_secs(2);

/// What all jobs of a command have in common.
pub(crate) struct Settings {
    /// In bytes.
    pub(crate) part_size: Option<u64>,
    /// The expected size of standard input, in bytes.
    pub(crate) expected_size: Option<u64>,
    pub(crate) is_restart: bool,
    pub(crate) journal: JournalChoice,
    pub(crate) state: StateDirectory,
}

/// The environment of a job.
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) client: Arc<Client>,
    pub(crate) stop: Arc<Stop>,
    pub(crate) account_id: String,
    pub(crate) tracker: Arc<Tracker>,
    pub(crate) display: Arc<dyn Display>,
    pub(crate) invocation: Invocation,
    /// The last archive of each source in the catalog, by vault and source.
    uploaded: HashMap<(String, String), ArchiveRecord>,
}

impl Context {
    /// Creates the environment of these jobs.
    pub(crate) fn new(
        settings: Settings,
        client: Arc<Client>,
        account_id: String,
        jobs: &[Job],
        display: Arc<dyn Display>,
        invocation: &Invocation,
    ) -> Self {
        let sources: HashSet<_> = jobs.iter().map(Job::name).collect();
        let is_wanted = |record: &ArchiveRecord| {
            sources.contains(&record.source) && record.endpoint == client.endpoint() && record.account_id == account_id
        };
        let uploaded = settings.state.catalog().last_of_each_source(is_wanted);
        let stop = Arc::new(Stop::new(&client));
        let tracker = Arc::new(Tracker::new(jobs.iter().map(|job| (job.name(), job.size()))));
        Self { settings, client, stop, account_id, tracker, display, invocation: invocation.clone(), uploaded }
    }
}

impl Context {
    /// Returns what [`Catalog::append`] calls while another command or thread has locked the catalog: it shows a message after
    /// a time, and then gives up if the command is being stopped.
    ///
    /// [`Catalog::append`]: crate::state::catalog::Catalog::append
    fn catalog_wait(&self) -> impl Fn(Duration) -> bool {
        let is_shown = Cell::new(false);
        move |time| {
            if time >= CATALOG_NOTE_AFTER && !is_shown.replace(true) {
                let path = shown_path(self.settings.state.catalog().path());
                let message = format!("waiting for another command or thread that has locked the catalog {path}");
                self.display.event(&Event::Note { message: &message });
            }
            keeps_waiting(time, self.stop.is_raised())
        }
    }
}

/// Returns whether a command waits longer for the catalog. A stopped command waits too as long as others usually lock it,
/// because its archive exists and has no line yet.
fn keeps_waiting(time: Duration, is_stopped: bool) -> bool {
    time < CATALOG_NOTE_AFTER || !is_stopped
}

/// Returns the settings of the client of uploads. Its log goes to the display.
///
/// # Errors
/// An invalid option.
pub(crate) fn config(connection: &ConnectionArgs, args: &TransferArgs, display: &Arc<dyn Display>) -> Result<Config> {
    let level = if args.verbose { Level::Info } else { Level::Warn };
    let lines = Arc::clone(display);
    let sink = move |level: Level, line: &std::ffi::CStr| {
        // The error that ends a call is shown as its failure.
        if level != Level::Error {
            lines.event(&Event::Log {
                is_warning: level == Level::Warn,
                message: &with_options(&line.to_string_lossy()),
            });
        }
    };
    let mut config = connection.config()?;
    let set = || {
        config.set_log(level, Some(Box::new(sink)))?;
        config.set_concurrency(args.concurrency)?;
        config.set_memory_limit(args.memory)
    };
    set().map_err(Failure::of_option)?;
    Ok(config)
}

/// Runs the jobs. Returns the exit status that follows from their outcomes.
///
/// # Errors
/// Nothing could be started.
pub(crate) fn run(context: Context, jobs: &[Job], args: &TransferArgs, output: &Output) -> Result<Exit> {
    let mut limit = Limit::new(args)?;
    apply(&mut limit, &context);
    let context = Arc::new(context);
    let signals = watch_signals(&context)?;
    let is_finished = AtomicBool::new(false);
    let outcomes = thread::scope(|scope| {
        let ticker = scope.spawn(|| {
            while !is_finished.load(Ordering::Acquire) {
                apply(&mut limit, &context);
                context.display.tick(&context.tracker.status());
                thread::park_timeout(TICK);
            }
        });
        let outcomes = run_jobs(&context, jobs, args.files_at_once);
        is_finished.store(true, Ordering::Release);
        ticker.thread().unpark();
        outcomes
    });
    drop(signals);
    context.display.close();
    let exit = report(&context, jobs, &outcomes);
    if output.has_failed() {
        let catalog = context.settings.state.catalog();
        message(&format!("the archive IDs are in the catalog {}", shown_path(catalog.path())));
    }
    Ok(exit)
}

/// Returns a display for the options.
pub(crate) fn new_display(args: &TransferArgs, output: &Arc<Output>) -> Arc<dyn Display> {
    Arc::from(display(args, output))
}

fn apply(limit: &mut Limit, context: &Context) {
    match limit.check() {
        Change::None => {}
        Change::Limit(bytes_per_second) => {
            context.client.set_bandwidth_limit(bytes_per_second);
            context.tracker.set_limit(bytes_per_second);
            context.display.event(&Event::Limit { bytes_per_second });
        }
        Change::Invalid(message) => context.display.event(&Event::Log { is_warning: true, message: &message }),
    }
}

fn watch_signals(context: &Arc<Context>) -> Result<SignalWatch> {
    let (stopping, status) = (Arc::clone(context), Arc::clone(context));
    let stop = move || {
        stopping.stop.raise();
        stopping.display.event(&Event::Note { message: "stopping; a second signal ends the program at once" });
    };
    let show = move || status.display.status(&status.tracker.status());
    SignalWatch::start(stop, show)
}

/// Runs the jobs on several threads, in their order. Returns their outcomes in the same order.
fn run_jobs(context: &Context, jobs: &[Job], threads: u32) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let outcomes: Vec<OnceLock<Outcome>> = jobs.iter().map(|_| OnceLock::new()).collect();
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(index) else { return };
            let _ = outcomes[index].set(job.run(index, context));
        }
    };
    let threads = jobs.len().min(usize::try_from(threads).unwrap_or(1));
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    outcomes.into_iter().map(|outcome| outcome.into_inner().unwrap_or(Outcome::NotStarted)).collect()
}

/// Shows the summary, and the commands that resume what is unfinished.
fn report(context: &Context, jobs: &[Job], outcomes: &[Outcome]) -> Exit {
    let exit = outcomes.iter().map(Outcome::exit).fold(Exit::Done, Exit::worse);
    let count = |wanted: &[Exit]| outcomes.iter().map(|outcome| u64::from(wanted.contains(&outcome.exit()))).sum();
    context.display.event(&Event::Finished {
        done: count(&[Exit::Done]),
        failed: count(&[Exit::Failed, Exit::Usage, Exit::Unknown]),
        stopped: count(&[Exit::Stopped]),
    });
    for command in context.invocation.resume_commands(jobs, outcomes) {
        context.display.event(&Event::Stopped(&command));
    }
    exit
}

/// Shows the outcome of a job.
fn show(context: &Context, index: usize, job: &Job, outcome: &Outcome) {
    let (phase, event) = match outcome {
        Outcome::Done(record) => (Phase::Done, Event::Archive(record)),
        Outcome::Failed { failure, .. } => (Phase::Failed, Event::Failed { source: &job.name(), failure }),
        Outcome::NotStarted => return context.tracker.set_phase(index, Phase::Failed),
    };
    context.tracker.set_phase(index, phase);
    context.display.event(&event);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stopped_command_waits_for_a_catalog_that_is_locked_briefly() {
        assert!(keeps_waiting(Duration::ZERO, true) && keeps_waiting(CATALOG_NOTE_AFTER / 2, true));
        assert!(!keeps_waiting(CATALOG_NOTE_AFTER, true) && keeps_waiting(CATALOG_NOTE_AFTER * 100, false));
    }
}
