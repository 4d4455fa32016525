//! Lost responses to Initiate and Abort: the request may have been carried out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use glacier_emulator::{Action, ConnectionEnd, Emulator, Fault, Operation};
use glacier_mp::error::{Error, Kind};
use glacier_mp::log::Level;
use glacier_mp::upload::Upload;
use glacier_mp::upload::state::State;

use crate::support::glacier::{CapturedLog, MIB, VAULT, client, config};
use crate::{code, of, proxy, refusal, start, status, upload};

const MAYBE_ABORTED: &str = "the abort may have been carried out, and can be repeated";
const ASSUMED_ABORTED: &str = "the response to an Abort was lost, and the service no longer knows the upload";
const INITIATE_WARNING: &str =
    "attempt 1 may have been carried out: an upload without parts may stay in the vault until it expires";
const MAYBE_INITIATED: &str = "an upload without parts may be in vault examplevault";

fn lost() -> Fault {
    Fault::new(Action::LostAnswer { then: ConnectionEnd::Close })
}

fn not_found() -> Fault {
    refusal(404, "ResourceNotFoundException", "The upload ID was not found.")
}

/// An upload each of whose requests has one attempt.
fn single_attempt(glacier: &Emulator, lines: &CapturedLog) -> Arc<Upload> {
    let mut config = config(glacier);
    config.set_max_attempts(1).unwrap();
    Upload::new(&client(config, lines), VAULT).unwrap()
}

/// An initiated upload whose abort fails after the service carried it out.
fn lost_abort(glacier: &Emulator) -> (Arc<Upload>, Error) {
    let upload = single_attempt(glacier, &CapturedLog::default());
    upload.set_part_size(MIB).unwrap();
    upload.set_source_memory(b"x").unwrap();
    upload.initiate().unwrap();
    glacier.add_fault(lost().on(Operation::AbortMultipartUpload));
    let error = upload.abort().unwrap_err();
    (upload, error)
}

/// Calls `work`, and cancels it when the service has received a request of this operation.
fn cancel_during(glacier: &Emulator, operation: Operation, upload: &Upload, work: impl FnOnce() -> Error) -> Error {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let start = Instant::now();
            while of(glacier, operation).is_empty() {
                assert!(start.elapsed() < Duration::from_secs(60), "the service received no {operation:?}");
                std::thread::sleep(Duration::from_millis(1));
            }
            upload.cancel();
        });
        work()
    })
}

#[test]
fn repeated_abort_of_a_deleted_upload_succeeds() {
    let glacier = start();
    let lines = CapturedLog::default();
    let upload = Upload::new(&client(config(&glacier), &lines), VAULT).unwrap();
    upload.initiate().unwrap();
    glacier.add_fault(lost().on(Operation::AbortMultipartUpload));
    glacier.add_fault(not_found().on(Operation::AbortMultipartUpload).skip(1));
    upload.abort().unwrap();
    let warnings = lines.of(Level::Warn);
    assert_eq!(warnings.iter().filter(|line| line.contains(ASSUMED_ABORTED)).count(), 1, "{warnings:?}");
    assert_eq!(of(&glacier, Operation::AbortMultipartUpload).len(), 2);
    assert_eq!(upload.state(), State::Aborted);
    upload.abort().unwrap();
    assert_eq!(of(&glacier, Operation::AbortMultipartUpload).len(), 2);
}

/// Runs an upload that another handle completes, and then aborts the first handle, whose first attempt has a fault.
fn abort_after_completion_elsewhere(glacier: &Emulator, fault: Fault) -> (Arc<Upload>, Result<(), Error>) {
    let upload = upload(glacier);
    upload.set_part_size(MIB).unwrap();
    upload.initiate().unwrap();
    let other = crate::upload(glacier);
    other.set_upload_id(upload.id().unwrap().to_str().unwrap()).unwrap();
    other.set_source_memory(b"x").unwrap();
    other.run().unwrap();
    glacier.add_fault(fault.on(Operation::AbortMultipartUpload));
    let outcome = upload.abort();
    assert_eq!(of(glacier, Operation::AbortMultipartUpload).len(), 2);
    (upload, outcome)
}

