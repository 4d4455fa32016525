//! `kill -9` at any instant of an upload, again and again, until the last process is left to finish.
//!
//! Short by default. GLACIER_CRASH_UPLOADS (for each way), GLACIER_CRASH_KILLS (at most, of one upload) and
//! GLACIER_CRASH_SEED make it longer, or draw the same instants again.

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
use super::{Memory, Scene, Way, program};
use crate::harness::{Outcome, finish, start};

#[test]
fn a_file_with_a_journal() {
    kill_uploads(Way::File, Memory::Journal);
}

#[test]
fn a_pushed_stream_with_a_journal() {
    kill_uploads(Way::WriteSession, Memory::Journal);
}

#[test]
fn a_callback_with_a_journal() {
    kill_uploads(Way::Callback, Memory::Journal);
}

#[test]
fn a_file_with_its_id_watched_for() {
    kill_uploads(Way::File, Memory::Watched);
}

#[test]
fn a_file_with_its_id_made_first() {
    kill_uploads(Way::File, Memory::Initiated);
}

#[test]
fn a_pushed_stream_with_its_id_made_first() {
    kill_uploads(Way::WriteSession, Memory::Initiated);
}

fn kill_uploads(way: Way, memory: Memory) {
    let setting = |name: &str| env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let uploads = setting("GLACIER_CRASH_UPLOADS").unwrap_or(2);
    let kills_max = setting("GLACIER_CRASH_KILLS").unwrap_or(4);
    let seed = setting("GLACIER_CRASH_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("to draw the same instants: GLACIER_CRASH_SEED={seed}");

    let program = program();
    let mut undisturbed = Scene::slow(&program, way, memory);
    let process = start(&mut undisturbed.next_process());
    let started = Instant::now();
    let outcome = finish(process);
    let length = started.elapsed();
    assert!(undisturbed.assert_right(&outcome).is_empty());

    let mut figures = Figures { uploads, ..Figures::default() };
    for upload in 0..uploads {
        let mut scene = Scene::slow(&program, way, memory);
        let mut random = Rng::with_seed(seed.wrapping_add(upload));
        kill_upload(&mut scene, &mut random, length, kills_max, &mut figures);
    }
    println!("{way:?}, {memory:?}: {figures}");
}

/// `length`: of an undisturbed run.
fn kill_upload(scene: &mut Scene<'_>, random: &mut Rng, length: Duration, kills_max: u64, figures: &mut Figures) {
    for kill in 0.. {
        let is_known = scene.remembered().is_some();
        let moment = (kill < kills_max).then(|| Moment::draw(random, length, is_known));
        let process = start(&mut scene.next_process());
        let outcome = kill_at(moment, process, scene);
        if outcome.status.signal() != Some(9) {
            return conclude(scene, &outcome, figures);
        }
        scene.assert_journal_is_true();
        let phase = Phase::of(&scene.requests_of_last(), scene.remembered().is_some());
        *figures.kills.entry(phase).or_default() += 1;
        if scene.memory == Memory::Journal && random.u8(..3) == 0 {
            figures.torn += u64::from(tear_journal(scene, random));
        }
    }
}

fn kill_at(moment: Option<Moment>, mut process: Child, scene: &Scene<'_>) -> Outcome {
    let Some(moment) = moment else { return finish(process) };
    let started = Instant::now();
    while process.try_wait().unwrap().is_none() {
        if moment.has_come(started.elapsed(), scene) {
            process.kill().unwrap();
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    finish(process)
}

/// The last process came to its end.
fn conclude(scene: &Scene<'_>, outcome: &Outcome, figures: &mut Figures) {
    let left = if scene.memory != Memory::Journal && outcome.value("result") == "GLACIER_E_NOT_FOUND" {
        // An earlier one was killed after its Complete was carried out: without a journal no process can learn that.
        figures.unseen += 1;
        scene.assert_archive();
        scene.left_over()
    } else {
        scene.assert_right(outcome)
    };
    let (empty, others): (Vec<_>, Vec<_>) = left.iter().partition(|upload| upload.parts.is_empty());
    figures.left_empty += empty.len() as u64;
    figures.left_with_parts += others.len() as u64;
}

/// What the machine's own crash may do, but not that of a process: of the parts noted last, the last ones are lost, one of
/// them in the middle; and a file may have its length, but zeros in place of what was written.
fn tear_journal(scene: &Scene<'_>, random: &mut Rng) -> bool {
    let Journal { last_parts, .. } = scene.journal();
    if last_parts.is_empty() {
        return false;
    }
    let mut text = fs::read(&scene.path).unwrap();
    let length = text.len();
    text.truncate(random.usize(last_parts));
    if random.bool() {
        text.resize(length, 0);
    }
    fs::write(&scene.path, text).unwrap();
    true
}

/// When a process is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after it was started.
    After(Duration),
    /// When the head of this request has come from it. If that never comes, after a minute.
    Received(Operation),
    /// When its answer is being sent. If that never is, after a minute.
    Answered(Operation),
}

impl Moment {
    fn draw(random: &mut Rng, length: Duration, is_known: bool) -> Self {
        let first = if is_known { Operation::ListParts } else { Operation::InitiateMultipartUpload };
        match random.u8(..10) {
            0 => Self::Received(first),
            1 => Self::Answered(first),
            2 => Self::Received(Operation::CompleteMultipartUpload),
            3 => Self::Answered(Operation::CompleteMultipartUpload),
            // Before anything is sent, most of the time.
            4 => Self::After(length.mul_f64(random.f64() / 50.0)),
            _ => Self::After(length.mul_f64(random.f64())),
        }
    }

    fn has_come(self, elapsed: Duration, scene: &Scene<'_>) -> bool {
        let seen = |is: &dyn Fn(&RequestRecord) -> bool| {
            elapsed > Duration::from_secs(60) || scene.requests_of_last().iter().any(is)
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

/// Where an upload is when its process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Nothing,
    Initiate,
    /// Initiate is answered, and the ID is not written down.
    NotNoted,
    ListParts,
    Parts,
    Complete,
    /// Complete is answered.
    Over,
}

impl Phase {
    /// By the requests of the process, and whether the next one finds the upload.
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

/// What was done, for people.
#[derive(Debug, Default)]
struct Figures {
    uploads: u64,
    kills: BTreeMap<Phase, u64>,
    torn: u64,
    left_empty: u64,
    left_with_parts: u64,
    /// Uploads whose archive no process could learn of.
    unseen: u64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { uploads, kills, torn, left_empty, left_with_parts, unseen } = self;
        write!(f, "{uploads} uploads, {} kills {kills:?}, {torn} torn journals; ", kills.values().sum::<u64>())?;
        write!(f, "{left_empty} empty uploads left, {left_with_parts} with parts; {unseen} archives unseen")
    }
}
