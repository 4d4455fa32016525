//! Waits for an event that ends the program: a signal, or the end of standard input.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// How long later signals have no effect, so that the program can remove its temporary directory. A terminal that closes and
/// `timeout` send several signals.
const REMOVAL_TIME: Duration = Duration::from_secs(10);

/// The event that ended the program.
pub(crate) enum ExitReason {
    Signal(i32),
    Input(io::Result<()>),
}

/// A receiver for that event.
pub(crate) struct ExitWaiter {
    receiver: Receiver<ExitReason>,
}

impl ExitWaiter {
    /// Handles SIGHUP, SIGINT, SIGQUIT and SIGTERM from now on, except signals that were ignored at the start, for example by
    /// `nohup`. The first signal is the event. A later signal ends the program at once, but only after [`REMOVAL_TIME`].
    pub(crate) fn new(until_stdin_closes: bool) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let mut signals = Signals::new(handled_signals())?;
        let for_signals = sender.clone();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let mut first = None;
            for signal in signals.forever() {
                if first.is_none() {
                    first = Some(Instant::now());
                    // This fails if the program is already ending.
                    let _ = for_signals.send(ExitReason::Signal(signal));
                } else if first.is_some_and(|first| first.elapsed() > REMOVAL_TIME) {
                    // If this also fails, the program ends by the first signal.
                    let _ = emulate_default_handler(signal);
                }
            }
        })?;
        if until_stdin_closes {
            thread::Builder::new().name("input".to_owned()).spawn(move || {
                let read = io::copy(&mut io::stdin(), &mut io::sink()).map(drop);
                // This fails if the program is already ending.
                let _ = sender.send(ExitReason::Input(read));
            })?;
        }
        Ok(Self { receiver })
    }

    /// Waits for the event.
    pub(crate) fn wait(&self) -> ExitReason {
        let broken = || ExitReason::Input(Err(io::ErrorKind::BrokenPipe.into()));
        self.receiver.recv().unwrap_or_else(|_| broken())
    }
}

/// Lets a write beyond the maximum size of a file (`ulimit -f`) fail, instead of ending the program by SIGXFSZ.
pub(crate) fn survive_file_limit() -> io::Result<()> {
    // A handler has the same effect as ignoring the signal. Nothing reads the flag that it sets.
    flag::register(SIGXFSZ, Arc::default()).map(drop)
}

/// Returns the signals that end the program in order, also in a process that it starts.
pub(crate) fn handled_signals() -> impl Iterator<Item = i32> {
    let ignored = ignored_signals();
    [SIGTERM, SIGINT, SIGHUP, SIGQUIT].into_iter().filter(move |signal| ignored >> (signal - 1) & 1 == 0)
}

/// Ends the program by the signal's default action, so that the parent process sees the signal.
pub(crate) fn raise(signal: i32) -> io::Result<()> {
    emulate_default_handler(signal)
}

/// Returns the mask of ignored signals. Bit 0 is signal 1. Without /proc the mask is empty.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