/// The service responded to the first attempt, so the second one shows that something else ended the upload.
#[test]
fn repeated_abort_of_an_upload_that_was_completed_elsewhere_is_not_found() {
    let busy = refusal(503, "ServiceUnavailableException", "Busy.");
    for fault in [status(503), status(502), busy, proxy(503, "")] {
        let glacier = start();
        let (upload, outcome) = abort_after_completion_elsewhere(&glacier, fault);
        let error = outcome.unwrap_err();
        assert_eq!((error.kind(), error.is_resumable()), (Kind::NotFound, false), "{error}");
        assert!(error.message().contains("look for its archive in an inventory"), "{error}");
        assert!(!error.message().contains("probably") && !error.message().contains("lost)"), "{error}");
        assert_eq!((upload.state(), code(upload.abort())), (State::Initiated, Kind::NotFound));
    }
}

#[test]
fn repeated_abort_succeeds_after_an_attempt_without_response() {
    for fault in [Fault::new(Action::Close { after_bytes: None }), proxy(408, ""), proxy(502, ""), proxy(504, "")] {
        let glacier = start();
        let (upload, outcome) = abort_after_completion_elsewhere(&glacier, fault);
        outcome.unwrap();
        assert_eq!(upload.state(), State::Aborted);
    }
}

#[test]
fn abort_after_the_upload_was_seen_does_not_rely_on_an_earlier_lost_response() {
    let glacier = start();
    let upload = single_attempt(&glacier, &CapturedLog::default());
    upload.set_part_size(MIB).unwrap();
    upload.initiate().unwrap();
    glacier.add_fault(Fault::new(Action::Close { after_bytes: None }).on(Operation::AbortMultipartUpload));
    assert!(upload.abort().unwrap_err().message().contains(MAYBE_ABORTED));
    upload.put_part(0, b"x", None).unwrap();
    glacier.add_fault(not_found().on(Operation::AbortMultipartUpload));
    assert_eq!(code(upload.abort()), Kind::NotFound);
}

#[test]
fn upload_that_the_first_abort_does_not_find_is_not_found() {
    let glacier = start();
    let upload = upload(&glacier);
    upload.initiate().unwrap();
    glacier.add_fault(not_found().on(Operation::AbortMultipartUpload));
    let error = upload.abort().unwrap_err();
    assert_eq!((error.kind(), error.is_resumable()), (Kind::NotFound, false));
    assert!(error.message().contains("an abort whose response was lost"), "{error}");
}

#[test]
fn failed_abort_does_not_report_a_kept_upload() {
    let glacier = start();
    let (upload, error) = lost_abort(&glacier);
    assert_eq!((error.kind(), error.is_resumable(), upload.state()), (Kind::Network, false, State::Initiated));
    let id = upload.id().unwrap().to_str().unwrap();
    assert!(error.message().contains(MAYBE_ABORTED) && error.message().contains(id), "{error}");
    assert!(!error.message().contains("kept"), "{error}");

    let error = upload.run().unwrap_err();
    assert_eq!((error.kind(), error.is_resumable()), (Kind::NotFound, false));
    assert!(error.message().contains("this handle probably aborted it (the response was lost)"), "{error}");
    assert_eq!(code(upload.list_parts().map(drop)), Kind::NotFound);
    glacier.add_fault(not_found().on(Operation::AbortMultipartUpload).skip(1));
    upload.abort().unwrap();
    assert_eq!(upload.state(), State::Aborted);
}

#[test]
fn upload_that_is_listed_after_a_failed_abort_can_be_resumed() {
    let glacier = start();
    let upload = single_attempt(&glacier, &CapturedLog::default());
    upload.set_part_size(MIB).unwrap();
    upload.set_source_memory(b"x").unwrap();
    upload.initiate().unwrap();
    glacier.add_fault(status(503).on(Operation::AbortMultipartUpload));
    let error = upload.abort().unwrap_err();
    assert!(!error.is_resumable() && error.message().contains(MAYBE_ABORTED), "{error}");
    glacier.add_fault(status(503).on(Operation::ListParts));
    assert!(!upload.run().unwrap_err().is_resumable());
    glacier.add_fault(status(503).on(Operation::UploadMultipartPart));
    let error = upload.run().unwrap_err();
    assert!(error.is_resumable() && error.message().contains("the upload is kept"), "{error}");
    upload.run().unwrap();
}

#[test]
fn abort_that_had_no_effect_keeps_the_upload() {
    let glacier = start();
    let upload = single_attempt(&glacier, &CapturedLog::default());
    upload.initiate().unwrap();
    glacier.add_fault(refusal(403, "AccessDeniedException", "No.").on(Operation::AbortMultipartUpload));
    assert!(upload.abort().unwrap_err().is_resumable());
    drop(glacier);
    let error = upload.abort().unwrap_err();
    assert_eq!((error.kind(), error.is_resumable()), (Kind::Network, true));
    assert!(error.message().contains("the upload is kept"), "{error}");
}

