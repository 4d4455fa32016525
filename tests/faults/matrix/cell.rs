//! One fault at one place: what it must come to, and what it comes to.

use std::sync::{Arc, LazyLock};

use glacier_emulator::{Action, Fault, Operation, Options, RequestRecord};
use glacier_mp::client::Client;
use glacier_mp::config::Config;
use glacier_mp::error::{Kind, Result};
use glacier_mp::upload::Upload;

use super::place::Place;
use super::rows::{Nature, Row};
use crate::scene::{Content, MIB, Scene, Way, credentials};
use crate::support::glacier::VAULT;

/// The attempts at one request: one more than at a doubtful one.
const ATTEMPTS: u64 = 5;
const DOUBTFUL_ATTEMPTS: u64 = 4;

/// Three parts: a first, a middle and a last one, which is short.
static THREE: LazyLock<Arc<Content>> = LazyLock::new(|| Arc::new(Content::new(0, 2 * MIB + 300_000, MIB)));
/// Five parts, which are three pages of a list.
static FIVE: LazyLock<Arc<Content>> = LazyLock::new(|| Arc::new(Content::new(5, 4 * MIB + 300_000, MIB)));

/// A first part that no buffer of a connection holds, and a last one.
static LARGE: LazyLock<Arc<Content>> = LazyLock::new(|| Arc::new(Content::new(0, 16 * MIB + 300_000, 16 * MIB)));

/// The attempts with keys that are all called expired.
const KEY_ATTEMPTS: u64 = 4;
/// How often a refused Complete is recover_signature_error.
const MENDED: u64 = 3;
/// How long a client waits for a service that is mute, in milliseconds; long enough for one that is only busy.
const PATIENCE: u64 = 1500;
/// How often, where the fault lasts.
const MUTE_ATTEMPTS: u64 = 2;

pub(crate) struct Cell<'a> {
    pub(crate) row: &'a Row,
    pub(crate) place: Place,
    pub(crate) tls: bool,
    pub(crate) lasting: bool,
    pub(crate) way: Way,
}

/// What the first handle comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    failure: Option<Failure>,
    /// The requests that were made at the place.
    requests: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Failure {
    kind: Kind,
    resumable: bool,
}

type Checked<T> = std::result::Result<T, String>;

