//! One JSON object for each event, on standard output. `docs/command.md` describes the events.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use glacier_mp::sync::lock;
use serde_json::{Value, json};

use super::{Display, Event, Phase, Snapshot, Status};
use crate::console::{Output, message, shown};
use crate::every::Every;
use crate::state::catalog::now;

/// The time between two progress events of a file.
const INTERVAL: Duration = Duration::from_secs(1);

/// The display of JSON events.
#[derive(Debug)]
pub(crate) struct JsonEvents {
    output: Arc<Output>,
    is_verbose: bool,
    progress: Mutex<Every>,
}

impl JsonEvents {
    pub(super) fn new(output: Arc<Output>, is_verbose: bool) -> Self {
        Self { output, is_verbose, progress: Mutex::new(Every::after(Instant::now(), INTERVAL)) }
    }

    fn write(&self, mut object: Value) {
        object["time"] = now().into();
        self.output.json(&object);
    }

    fn write_progress(&self, file: &Snapshot, name: &str, limit: u64) {
        self.write(json!({
            "event": "progress",
            "source": name,
            "bytes_total": file.total,
            "bytes_done": file.done,
            "bytes_sent": file.sent,
            "bytes_per_second": file.rate,
            "seconds_left": file.time_left().map(|time| time.as_secs()),
            "parts_total": file.parts_total,
            "parts_done": file.parts_done,
            "parts_in_flight": file.parts_in_flight,
            "retries": file.retries,
            "last_retry": file.last_retry,
            "limit": limit,
        }));
    }
}

impl Display for JsonEvents {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Started { source, vault, size } => {
                self.write(json!({"event": "start", "source": source, "vault": vault, "size": size}));
            }
            Event::Log { is_warning, message } => {
                if *is_warning || self.is_verbose {
                    let name = if *is_warning { "warning" } else { "info" };
                    self.write(json!({"event": name, "message": message}));
                }
            }
            Event::Note { message } => self.write(json!({"event": "info", "message": message})),
            Event::Limit { bytes_per_second } => self.write(json!({"event": "limit", "limit": bytes_per_second})),
            Event::Archive(record) => {
                let mut object = json!(record);
                object["event"] = "archive".into();
                self.write(object);
            }
            Event::Failed { source, failure } => {
                // A reader of standard output alone misses the failure if standard output is closed.
                if self.output.has_failed() {
                    message(&format!("{}: {failure}", shown(source)));
                }
                let status = failure.exit.code();
                self.write(json!({"event": "error", "source": source, "status": status, "message": failure.message}));
            }
            Event::Stopped(command) => {
                let (text, reads_stdin) = (command.text.to_string_lossy(), command.reads_stdin);
                let password = command.needs_proxy_password;
                self.write(json!({
                    "event": "stopped", "resume": text, "standard_input": reads_stdin, "proxy_password": password,
                }));
            }
            Event::Finished { done, failed, stopped } => {
                self.write(json!({"event": "end", "done": done, "failed": failed, "unfinished": stopped}));
            }
        }
    }

    fn tick(&self, status: &Status) {
        if lock(&self.progress).is_due(Instant::now()) {
            self.status(status);
        }
    }

    fn status(&self, status: &Status) {
        for file in status.files.iter().filter(|file| file.phase == Phase::Running) {
            self.write_progress(file, &file.name, status.limit);
        }
    }
}
