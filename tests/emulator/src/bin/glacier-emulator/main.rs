//! The local Glacier as a program. Its first line of output is the endpoint. It runs until a signal or the end of its
//! standard input.

mod background;
mod exit;
mod exports;
mod settings;
mod stdout;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use exit::{ExitReason, ExitWaiter};
use glacier_emulator::Emulator;
use settings::{Settings, USAGE};
use stdout::print;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // In the background, standard error may be closed.
            let _ = writeln!(io::stderr(), "glacier-emulator: {}", escaped(&why));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    exit::survive_file_limit().map_err(|e| format!("cannot handle signals: {e}"))?;
    let arguments = std::env::args_os().skip(1).map(OsString::into_string).collect::<Result<Vec<_>, _>>();
    let arguments = arguments.map_err(|bad| format!("the argument {} is not UTF-8", bad.to_string_lossy()))?;
    let Some(settings) = Settings::parse(arguments.iter().cloned())? else {
        stdout::require("--help prints the options")?;
        return print(USAGE);
    };
    if let Some(what) = settings.only_printed() {
        stdout::require(what)?;
    }
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
    print(&first)?;
    let reason = waiter.wait();
    // Removes the temporary directory.
    drop(emulator);
    match reason {
        ExitReason::Input(read) => read.map_err(|e| format!("standard input: {e}")),
        ExitReason::Signal(signal) => exit::raise(signal).map_err(|e| format!("signal {signal}: {e}")),
    }
}

/// Escapes control and format characters of arguments and file names, which a terminal would interpret.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' | '\'' | '\\' => out.push(c),
            c => out.extend(c.escape_debug()),
        }
    }
    out
}
