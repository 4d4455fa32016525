//! The local Glacier as a program. Its first line of output is the endpoint. It runs until a signal or the end of its
//! standard input.

mod background;
mod exit;
mod exports;
mod settings;

use std::io::{self, Write};
use std::process::ExitCode;

use exit::{ExitReason, ExitWaiter};
use glacier_emulator::Emulator;
use settings::{Settings, USAGE};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // In the background, standard error may be closed.
            let _ = writeln!(io::stderr(), "glacier-emulator: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let Some(settings) = Settings::parse(arguments.iter().cloned())? else {
        print!("{USAGE}");
        return Ok(());
    };
    if settings.background {
        return background::start(&arguments);
    }
    // Signals are handled before the temporary directory exists, so that it is always removed.
    let waiter = ExitWaiter::new(settings.until_stdin_closes).map_err(|e| format!("cannot wait for signals: {e}"))?;
    let emulator = Emulator::start(settings.options.clone()).map_err(|e| format!("cannot start: {e}"))?;
    if let (Some(path), Some(pem)) = (&settings.ca_out, emulator.ca_pem()) {
        std::fs::write(path, pem).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    }
    let first = if settings.print_exports {
        exports::text(&settings, emulator.endpoint())
    } else {
        format!("{}\n", emulator.endpoint())
    };
    let mut out = io::stdout();
    out.write_all(first.as_bytes()).and_then(|()| out.flush()).map_err(|e| format!("standard output: {e}"))?;
    let reason = waiter.wait();
    // Removes the temporary directory.
    drop(emulator);
    match reason {
        ExitReason::Input(read) => read.map_err(|e| format!("standard input: {e}")),
        ExitReason::Signal(signal) => exit::raise(signal).map_err(|e| format!("signal {signal}: {e}")),
    }
}
