//! Waits for what ends the program: a signal, or the end of standard input.

use std::io;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// What ended the program.
pub(crate) enum End {
    Signal(i32),
    Input(io::Result<()>),
}

/// Receives the end.
pub(crate) struct Watch {
    ends: Receiver<End>,
}

impl Watch {
    /// Handles SIGHUP, SIGINT and SIGTERM from now on, except those that the program was started with as ignored, as by
    /// `nohup`. A second signal ends the program at once.
    pub(crate) fn begin(until_stdin_closes: bool) -> io::Result<Self> {
        let (sender, ends) = mpsc::channel();
        let ignored = ignored_signals();
        let handled = [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
        let mut signals = Signals::new(handled)?;
        let for_signals = sender.clone();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for (number, signal) in signals.forever().enumerate() {
                if number > 0 || for_signals.send(End::Signal(signal)).is_err() {
                    // Nothing is left to do if even that fails.
                    let _ = emulate_default_handler(signal);
                }
            }
        })?;
        if until_stdin_closes {
            thread::Builder::new().name("input".to_owned()).spawn(move || {
                let read = io::copy(&mut io::stdin(), &mut io::sink()).map(drop);
                // The program may be ending already.
                let _ = sender.send(End::Input(read));
            })?;
        }
        Ok(Self { ends })
    }

    /// Waits for the end.
    pub(crate) fn wait(&self) -> End {
        let broken = || End::Input(Err(io::ErrorKind::BrokenPipe.into()));
        self.ends.recv().unwrap_or_else(|_| broken())
    }
}

/// Ends the program as the signal would have without a handler, so that its parent sees the signal.
pub(crate) fn die_of(signal: i32) -> io::Result<()> {
    emulate_default_handler(signal)
}

/// The mask of the signals that are ignored; bit 0 is signal 1. Empty where there is no /proc.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
