//! Lost responses to Initiate and Abort: the request may have been carried out.

use std::sync::Arc;

use glacier_emulator::{Action, ConnectionEnd, Emulator, Fault, Operation};
use glacier_mp::error::{Error, Kind};
use glacier_mp::log::Level;
use glacier_mp::upload::Upload;
use glacier_mp::upload::state::State;

use crate::support::glacier::{CapturedLog, MIB, VAULT, client, config};
use crate::{code, of, refusal, start, status, upload};

const MAYBE_ABORTED: &str = "the abort may have been carried out, and can be repeated";
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
            while of(glacier, operation).is_empty() {
                std::thread::yield_now();
            }
            upload.cancel();
        });
        work()
    })
}

#[test]
fn repeated_abort_of_a_deleted_upload_succeeds() {
    let glacier = start();
    let upload = upload(&glacier);
    upload.initiate().unwrap();
    glacier.add_fault(lost().on(Operation::AbortMultipartUpload));
    glacier.add_fault(not_found().on(Operation::AbortMultipartUpload).skip(1));
    upload.abort().unwrap();
    assert_eq!(of(&glacier, Operation::AbortMultipartUpload).len(), 2);
    assert_eq!(upload.state(), State::Aborted);
    upload.abort().unwrap();
    assert_eq!(of(&glacier, Operation::AbortMultipartUpload).len(), 2);
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
    assert!(error.message().contains("probably aborted by this handle"), "{error}");
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
    assert!(lines.of(Level::Warn)[0].contains("an empty multipart upload stays"));
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
    assert!(lines.of(Level::Warn)[0].contains("an empty multipart upload stays"), "{:?}", lines.of(Level::Warn));
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
