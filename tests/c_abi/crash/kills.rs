//! `kill -9` at any instant of an upload, repeatedly, until the last process may finish.
//!
//! The default is short. GLACIER_CRASH_UPLOADS (per kind of source), GLACIER_CRASH_KILLS (the maximum per upload) and
//! GLACIER_CRASH_SEED make it longer, or repeat the same instants.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use glacier_emulator::{Operation, RequestRecord};

use super::journal::Journal;
use super::{Fixture, IdStore, SourceKind, program};
use crate::harness::{Outcome, finish, start};

#[test]
fn file_with_journal() {
    kill_uploads(SourceKind::File, IdStore::Journal);
}

#[test]
fn write_stream_with_journal() {
    kill_uploads(SourceKind::WriteSession, IdStore::Journal);
}

#[test]
fn callback_with_journal() {
    kill_uploads(SourceKind::Callback, IdStore::Journal);
}

#[test]
fn file_with_id_from_progress_callback() {
    kill_uploads(SourceKind::File, IdStore::Watched);
}

#[test]
fn file_with_id_from_initiate() {
    kill_uploads(SourceKind::File, IdStore::Initiated);
}

#[test]
fn write_stream_with_id_from_initiate() {
    kill_uploads(SourceKind::WriteSession, IdStore::Initiated);
}

