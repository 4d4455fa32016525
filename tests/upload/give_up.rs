//! The time limit of retries, `give_up_after`, and delays beyond it.

use std::sync::Arc;
use std::time::Duration;

use glacier_emulator::{Action, ConnectionEnd, Emulator, Fault, Operation};
use glacier_mp::clock::Clock;
use glacier_mp::error::{Error, Kind};
use glacier_mp::log::Level;
use glacier_mp::upload::Upload;

use crate::support::glacier::{CapturedLog, MIB, VAULT, VirtualClock, client_with_clock, config};
use crate::{of, start};

const OPERATIONS: [Operation; 3] =
    [Operation::InitiateMultipartUpload, Operation::UploadMultipartPart, Operation::CompleteMultipartUpload];

fn busy(retry_after: u64) -> Fault {
    Fault::new(Action::Status {
        status: 503,
        body: None,
        content_type: None,
        headers: vec![("Retry-After".to_owned(), retry_after.to_string())],
    })
}

/// The end of an upload that gives up after a time limit.
struct Ended {
    outcome: Result<(), Error>,
    time: Duration,
    retries: u64,
    lines: CapturedLog,
}

impl Ended {
    fn warnings(&self, text: &str) -> usize {
        self.lines.of(Level::Warn).iter().filter(|line| line.contains(text)).count()
    }
}

/// Runs an upload that gives up after `limit` seconds.
fn run_within(glacier: &Emulator, limit: u64) -> Ended {
    let clock = Arc::new(VirtualClock::default());
    let mut config = config(glacier);
    config.set_give_up_after_ms(limit * 1000).unwrap();
    let lines = CapturedLog::default();
    let upload = Upload::new(&client_with_clock(&clock, config, &lines), VAULT).unwrap();
    upload.set_source_memory(b"x").unwrap();
    let start = clock.monotonic();
    let outcome = upload.run();
    Ended { outcome, time: clock.monotonic() - start, retries: upload.progress().unwrap().retries, lines }
}

/// Other parts may be acknowledged while a part waits. Nothing else extends the limit of the other requests.
#[test]
fn only_a_part_waits_for_a_retry_after_beyond_the_limit() {
    for operation in OPERATIONS {
        let glacier = start();
        glacier.add_fault(busy(200).on(operation));
        let ended = run_within(&glacier, 60);
        let error = ended.outcome.as_ref().unwrap_err();
        assert_eq!(error.http_status(), Some(503), "{operation:?}: {error}");
        let is_part = operation == Operation::UploadMultipartPart;
        let limit = Duration::from_secs(60);
        assert!(if is_part { ended.time >= limit } else { ended.time < limit }, "{operation:?}: {:?}", ended.time);
        for words in ["given up after 1 attempt:", "Retry-After of 200 s", "glacier_config_set_give_up_after_ms (60 s)"]
        {
            assert!(error.message().contains(words), "{operation:?}: {error}");
        }
        assert_eq!(of(&glacier, operation).len(), 1, "{operation:?}: nothing is sent before the time of Retry-After");
        assert_eq!(ended.retries, 0, "{operation:?}");
        assert_eq!(ended.warnings("retrying in"), 0, "{operation:?}");
        assert_eq!(ended.warnings("ms for other parts"), usize::from(is_part), "{operation:?}");
        let is_unknown = operation == Operation::CompleteMultipartUpload;
        assert_eq!(error.kind() == Kind::OutcomeUnknown, is_unknown, "{operation:?}: {error}");
    }
}

#[test]
fn retry_after_within_the_limit_is_followed() {
    for operation in OPERATIONS {
        let glacier = start();
        glacier.add_fault(busy(40).on(operation));
        let ended = run_within(&glacier, 60);
        ended.outcome.unwrap_or_else(|error| panic!("{operation:?}: {error}"));
        assert!(ended.time >= Duration::from_secs(40), "{operation:?}: {:?}", ended.time);
        assert_eq!(ended.retries, 1, "{operation:?}");
    }
}

/// A single part that the caller sends is the only one that can be acknowledged.
#[test]
fn part_of_the_caller_does_not_wait_for_a_retry_after_beyond_the_limit() {
    let glacier = start();
    let clock = Arc::new(VirtualClock::default());
    let mut config = config(&glacier);
    config.set_give_up_after_ms(60_000).unwrap();
    let upload = Upload::new(&client_with_clock(&clock, config, &CapturedLog::default()), VAULT).unwrap();
    upload.set_part_size(MIB).unwrap();
    upload.initiate().unwrap();
    glacier.add_fault(busy(200).on(Operation::UploadMultipartPart));
    let start = clock.monotonic();
    let error = upload.put_part(0, b"x", None).unwrap_err();
    assert!(clock.monotonic() - start < Duration::from_secs(60));
    assert!(error.message().contains("Retry-After of 200 s"), "{error}");
}

/// The delays before the limit are random, but the last one ends at the limit.
#[test]
fn last_attempt_is_made_at_the_limit() {
    for operation in OPERATIONS {
        let glacier = start();
        glacier.add_fault(Fault::new(Action::LostAnswer { then: ConnectionEnd::Close }).on(operation).always());
        let ended = run_within(&glacier, 60);
        let error = ended.outcome.as_ref().unwrap_err();
        assert!(ended.time >= Duration::from_secs(60), "{operation:?}: {:?}", ended.time);
        assert!(!error.message().contains("Retry-After"), "{operation:?}: {error}");
        assert_eq!(of(&glacier, operation).len(), ended.warnings("retrying in") + 1, "{operation:?}");
    }
}
