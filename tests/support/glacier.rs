//! A local Glacier, a client for it, and a virtual clock whose waits take no time.

use std::io::Write;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use glacier_emulator::{Emulator, Options};
use glacier_mp::client::Client;
use glacier_mp::clock::{Clock, SystemClock};
use glacier_mp::config::Config;
use glacier_mp::environment::Environment;
use glacier_mp::http::{Transport, UreqTransport};
use glacier_mp::log::{Level, Sink};
use glacier_mp::sync::cancel::Cancel;
use glacier_mp::upload::Upload;
use tempfile::NamedTempFile;

pub(crate) const VAULT: &str = "examplevault";
pub(crate) const MIB: u64 = 1 << 20;

/// A configuration for this emulator.
pub(crate) fn config(glacier: &Emulator) -> Config {
    let options = Options::default();
    let mut config = Config::new(Environment::isolated());
    config.set_region(&options.region).unwrap();
    config.set_endpoint(glacier.endpoint()).unwrap();
    config.set_credentials(&options.access_key, &options.secret_key, None).unwrap();
    config
}

/// A client whose backoffs take no time and whose log goes to `lines`.
pub(crate) fn client(config: Config, lines: &CapturedLog) -> Arc<Client> {
    client_with_clock(&Arc::new(VirtualClock::default()), config, lines)
}

/// As `client`, with a clock that the test can read.
pub(crate) fn client_with_clock(clock: &Arc<VirtualClock>, config: Config, lines: &CapturedLog) -> Arc<Client> {
    client_with_transport(config, lines, clock.clone(), |transport| Arc::new(transport))
}

/// A client with this clock and a wrapped transport.
pub(crate) fn client_with_transport(
    mut config: Config,
    lines: &CapturedLog,
    clock: Arc<dyn Clock>,
    wrap: impl FnOnce(UreqTransport) -> Arc<dyn Transport>,
) -> Arc<Client> {
    config.set_log(Level::Debug, Some(lines.sink())).unwrap();
    let settled = config.resolve().unwrap();
    let transport = settled.network().unwrap().transport(&settled.endpoint).unwrap();
    Arc::new(Client::with_transport(settled, wrap(transport), clock))
}

/// An upload to the emulator. Its backoffs take no time.
pub(crate) fn upload(glacier: &Emulator) -> Arc<Upload> {
    Upload::new(&client(config(glacier), &CapturedLog::default()), VAULT).unwrap()
}

/// The log of a client.
#[derive(Clone, Debug, Default)]
pub(crate) struct CapturedLog(Arc<Mutex<Vec<(Level, String)>>>);

impl CapturedLog {
    /// Returns the receiver of log lines.
    pub(crate) fn sink(&self) -> Sink {
        let into = Arc::clone(&self.0);
        Box::new(move |level, line| into.lock().unwrap().push((level, line.to_str().unwrap().to_owned())))
    }

    /// Returns the lines of one level.
    pub(crate) fn of(&self, level: Level) -> Vec<String> {
        self.0.lock().unwrap().iter().filter(|(have, _)| *have == level).map(|(_, line)| line.clone()).collect()
    }
}

/// A clock that follows the real time. A wait returns at once and advances the clock instead.
#[derive(Debug, Default)]
pub(crate) struct VirtualClock {
    real: SystemClock,
    skipped: Mutex<Duration>,
}

impl Clock for VirtualClock {
    fn unix_time(&self) -> i64 {
        self.real.unix_time()
    }

    fn monotonic(&self) -> Duration {
        self.real.monotonic() + *self.skipped.lock().unwrap()
    }

    fn wait(&self, time: Duration, cancel: &Cancel) -> glacier_mp::error::Result<()> {
        *self.skipped.lock().unwrap() += time;
        cancel.check()
    }
}

/// A temporary file with this content.
pub(crate) fn file(content: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

/// As `file`, with timestamps old enough to be trusted.
pub(crate) fn aged_file(content: &[u8]) -> NamedTempFile {
    let file = file(content);
    wait_until_times_are_trusted();
    file
}

/// Waits until the timestamps of a file that was changed before this call are trusted.
pub(crate) fn wait_until_times_are_trusted() {
    std::thread::sleep(Duration::from_millis(2100));
}

/// Returns the bytes of the only archive.
pub(crate) fn archive(glacier: &Emulator) -> Vec<u8> {
    let archives = glacier.archives();
    assert_eq!(archives.len(), 1, "{archives:?}");
    std::fs::read(archives[0].path.as_ref().unwrap()).unwrap()
}
