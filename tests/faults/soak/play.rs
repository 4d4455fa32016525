//! One upload of the soak, from its first byte to its archive, through everything that is drawn for it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use fastrand::Rng;
use glacier_emulator::{Action, Operation, RefusalReason, RequestRecord};
use glacier_mp::client::Client;
use glacier_mp::error::{Error, Kind, Result};
use glacier_mp::source::ReadOutcome;
use glacier_mp::upload::{DoneFn, Flow, Upload};

use super::course::{Course, Source};
use super::tally::Tally;
use crate::record::Session;
use crate::scene::{Scene, Way};
use crate::support::glacier::VAULT;

/// More than any upload needs whose requests pass after so many faults in a row.
const SESSIONS_MAX: u32 = 100;

type Checked<T> = std::result::Result<T, String>;

/// Plays the upload of a seed.
pub(crate) fn play(seed: u64) -> Checked<Tally> {
    let mut rng = Rng::with_seed(seed);
    let course = Course::draw(seed, &mut rng);
    let scene = Scene::new(course.options(), course.content());
    let player = Player { course: &course, scene: &scene, tally: Mutex::default() };
    let played = match course.source {
        Source::Ranges { handles } => player.by_ranges(&mut rng, handles),
        Source::ByHand { threads } => player.by_hand(&mut rng, threads),
        _ => player.whole(&mut rng),
    };
    let requests = scene.glacier.requests();
    played.and_then(|()| scene.check_archive()).map_err(|why| format!("{why}\n{course:?}\n{}", told(&requests)))?;
    let mut tally = player.tally.into_inner().unwrap();
    tally.uploads = 1;
    tally.bytes = scene.content.bytes.len() as u64;
    tally.count(&requests);
    Ok(tally)
}

/// The requests, one a line.
fn told(requests: &[RequestRecord]) -> String {
    let line = |request: &RequestRecord| {
        let RequestRecord { number, operation, part, faults, changed, status, over, .. } = request;
        let agent = request.header("user-agent").unwrap_or_default().split(' ').next().unwrap_or_default();
        format!("{number} {agent} {operation:?} {part:?} {faults:?} changed {changed} {status:?} over {over}\n")
    };
    requests.iter().map(line).collect()
}

struct Player<'a> {
    course: &'a Course,
    scene: &'a Scene,
    tally: Mutex<Tally>,
}

/// How a caller ends a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// It does not.
    Never,
    /// By a cancel, once there have been so many requests.
    Cancel(usize),
    /// By what a callback of progress returns the time of that number.
    Callback(u32),
    /// By freeing the handle then.
    Free(usize),
}

/// A process with its handle.
struct Process {
    session: Session,
    upload: Arc<Upload>,
}

