//! Random histories of one source file, against the rule for `GLACIER_OK`: the archive equals the source at the time of
//! the call.
//!
//! A seed determines a history: kinds of sources, changes of the file, states of the journal, lost responses and deaths
//! of the process, call after call, through the C ABI with real files and processes (tests/c/histories.c). The local
//! Glacier returns the archive for comparison. Changes occur between two calls, or while a call is paused at one of its
//! reads of the file. In the second case the time of the call is after the change: the rest of the call must detect it.
//!
//! GLACIER_HISTORIES is the number of histories. GLACIER_HISTORY_SEED is the first seed. If it alone is set, one
//! history runs.

mod actor;
mod changes;
mod journals;
mod times;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use glacier_emulator::{Action, ConnectionEnd, Emulator, Fault, Operation};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use self::actor::{Actor, Call, CallResult, Kind, other_source};
use self::changes::Change;
use crate::harness::{Build, Program, local_glacier};

const MIB: usize = 1 << 20;
/// The age from which the times of a file are trusted.
const REST: Duration = Duration::from_millis(2100);
/// The number of parallel histories. Each mostly sleeps.
const THREADS: u64 = 24;

#[test]
fn ok_implies_archive_equals_source() {
    let setting = |name| env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let first = setting("GLACIER_HISTORY_SEED");
    let count = setting("GLACIER_HISTORIES").unwrap_or(if first.is_some() { 1 } else { 100 });
    let seeds = first.unwrap_or(1)..;
    let program = Program::c("tests/c/histories.c", Build::Plain);
    let next = Mutex::new(seeds.take(usize::try_from(count).unwrap()));
    let (stats, failed) = (Mutex::new(BTreeMap::new()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..THREADS.min(count) {
            scope.spawn(|| {
                while failed.lock().unwrap().is_empty() {
                    let Some(seed) = next.lock().unwrap().next() else { break };
                    let mut history = History::new(&program, seed);
                    let played = catch_unwind(AssertUnwindSafe(|| history.run_steps()));
                    let mut stats = stats.lock().unwrap();
                    history.stats.iter().for_each(|(what, count)| *stats.entry(what.clone()).or_insert(0) += count);
                    if played.is_err() {
                        failed
                            .lock()
                            .unwrap()
                            .push(format!("{}\nGLACIER_HISTORY_SEED={seed}", history.told.join("\n")));
                    }
                }
            });
        }
    });
    let (stats, failed) = (stats.into_inner().unwrap(), failed.into_inner().unwrap());
    println!("{count} histories: {stats:?}");
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    if count >= 100 {
        for event in ["GLACIER_OK", "GLACIER_E_SOURCE_CHANGED", "held", "died"] {
            assert!(stats.contains_key(event), "{event} did not occur: {stats:?}");
        }
    }
}

struct History<'a> {
    rng: Rng,
    program: &'a Program,
    glacier: Emulator,
    directory: TempDir,
    source: PathBuf,
    journal: Option<PathBuf>,
    /// The original bytes of the source.
    original: Vec<u8>,
    /// The most frequent kind of source.
    mostly: Kind,
    workers: u32,
    memory_limit: u64,
    /// Whether files have times of even seconds, so that a modification may leave the times unchanged.
    is_coarse: bool,
    /// Whether neither the kind of source nor the changes are random: see [`History::mix`] and [`History::use_times`].
    is_mixing: bool,
    /// The offset of all stores through a mapping; `None`: a random one.
    stores_at: Option<usize>,
    actor: Option<Opened>,
    /// The process that stores through a mapping, and the inode and length of the mapped file.
    mapper: Option<(Actor, u64, u64)>,
    upload_id: Option<String>,
    /// Whether the bytes or the modification time were ever changed.
    was_modified: bool,
    told: Vec<String>,
    stats: BTreeMap<String, u64>,
}

/// What happens to the source while a call is paused.
#[derive(Clone, Copy, Debug)]
enum Step {
    Change(Change),
    /// Waits until the times of the file are trusted.
    Rest,
    /// Waits for the next even second, so that the next changes get the same coarse times.
    Align,
}

/// A process with a handle.
struct Opened {
    actor: Actor,
    kind: Kind,
    /// The bytes of the source at the time of opening.
    bytes: Vec<u8>,
    /// Whether the process may die in any call.
    may_die: bool,
}

