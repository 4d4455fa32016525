//! The time limit of retries, `give_up_after`, and delays beyond it.

use std::sync::Arc;
use std::time::Duration;

use glacier_emulator::{Action, ConnectionEnd, Emulator, Fault, Operation};
use glacier_mp::clock::Clock;
use glacier_mp::error::{Error, Kind};
use glacier_mp::upload::Upload;

use crate::support::glacier::{CapturedLog, VAULT, VirtualClock, client_with_clock, config};
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

/// Runs an upload that gives up after `limit` seconds. Returns the outcome and the time it took.
fn run_within(glacier: &Emulator, limit: u64) -> (Result<(), Error>, Duration) {
    let clock = Arc::new(VirtualClock::default());
    let mut config = config(glacier);
    config.set_give_up_after_ms(limit * 1000).unwrap();
    let upload = Upload::new(&client_with_clock(&clock, config, &CapturedLog::default()), VAULT).unwrap();
    upload.set_source_memory(b"x").unwrap();
    let start = clock.monotonic();
    let outcome = upload.run();
    (outcome, clock.monotonic() - start)
}

#[test]
fn retry_after_beyond_the_limit_is_waited_for_until_the_limit() {
    for operation in OPERATIONS {
        let glacier = start();
        glacier.add_fault(busy(20).on(operation));
        let (outcome, time) = run_within(&glacier, 8);
        let error = outcome.unwrap_err();
        assert_eq!(error.http_status(), Some(503), "{operation:?}: {error}");
        assert!(time >= Duration::from_secs(8) && time < Duration::from_secs(20), "{operation:?}: {time:?}");
        for word in ["Retry-After of 20 s", "glacier_config_set_give_up_after_ms (8 s)"] {
            assert!(error.message().contains(word), "{operation:?}: {error}");
        }
        assert_eq!(of(&glacier, operation).len(), 1, "{operation:?}: nothing is sent before the time of Retry-After");
        let is_unknown = operation == Operation::CompleteMultipartUpload;
        assert_eq!(error.kind() == Kind::OutcomeUnknown, is_unknown, "{operation:?}: {error}");
    }
}

#[test]
fn retry_after_within_the_limit_is_followed() {
    for operation in OPERATIONS {
        let glacier = start();
        glacier.add_fault(busy(7).on(operation));
        let (outcome, time) = run_within(&glacier, 8);
        outcome.unwrap_or_else(|error| panic!("{operation:?}: {error}"));
        assert!(time >= Duration::from_secs(7), "{operation:?}: {time:?}");
    }
}

/// The delays before the limit are random, but the last one ends at the limit.
#[test]
fn last_attempt_is_made_at_the_limit() {
    for operation in OPERATIONS {
        let glacier = start();
        glacier.add_fault(Fault::new(Action::LostAnswer { then: ConnectionEnd::Close }).on(operation).always());
        let (outcome, time) = run_within(&glacier, 60);
        let error = outcome.unwrap_err();
        assert!(time >= Duration::from_secs(60), "{operation:?}: {time:?}");
        assert!(!error.message().contains("Retry-After"), "{operation:?}: {error}");
    }
}
