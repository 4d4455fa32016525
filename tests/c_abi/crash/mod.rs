//! Uploads whose processes die: killed at any instant, at each step of the journal, or with a journal that cannot be
//! written. The next process resumes, or reports why not. See tests/c/crash.c for the program.

mod full_disk;
mod journal;
mod kills;
mod points;
mod unwritable;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use glacier_emulator::{Action, Emulator, Fault, Operation, RequestRecord, UploadRecord};
use tempfile::TempDir;

use self::journal::Journal;
use crate::harness::{Build, Outcome, Program, assert_holds, data, local_glacier, settled_data_file, wait_until};

const MIB: usize = 1 << 20;

/// The kind of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SourceKind {
    File,
    WriteSession,
    Callback,
}

/// Where the next process finds the upload ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IdStore {
    Journal,
    /// A file with the ID, saved when the progress callback first sees it.
    Watched,
    /// A file with the ID, saved before a byte is read.
    Initiated,
}

fn program() -> Program {
    Program::c("tests/c/crash.c", Build::Plain)
}

/// One upload, with the processes that use it one after the other.
struct Fixture<'a> {
    program: &'a Program,
    source_kind: SourceKind,
    id_store: IdStore,
    glacier: Emulator,
    /// The path of the journal, or of the file with the ID.
    path: PathBuf,
    source: PathBuf,
    size: usize,
    /// The state at the start of each process.
    starts: Vec<Start>,
    _directory: TempDir,
}

/// The state at the start of a process.
struct Start {
    /// The parts that the service holds.
    stored_parts: BTreeSet<PartName>,
    /// The upload ID that the process finds.
    known_id: Option<String>,
    journal: Journal,
}

/// An upload ID and the first byte of a part.
type PartName = (String, u64);

impl<'a> Fixture<'a> {
    fn new(program: &'a Program, source_kind: SourceKind, id_store: IdStore, size: usize) -> Self {
        Self::at(program, source_kind, id_store, size, "upload-id")
    }

    /// Uses another name for the journal.
    fn at(
        program: &'a Program,
        source_kind: SourceKind,
        id_store: IdStore,
        size: usize,
        name: impl AsRef<Path>,
    ) -> Self {
        let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        // The journal records of a file that was just created are not trusted.
        let (path, source) = (directory.path().join(name), settled_data_file(size));
        let glacier = local_glacier();
        Self { program, source_kind, id_store, glacier, path, source, size, starts: Vec::new(), _directory: directory }
    }

    /// Uploads ten parts, slowly, so that kills occur in each phase.
    fn slow(program: &'a Program, source_kind: SourceKind, id_store: IdStore) -> Self {
        let fixture = Self::new(program, source_kind, id_store, 9 * MIB + 1000);
        for (operation, action) in [
            (Operation::InitiateMultipartUpload, Action::DelayAnswer { millis: 60 }),
            (Operation::ListParts, Action::DelayAnswer { millis: 40 }),
            (Operation::UploadMultipartPart, Action::Slow { bytes_per_second: 8 * MIB as u64 }),
            (Operation::CompleteMultipartUpload, Action::DelayAnswer { millis: 150 }),
        ] {
            fixture.glacier.add_fault(Fault::new(action).on(operation).always());
        }
        fixture
    }

    /// Returns the command of the next process.
    fn next_process(&mut self) -> Command {
        self.starts.push(Start {
            stored_parts: self.stored_parts(),
            known_id: self.known_id(),
            journal: self.journal(),
        });
        let source_kind = match self.source_kind {
            SourceKind::File => "file",
            SourceKind::WriteSession => "pushed",
            SourceKind::Callback => "callback",
        };
        let id_store = match self.id_store {
            IdStore::Journal => "journal",
            IdStore::Watched => "watched",
            IdStore::Initiated => "initiated",
        };
        let mut command = self.program.command_at(&self.glacier);
        command.args([source_kind, id_store]).arg(&self.path).arg(&self.source);
        command.env("PROCESS", user_agent(self.starts.len() - 1));
        command
    }

    /// Returns the requests of a process, counted from 0, so far.
    fn requests_of(&self, process: usize) -> Vec<RequestRecord> {
        let name = user_agent(process);
        let is_its = |request: &RequestRecord| {
            let agent = request.header("user-agent").unwrap_or_default();
            agent.split(' ').any(|word| word == name)
        };
        self.glacier.requests().into_iter().filter(is_its).collect()
    }

