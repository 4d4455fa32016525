//! Signals: SIGINT, SIGTERM and SIGHUP stop the uploads, SIGUSR1 prints their status.

use std::io;
use std::thread::{self, JoinHandle};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level;

use crate::exit::Exit;

/// A thread that receives signals. It ends when this is dropped.
pub(crate) struct SignalWatch {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl SignalWatch {
    /// Starts the thread. `stop` is called at the first signal that stops, `status` at each SIGUSR1. A second signal that stops
    /// ends the process: the uploads can be resumed, as after a crash.
    ///
    /// # Errors
    /// The system refuses the signal handlers or the thread.
    pub(crate) fn start(stop: impl Fn() + Send + 'static, status: impl Fn() + Send + 'static) -> io::Result<Self> {
        let ignored = ignored_signals(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
        // nohup and background jobs of a script ignore some signals. They stay ignored.
        let is_caught = |signal: &i32| ignored & (1 << (signal - 1)) == 0;
        let mut signals =
            Signals::new([SIGINT, SIGTERM, SIGHUP].iter().filter(|signal| is_caught(signal)).chain([&SIGUSR1]))?;
        let handle = signals.handle();
        let thread = thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let mut is_stopping = false;
            for signal in signals.forever() {
                if signal == SIGUSR1 {
                    status();
                } else if is_stopping {
                    low_level::exit(i32::from(Exit::Stopped.code()));
                } else {
                    is_stopping = true;
                    stop();
                }
            }
        })?;
        Ok(Self { handle, thread: Some(thread) })
    }
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Returns the signals that the parent process set to be ignored, one bit each, from the text of `/proc/self/status`. On a
/// system without it, none are known.
fn ignored_signals(status: &str) -> u64 {
    let digits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    digits.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_ignored_signals() {
        assert_eq!(ignored_signals("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0"), 0x1001);
        assert_eq!(ignored_signals(""), 0);
    }
}
