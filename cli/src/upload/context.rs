//! What all uploads of one command have in common.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use glacier_mp::client::Client;

use super::job::Job;
use super::resume_command::Invocation;
use crate::console::shown_path;
use crate::progress::{Display, Event, Tracker};
use crate::state::StateDirectory;
use crate::state::catalog::ArchiveRecord;
use crate::state::entry::UploadKey;
use crate::stop::Stop;

/// The time after which a message says that the catalog is locked. Other commands lock it for milliseconds.
const CATALOG_NOTE_AFTER: Duration = Duration::from_secs(2);

/// Where journals are.
#[derive(Clone, Debug)]
pub(crate) enum JournalChoice {
    /// In the state directory, for files.
    StateDirectory,
    /// At this path.
    At(PathBuf),
    None,
}

/// What all jobs of a command have in common.
pub(crate) struct Settings {
    /// In bytes.
    pub(crate) part_size: Option<u64>,
    /// The expected size of standard input, in bytes.
    pub(crate) expected_size: Option<u64>,
    pub(crate) is_restart: bool,
    pub(crate) journal: JournalChoice,
    pub(crate) state: StateDirectory,
}

/// The environment of a job.
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) client: Arc<Client>,
    pub(crate) stop: Arc<Stop>,
    pub(crate) account_id: String,
    pub(crate) tracker: Arc<Tracker>,
    pub(crate) display: Arc<dyn Display>,
    pub(crate) invocation: Invocation,
    /// The last archive of each source in the catalog, by vault and source.
    pub(super) uploaded: HashMap<(String, String), ArchiveRecord>,
}

impl Context {
    /// Creates the environment of these jobs.
    pub(crate) fn new(
        settings: Settings,
        client: Arc<Client>,
        account_id: String,
        jobs: &[Job],
        display: Arc<dyn Display>,
        invocation: &Invocation,
    ) -> Self {
        let sources: HashSet<_> = jobs.iter().map(Job::name).collect();
        let is_wanted = |record: &ArchiveRecord| {
            sources.contains(&record.source) && record.endpoint == client.endpoint() && record.account_id == account_id
        };
        let uploaded = settings.state.catalog().last_of_each_source(is_wanted);
        let stop = Arc::new(Stop::new(&client));
        let tracker = Arc::new(Tracker::new(jobs.iter().map(|job| (job.name(), job.size()))));
        Self { settings, client, stop, account_id, tracker, display, invocation: invocation.clone(), uploaded }
    }
}

impl Context {
    /// Returns what [`Catalog::append`] calls while another command or thread has locked the catalog: it shows a message after
    /// a time, and then gives up if the command is being stopped.
    ///
    /// [`Catalog::append`]: crate::state::catalog::Catalog::append
    pub(super) fn catalog_wait(&self) -> impl Fn(Duration) -> bool {
        let is_shown = Cell::new(false);
        move |time| {
            if time >= CATALOG_NOTE_AFTER && !is_shown.replace(true) {
                let path = shown_path(self.settings.state.catalog().path());
                let message = format!("waiting for another command or thread that has locked the catalog {path}");
                self.display.event(&Event::Note { message: &message });
            }
            keeps_waiting(time, self.stop.is_raised())
        }
    }

    /// Returns the key of the upload of a file.
    pub(super) fn key(&self, job: &Job, path: &Path) -> UploadKey {
        UploadKey::new(&job.vault, self.client.endpoint(), &self.account_id, path)
    }
}

/// Returns whether a command waits longer for the catalog. A stopped command waits too as long as others usually lock it,
/// because its archive exists and has no line yet.
fn keeps_waiting(time: Duration, is_stopped: bool) -> bool {
    time < CATALOG_NOTE_AFTER || !is_stopped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stopped_command_waits_for_a_catalog_that_is_locked_briefly() {
        assert!(keeps_waiting(Duration::ZERO, true) && keeps_waiting(CATALOG_NOTE_AFTER / 2, true));
        assert!(!keeps_waiting(CATALOG_NOTE_AFTER, true) && keeps_waiting(CATALOG_NOTE_AFTER * 100, false));
    }
}