    /// Returns the requests of the last process, so far.
    fn requests_of_last(&self) -> Vec<RequestRecord> {
        self.requests_of(self.starts.len() - 1)
    }

    /// Returns the parts that the service holds.
    fn stored_parts(&self) -> BTreeSet<PartName> {
        let uploads = self.glacier.uploads();
        let parts = |upload: &UploadRecord| {
            let id = upload.upload_id.clone();
            upload.parts.iter().map(move |part| (id.clone(), part.first)).collect::<Vec<_>>()
        };
        uploads.iter().flat_map(parts).collect()
    }

    /// Returns the journal; it is empty if there is none.
    fn journal(&self) -> Journal {
        if self.id_store == IdStore::Journal { Journal::read(&self.path) } else { Journal::default() }
    }

    /// Returns the upload ID that the next process will find.
    fn known_id(&self) -> Option<String> {
        match self.id_store {
            IdStore::Journal => self.journal().upload_id,
            IdStore::Watched | IdStore::Initiated => fs::read_to_string(&self.path).ok(),
        }
    }

    /// Checks that the journal has no part that the service does not hold.
    fn assert_journal_matches_service(&self) {
        let Journal { upload_id: Some(id), parts, .. } = self.journal() else { return };
        let uploads = self.glacier.uploads();
        // Otherwise its parts have become an archive.
        let Some(open) = uploads.iter().find(|upload| upload.upload_id == id) else { return };
        for first in parts.keys() {
            let is_held = open.parts.iter().any(|part| part.first == *first);
            assert!(is_held, "the journal has part {first}, and the service has not");
        }
    }

    /// Checks that there is one archive, equal to the source, and that the last process knows its ID. No process sent a
    /// part that the service held at its start, or a part twice. Returns the orphaned uploads.
    fn assert_complete(&self, last: &Outcome) -> Vec<UploadRecord> {
        self.assert_archive();
        assert_eq!(last.value("result"), "GLACIER_OK", "{last:?}");
        assert_eq!(last.value("archive-id"), self.glacier.archives()[0].archive_id);
        if self.source_kind == SourceKind::File && self.id_store == IdStore::Journal {
            let journal = &self.starts.last().unwrap().journal;
            let missing = self.size as u64 - journal.parts.values().sum::<u64>();
            // With a pending Complete, the source is compared with the archive as a whole, unless all parts are recorded. On a full
            // disk, the short record of Complete can fit where that of a part did not.
            let missing = if journal.completing && missing > 0 { self.size as u64 } else { missing };
            let hashed = last.value("bytes-hashed").parse::<u64>().unwrap();
            assert_eq!(hashed, missing, "what is journalled is not read again");
        }
        self.orphaned_uploads()
    }

    /// Checks that there is one archive, equal to the source.
    fn assert_archive(&self) {
        // Data of a killed process may still be in transit.
        wait_until("all connections are closed", || self.glacier.open_connections() == 0);
        let archives = self.glacier.archives();
        assert_eq!(archives.len(), 1, "{archives:?}");
        assert_holds(&archives[0], &data(self.size));
        assert_eq!(archives[0].upload_id, self.known_id());
        self.assert_nothing_sent_twice();
    }

    fn assert_nothing_sent_twice(&self) {
        for (process, start) in self.starts.iter().enumerate() {
            let mut sent = BTreeSet::new();
            for request in self.requests_of(process) {
                let begins = request.operation == Some(Operation::InitiateMultipartUpload);
                assert!(!begins || start.known_id.is_none(), "process {process} has begun another upload");
                let Some((first, _)) = request.range else { continue };
                let part = (upload_id_in(&request.target), first);
                assert!(!start.stored_parts.contains(&part), "process {process} sent {part:?}, which the service held");
                assert!(sent.insert(part), "process {process} sent {first} twice");
            }
        }
    }

    /// Returns the uploads that no process can find, and that never become an archive.
    fn orphaned_uploads(&self) -> Vec<UploadRecord> {
        let left = self.glacier.uploads();
        assert!(left.iter().all(|upload| Some(&upload.upload_id) != self.known_id().as_ref()), "{left:?}");
        if self.id_store != IdStore::Watched {
            assert!(left.iter().all(|upload| upload.parts.is_empty()), "{left:?}");
        }
        left
    }
}

fn user_agent(process: usize) -> String {
    format!("process-{process}")
}

fn upload_id_in(target: &str) -> String {
    target.rsplit('/').next().unwrap().to_owned()
}