#[test]
fn canceled_abort_may_have_been_carried_out() {
    let glacier = start();
    let upload = single_attempt(&glacier, &CapturedLog::default());
    upload.initiate().unwrap();
    let operation = Operation::AbortMultipartUpload;
    glacier.add_fault(Fault::new(Action::Stall { after_bytes: None }).on(operation));
    let error = cancel_during(&glacier, operation, &upload, || upload.abort().unwrap_err());
    assert_eq!((error.kind(), error.is_resumable()), (Kind::Canceled, false));
    assert!(error.message().contains(MAYBE_ABORTED), "{error}");
    upload.abort().unwrap();
    assert!(glacier.uploads().is_empty());
}

/// The archive may exist instead of the upload.
#[test]
fn repeated_abort_after_a_lost_complete_has_an_unknown_outcome() {
    let glacier = start();
    let upload = upload(&glacier);
    upload.set_part_size(MIB).unwrap();
    upload.initiate().unwrap();
    upload.put_part(0, b"x", None).unwrap();
    glacier.add_fault(lost().on(Operation::CompleteMultipartUpload).always());
    assert_eq!(code(upload.complete()), Kind::OutcomeUnknown);
    glacier.add_fault(Fault::new(Action::Close { after_bytes: None }).on(Operation::AbortMultipartUpload));
    assert_eq!(code(upload.abort()), Kind::OutcomeUnknown);
    assert_eq!(of(&glacier, Operation::AbortMultipartUpload).len(), 2);
}

#[test]
fn failed_initiate_names_the_upload_that_may_be_left() {
    let glacier = start();
    let lines = CapturedLog::default();
    let upload = single_attempt(&glacier, &lines);
    upload.set_source_memory(b"x").unwrap();
    glacier.add_fault(lost().on(Operation::InitiateMultipartUpload));
    let error = upload.run().unwrap_err();
    assert_eq!((error.kind(), error.is_resumable()), (Kind::Network, false));
    assert!(error.message().contains(MAYBE_INITIATED), "{error}");
    assert_eq!(lines.of(Level::Warn).len(), 1, "{:?}", lines.of(Level::Warn));
    assert!(lines.of(Level::Warn)[0].contains(INITIATE_WARNING));
    glacier.add_fault(status(503).on(Operation::UploadMultipartPart));
    let error = upload.run().unwrap_err();
    assert!(error.is_resumable() && !error.message().contains(MAYBE_INITIATED), "{error}");
}

#[test]
fn canceled_initiate_names_the_upload_that_may_be_left() {
    let glacier = start();
    let lines = CapturedLog::default();
    let upload = single_attempt(&glacier, &lines);
    let operation = Operation::InitiateMultipartUpload;
    glacier.add_fault(Fault::new(Action::Stall { after_bytes: None }).on(operation));
    let error = cancel_during(&glacier, operation, &upload, || upload.initiate().unwrap_err());
    assert_eq!(error.kind(), Kind::Canceled);
    assert!(error.message().contains(MAYBE_INITIATED), "{error}");
    assert!(lines.of(Level::Warn)[0].contains(INITIATE_WARNING), "{:?}", lines.of(Level::Warn));
}

/// A permanent hash mismatch ends the call, but does not show what became of the first attempt.
#[test]
fn initiate_that_fails_with_a_hash_mismatch_names_the_upload_that_may_be_left() {
    let glacier = start();
    let upload = upload(&glacier);
    let operation = Operation::InitiateMultipartUpload;
    glacier.add_fault(lost().on(operation));
    let text = "Checksum mismatch: expected a, computed b";
    glacier.add_fault(refusal(400, "InvalidParameterValueException", text).on(operation).skip(1));
    let error = upload.initiate().unwrap_err();
    assert_eq!(error.kind(), Kind::TreeHash, "{error}");
    assert!(error.message().contains(MAYBE_INITIATED), "{error}");
}

#[test]
fn initiate_that_had_no_effect_leaves_no_upload() {
    let glacier = start();
    let lines = CapturedLog::default();
    let upload = single_attempt(&glacier, &lines);
    glacier.add_fault(refusal(403, "AccessDeniedException", "No.").on(Operation::InitiateMultipartUpload));
    let rejected = upload.initiate().unwrap_err();
    drop(glacier);
    let unsent = upload.initiate().unwrap_err();
    for error in [rejected, unsent] {
        assert!(!error.message().contains(MAYBE_INITIATED), "{error}");
    }
    assert!(lines.of(Level::Warn).is_empty(), "{:?}", lines.of(Level::Warn));
}
