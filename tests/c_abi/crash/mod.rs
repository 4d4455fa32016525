//! Uploads that no process lives to finish: killed at any instant, dead at each step of the journal, or with a journal that
//! cannot be written. The next process carries on, or says why not. What the processes do stands in tests/c/crash.c.

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

/// How the bytes come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    File,
    WriteSession,
    Callback,
}

/// What tells the next process of the upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    Journal,
    /// Its ID, written down when the progress callback first sees it.
    Watched,
    /// Its ID, written down before a byte is read.
    Initiated,
}

fn program() -> Program {
    Program::c("tests/c/crash.c", Build::Plain)
}

/// One upload, with the processes that work on it one after the other.
struct Scene<'a> {
    program: &'a Program,
    way: Way,
    memory: Memory,
    glacier: Emulator,
    /// Of the journal, or the file with the ID.
    path: PathBuf,
    source: PathBuf,
    size: usize,
    /// What there was when each process was started.
    starts: Vec<Start>,
    _directory: TempDir,
}

/// What there is when a process is started.
struct Start {
    /// The parts that the service holds.
    held: BTreeSet<PartName>,
    /// The upload ID that it finds.
    remembered: Option<String>,
    journal: Journal,
}

/// An upload ID and the first byte of a part.
type PartName = (String, u64);

impl<'a> Scene<'a> {
    fn new(program: &'a Program, way: Way, memory: Memory, size: usize) -> Self {
        Self::at(program, way, memory, size, "remembered")
    }

    /// With another name of the journal.
    fn at(program: &'a Program, way: Way, memory: Memory, size: usize, name: impl AsRef<Path>) -> Self {
        let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        // What is journalled of a file that was just made is read again.
        let (path, source) = (directory.path().join(name), settled_data_file(size));
        let glacier = local_glacier();
        Self { program, way, memory, glacier, path, source, size, starts: Vec::new(), _directory: directory }
    }

    /// Of ten parts, with each phase long enough to be met.
    fn slow(program: &'a Program, way: Way, memory: Memory) -> Self {
        let scene = Self::new(program, way, memory, 9 * MIB + 1000);
        for (operation, action) in [
            (Operation::InitiateMultipartUpload, Action::DelayAnswer { millis: 60 }),
            (Operation::ListParts, Action::DelayAnswer { millis: 40 }),
            (Operation::UploadMultipartPart, Action::Slow { bytes_per_second: 8 * MIB as u64 }),
            (Operation::CompleteMultipartUpload, Action::DelayAnswer { millis: 150 }),
        ] {
            scene.glacier.add_fault(Fault::new(action).on(operation).always());
        }
        scene
    }

    /// The next process, which is about to be started.
    fn next_process(&mut self) -> Command {
        self.starts.push(Start { held: self.held(), remembered: self.remembered(), journal: self.journal() });
        let way = match self.way {
            Way::File => "file",
            Way::WriteSession => "pushed",
            Way::Callback => "callback",
        };
        let memory = match self.memory {
            Memory::Journal => "journal",
            Memory::Watched => "watched",
            Memory::Initiated => "initiated",
        };
        let mut command = self.program.command_at(&self.glacier);
        command.args([way, memory]).arg(&self.path).arg(&self.source);
        command.env("PROCESS", user_agent(self.starts.len() - 1));
        command
    }

    /// The requests of a process, counted from 0, so far.
    fn requests_of(&self, process: usize) -> Vec<RequestRecord> {
        let name = user_agent(process);
        let is_its = |request: &RequestRecord| {
            let agent = request.header("user-agent").unwrap_or_default();
            agent.split(' ').any(|word| word == name)
        };
        self.glacier.requests().into_iter().filter(is_its).collect()
    }

    /// The requests of the last process, so far.
    fn requests_of_last(&self) -> Vec<RequestRecord> {
        self.requests_of(self.starts.len() - 1)
    }

    /// The parts that the service holds.
    fn held(&self) -> BTreeSet<PartName> {
        let uploads = self.glacier.uploads();
        let parts = |upload: &UploadRecord| {
            let id = upload.upload_id.clone();
            upload.parts.iter().map(move |part| (id.clone(), part.first)).collect::<Vec<_>>()
        };
        uploads.iter().flat_map(parts).collect()
    }

    /// Empty if there is none.
    fn journal(&self) -> Journal {
        if self.memory == Memory::Journal { Journal::read(&self.path) } else { Journal::default() }
    }

    /// The upload ID that the next process will find.
    fn remembered(&self) -> Option<String> {
        match self.memory {
            Memory::Journal => self.journal().upload_id,
            Memory::Watched | Memory::Initiated => fs::read_to_string(&self.path).ok(),
        }
    }

    /// A journal never has a part that the service does not.
    fn assert_journal_is_true(&self) {
        let Journal { upload_id: Some(id), parts, .. } = self.journal() else { return };
        let uploads = self.glacier.uploads();
        // Else its parts have become an archive.
        let Some(open) = uploads.iter().find(|upload| upload.upload_id == id) else { return };
        for first in parts.keys() {
            let is_held = open.parts.iter().any(|part| part.first == *first);
            assert!(is_held, "the journal has part {first}, and the service has not");
        }
    }

    /// There is one archive, the source; the last process knows its ID. No process sent what the service held when it was
    /// started, nor a part twice. Returns the uploads that are left over.
    fn assert_right(&self, last: &Outcome) -> Vec<UploadRecord> {
        self.assert_archive();
        assert_eq!(last.value("result"), "GLACIER_OK", "{last:?}");
        assert_eq!(last.value("archive-id"), self.glacier.archives()[0].archive_id);
        if self.way == Way::File && self.memory == Memory::Journal {
            let journal = &self.starts.last().unwrap().journal;
            let missing = if journal.completing { 0 } else { self.size as u64 - journal.parts.values().sum::<u64>() };
            let hashed = last.value("bytes-hashed").parse::<u64>().unwrap();
            assert_eq!(hashed, missing, "what is journalled is not read again");
        }
        self.left_over()
    }

    /// There is one archive, and it is the source.
    fn assert_archive(&self) {
        // What a killed process has sent may still be on its way.
        wait_until("all connections are closed", || self.glacier.open_connections() == 0);
        let archives = self.glacier.archives();
        assert_eq!(archives.len(), 1, "{archives:?}");
        assert_holds(&archives[0], &data(self.size));
        assert_eq!(archives[0].upload_id, self.remembered());
        self.assert_nothing_sent_twice();
    }

    fn assert_nothing_sent_twice(&self) {
        for (process, start) in self.starts.iter().enumerate() {
            let mut sent = BTreeSet::new();
            for request in self.requests_of(process) {
                let begins = request.operation == Some(Operation::InitiateMultipartUpload);
                assert!(!begins || start.remembered.is_none(), "process {process} has begun another upload");
                let Some((first, _)) = request.range else { continue };
                let part = (upload_id_in(&request.target), first);
                assert!(!start.held.contains(&part), "process {process} sent {part:?}, which the service held");
                assert!(sent.insert(part), "process {process} sent {first} twice");
            }
        }
    }

    /// The uploads that will never become an archive: of them nothing can be remembered.
    fn left_over(&self) -> Vec<UploadRecord> {
        let left = self.glacier.uploads();
        assert!(left.iter().all(|upload| Some(&upload.upload_id) != self.remembered().as_ref()), "{left:?}");
        if self.memory != Memory::Watched {
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
