//! Runs one upload of the soak until its archive exists.

use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use fastrand::Rng;
use glacier_emulator::{Action, Operation, RefusalReason, RequestRecord, ResponsePrefix};
use glacier_mp::client::Client;
use glacier_mp::error::{Error, Kind, Result};
use glacier_mp::source::ReadOutcome;
use glacier_mp::upload::state::State;
use glacier_mp::upload::{DoneFn, Flow, Upload};

use super::scenario::{Scenario, UploadMethod};
use super::stats::Stats;
use crate::fixture::{Fixture, Setup, SourceKind};
use crate::history::Session;
use crate::support::glacier::VAULT;

/// The session limit. No upload needs more, because consecutive faults are limited.
const SESSIONS_MAX: u32 = 100;

type Checked<T> = std::result::Result<T, String>;

/// Runs the scenario of a seed.
pub(crate) fn run_scenario(seed: u64) -> Checked<Stats> {
    let mut rng = Rng::with_seed(seed);
    let scenario = Scenario::generate(seed, &mut rng);
    let fixture = Fixture::new(scenario.options(), scenario.content());
    let runner = Runner { scenario: &scenario, fixture: &fixture, stats: Mutex::default() };
    let ran = match scenario.method {
        UploadMethod::Ranges { handles } => runner.by_ranges(&mut rng, handles),
        UploadMethod::ByHand { threads } => runner.by_hand(&mut rng, threads),
        _ => runner.whole(&mut rng),
    };
    let requests = fixture.glacier.requests();
    ran.and_then(|()| fixture.check_archive())
        .map_err(|why| format!("{why}\n{scenario:?}\n{}", describe(&requests)))?;
    let mut stats = runner.stats.into_inner().unwrap();
    stats.uploads = 1;
    stats.bytes = fixture.content.bytes.len() as u64;
    stats.count(&requests);
    Ok(stats)
}

/// The requests, one per line.
fn describe(requests: &[RequestRecord]) -> String {
    let line = |request: &RequestRecord| {
        let RequestRecord { number, operation, part, connection, faults, changed, status, over, .. } = request;
        let agent = request.header("user-agent").unwrap_or_default().split(' ').next().unwrap_or_default();
        format!(
            "{number} {agent} connection {connection} {operation:?} {part:?} {faults:?} changed {changed} {status:?} over {over}\n"
        )
    };
    requests.iter().map(line).collect()
}

struct Runner<'a> {
    scenario: &'a Scenario,
    fixture: &'a Fixture,
    stats: Mutex<Stats>,
}

/// How the caller stops a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// The caller does not stop it.
    Never,
    /// Cancels after this number of requests.
    Cancel(usize),
    /// Returns stop from the progress callback, after this number of calls.
    Callback(u32),
    /// Frees the handle after this number of requests.
    Free(usize),
}

/// A process with its handle.
struct Process {
    session: Session,
    upload: Arc<Upload>,
}