impl<'a> History<'a> {
    fn new(program: &'a Program, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let source = directory.path().join("source");
        let mut original = vec![0; rng.usize(MIB..=3 * MIB) + 100];
        rng.fill(&mut original);
        fs::write(&source, &original).unwrap();
        let journal = (rng.u8(..4) > 0).then(|| directory.path().join("journal"));
        let mostly = if rng.bool() { Kind::File } else { rng.choice(Kind::ALL).unwrap() };
        Self {
            program,
            glacier: local_glacier(),
            directory,
            source,
            journal,
            original,
            mostly,
            workers: rng.u32(1..=3),
            memory_limit: if rng.u8(..4) == 0 { 2 << 20 } else { 64 << 20 },
            is_coarse: rng.u8(..3) == 0,
            is_mixing: false,
            stores_at: None,
            actor: None,
            mapper: None,
            upload_id: None,
            was_modified: false,
            told: Vec::new(),
            stats: BTreeMap::new(),
            rng,
        }
    }

    fn run_steps(&mut self) {
        match self.rng.u8(..20) {
            0..4 => self.mix(),
            4..11 => self.use_times(),
            _ => {}
        }
        for _ in 0..self.rng.u32(3..8) {
            if self.rng.bool() {
                self.rest();
            }
            for _ in 0..self.rng.u32(..3) {
                let change = self.rng.choice(Change::ALL).unwrap();
                self.change(change);
                if self.rng.u8(..3) == 0 {
                    self.rest();
                }
            }
            if self.rng.u8(..3) == 0 {
                self.actor = None;
                self.change_journal();
            }
            if self.source.exists() || self.actor.is_some() {
                self.call();
            }
        }
    }

    /// Uses a source with other bytes for one call. The file stays unchanged.
    fn mix(&mut self) {
        self.rest();
        for is_file in [true, false, true] {
            self.mostly = if is_file { Kind::File } else { self.rng.choice(&Kind::ALL[1..]).copied().unwrap() };
            self.is_mixing = true;
            self.actor = None;
            self.call();
        }
        self.is_mixing = false;
    }

    fn rest(&mut self) {
        self.tell("rests".to_owned());
        thread::sleep(REST);
    }

    fn tell(&mut self, what: String) {
        self.told.push(what);
    }

    fn count(&mut self, what: &str) {
        *self.stats.entry(what.to_owned()).or_default() += 1;
    }

    /// Changes the source. Records whether its bytes or its modification time may now differ.
    fn change(&mut self, change: Change) {
        self.tell(format!("{change:?}"));
        self.was_modified |= !change.changes_attributes_only();
        match fs::metadata(&self.source) {
            Ok(about) if change == Change::Store => self.store(about.ino(), about.len()),
            _ if change == Change::Store => {}
            _ => change.apply(&self.source, &self.original, &mut self.rng),
        }
    }

    /// Stores through a lasting mapping: only the first store to a page must change the times.
    fn store(&mut self, inode: u64, length: u64) {
        let as_mapped = |(_, of, long): &(Actor, u64, u64)| (*of, *long) == (inode, length);
        if !self.mapper.as_ref().is_some_and(as_mapped) {
            let mut command = self.program.command_at(&self.glacier);
            command.env("WORKERS", "1").env("MEMORY_LIMIT", "1048576");
            let mut actor = Actor::start(command, &self.source, None);
            actor.map();
            self.mapper = Some((actor, inode, length));
        }
        // Few offsets, so that several stores go to the same page.
        let offset = self.stores_at.unwrap_or_else(|| self.rng.usize(..4) * 300_000);
        let byte = self.rng.u8(..);
        if let Some((mapper, ..)) = &mut self.mapper {
            mapper.store(offset, byte);
        }
    }

    fn change_journal(&mut self) {
        let Some(journal) = self.journal.clone().filter(|journal| journal.exists()) else { return };
        match self.rng.u8(..8) {
            0 => {
                self.tell("the journal is torn".to_owned());
                journals::tear(&journal, &mut self.rng);
            }
            1 | 2 => {
                self.tell("the journal is of version 1".to_owned());
                journals::to_version_1(&journal);
            }
            3 => {
                self.tell("the journal is removed".to_owned());
                fs::remove_file(&journal).unwrap();
            }
            _ => {}
        }
    }

