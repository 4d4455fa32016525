//! A local Glacier, a source, and the sessions that upload it.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};

use fastrand::Rng;
use glacier_emulator::{Action, Emulator, Options, RequestRecord};
use glacier_mp::client::Client;
use glacier_mp::config::Config;
use glacier_mp::credentials::Credentials;
use glacier_mp::error::Result;
use glacier_mp::sign::Key;
use glacier_mp::upload::Upload;
use sha2::{Digest as _, Sha256};
use tempfile::{NamedTempFile, TempDir};

use crate::history::{RequestHistory, Session};
use crate::support::glacier::{CapturedLog, VAULT, client, config, file};

/// The smallest part size, which is also the size of a leaf of a tree hash.
pub(crate) const MIB: usize = 1 << 20;

/// The bytes from which all contents are taken.
static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bytes = vec![0; 24 * MIB];
    Rng::with_seed(1).fill(&mut bytes);
    bytes
});

/// The bytes to upload, and their part size.
pub(crate) struct Content {
    pub(crate) bytes: &'static [u8],
    pub(crate) part: usize,
    pub(crate) file: NamedTempFile,
    /// The tree hashes of the parts, in hex.
    pub(crate) hashes: Vec<String>,
}

impl Content {
    pub(crate) fn new(start: usize, size: usize, part: usize) -> Self {
        let bytes = &BYTES[start..][..size];
        Self { bytes, part, file: file(bytes), hashes: bytes.chunks(part).map(tree_hash).collect() }
    }

    pub(crate) fn parts(&self) -> u32 {
        u32::try_from(self.hashes.len()).unwrap()
    }
}

fn tree_hash(part: &[u8]) -> String {
    let mut level: Vec<_> = part.chunks(MIB).map(|leaf| Sha256::digest(leaf).to_vec()).collect();
    while level.len() > 1 {
        let join =
            |pair: &[Vec<u8>]| if pair.len() == 1 { pair[0].clone() } else { Sha256::digest(pair.concat()).to_vec() };
        level = level.chunks(2).map(join).collect();
    }
    hex::encode(&level[0])
}

/// The number of entries on a page of a list.
const PAGE: usize = 2;

/// How the library gets the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceKind {
    /// The library reads a file.
    File,
    /// The caller writes the bytes.
    Stream,
}

/// The kind of source, and whether the upload has a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    pub(crate) source: SourceKind,
    pub(crate) journal: bool,
}

pub(crate) struct Fixture {
    pub(crate) glacier: Emulator,
    pub(crate) content: Arc<Content>,
    ca: Option<NamedTempFile>,
    directory: TempDir,
    sessions: Mutex<Vec<Session>>,
}

impl Fixture {
    pub(crate) fn new(options: Options, content: Arc<Content>) -> Self {
        let glacier = Emulator::start(Options { page_max: PAGE, ..options }).unwrap();
        let ca = glacier.ca_pem().map(|pem| file(pem.as_bytes()));
        Self { glacier, content, ca, directory: tempfile::tempdir().unwrap(), sessions: Mutex::default() }
    }

    /// Creates a client, as a new process does, with its session.
    pub(crate) fn client(&self, settings: impl FnOnce(&mut Config)) -> (Arc<Client>, Session) {
        self.client_by(settings, |config| client(config, &CapturedLog::default()))
    }

    /// As [`Fixture::client`], but `make` creates the client.
    pub(crate) fn client_by(
        &self,
        settings: impl FnOnce(&mut Config),
        make: impl FnOnce(Config) -> Arc<Client>,
    ) -> (Arc<Client>, Session) {
        let mut sessions = self.sessions.lock().unwrap();
        let session = Session::begin(&self.glacier, sessions.len());
        sessions.push(session.clone());
        drop(sessions);
        let mut config = config(&self.glacier);
        config.set_user_agent(&session.name).unwrap();
        if let Some(ca) = &self.ca {
            config.set_ca_file(ca.path()).unwrap();
        }
        settings(&mut config);
        (make(config), session)
    }

    /// Creates a handle. It resumes from the journal or from an upload ID.
    pub(crate) fn handle(&self, client: &Arc<Client>, setup: Setup, id: Option<&str>) -> Arc<Upload> {
        let upload = Upload::new(client, VAULT).unwrap();
        match id {
            _ if setup.journal => upload.set_journal(&self.journal("upload")).unwrap(),
            Some(id) => upload.set_upload_id(id).unwrap(),
            None => {}
        }
        if setup.journal || id.is_none() {
            upload.set_part_size(self.content.part as u64).unwrap();
        }
        if setup.source == SourceKind::File {
            upload.set_source_file(self.content.file.path()).unwrap();
        }
        upload
    }

    /// Runs an upload until its archive exists.
    pub(crate) fn run(&self, upload: &Arc<Upload>, setup: Setup) -> Result<()> {
        if setup.source == SourceKind::Stream {
            upload.write(self.content.bytes).and_then(|()| upload.finish())
        } else {
            upload.run()
        }
    }

    /// Records that the caller stops a session.
    pub(crate) fn stop(&self, stopped: &Session) {
        let mut sessions = self.sessions.lock().unwrap();
        sessions.iter_mut().filter(|session| session.name == stopped.name).for_each(|session| session.canceled = true);
    }

    /// The requests of a session.
    pub(crate) fn requests_of(&self, session: &Session) -> Vec<RequestRecord> {
        let mut requests = self.glacier.requests_from(session.from);
        requests.retain(|request| session.sent(request));
        requests
    }

    /// Waits until the service has finished all requests.
    pub(crate) fn settle(&self) {
        // The emulator cannot detect the end of a client behind unread bytes.
        let is_stalled = |action: &Action| matches!(action, Action::Stall { .. });
        let busy = || self.glacier.requests().iter().any(|one| !one.over && !one.faults.iter().any(is_stalled));
        while busy() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// Checks the request history, that there is one archive with these bytes, and that each remaining upload is an empty
    /// orphan.
    pub(crate) fn check_archive(&self) -> std::result::Result<(), String> {
        self.settle();
        let requests = self.glacier.requests();
        let (sessions, hashes) = (self.sessions.lock().unwrap(), &self.content.hashes);
        let orphans = RequestHistory { requests: &requests, sessions: &sessions, hashes }.check()?;
        let uploads = self.glacier.uploads();
        if let Some(left) = uploads.iter().find(|one| !orphans.contains(&one.upload_id) || !one.parts.is_empty()) {
            return Err(format!("an upload remains: {left:?}"));
        }
        match &self.glacier.archives()[..] {
            [archive] if fs::read(archive.path.as_ref().unwrap()).unwrap() == self.content.bytes => Ok(()),
            [_] => Err("the archive has other bytes than the source".to_owned()),
            archives => Err(format!("expected one archive, found {archives:?}")),
        }
    }

    /// The path of a journal.
    pub(crate) fn journal(&self, name: &str) -> PathBuf {
        self.directory.path().join(name).with_extension("journal")
    }
}

/// The credentials of a provider: the service's key, without expiry.
pub(crate) fn credentials() -> Credentials {
    let Options { access_key, secret_key, .. } = Options::default();
    Credentials { key: Key::new(access_key, secret_key, None), expires: None }
}