impl Runner<'_> {
    /// Uploads by runs. Each run tries to create the archive.
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
                // With one worker and no stop, no request of this process is unfinished.
                let is_quiet = stop == Stop::Never && self.scenario.workers == 1;
                if !(is_quiet
                    && matches!(self.scenario.method, UploadMethod::File | UploadMethod::Memory)
                    && rng.bool())
                {
                    break;
                }
            }
            id = id_of(&process.upload).or(id);
        }
        Err("the upload did not finish".to_owned())
    }

    /// Uploads by several handles that attach to one upload and send a range each. Another one completes it.
    fn by_ranges(&self, rng: &mut Rng, handles: u32) -> Checked<()> {
        let id = self.initiated(rng)?;
        let parts = self.fixture.content.parts();
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
                // With only the list of parts, a handle cannot detect wrong stored bytes.
                process.upload.set_source_file(self.fixture.content.file.path()).unwrap();
                process.upload.run()
            } else {
                process.upload.set_archive_size(self.fixture.content.bytes.len() as u64).unwrap();
                process.upload.complete()
            };
            if self.is_done(&process, Stop::Never, &result)? {
                return Ok(());
            }
        }
        Err("the upload did not finish".to_owned())
    }

    /// Transfers a range of the parts.
    fn transferred(&self, rng: &mut Rng, id: &str, first: u32, count: u32) -> Checked<()> {
        for _ in 0..SESSIONS_MAX {
            let process = self.process(|client| self.attached(client, id));
            process.upload.set_source_file(self.fixture.content.file.path()).unwrap();
            process.upload.set_part_range(first, count).unwrap();
            if self.scenario.journal {
                process.upload.set_journal(&self.fixture.journal(&format!("range-{first}"))).unwrap();
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

    /// Uploads part by part on the caller's own threads, which retry failures.
    fn by_hand(&self, rng: &mut Rng, threads: u32) -> Checked<()> {
        let id = self.initiated(rng)?;
        let process = self.process(|client| self.attached(client, &id));
        process.upload.set_archive_size(self.fixture.content.bytes.len() as u64).unwrap();
        let mut wrong: Vec<_> = (0..self.fixture.content.parts()).collect();
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
        Err("the upload did not finish".to_owned())
    }

    fn put(&self, process: &Process, index: u32) -> Checked<()> {
        let part = self.fixture.content.bytes.chunks(self.fixture.content.part).nth(index as usize).unwrap();
        for _ in 0..SESSIONS_MAX {
            match process.upload.put_part(index, part, None) {
                Ok(()) => return Ok(()),
                Err(error) => self.check_failure(process, Stop::Never, &error)?,
            }
        }
        Err(format!("part {index} failed in every session"))
    }

    /// The parts whose stored bytes are missing or wrong.
    fn wrong_parts(&self, process: &Process) -> Checked<Vec<u32>> {
        // While the outcome of Complete is unknown, no part can be sent, even if the list says that one is wrong.
        let is_unknown = process.upload.state() == State::Completing;
        if is_unknown || !self.fixture.glacier.archives().is_empty() {
            return Ok(Vec::new());
        }
        for _ in 0..SESSIONS_MAX {
            match process.upload.list_parts() {
                Err(error) => self.check_failure(process, Stop::Never, &error)?,
                Ok(stored) => {
                    let content = &self.fixture.content;
                    let is_stored = |index: usize| {
                        stored.iter().any(|part| {
                            let first = (index * content.part) as u64;
                            part.offset == first && part.tree_hash.to_hex() == content.hashes[index]
                        })
                    };
                    let wrong = (0..content.parts()).filter(|index| !is_stored(*index as usize));
                    return Ok(wrong.collect());
                }
            }
        }
        Err("listing the parts failed in every session".to_owned())
    }

    /// Initiates an upload and returns its ID.
    fn initiated(&self, rng: &mut Rng) -> Checked<String> {
        for _ in 0..SESSIONS_MAX {
            let process = self.process(|client| {
                let upload = Upload::new(client, VAULT).unwrap();
                upload.set_part_size(self.fixture.content.part as u64).unwrap();
                upload
            });
            let stop = if rng.f64() < self.scenario.stops { Stop::Cancel(0) } else { Stop::Never };
            let result = self.stopped(&process, stop, |upload| upload.initiate());
            if let Err(error) = &result {
                self.check_failure(&process, stop, error)?;
            }
            if let Some(id) = id_of(&process.upload) {
                return Ok(id);
            }
        }
        Err("initiating failed in every session".to_owned())
    }

    fn process(&self, handle: impl FnOnce(&Arc<Client>) -> Arc<Upload>) -> Process {
        self.stats.lock().unwrap().sessions += 1;
        let (client, session) = self.fixture.client(|config| self.scenario.settings(config));
        Process { session, upload: handle(&client) }
    }

    /// Creates a handle that resumes from the journal or from an upload ID.
    fn handle(&self, client: &Arc<Client>, id: Option<&str>) -> Arc<Upload> {
        let Fixture { content, .. } = self.fixture;
        // Any other source is set or written afterwards.
        let source = if self.scenario.method == UploadMethod::File { SourceKind::File } else { SourceKind::Stream };
        let setup = Setup { source, journal: self.scenario.journal };
        let upload = self.fixture.handle(client, setup, id);
        match self.scenario.method {
            UploadMethod::Memory => upload.set_source_memory(content.bytes).unwrap(),
            UploadMethod::Callback { piece, announced } => {
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
        if rng.f64() >= self.scenario.stops {
            return Stop::Never;
        }
        let requests = rng.usize(0..2 * self.fixture.content.hashes.len() + 4);
        match rng.u32(0..4) {
            0 => Stop::Callback(rng.u32(0..4)),
            1 if self.runs_in_background() => Stop::Free(requests),
            _ => Stop::Cancel(requests),
        }
    }

    fn runs_in_background(&self) -> bool {
        self.scenario.background && !matches!(self.scenario.method, UploadMethod::WriteSession { .. })
    }

    fn run(&self, upload: &Arc<Upload>) -> Result<()> {
        if let UploadMethod::WriteSession { piece } = self.scenario.method {
            let mut pieces = self.fixture.content.bytes.chunks(piece);
            return pieces.try_for_each(|piece| upload.write(piece)).and_then(|()| upload.finish());
        }
        if !self.runs_in_background() {
            return upload.run();
        }
        let (sender, receiver) = mpsc::channel();
        upload.start(Some(DoneFn::new(move |outcome| sender.send(outcome.clone()).unwrap())))?;
        let outcome = receiver.recv().unwrap();
        // Also waits for a freed handle: its thread releases the journal.
        assert_eq!(upload.wait(Duration::MAX).is_ok(), outcome.is_ok());
        outcome
    }

    /// Makes a call and stops it as chosen.
    fn stopped(&self, process: &Process, stop: Stop, call: impl FnOnce(&Arc<Upload>) -> Result<()>) -> Result<()> {
        let Process { session, upload, .. } = process;
        if stop != Stop::Never {
            self.stats.lock().unwrap().stopped += 1;
            self.fixture.stop(session);
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
        let from = self.fixture.glacier.requests().len();
        std::thread::scope(|scope| {
            if let Stop::Cancel(requests) | Stop::Free(requests) = stop {
                let is_due = move || !self.fixture.glacier.requests_from(from + requests).is_empty();
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

    /// Whether the archive exists, as far as the session can know.
    fn is_done(&self, process: &Process, stop: Stop, result: &Result<()>) -> Checked<bool> {
        self.stats.lock().unwrap().retries += process.upload.progress().unwrap().retries;
        let Err(error) = result else {
            let made = process.upload.archive_id().map(|id| id.to_str().unwrap().to_owned());
            let is_right =
                self.fixture.glacier.archives().iter().any(|archive| Some(&archive.archive_id) == made.as_ref());
            return if is_right { Ok(true) } else { Err(format!("{made:?} is not the ID of an existing archive")) };
        };
        self.check_failure(process, stop, error)?;
        Ok(self.is_over(error))
    }

    /// Whether the error shows that an earlier session created the archive without receiving the response.
    fn is_over(&self, error: &Error) -> bool {
        !self.fixture.glacier.archives().is_empty() && matches!(error.kind(), Kind::NotFound | Kind::TreeHash)
    }

    /// Checks that the session had a cause to fail, and that its error is resumable if the upload remains.
    fn check_failure(&self, process: &Process, stop: Stop, error: &Error) -> Checked<()> {
        *self.stats.lock().unwrap().failures.entry(format!("{:?}", error.kind())).or_default() += 1;
        self.fixture.settle();
        let requests = self.fixture.requests_of(&process.session);
        if !self.is_excused(stop, error, &requests) {
            return Err(format!("the failure has no cause: {error:?}"));
        }
        let is_gone = error.kind() == Kind::NotFound || (error.kind() == Kind::TreeHash && self.is_other_archive());
        let archive_id = process.upload.archive_id().map(CStr::to_string_lossy);
        let resumable = process.upload.id().is_some() && archive_id.is_none() && !is_gone;
        if error.is_resumable() != resumable {
            return Err(format!("wrong is_resumable {}: {error:?}", error.is_resumable()));
        }
        if archive_id.is_some_and(|id| !error.message().contains(&*id)) {
            return Err(format!("the error does not name the archive: {error:?}"));
        }
        Ok(())
    }

    /// Whether the faults of the session's requests, or its caller, explain the error.
    fn is_excused(&self, stop: Stop, error: &Error, requests: &[RequestRecord]) -> bool {
        let met = |is: &dyn Fn(&RequestRecord, &Action) -> bool| {
            requests.iter().any(|request| request.faults.iter().any(|fault| is(request, fault)))
        };
        let refused = |reason| met(&|_, fault| *fault == Action::Refuse { because: reason });
        let of_complete = |request: &RequestRecord| request.operation == Some(Operation::CompleteMultipartUpload);
        // The request may belong to an earlier session.
        let all = self.fixture.glacier.requests();
        let damages =
            |fault: &Action| matches!(fault, Action::LosePart | Action::DamagePart | Action::EarlySuccess { .. });
        let has_wrong_stored_parts = all.iter().any(|request| request.faults.iter().any(damages));
        let is_made = !self.fixture.glacier.archives().is_empty();
        match error.kind() {
            Kind::Canceled => matches!(stop, Stop::Cancel(_) | Stop::Free(_)),
            Kind::Callback => matches!(stop, Stop::Callback(_)),
            Kind::Credentials => {
                (refused(RefusalReason::ExpiredToken) && !self.scenario.provider)
                    || refused(RefusalReason::SignatureNotYetCurrent)
            }
            Kind::Timeout => refused(RefusalReason::SignatureExpired),
            Kind::OutcomeUnknown => {
                let is_unclear = |request: &RequestRecord| of_complete(request) && !request.faults.is_empty();
                // The service closes the connection after an early success. It has no record of a Complete that the client
                // sent on it before.
                let may_lose_complete = met(&|_, fault| matches!(fault, Action::EarlySuccess { .. }));
                // An earlier session's Complete may be pending in the journal.
                let is_of_earlier_session = stop != Stop::Never && all.iter().any(of_complete);
                requests.iter().any(is_unclear) || may_lose_complete || is_of_earlier_session
            }
            // An earlier session created the archive, and no journal recorded the unknown outcome.
            Kind::NotFound => is_made,
            Kind::TreeHash if is_made => self.is_other_archive(),
            Kind::TreeHash | Kind::Incomplete | Kind::Service => {
                let is_false = |request: &RequestRecord, fault: &Action| match fault {
                    Action::Refuse { because: RefusalReason::TreeHash } => of_complete(request),
                    Action::WrongTreeHash => request.operation == Some(Operation::ListParts),
                    _ => false,
                };
                has_wrong_stored_parts || met(&is_false)
            }
            _ => false,
        }
    }

    /// Whether the service stores other bytes than it acknowledged.
    fn is_damaged(&self) -> bool {
        self.fixture.glacier.requests().iter().any(|request| request.faults.contains(&Action::DamagePart))
    }

    /// Whether a wrong tree hash of the archive was reported.
    fn is_other_archive(&self) -> bool {
        self.fixture.glacier.requests().iter().any(|request| {
            request.operation == Some(Operation::CompleteMultipartUpload)
                && request.faults.contains(&Action::WrongTreeHash)
                && has_readable_headers(request)
        })
    }
}

/// Whether the header section of a successful Complete was sent. The client takes the result from it, even if the content
/// is cut.
fn has_readable_headers(request: &RequestRecord) -> bool {
    let cuts_content = |action: &Action| match action {
        Action::TruncatedAnswer => true,
        Action::CutResponse { after, .. } => matches!(after, ResponsePrefix::Headers | ResponsePrefix::HalfContent),
        _ => false,
    };
    match request.status {
        Some(status) => status == 201,
        None => request.faults.iter().any(cuts_content),
    }
}

fn id_of(upload: &Upload) -> Option<String> {
    upload.id().map(|id| id.to_str().unwrap().to_owned())
}