    /// Returns the handle for the next call: the current one, or a new one in this or another process.
    fn opened(&mut self) -> Opened {
        let now = fs::read(&self.source).ok();
        if let Some(mut opened) = self.actor.take() {
            // The bytes of a handle's stream are fixed at its first call.
            let stays = !opened.kind.is_stream() || now.as_ref() == Some(&opened.bytes);
            match (self.rng.u8(..3), &now) {
                (0, _) if stays => return opened,
                (1, Some(now)) => {
                    opened = Opened { kind: self.kind(), bytes: now.clone(), ..opened };
                    self.open(&mut opened);
                    return opened;
                }
                (_, None) if stays => return opened,
                _ => {}
            }
        }
        let mut command = self.program.command_at(&self.glacier);
        command.env("WORKERS", self.workers.to_string()).env("MEMORY_LIMIT", self.memory_limit.to_string());
        if self.is_coarse {
            command.env("COARSE", "1");
        }
        let actor = Actor::start(command, &self.source, self.journal.as_deref());
        self.tell(format!("a new process, coarse times: {}", self.is_coarse));
        let mut opened = Opened { actor, kind: self.kind(), bytes: now.unwrap_or_default(), may_die: false };
        self.open(&mut opened);
        opened
    }

    fn kind(&mut self) -> Kind {
        if self.is_mixing || self.rng.u8(..4) > 0 { self.mostly } else { self.rng.choice(Kind::ALL).unwrap() }
    }

    fn open(&mut self, opened: &mut Opened) {
        let kind = opened.kind;
        if kind != Kind::File && !self.source.exists() {
            opened.kind = Kind::File;
        }
        let upload_id = self.upload_id.clone().filter(|_| self.journal.is_none());
        let other = opened.kind != Kind::File && (self.is_mixing || self.rng.u8(..3) == 0);
        if other {
            // The source has other bytes than the file, which stays unchanged.
            let at = self.rng.usize(..opened.bytes.len());
            opened.bytes[at] ^= 1;
            fs::write(other_source(&self.source), &opened.bytes).unwrap();
            self.was_modified = true;
            self.tell(format!("other bytes come, at {at}"));
        }
        self.tell(format!("opens as {:?}, ID {upload_id:?}", opened.kind));
        opened.actor.open(opened.kind, upload_id.as_deref(), other);
    }

    fn call(&mut self) {
        let mut opened = self.opened();
        let call = match self.rng.u8(..10) {
            _ if opened.kind == Kind::WriteSession || self.is_mixing => Call::Run,
            0..=4 => Call::Run,
            5 => Call::Start,
            6 | 7 => Call::Transfer,
            _ => Call::Complete,
        };
        self.set_fault();
        let change = (opened.kind == Kind::File && !self.is_mixing && self.rng.bool())
            .then(|| self.rng.choice(Change::ALL).unwrap());
        if change.is_some() {
            opened.actor.hold(self.rng.u32(1..8));
        }
        if self.journal.is_some() && !self.is_mixing && self.rng.u8(..4) == 0 {
            opened.actor.die(self.rng.u32(1..30));
            opened.may_die = true;
        }
        self.make(opened, call, &change.map(Step::Change).into_iter().collect::<Vec<_>>());
    }

    /// Makes a call. If it is paused, these steps happen, with one change at most that is no store.
    fn make(&mut self, mut opened: Opened, call: Call, steps: &[Step]) {
        self.tell(format!("{call:?}, to die: {}", opened.may_die));
        let (before, was_modified) = (fs::read(&self.source).ok(), self.was_modified);
        let mut held = None;
        let result_of_call = opened.actor.call(call, || {
            for step in steps {
                match step {
                    Step::Change(change) => {
                        self.change(*change);
                        held = Some(*change);
                    }
                    Step::Rest => self.rest(),
                    Step::Align => times::align(),
                }
            }
        });
        self.glacier.clear_faults();
        if let Some(change) = held {
            self.count("held");
            self.tell(format!("held, for {change:?}"));
            let length = fs::metadata(&self.source).map(|about| about.len()).ok();
            let has_other_size = before.as_ref().map(|bytes| bytes.len() as u64) != length;
            if let Some(result_of_call) = &result_of_call {
                self.check_held(result_of_call, change, was_modified, has_other_size);
            }
        }
        let Some(result_of_call) = result_of_call else {
            assert!(opened.may_die, "the process ended without a kill");
            self.count("died");
            return self.tell("died".to_owned());
        };
        self.tell(format!("{result_of_call:?}"));
        self.count(&result_of_call.result);
        let source = match (opened.kind, held) {
            // An open file stays the same file after it is renamed.
            (Kind::File, None | Some(Change::Replaced | Change::Copied | Change::Removed)) => vec![before],
            // A change that leaves coarse times unchanged is detected only before the last comparison.
            (Kind::File, Some(_)) if self.is_coarse => vec![before, fs::read(&self.source).ok()],
            (Kind::File, Some(_)) => vec![fs::read(&self.source).ok()],
            _ => vec![Some(opened.bytes.clone())],
        };
        let source: Vec<_> = source.into_iter().flatten().collect();
        self.check(call, &result_of_call, &source);
        if let Some(id) = &result_of_call.upload_id {
            self.upload_id = Some(id.clone())
                .filter(|_| result_of_call.result != "GLACIER_E_NOT_FOUND" && result_of_call.archive_id.is_none());
        }
        self.actor = Some(opened);
    }