impl Cell<'_> {
    /// Plays it, checks everything, and says what it came to.
    pub(crate) fn play(&self) -> Checked<Outcome> {
        let content = match (self.place, self.row.nature) {
            (Place::PartsPage(_), _) => &FIVE,
            (_, Nature::EarlySuccess) => &LARGE,
            _ => &THREE,
        };
        let scene = Scene::new(Options { tls: self.tls, ..Options::default() }, Arc::clone(content));
        let before = self.prepare(&scene);
        let from = scene.glacier.requests().len();
        scene.glacier.add_fault(self.place.aim(self.row.fault(self.lasting)));
        let (client, _) = scene.client(|config| self.settings(config));
        let upload = scene.handle(&client, self.way, before.as_deref());
        let result = self.perform(&scene, &client, &upload);
        scene.settle();
        scene.glacier.clear_faults();

        let failure =
            result.as_ref().err().map(|error| Failure { kind: error.kind(), resumable: error.is_resumable() });
        let outcome = Outcome { failure, requests: self.requests(&scene.glacier.requests()[from..]) };
        let expected = self.expected();
        if !self.is_as(expected, outcome) {
            return Err(format!("{outcome:?}, not {expected:?}: {result:?}"));
        }
        if failure.is_some() {
            self.carry_on(&scene, upload)?;
        }
        match self.place {
            Place::UploadsPage(_) => {}
            Place::Abort if scene.glacier.uploads().is_empty() && scene.glacier.archives().is_empty() => {}
            Place::Abort => return Err("the upload was not aborted".to_owned()),
            _ => scene.check_archive()?,
        }
        Ok(expected)
    }

    fn is_as(&self, expected: Outcome, outcome: Outcome) -> bool {
        // The connection is closed behind an early answer. Who does not see that yet, and uses it again, is not heard.
        let unheard = |outcome: Outcome| Outcome {
            failure: outcome.failure.map(|failure| match failure.kind {
                Kind::Network => Failure { kind: Kind::Service, ..failure },
                _ => failure,
            }),
            requests: ATTEMPTS,
        };
        let may_differ = self.row.nature == Nature::Early && self.lasting && (2..=ATTEMPTS).contains(&outcome.requests);
        if may_differ { unheard(outcome) == expected } else { outcome == expected }
    }

    fn settings(&self, config: &mut Config) {
        config.set_max_attempts(u32::try_from(ATTEMPTS).unwrap()).unwrap();
        let alone = matches!(self.row.nature, Nature::WrongClock | Nature::TooSlow);
        config.set_concurrency(if alone { 1 } else { 3 }).unwrap();
        if self.row.nature == Nature::OldKey {
            config.set_credentials_provider(Some(Box::new(|| Ok(credentials())))).unwrap();
        }
        if self.row.nature == Nature::Mute {
            config.set_stall_timeout_ms(PATIENCE).unwrap();
            if self.lasting {
                config.set_max_attempts(u32::try_from(MUTE_ATTEMPTS).unwrap()).unwrap();
            }
            if self.place == Place::Complete {
                // Nothing else bounds the wait for its answer.
                config.set_give_up_after_ms(PATIENCE).unwrap();
            }
        }
    }

    /// What there must be before the request at the place is made; the ID of the upload.
    fn prepare(&self, scene: &Scene) -> Option<String> {
        let upload = || scene.handle(&scene.client(|_| ()).0, self.way, None);
        let upload = match self.place {
            Place::Initiate | Place::Part(_) | Place::Complete => return None,
            Place::Abort => {
                let upload = upload();
                upload.initiate().unwrap();
                upload.put_part(0, &scene.content.bytes[..MIB], None).unwrap();
                upload
            }
            // All parts are there: a list that is read wrong has one sent again.
            Place::PartsPage(_) => {
                let denied = Action::error(403, "AccessDeniedException", "Not yet.");
                scene.glacier.add_fault(Place::Complete.aim(Fault::new(denied)));
                let upload = upload();
                scene.run(&upload, self.way).unwrap_err();
                scene.glacier.clear_faults();
                upload
            }
            Place::UploadsPage(_) => {
                (0..FIVE.parts()).for_each(|_| upload().initiate().unwrap());
                return None;
            }
        };
        Some(upload.id().unwrap().to_str().unwrap().to_owned())
    }

    fn perform(&self, scene: &Scene, client: &Arc<Client>, upload: &Arc<Upload>) -> Result<()> {
        match self.place {
            Place::Abort => upload.abort(),
            Place::UploadsPage(_) => client.list_uploads(VAULT).map(|listed| {
                let mut ids: Vec<_> = listed.into_iter().map(|upload| upload.id).collect();
                ids.sort();
                let open = scene.glacier.uploads().into_iter();
                assert_eq!(ids, open.map(|upload| upload.upload_id).collect::<Vec<_>>());
            }),
            _ => scene.run(upload, self.way),
        }
    }

    /// After a failure, and with the fault gone, another process gets it done.
    fn carry_on(&self, scene: &Scene, upload: Arc<Upload>) -> Checked<()> {
        let id = upload.id().map(|id| id.to_str().unwrap().to_owned());
        let is_made = !scene.glacier.archives().is_empty();
        let is_kept = || scene.glacier.uploads().iter().any(|kept| Some(&kept.upload_id) == id.as_ref());
        let is_upload = !matches!(self.place, Place::Initiate | Place::UploadsPage(_));
        let aborted = self.place == Place::Abort && self.row.is_worked_on();
        if is_upload && !is_made && !aborted && !is_kept() {
            return Err("the upload was not kept".to_owned());
        }
        let told = |result: Result<()>| result.map_err(|error| format!("it cannot be carried on: {error}"));
        let again = || if self.way.pushed { upload.finish() } else { upload.run() };
        if is_made && self.row.nature == Nature::OtherHash {
            // What was made is not what was sent, as far as anybody was told: that is never taken back.
            self.is_of_another_hash(again())?;
            if self.way.journal {
                drop(upload);
                self.is_of_another_hash(scene.run(&scene.handle(&scene.client(|_| ()).0, self.way, None), self.way))?;
            }
            return Ok(());
        }
        if is_made && !self.way.journal {
            // Nobody but this handle knows that Complete was sent.
            return told(again());
        }
        drop(upload);
        let (client, _) = scene.client(|_| ());
        let upload = scene.handle(&client, self.way, id.as_deref());
        told(self.perform(scene, &client, &upload))
    }

    fn is_of_another_hash(&self, result: Result<()>) -> Checked<()> {
        match result {
            Err(error) if error.kind() == Kind::TreeHash => Ok(()),
            result => Err(format!("asked again, it says {result:?} of an archive of another hash")),
        }
    }

    /// The requests at the place: all that ask for what the one asked for that was struck.
    fn requests(&self, requests: &[RequestRecord]) -> u64 {
        let of_place = |request: &&RequestRecord| request.operation == Some(self.place.operation());
        let Some(struck) = requests.iter().filter(of_place).find(|request| !request.faults.is_empty()) else {
            return 0;
        };
        let same = |other: &&RequestRecord| other.target == struck.target && other.part == struck.part;
        u64::try_from(requests.iter().filter(of_place).filter(same).count()).unwrap()
    }

    /// What DESIGN says: what can pass is tried again, for so long; what cannot ends at once. The upload is kept.
    fn expected(&self) -> Outcome {
        let strikes = self.row.strikes;
        let completes = self.place.operation() == Operation::CompleteMultipartUpload;
        let sends = self.place.operation() == Operation::UploadMultipartPart;
        let repeated = |kind, attempts| if self.lasting { self.fails(kind, attempts) } else { passes(strikes + 1) };
        let unclear = |kind| if completes { Kind::OutcomeUnknown } else { kind };
        match self.row.nature {
            Nature::Harmless => passes(1),
            Nature::Passing(kind) => repeated(unclear(kind), ATTEMPTS),
            Nature::Early => repeated(unclear(Kind::Service), ATTEMPTS),
            Nature::Refused(kind) => repeated(kind, ATTEMPTS),
            // What is no HTTP says nothing of what was done.
            Nature::Doubtful(Kind::Protocol) => repeated(unclear(Kind::Protocol), DOUBTFUL_ATTEMPTS),
            Nature::Doubtful(kind) => repeated(kind, DOUBTFUL_ATTEMPTS),
            // All the time that there is was spent on one answer.
            Nature::Mute if completes => self.fails(Kind::OutcomeUnknown, 1),
            Nature::Mute => repeated(Kind::Timeout, MUTE_ATTEMPTS),
            Nature::WrongClock => passes(2),
            Nature::OldKey => repeated(Kind::Credentials, KEY_ATTEMPTS),
            Nature::TooSlow if sends => self.fails(Kind::Timeout, 1),
            Nature::TooSlow => repeated(Kind::Timeout, ATTEMPTS),
            // The archive is there, and none can be made of the upload any more.
            Nature::OtherHash if completes => {
                Outcome { failure: Some(Failure { kind: Kind::TreeHash, resumable: false }), requests: 1 }
            }
            Nature::OtherHash if !sends => passes(1),
            Nature::OtherHash => repeated(Kind::TreeHash, DOUBTFUL_ATTEMPTS),
            // Then the parts are listed; as they are what they should be, it is asked for once more.
            Nature::HashRefused if completes => repeated(Kind::TreeHash, 2),
            Nature::HashRefused => repeated(Kind::TreeHash, DOUBTFUL_ATTEMPTS),
            // The bytes of a stream are gone when Complete is refused.
            Nature::Spoilt if self.way.pushed => self.fails(Kind::Incomplete, 1),
            Nature::Spoilt if self.lasting => self.fails(self.spoilt_kind(), 1 + MENDED),
            Nature::Spoilt => passes(2),
            Nature::EarlySuccess => repeated(Kind::Network, ATTEMPTS),
            Nature::Final(kind) => self.fails(kind, 1),
        }
    }

    /// How the service refuses to complete: it misses bytes, or finds another hash.
    fn spoilt_kind(&self) -> Kind {
        if self.row.name == "part damaged" { Kind::TreeHash } else { Kind::Service }
    }

    fn fails(&self, kind: Kind, requests: u64) -> Outcome {
        let there_is_an_upload = !matches!(self.place, Place::Initiate | Place::UploadsPage(_));
        let resumable = there_is_an_upload && kind != Kind::NotFound;
        Outcome { failure: Some(Failure { kind, resumable }), requests }
    }
}

fn passes(requests: u64) -> Outcome {
    Outcome { failure: None, requests }
}

impl Outcome {
    /// As a cell of the table.
    pub(crate) fn word(self) -> String {
        let word = match self.failure.map(|failure| failure.kind) {
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
        format!("{word} {}", self.requests)
    }
}
