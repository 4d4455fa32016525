//! The uploads of one command: several sources, some at the same time, with signals, bandwidth limit and display.

mod changed;
mod context;
mod description;
mod failure;
mod finished;
mod job;
mod journal;
pub(crate) mod resume_command;
mod stdin;
mod transfer;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use glacier_mp::config::Config;
use glacier_mp::log::Level;

pub(crate) use self::context::{Context, JournalChoice, Settings};
pub(crate) use self::job::{Job, JobSource, Outcome};
pub(crate) use self::resume_command::Invocation;
use crate::args::{ConnectionArgs, TransferArgs};
use crate::console::{Output, message, shown_path};
use crate::exit::{Exit, Failure, Result};
use crate::limit::{Change, Limit};
use crate::progress::{Display, Event, display};
use crate::signals::SignalWatch;
use crate::terms::with_options;

/// How often the display and the bandwidth limit are updated.
const TICK: Duration = Duration::from_millis(100);

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
