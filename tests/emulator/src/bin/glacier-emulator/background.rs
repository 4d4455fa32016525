//! Starts the program again in the background.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::exit;
use crate::exports::PID;
use crate::stdout::print;

/// Starts a process with the same arguments and prints its exports. The process keeps running in its own process group, so
/// that Ctrl-C in the terminal does not end it.
pub(crate) fn start(arguments: &[String]) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|e| format!("cannot find this program: {e}"))?;
    let mut child = Command::new(program)
        .args(arguments.iter().filter(|argument| *argument != "--background"))
        .arg("--print-exports")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|e| format!("cannot start in the background: {e}"))?;
    let mut exports = String::new();
    if let Some(out) = child.stdout.take() {
        for line in BufReader::new(out).lines() {
            let line = line.map_err(|e| format!("cannot read from the background: {e}"))?;
            exports.push_str(&format!("{line}\n"));
            if line.starts_with(&format!("export {PID}=")) {
                let printed = print(&exports);
                if printed.is_err() {
                    // The exports with the process ID did not arrive, so nobody could end the process.
                    end(&mut child);
                }
                return printed;
            }
        }
    }
    let mut why = String::new();
    if let Some(mut err) = child.stderr.take() {
        err.read_to_string(&mut why).map_err(|e| format!("cannot read from the background: {e}"))?;
    }
    child.wait().map_err(|e| format!("cannot wait for the background: {e}"))?;
    let why = why.trim_end();
    Err(why.strip_prefix("glacier-emulator: ").unwrap_or(why).to_owned())
}

/// Ends the process and waits until it has removed its temporary directory.
fn end(child: &mut Child) {
    let signal = exit::handled_signals().find_map(Signal::from_named_raw);
    // This fails if the process has already ended.
    let _ = kill_process(Pid::from_child(child), signal.unwrap_or(Signal::KILL));
    let _ = child.wait();
}
