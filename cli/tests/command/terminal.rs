//! The progress on a terminal: a pseudoterminal, whose screen is compared.

use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use glacier_emulator::{Action, Fault, Operation};
use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};

use crate::run::{MIB, Place, content, program};
use crate::stops::wait_for_parts;

/// The command on a pseudoterminal.
struct Terminal {
    screen: Arc<Mutex<vt100::Parser>>,
    bytes: Arc<Mutex<Vec<u8>>>,
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn portable_pty::MasterPty + Send>,
}

impl Terminal {
    fn start(place: &Place, columns: u16, variables: &[(&str, &str)], words: &[&str]) -> Self {
        let rows = 12;
        let pair =
            native_pty_system().openpty(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }).unwrap();
        let mut command = CommandBuilder::new(program());
        command.env_clear();
        command.cwd(place.directory.path());
        for (name, value) in place.variables() {
            command.env(name, value);
        }
        command.env("TERM", "xterm-256color");
        for (name, value) in variables {
            command.env(name, value);
        }
        command.args(words);
        let child = pair.slave.spawn_command(command).unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (drawn, kept) = (Arc::clone(&screen), Arc::clone(&bytes));
        let mut reader = pair.master.try_clone_reader().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = reader.read(&mut buffer) {
                if length == 0 {
                    return;
                }
                drawn.lock().unwrap().process(&buffer[..length]);
                kept.lock().unwrap().extend(&buffer[..length]);
            }
        });
        Self { screen, bytes, child, _master: pair.master }
    }

    fn text(&self) -> String {
        let parser = self.screen.lock().unwrap();
        let (_, columns) = parser.screen().size();
        let rows: Vec<_> = parser.screen().rows(0, columns).map(|row| row.trim_end().to_owned()).collect();
        rows.join("\n").trim_end().to_owned()
    }

    /// Waits until the screen has a text, and returns the screen.
    fn wait_for(&self, text: &str) -> String {
        let start = Instant::now();
        loop {
            let screen = self.text();
            if screen.contains(text) {
                return screen;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "{text:?} does not appear:\n{screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn has_color(&self) -> bool {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).contains("\x1b[32m")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts an upload of two files. One part of each does not end, and one was retried.
fn two_files(columns: u16, variables: &[(&str, &str)]) -> (Place, Terminal) {
    let place = Place::new();
    place.file("backup-monday.tar", &content(4 * MIB));
    place.file("backup-tuesday.tar", &content(4 * MIB));
    let part = |action| Fault::new(action).on(Operation::UploadMultipartPart);
    place
        .glacier
        .add_fault(part(Action::Status { status: 503, body: None, content_type: None, headers: Vec::new() }).part(0));
    place.glacier.add_fault(part(Action::Stall { after_bytes: Some(1) }).part(3).always());
    let words = ["upload", "--part-size=1M", "--limit-rate=50M", "backup-monday.tar", "backup-tuesday.tar"];
    let terminal = Terminal::start(&place, columns, variables, &words);
    wait_for_parts(&place, 3);
    (place, terminal)
}

#[test]
fn wide_terminal_shows_a_bar_for_each_file_and_one_for_all() {
    let (_place, terminal) = two_files(140, &[]);
    let screen = terminal.wait_for("6 parts, 2 in flight");
    assert!(screen.contains("all 0/2") && screen.contains("limit 50.0 MiB/s"), "{screen}");
    assert!(screen.contains("1 retry, last error: "), "{screen}");
    assert!(terminal.has_color());
}

#[test]
fn narrow_terminal_has_no_line_that_wraps() {
    let (_place, terminal) = two_files(40, &[("NO_COLOR", "1")]);
    let screen = terminal.wait_for("all 0/2");
    // A line that wraps would leave a part of a bar in the first column.
    let starts = ["...", "all ", "  ", "glacier-mp:"];
    let bars = screen.lines().skip_while(|line| !line.contains('%'));
    assert!(bars.clone().all(|line| starts.iter().any(|start| line.starts_with(start))), "{screen}");
    assert!(bars.count() >= 3, "{screen}");
    assert!(!terminal.has_color());
}

#[test]
fn dumb_terminal_shows_no_bars() {
    let place = Place::new();
    place.file("f", b"x");
    let terminal = Terminal::start(&place, 80, &[("TERM", "dumb")], &["upload", "f"]);
    let screen = terminal.wait_for("  /");
    assert!(!screen.contains('['), "{screen}");
}

#[test]
fn abort_asks_on_a_terminal() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, 80, &[], &["abort", "some-upload"]);
    terminal.wait_for("abort this upload to vault examplevault and delete the parts? [y/N]");
    let mut writer = terminal._master.take_writer().unwrap();
    std::io::Write::write_all(&mut writer, b"n\r").unwrap();
    terminal.wait_for("nothing was aborted");
    assert!(terminal.child.wait().unwrap().success());
    assert!(place.glacier.requests().is_empty());
}