impl Player<'_> {
    /// By runs, each of which is to come to the archive.
    fn whole(&self, rng: &mut Rng) -> Checked<()> {
        let mut id = None;
        for _ in 0..SESSIONS_MAX {
            let process = self.process(|client| self.handle(client, id.as_deref()));
            loop {
                let stop = self.draw_stop(rng);
                let result = self.stopped(&process, stop, |upload| self.run(upload));
                if self.is_done(&process, stop, &result)? {
                    return Ok(());
                }
                // Where nothing else was on its way, all that the service was sent is over.
                let is_quiet = stop == Stop::Never && self.course.workers == 1;
                if !(is_quiet && matches!(self.course.source, Source::File | Source::Memory) && rng.bool()) {
                    break;
                }
            }
            id = id_of(&process.upload).or(id);
        }
        Err("it does not come to an end".to_owned())
    }

    /// By several handles that attach to one upload and send a range each, and one that completes it.
    fn by_ranges(&self, rng: &mut Rng, handles: u32) -> Checked<()> {
        let id = self.initiated(rng)?;
        let parts = self.scene.content.parts();
        let length = parts.div_ceil(handles);
        for _ in 0..SESSIONS_MAX {
            std::thread::scope(|scope| {
                let starts = (0..parts).step_by(length as usize);
                let workers: Vec<_> = starts
                    .map(|first| {
                        let (mut rng, id) = (Rng::with_seed(rng.u64(..)), &id);
                        let count = if first + length >= parts { u32::MAX } else { length };
                        scope.spawn(move || self.transferred(&mut rng, id, first, count))
                    })
                    .collect();
                workers.into_iter().try_for_each(|worker| worker.join().unwrap())
            })?;
            let process = self.process(|client| self.attached(client, &id));
            let result = if self.is_damaged() {
                // Who has nothing but the list must believe it.
                process.upload.set_source_file(self.scene.content.file.path()).unwrap();
                process.upload.run()
            } else {
                process.upload.set_archive_size(self.scene.content.bytes.len() as u64).unwrap();
                process.upload.complete()
            };
            if self.is_done(&process, Stop::Never, &result)? {
                return Ok(());
            }
        }
        Err("it does not come to an end".to_owned())
    }

    /// Sends a range of parts of an upload.
    fn transferred(&self, rng: &mut Rng, id: &str, first: u32, count: u32) -> Checked<()> {
        for _ in 0..SESSIONS_MAX {
            let process = self.process(|client| self.attached(client, id));
            process.upload.set_source_file(self.scene.content.file.path()).unwrap();
            process.upload.set_part_range(first, count).unwrap();
            if self.course.journal {
                process.upload.set_journal(&self.scene.journal(&format!("range-{first}"))).unwrap();
            }
            let stop = Some(self.draw_stop(rng)).filter(|stop| !matches!(stop, Stop::Free(_))).unwrap_or(Stop::Never);
            let result = self.stopped(&process, stop, |upload| upload.transfer());
            match result {
                Ok(()) => return Ok(()),
                Err(error) => {
                    self.check_failure(&process, stop, &error)?;
                    if self.is_over(&error) {
                        return Ok(());
                    }
                }
            }
        }
        Err("a range does not come to an end".to_owned())
    }

    /// Part by part, on the caller's own threads, which try again what failed.
    fn by_hand(&self, rng: &mut Rng, threads: u32) -> Checked<()> {
        let id = self.initiated(rng)?;
        let process = self.process(|client| self.attached(client, &id));
        process.upload.set_archive_size(self.scene.content.bytes.len() as u64).unwrap();
        let mut wrong: Vec<_> = (0..self.scene.content.parts()).collect();
        for _ in 0..SESSIONS_MAX {
            let next = AtomicU32::new(0);
            std::thread::scope(|scope| {
                let put = || {
                    while let Some(index) = wrong.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                        self.put(&process, *index)?;
                    }
                    Checked::Ok(())
                };
                let workers: Vec<_> = (0..threads).map(|_| scope.spawn(put)).collect();
                workers.into_iter().try_for_each(|worker| worker.join().unwrap())
            })?;
            let result = process.upload.complete();
            if self.is_done(&process, Stop::Never, &result)? {
                return Ok(());
            }
            wrong = self.wrong_parts(&process)?;
        }
        Err("it does not come to an end".to_owned())
    }

    fn put(&self, process: &Process, index: u32) -> Checked<()> {
        let part = self.scene.content.bytes.chunks(self.scene.content.part).nth(index as usize).unwrap();
        for _ in 0..SESSIONS_MAX {
            match process.upload.put_part(index, part, None) {
                Ok(()) => return Ok(()),
                Err(error) => self.check_failure(process, Stop::Never, &error)?,
            }
        }
        Err(format!("part {index} cannot be put"))
    }

    /// The parts that the service does not hold as they should be.
    fn wrong_parts(&self, process: &Process) -> Checked<Vec<u32>> {
        // While its outcome is unknown there is nothing to put.
        if !self.scene.glacier.archives().is_empty() {
            return Ok(Vec::new());
        }
        for _ in 0..SESSIONS_MAX {
            match process.upload.list_parts() {
                Err(error) => self.check_failure(process, Stop::Never, &error)?,
                Ok(held) => {
                    let content = &self.scene.content;
                    let is_held = |index: usize| {
                        held.iter().any(|part| {
                            let first = (index * content.part) as u64;
                            part.offset == first && part.tree_hash.to_hex() == content.hashes[index]
                        })
                    };
                    let wrong = (0..content.parts()).filter(|index| !is_held(*index as usize));
                    return Ok(wrong.collect());
                }
            }
        }
        Err("the parts cannot be listed".to_owned())
    }

    /// Makes an upload, and gives its ID.
    fn initiated(&self, rng: &mut Rng) -> Checked<String> {
        for _ in 0..SESSIONS_MAX {
            let process = self.process(|client| {
                let upload = Upload::new(client, VAULT).unwrap();
                upload.set_part_size(self.scene.content.part as u64).unwrap();
                upload
            });
            let stop = if rng.f64() < self.course.stops { Stop::Cancel(0) } else { Stop::Never };
            let result = self.stopped(&process, stop, |upload| upload.initiate());
            if let Err(error) = &result {
                self.check_failure(&process, stop, error)?;
            }
            if let Some(id) = id_of(&process.upload) {
                return Ok(id);
            }
        }
        Err("no upload can be made".to_owned())
    }

    fn process(&self, handle: impl FnOnce(&Arc<Client>) -> Arc<Upload>) -> Process {
        self.tally.lock().unwrap().sessions += 1;
        let (client, session) = self.scene.client(|config| self.course.settings(config));
        Process { session, upload: handle(&client) }
    }

    /// A handle that carries on from the journal, or from an upload ID.
    fn handle(&self, client: &Arc<Client>, id: Option<&str>) -> Arc<Upload> {
        let Scene { content, .. } = self.scene;
        // What is not read from a file is set, or pushed, behind this.
        let way = Way { pushed: self.course.source != Source::File, journal: self.course.journal };
        let upload = self.scene.handle(client, way, id);
        match self.course.source {
            Source::Memory => upload.set_source_memory(content.bytes).unwrap(),
            Source::Callback { piece, announced } => {
                let mut rest = content.bytes;
                let read = move |room: &mut [u8]| {
                    let (now, later) = rest.split_at(rest.len().min(room.len()).min(piece));
                    room[..now.len()].copy_from_slice(now);
                    rest = later;
                    ReadOutcome::Bytes(now.len())
                };
                let size = announced.then_some(content.bytes.len() as u64);
                upload.set_source_callback(Box::new(read), size).unwrap();
            }
            _ => {}
        }
        upload
    }

    fn attached(&self, client: &Arc<Client>, id: &str) -> Arc<Upload> {
        let upload = Upload::new(client, VAULT).unwrap();
        upload.set_upload_id(id).unwrap();
        upload
    }

    fn draw_stop(&self, rng: &mut Rng) -> Stop {
        if rng.f64() >= self.course.stops {
            return Stop::Never;
        }
        let requests = rng.usize(0..2 * self.scene.content.hashes.len() + 4);
        match rng.u32(0..4) {
            0 => Stop::Callback(rng.u32(0..4)),
            1 if self.runs_in_background() => Stop::Free(requests),
            _ => Stop::Cancel(requests),
        }
    }

    fn runs_in_background(&self) -> bool {
        self.course.background && !matches!(self.course.source, Source::WriteSession { .. })
    }

    fn run(&self, upload: &Arc<Upload>) -> Result<()> {
        if let Source::WriteSession { piece } = self.course.source {
            let mut pieces = self.scene.content.bytes.chunks(piece);
            return pieces.try_for_each(|piece| upload.write(piece)).and_then(|()| upload.finish());
        }
        if !self.runs_in_background() {
            return upload.run();
        }
        let (tell, told) = mpsc::channel();
        upload.start(Some(DoneFn::new(move |outcome| tell.send(outcome.clone()).unwrap())))?;
        let outcome = told.recv().unwrap();
        // A freed handle too: its journal is let go with its thread.
        assert_eq!(upload.wait(Duration::MAX).is_ok(), outcome.is_ok());
        outcome
    }

    /// Makes a call, and stops it as was drawn.
    fn stopped(&self, process: &Process, stop: Stop, call: impl FnOnce(&Arc<Upload>) -> Result<()>) -> Result<()> {
        let Process { session, upload, .. } = process;
        if stop != Stop::Never {
            self.tally.lock().unwrap().stopped += 1;
            self.scene.stop(session);
        }
        if let Stop::Callback(number) = stop {
            let mut left = number;
            let report = move |_: &_| match left.checked_sub(1) {
                Some(less) => {
                    left = less;
                    Flow::Continue
                }
                None => Flow::Stop,
            };
            upload.set_progress(Some(Box::new(report))).unwrap();
        }
        let over = AtomicBool::new(false);
        let from = self.scene.glacier.requests().len();
        std::thread::scope(|scope| {
            if let Stop::Cancel(requests) | Stop::Free(requests) = stop {
                let is_due = move || !self.scene.glacier.requests_from(from + requests).is_empty();
                let over = &over;
                scope.spawn(move || {
                    while !over.load(Ordering::Acquire) && !is_due() && requests > 0 {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    if matches!(stop, Stop::Free(_)) { upload.release() } else { upload.cancel() }
                });
            }
            let result = call(upload);
            over.store(true, Ordering::Release);
            result
        })
    }

    /// Whether there is the archive, as far as can be known.
    fn is_done(&self, process: &Process, stop: Stop, result: &Result<()>) -> Checked<bool> {
        self.tally.lock().unwrap().retries += process.upload.progress().unwrap().retries;
        let Err(error) = result else {
            let made = process.upload.archive_id().map(|id| id.to_str().unwrap().to_owned());
            let is_right =
                self.scene.glacier.archives().iter().any(|archive| Some(&archive.archive_id) == made.as_ref());
            return if is_right { Ok(true) } else { Err(format!("{made:?} is not the archive that was made")) };
        };
        self.check_failure(process, stop, error)?;
        Ok(self.is_over(error))
    }

    /// Whether an error says that there is an archive: one that a session made and could not learn of.
    fn is_over(&self, error: &Error) -> bool {
        !self.scene.glacier.archives().is_empty() && matches!(error.kind(), Kind::NotFound | Kind::TreeHash)
    }

    /// Whether a session had to fail, and its error says what is left.
    fn check_failure(&self, process: &Process, stop: Stop, error: &Error) -> Checked<()> {
        *self.tally.lock().unwrap().failures.entry(format!("{:?}", error.kind())).or_default() += 1;
        self.scene.settle();
        let requests = self.scene.requests_of(&process.session);
        if !self.is_excused(stop, error, &requests) {
            return Err(format!("this had no cause: {error:?}"));
        }
        let is_gone = error.kind() == Kind::NotFound || (error.kind() == Kind::TreeHash && self.is_other_archive());
        let resumable = process.upload.id().is_some() && !is_gone;
        if error.is_resumable() != resumable {
            return Err(format!("resumable {}: {error:?}", error.is_resumable()));
        }
        Ok(())
    }

    /// Whether what happened to the requests of a session, or what its caller did, explains its error.
    fn is_excused(&self, stop: Stop, error: &Error, requests: &[RequestRecord]) -> bool {
        let met = |is: &dyn Fn(&RequestRecord, &Action) -> bool| {
            requests.iter().any(|request| request.faults.iter().any(|fault| is(request, fault)))
        };
        let refused = |reason| met(&|_, fault| *fault == Action::Refuse { because: reason });
        let of_complete = |request: &RequestRecord| request.operation == Some(Operation::CompleteMultipartUpload);
        // Of this session or of one before.
        let all = self.scene.glacier.requests();
        let spoilt =
            |fault: &Action| matches!(fault, Action::LosePart | Action::DamagePart | Action::EarlySuccess { .. });
        let parts_are_spoilt = all.iter().any(|request| request.faults.iter().any(spoilt));
        let is_made = !self.scene.glacier.archives().is_empty();
        match error.kind() {
            Kind::Canceled => matches!(stop, Stop::Cancel(_) | Stop::Free(_)),
            Kind::Callback => matches!(stop, Stop::Callback(_)),
            Kind::Credentials => {
                (refused(RefusalReason::ExpiredToken) && !self.course.provider)
                    || refused(RefusalReason::SignatureNotYetCurrent)
            }
            Kind::Timeout => refused(RefusalReason::SignatureExpired),
            Kind::OutcomeUnknown => {
                let is_unclear = |request: &RequestRecord| of_complete(request) && !request.faults.is_empty();
                requests.iter().any(is_unclear) || (stop != Stop::Never && requests.iter().any(of_complete))
            }
            // An outcome that was unknown, and is not in any journal.
            Kind::NotFound => is_made,
            Kind::TreeHash if is_made => self.is_other_archive(),
            Kind::TreeHash | Kind::Incomplete | Kind::Service => {
                let lied = |request: &RequestRecord, fault: &Action| match fault {
                    Action::Refuse { because: RefusalReason::TreeHash } => of_complete(request),
                    Action::WrongTreeHash => request.operation == Some(Operation::ListParts),
                    _ => false,
                };
                parts_are_spoilt || met(&lied)
            }
            _ => false,
        }
    }

    /// Whether the service ever held other bytes than it acknowledged.
    fn is_damaged(&self) -> bool {
        self.scene.glacier.requests().iter().any(|request| request.faults.contains(&Action::DamagePart))
    }

    /// Whether the archive was said to have another tree hash.
    fn is_other_archive(&self) -> bool {
        self.scene.glacier.requests().iter().any(|request| {
            request.operation == Some(Operation::CompleteMultipartUpload)
                && request.status == Some(201)
                && request.faults.contains(&Action::WrongTreeHash)
        })
    }
}

fn id_of(upload: &Upload) -> Option<String> {
    upload.id().map(|id| id.to_str().unwrap().to_owned())
}
