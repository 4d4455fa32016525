//! One cell of the matrix: one fault at one request, with the expected and the actual outcome.

use std::sync::{Arc, LazyLock};

use glacier_emulator::{Action, Fault, Operation, Options, RequestRecord};
use glacier_mp::client::Client;
use glacier_mp::config::Config;
use glacier_mp::error::{Kind, Result};
use glacier_mp::upload::Upload;

use super::rows::{Expectation, Row};
use super::target::Target;
use crate::fixture::{Content, Fixture, MIB, Setup, SourceKind, credentials};
use crate::support::glacier::VAULT;

/// The attempt limit of a request: one more than the limit for ambiguous failures.
const ATTEMPTS: u64 = 5;
const AMBIGUOUS_ATTEMPTS: u64 = 4;

/// Three parts: the first, the middle and the last, which is shorter.
static THREE: LazyLock<Arc<Content>> = LazyLock::new(|| Arc::new(Content::new(0, 2 * MIB + 300_000, MIB)));
/// Five parts, which are three pages of a list.
static FIVE: LazyLock<Arc<Content>> = LazyLock::new(|| Arc::new(Content::new(5, 4 * MIB + 300_000, MIB)));

/// A first part larger than the buffers of a connection, and a last part.
static LARGE: LazyLock<Arc<Content>> = LazyLock::new(|| Arc::new(Content::new(0, 16 * MIB + 300_000, 16 * MIB)));

/// The attempts with new keys that are all rejected as expired.
const KEY_ATTEMPTS: u64 = 4;
/// The number of repairs after a rejected Complete.
const REPAIRS_MAX: u64 = 3;
/// The stall timeout in milliseconds. A busy service responds in less time.
const STALL_TIMEOUT_MS: u64 = 1500;
/// The attempt limit for a lasting stall.
const STALL_ATTEMPTS: u64 = 2;

pub(crate) struct Cell<'a> {
    pub(crate) row: &'a Row,
    pub(crate) target: Target,
    pub(crate) tls: bool,
    pub(crate) lasting: bool,
    pub(crate) setup: Setup,
}

/// The outcome of the first handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    failure: Option<Failure>,
    /// The number of requests of the target.
    requests: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Failure {
    kind: Kind,
    resumable: bool,
}

type Checked<T> = std::result::Result<T, String>;