fn kill_uploads(source_kind: SourceKind, id_store: IdStore) {
    let setting = |name: &str| env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let uploads = setting("GLACIER_CRASH_UPLOADS").unwrap_or(2);
    let kills_max = setting("GLACIER_CRASH_KILLS").unwrap_or(4);
    let seed = setting("GLACIER_CRASH_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("to draw the same instants: GLACIER_CRASH_SEED={seed}");

    let program = program();
    let mut undisturbed = Fixture::slow(&program, source_kind, id_store);
    let process = start(&mut undisturbed.next_process());
    let started = Instant::now();
    let outcome = finish(process);
    let length = started.elapsed();
    assert!(undisturbed.assert_complete(&outcome).is_empty());

    let mut stats = Stats { uploads, ..Stats::default() };
    for upload in 0..uploads {
        let mut fixture = Fixture::slow(&program, source_kind, id_store);
        let mut random = Rng::with_seed(seed.wrapping_add(upload));
        kill_upload(&mut fixture, &mut random, length, kills_max, &mut stats);
    }
    println!("{source_kind:?}, {id_store:?}: {stats}");
}

/// `length` is the duration of an undisturbed run.
fn kill_upload(fixture: &mut Fixture<'_>, random: &mut Rng, length: Duration, kills_max: u64, stats: &mut Stats) {
    for kill in 0.. {
        let is_known = fixture.known_id().is_some();
        let kill_time = (kill < kills_max).then(|| KillTime::draw(random, length, is_known));
        let process = start(&mut fixture.next_process());
        let outcome = kill_at(kill_time, process, fixture);
        if outcome.status.signal() != Some(9) {
            return conclude(fixture, &outcome, stats);
        }
        fixture.assert_journal_matches_service();
        let phase = Phase::of(&fixture.requests_of_last(), fixture.known_id().is_some());
        *stats.kills.entry(phase).or_default() += 1;
        if fixture.id_store == IdStore::Journal && random.u8(..3) == 0 {
            stats.torn += u64::from(tear_journal(fixture, random));
        }
    }
}

fn kill_at(kill_time: Option<KillTime>, mut process: Child, fixture: &Fixture<'_>) -> Outcome {
    let Some(kill_time) = kill_time else { return finish(process) };
    let started = Instant::now();
    while process.try_wait().unwrap().is_none() {
        if kill_time.has_come(started.elapsed(), fixture) {
            process.kill().unwrap();
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    finish(process)
}

/// Checks the upload after the last process has finished.
fn conclude(fixture: &Fixture<'_>, outcome: &Outcome, stats: &mut Stats) {
    let left = if fixture.id_store != IdStore::Journal && outcome.value("result") == "GLACIER_E_NOT_FOUND" {
        // An earlier process was killed after its Complete was carried out. Without a journal no process can learn
        // that.
        stats.unseen += 1;
        fixture.assert_archive();
        fixture.orphaned_uploads()
    } else {
        fixture.assert_complete(outcome)
    };
    let (empty, others): (Vec<_>, Vec<_>) = left.iter().partition(|upload| upload.parts.is_empty());
    stats.left_empty += empty.len() as u64;
    stats.left_with_parts += others.len() as u64;
}

/// Damages the journal as a crash of the machine may do: the last part records are lost, one of them in the middle, or
/// the file has its length, but zeros in place of the data.
fn tear_journal(fixture: &Fixture<'_>, random: &mut Rng) -> bool {
    let Journal { last_parts, .. } = fixture.journal();
    if last_parts.is_empty() {
        return false;
    }
    let mut text = fs::read(&fixture.path).unwrap();
    let length = text.len();
    text.truncate(random.usize(last_parts));
    if random.bool() {
        text.resize(length, 0);
    }
    fs::write(&fixture.path, text).unwrap();
    true
}

/// The instant at which a process is killed.
#[derive(Clone, Copy, Debug)]
enum KillTime {
    /// This time after its start.
    After(Duration),
    /// When the head of this request arrives, or after a minute.
    Received(Operation),
    /// When the response to this request is being sent, or after a minute.
    Answered(Operation),
}

impl KillTime {
    fn draw(random: &mut Rng, length: Duration, is_known: bool) -> Self {
        let first = if is_known { Operation::ListParts } else { Operation::InitiateMultipartUpload };
        match random.u8(..10) {
            0 => Self::Received(first),
            1 => Self::Answered(first),
            2 => Self::Received(Operation::CompleteMultipartUpload),
            3 => Self::Answered(Operation::CompleteMultipartUpload),
            // In most cases before anything is sent.
            4 => Self::After(length.mul_f64(random.f64() / 50.0)),
            _ => Self::After(length.mul_f64(random.f64())),
        }
    }

    fn has_come(self, elapsed: Duration, fixture: &Fixture<'_>) -> bool {
        let seen = |is: &dyn Fn(&RequestRecord) -> bool| {
            elapsed > Duration::from_secs(60) || fixture.requests_of_last().iter().any(is)
        };
        match self {
            Self::After(time) => elapsed >= time,
            Self::Received(operation) => seen(&|request| request.operation == Some(operation)),
            Self::Answered(operation) => {
                seen(&|request| request.operation == Some(operation) && request.status.is_some())
            }
        }
    }
}

/// The phase of an upload when its process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Nothing,
    Initiate,
    /// The service has responded to Initiate, and the ID is not saved.
    NotNoted,
    ListParts,
    Parts,
    Complete,
    /// The service has responded to Complete.
    Over,
}

impl Phase {
    /// Derives the phase from the requests of the process, and from whether the next process finds the upload.
    fn of(requests: &[RequestRecord], is_known: bool) -> Self {
        let last = |operation| requests.iter().rfind(|request| request.operation == Some(operation));
        if let Some(complete) = last(Operation::CompleteMultipartUpload) {
            return if complete.status.is_some() { Self::Over } else { Self::Complete };
        }
        if last(Operation::UploadMultipartPart).is_some() {
            return Self::Parts;
        }
        match (last(Operation::ListParts), last(Operation::InitiateMultipartUpload)) {
            (Some(_), _) => Self::ListParts,
            (None, Some(initiate)) if initiate.status.is_none() => Self::Initiate,
            (None, Some(_)) => {
                if is_known {
                    Self::Parts
                } else {
                    Self::NotNoted
                }
            }
            (None, None) => Self::Nothing,
        }
    }
}

/// Statistics for the test output.
#[derive(Debug, Default)]
struct Stats {
    uploads: u64,
    kills: BTreeMap<Phase, u64>,
    torn: u64,
    left_empty: u64,
    left_with_parts: u64,
    /// Uploads whose archive ID no process received.
    unseen: u64,
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { uploads, kills, torn, left_empty, left_with_parts, unseen } = self;
        write!(f, "{uploads} uploads, {} kills {kills:?}, {torn} torn journals; ", kills.values().sum::<u64>())?;
        write!(f, "{left_empty} empty uploads left, {left_with_parts} with parts; {unseen} archives unseen")
    }
}