    fn set_fault(&mut self) {
        if self.is_mixing && self.upload_id.is_some() && self.mostly == Kind::File {
            return;
        }
        let ending = if self.rng.bool() { ConnectionEnd::Close } else { ConnectionEnd::Reset };
        let refusal = Action::error(403, "AccessDeniedException", "No.");
        let (complete, part) = (Operation::CompleteMultipartUpload, Operation::UploadMultipartPart);
        let fault = match if self.is_mixing { self.rng.u8(2..4) } else { self.rng.u8(..8) } {
            0 | 1 => Fault::new(Action::LostAnswer { then: ending }).on(complete).always(),
            2 => Fault::new(refusal).on(complete),
            3 => Fault::new(refusal).on(part).part(self.rng.u64(..4)),
            4 => Fault::new(Action::LostAnswer { then: ending }).on(part),
            _ => return,
        };
        self.tell(format!("{fault:?}"));
        self.glacier.add_fault(fault);
    }

    /// Checks that a call detected a change of the size or the modification time. `was_modified`: the source had been modified
    /// before.
    fn check_held(&self, result_of_call: &CallResult, change: Change, was_modified: bool, has_other_size: bool) {
        let CallResult { result, message, .. } = result_of_call;
        let is_ok = result == "GLACIER_OK";
        match change {
            Change::Touched => assert!(!is_ok || self.is_coarse, "the modification time changed"),
            Change::Shorter | Change::Longer if has_other_size => {
                assert!(!is_ok, "the size changed");
                let is_only_reason = result == "GLACIER_E_SOURCE_CHANGED" && !was_modified;
                assert!(!is_only_reason || message.contains("its size was "), "{message}");
            }
            _ => {}
        }
    }

    /// `sources` are the possible contents of the source at the time of the call.
    fn check(&mut self, call: Call, result_of_call: &CallResult, sources: &[Vec<u8>]) {
        let CallResult { result, message, .. } = result_of_call;
        assert!(!matches!(result.as_str(), "GLACIER_E_PANIC" | "GLACIER_E_INTERNAL"), "{message}");
        assert!(self.was_modified || result != "GLACIER_E_SOURCE_CHANGED", "nothing was modified: {message}");
        if result != "GLACIER_OK" {
            return;
        }
        assert!(!sources.is_empty(), "there is no source");
        let Some(id) = &result_of_call.archive_id else {
            assert_eq!(call, Call::Transfer);
            return self.check_parts(result_of_call.upload_id.as_ref().unwrap(), sources);
        };
        let archives = self.glacier.archives();
        let archive = archives.iter().find(|archive| archive.archive_id == *id).expect("there is such an archive");
        let bytes = fs::read(archive.path.as_ref().unwrap()).unwrap();
        let differences: Vec<_> = sources.iter().map(|source| first_difference(&bytes, source)).collect();
        assert!(sources.contains(&bytes), "the archive is not the source: {differences:?}");
    }

    /// Checks that the service holds the parts of the source. Each part of 1 MiB is one leaf of the tree hash.
    fn check_parts(&self, upload_id: &str, sources: &[Vec<u8>]) {
        let uploads = self.glacier.uploads();
        let upload = uploads.iter().find(|upload| upload.upload_id == upload_id).expect("there is such an upload");
        let held: Vec<_> = upload.parts.iter().map(|part| part.tree_hash.clone()).collect();
        let parts_of =
            |source: &Vec<u8>| -> Vec<_> { source.chunks(MIB).map(|part| hex::encode(Sha256::digest(part))).collect() };
        assert!(
            sources.iter().map(parts_of).any(|parts| parts == held),
            "the parts are not those of the source: {held:?}"
        );
    }
}

impl Drop for History<'_> {
    fn drop(&mut self) {
        // Must be dropped before the directory is removed.
        (self.actor, self.mapper) = (None, None);
        let _ = fs::remove_dir_all(self.directory.path());
    }
}

fn first_difference(one: &[u8], other: &[u8]) -> (usize, usize, Option<usize>) {
    (one.len(), other.len(), one.iter().zip(other).position(|(one, other)| one != other))
}