impl Cell<'_> {
    /// Runs the cell, checks all results and returns the outcome.
    pub(crate) fn run(&self) -> Checked<Outcome> {
        let content = match (self.target, self.row.expectation) {
            (Target::PartsPage(_), _) => &FIVE,
            (_, Expectation::EarlySuccess) => &LARGE,
            _ => &THREE,
        };
        let fixture = Fixture::new(Options { tls: self.tls, ..Options::default() }, Arc::clone(content));
        let before = self.prepare(&fixture);
        let from = fixture.glacier.requests().len();
        fixture.glacier.add_fault(self.target.aim(self.row.fault(self.lasting)));
        let (client, _) = fixture.client(|config| self.settings(config));
        let upload = fixture.handle(&client, self.setup, before.as_deref());
        let result = self.perform(&fixture, &client, &upload);
        fixture.settle();
        fixture.glacier.clear_faults();

        let failure =
            result.as_ref().err().map(|error| Failure { kind: error.kind(), resumable: error.is_resumable() });
        let outcome = Outcome { failure, requests: self.requests(&fixture.glacier.requests()[from..]) };
        let expected = self.expected();
        if !self.matches(expected, outcome) {
            return Err(format!("{outcome:?}, not {expected:?}: {result:?}"));
        }
        if failure.is_some() {
            self.resume(&fixture, upload)?;
        }
        match self.target {
            Target::UploadsPage(_) => {}
            Target::Abort if fixture.glacier.uploads().is_empty() && fixture.glacier.archives().is_empty() => {}
            Target::Abort => return Err("the upload was not aborted".to_owned()),
            _ => fixture.check_archive()?,
        }
        Ok(expected)
    }

    fn matches(&self, expected: Outcome, outcome: Outcome) -> bool {
        // The connection closes after an early response. A client that reuses it before it detects the close gets a
        // network error.
        let unheard = |outcome: Outcome| Outcome {
            failure: outcome.failure.map(|failure| match failure.kind {
                Kind::Network => Failure { kind: Kind::Service, ..failure },
                _ => failure,
            }),
            requests: ATTEMPTS,
        };
        let may_differ =
            self.row.expectation == Expectation::Early && self.lasting && (2..=ATTEMPTS).contains(&outcome.requests);
        if may_differ { unheard(outcome) == expected } else { outcome == expected }
    }

    fn settings(&self, config: &mut Config) {
        config.set_max_attempts(u32::try_from(ATTEMPTS).unwrap()).unwrap();
        let alone = matches!(self.row.expectation, Expectation::ClockSkew | Expectation::TooSlow);
        config.set_concurrency(if alone { 1 } else { 3 }).unwrap();
        if self.row.expectation == Expectation::ExpiredKey {
            config.set_credentials_provider(Some(Box::new(|| Ok(credentials())))).unwrap();
        }
        if self.row.expectation == Expectation::Stalled {
            config.set_stall_timeout_ms(STALL_TIMEOUT_MS).unwrap();
            if self.lasting {
                config.set_max_attempts(u32::try_from(STALL_ATTEMPTS).unwrap()).unwrap();
            }
            if self.target == Target::Complete {
                // No other setting bounds the wait for this response.
                config.set_give_up_after_ms(STALL_TIMEOUT_MS).unwrap();
            }
        }
    }

    /// Performs the operations that must precede the target request. Returns the upload ID.
    fn prepare(&self, fixture: &Fixture) -> Option<String> {
        let upload = || fixture.handle(&fixture.client(|_| ()).0, self.setup, None);
        let upload = match self.target {
            Target::Initiate | Target::Part(_) | Target::Complete => return None,
            Target::Abort => {
                let upload = upload();
                upload.initiate().unwrap();
                upload.put_part(0, &fixture.content.bytes[..MIB], None).unwrap();
                upload
            }
            // All parts are stored, so an error in reading the list would send a part again.
            Target::PartsPage(_) => {
                let denied = Action::error(403, "AccessDeniedException", "Not yet.");
                fixture.glacier.add_fault(Target::Complete.aim(Fault::new(denied)));
                let upload = upload();
                fixture.run(&upload, self.setup).unwrap_err();
                fixture.glacier.clear_faults();
                upload
            }
            Target::UploadsPage(_) => {
                (0..FIVE.parts()).for_each(|_| upload().initiate().unwrap());
                return None;
            }
        };
        Some(upload.id().unwrap().to_str().unwrap().to_owned())
    }

    fn perform(&self, fixture: &Fixture, client: &Arc<Client>, upload: &Arc<Upload>) -> Result<()> {
        match self.target {
            Target::Abort => upload.abort(),
            Target::UploadsPage(_) => client.list_uploads(VAULT).map(|listed| {
                let mut ids: Vec<_> = listed.into_iter().map(|upload| upload.id).collect();
                ids.sort();
                let open = fixture.glacier.uploads().into_iter();
                assert_eq!(ids, open.map(|upload| upload.upload_id).collect::<Vec<_>>());
            }),
            _ => fixture.run(upload, self.setup),
        }
    }

    /// Resumes with a new handle after the fault has ended. This must succeed.
    fn resume(&self, fixture: &Fixture, upload: Arc<Upload>) -> Checked<()> {
        let id = upload.id().map(|id| id.to_str().unwrap().to_owned());
        let is_made = !fixture.glacier.archives().is_empty();
        let is_kept = || fixture.glacier.uploads().iter().any(|kept| Some(&kept.upload_id) == id.as_ref());
        let is_upload = !matches!(self.target, Target::Initiate | Target::UploadsPage(_));
        let aborted = self.target == Target::Abort && self.row.is_processed();
        if is_upload && !is_made && !aborted && !is_kept() {
            return Err("the upload was not kept".to_owned());
        }
        let resumed = |result: Result<()>| result.map_err(|error| format!("resuming failed: {error}"));
        let again = || if self.setup.source == SourceKind::Stream { upload.finish() } else { upload.run() };
        if is_made && self.row.expectation == Expectation::WrongHash {
            // An archive whose reported hash differs is never accepted, not even on a later call.
            self.is_of_another_hash(again())?;
            if self.setup.journal {
                drop(upload);
                self.is_of_another_hash(
                    fixture.run(&fixture.handle(&fixture.client(|_| ()).0, self.setup, None), self.setup),
                )?;
            }
            return Ok(());
        }
        if is_made && !self.setup.journal {
            // Only this handle knows that Complete was sent.
            return resumed(again());
        }
        drop(upload);
        let (client, _) = fixture.client(|_| ());
        let upload = fixture.handle(&client, self.setup, id.as_deref());
        resumed(self.perform(fixture, &client, &upload))
    }

    fn is_of_another_hash(&self, result: Result<()>) -> Checked<()> {
        match result {
            Err(error) if error.kind() == Kind::TreeHash => Ok(()),
            result => Err(format!("expected a tree hash error on a repeated call, got {result:?}")),
        }
    }

    /// The number of requests of the target: all that repeat the first request with a fault.
    fn requests(&self, requests: &[RequestRecord]) -> u64 {
        let of_place = |request: &&RequestRecord| request.operation == Some(self.target.operation());
        let Some(faulty) = requests.iter().filter(of_place).find(|request| !request.faults.is_empty()) else {
            return 0;
        };
        let same = |other: &&RequestRecord| other.target == faulty.target && other.part == faulty.part;
        u64::try_from(requests.iter().filter(of_place).filter(same).count()).unwrap()
    }

    /// The expected outcome: transient failures are retried up to a limit, permanent ones end at once, and the upload is
    /// kept.
    fn expected(&self) -> Outcome {
        let times = self.row.times;
        let completes = self.target.operation() == Operation::CompleteMultipartUpload;
        let sends = self.target.operation() == Operation::UploadMultipartPart;
        let repeated = |kind, attempts| if self.lasting { self.fails(kind, attempts) } else { passes(times + 1) };
        let unclear = |kind| if completes { Kind::OutcomeUnknown } else { kind };
        match self.row.expectation {
            Expectation::NoEffect => passes(1),
            Expectation::Transient(kind) => repeated(unclear(kind), ATTEMPTS),
            Expectation::Early => repeated(unclear(Kind::Service), ATTEMPTS),
            Expectation::Rejected(kind) => repeated(kind, ATTEMPTS),
            // The outcome is unknown after a response that is not HTTP.
            Expectation::Ambiguous(Kind::Protocol) => repeated(unclear(Kind::Protocol), AMBIGUOUS_ATTEMPTS),
            Expectation::Ambiguous(kind) => repeated(kind, AMBIGUOUS_ATTEMPTS),
            // Waiting for one response used all the time until the give-up timeout.
            Expectation::Stalled if completes => self.fails(Kind::OutcomeUnknown, 1),
            Expectation::Stalled => repeated(Kind::Timeout, STALL_ATTEMPTS),
            Expectation::ClockSkew => passes(2),
            Expectation::ExpiredKey => repeated(Kind::Credentials, KEY_ATTEMPTS),
            Expectation::TooSlow if sends => self.fails(Kind::Timeout, 1),
            Expectation::TooSlow => repeated(Kind::Timeout, ATTEMPTS),
            // The archive exists, and the upload cannot create another one.
            Expectation::WrongHash if completes => {
                Outcome { failure: Some(Failure { kind: Kind::TreeHash, resumable: false }), requests: 1 }
            }
            Expectation::WrongHash if !sends => passes(1),
            Expectation::WrongHash => repeated(Kind::TreeHash, AMBIGUOUS_ATTEMPTS),
            // The client lists the parts, finds all of them correct, and repeats Complete once.
            Expectation::HashRejected if completes => repeated(Kind::TreeHash, 2),
            Expectation::HashRejected => repeated(Kind::TreeHash, AMBIGUOUS_ATTEMPTS),
            // The bytes of a stream are gone when Complete is rejected, so it cannot be repaired.
            Expectation::WrongStoredPart if self.setup.source == SourceKind::Stream => self.fails(Kind::Incomplete, 1),
            Expectation::WrongStoredPart if self.lasting => self.fails(self.rejection_of_complete(), 1 + REPAIRS_MAX),
            Expectation::WrongStoredPart => passes(2),
            Expectation::EarlySuccess => repeated(Kind::Network, ATTEMPTS),
            Expectation::Permanent(kind) => self.fails(kind, 1),
        }
    }

    /// The error of Complete after a wrong stored part: missing bytes, or a different hash.
    fn rejection_of_complete(&self) -> Kind {
        if self.row.name == "part damaged" { Kind::TreeHash } else { Kind::Service }
    }

    fn fails(&self, kind: Kind, requests: u64) -> Outcome {
        let there_is_an_upload = !matches!(self.target, Target::Initiate | Target::UploadsPage(_));
        let may_be_aborted = self.target == Target::Abort && self.row.expectation.leaves_effect_unknown();
        let resumable = there_is_an_upload && !may_be_aborted && kind != Kind::NotFound;
        Outcome { failure: Some(Failure { kind, resumable }), requests }
    }
}

fn passes(requests: u64) -> Outcome {
    Outcome { failure: None, requests }
}

impl Outcome {
    /// The label in the table.
    pub(crate) fn label(self) -> String {
        let label = match self.failure.map(|failure| failure.kind) {
            None => "ok",
            Some(Kind::Access) => "access",
            Some(Kind::Credentials) => "creds",
            Some(Kind::Incomplete) => "incompl",
            Some(Kind::Network) => "network",
            Some(Kind::NotFound) => "gone",
            Some(Kind::OutcomeUnknown) => "unknown",
            Some(Kind::Protocol) => "protoc",
            Some(Kind::Service) => "service",
            Some(Kind::Throttled) => "throttl",
            Some(Kind::Timeout) => "timeout",
            Some(Kind::TreeHash) => "hash",
            Some(other) => return format!("{other:?}"),
        };
        format!("{label} {}", self.requests)
    }
}
