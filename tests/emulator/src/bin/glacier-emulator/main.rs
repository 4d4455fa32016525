//! The local Glacier as a program: its first line says where it listens, and it runs until a signal or its input ends it.

mod background;
mod end;
mod exports;
mod settings;

use std::io::{self, Write};
use std::process::ExitCode;

use end::{End, Watch};
use glacier_emulator::Emulator;
use settings::{Settings, USAGE};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // In the background nobody may be left to read it.
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
    // Before there is a temporary directory to remove.
    let end = Watch::begin(settings.until_stdin_closes).map_err(|e| format!("cannot wait for signals: {e}"))?;
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
    let end = end.wait();
    // Removes the temporary directory.
    drop(emulator);
    match end {
        End::Input(read) => read.map_err(|e| format!("standard input: {e}")),
        End::Signal(signal) => end::die_of(signal).map_err(|e| format!("signal {signal}: {e}")),
    }
}
