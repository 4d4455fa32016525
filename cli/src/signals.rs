//! Signals: SIGINT, SIGTERM and SIGHUP stop the uploads, SIGUSR1 prints their status. SIGXFSZ has no effect.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::{self, JoinHandle};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::{Handle, Signals};

use crate::exit::{Exit, Failure, Result};

/// A thread that receives signals. It ends when this is dropped.
pub(crate) struct SignalWatch {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl SignalWatch {
    /// Starts the thread. `stop` is called at the first signal that stops, `status` at each SIGUSR1. A second signal that stops
    /// ends the process, also after this is dropped: the uploads can be resumed, as after a crash.
    ///
    /// # Errors
    /// The system refuses the signal handlers or the thread.
    pub(crate) fn start(stop: impl Fn() + Send + 'static, status: impl Fn() + Send + 'static) -> Result<Self> {
        Self::try_start(stop, status).map_err(|cause| Failure::new(format!("cannot handle signals: {cause}")))
    }

    fn try_start(stop: impl Fn() + Send + 'static, status: impl Fn() + Send + 'static) -> io::Result<Self> {
        let ignored = ignored_signals(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
        // nohup and background jobs of a script ignore some signals. They stay ignored.
        let mut caught = vec![SIGINT, SIGTERM, SIGHUP];
        caught.retain(|signal| ignored & (1 << (signal - 1)) == 0);
        let mut signals = Signals::new(caught.iter().chain([&SIGUSR1]))?;
        let is_second = Arc::new(AtomicBool::new(false));
        for signal in &caught {
            // The handler itself ends the process: the thread may be blocked by a terminal or a pipe that accepts no output.
            flag::register_conditional_shutdown(*signal, i32::from(Exit::Stopped.code()), Arc::clone(&is_second))?;
            flag::register(*signal, Arc::clone(&is_second))?;
        }
        let handle = signals.handle();
        let thread = thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                if signal == SIGUSR1 {
                    status();
                } else {
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

/// Makes a write beyond the limit of file sizes fail with EFBIG, so that it is reported like other failed writes. By default,
/// the signal SIGXFSZ ends the process.
///
/// # Errors
/// The system refuses the signal handler.
pub(crate) fn report_file_size_limit() -> io::Result<()> {
    // Programs that this process starts get the default action again, which they would not if the signal were ignored.
    flag::register(SIGXFSZ, Arc::default()).map(drop)
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
