//! Progress bars on a terminal: one line for each file in progress, and one for all.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

use glacier_mp::sync::lock;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::layout::{line, retry_line};
use super::lines::Messages;
use super::{Display, Event, Phase, Status};

/// The width if the terminal does not know its own, in columns.
const DEFAULT_WIDTH: usize = 80;
/// How often the screen is drawn at most, per second.
const REFRESH_RATE: u8 = 10;

/// The display of progress bars.
pub(crate) struct Bars {
    messages: Messages,
    is_colored: bool,
    screen: MultiProgress,
    /// By the index of the file. The last one is the sum.
    bars: Mutex<BTreeMap<usize, ProgressBar>>,
}

impl Bars {
    pub(super) fn new(messages: Messages) -> Self {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(REFRESH_RATE));
        // https://no-color.org
        let is_colored = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { messages, is_colored, screen, bars: Mutex::default() }
    }

    fn draw(&self, status: &Status) {
        let width = width();
        let mut bars = lock(&self.bars);
        let is_single = status.files.len() == 1;
        let sum = status.sum();
        let files = status.files.iter().map(|file| (file, if is_single { status.limit } else { 0 }));
        let all = files.chain((!is_single).then_some((&sum, status.limit)));
        for (index, (file, limit)) in all.enumerate() {
            if file.phase != Phase::Running {
                if let Some(bar) = bars.remove(&index) {
                    bar.finish_and_clear();
                    self.screen.remove(&bar);
                }
                continue;
            }
            let mut text = line(file, limit, width, self.is_colored);
            if let Some(cause) = retry_line(file, width, self.is_colored) {
                text = format!("{text}\n{cause}");
            }
            // Below the bars of the files before it.
            let position = bars.range(..index).count();
            let new = || {
                let bar = ProgressBar::new_spinner();
                // The text is complete: the template adds nothing.
                if let Ok(style) = ProgressStyle::with_template("{msg}") {
                    bar.set_style(style);
                }
                self.screen.insert(position, bar)
            };
            bars.entry(index).or_insert_with(new).set_message(text);
        }
    }
}

impl Display for Bars {
    fn event(&self, event: &Event<'_>) {
        // The bars are removed while lines are written, to standard output too: it may be the same terminal.
        self.screen.suspend(|| self.messages.write(event));
    }

    fn tick(&self, status: &Status) {
        self.draw(status);
    }

    fn status(&self, status: &Status) {
        self.screen.suspend(|| self.messages.write_status(status));
    }

    fn close(&self) {
        let _ = self.screen.clear();
        self.screen.set_draw_target(ProgressDrawTarget::hidden());
    }
}

/// Returns the width of the terminal in columns. The last column stays free: some terminals wrap after it.
fn width() -> usize {
    let columns = rustix::termios::tcgetwinsize(io::stderr()).map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { DEFAULT_WIDTH } else { columns.saturating_sub(1).max(1) }
}
