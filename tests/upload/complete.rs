//! Complete: lost responses, rejections and wrong tree hashes.

use glacier_emulator::{Action, ConnectionEnd, Fault, Operation};
use glacier_mp::error::Kind;
use glacier_mp::upload::state::State;

use crate::support::glacier::upload;
use crate::{acknowledged_parts, code, of, proxy, refusal, start, status};

#[test]
fn repeats_complete_after_lost_response() {
    let glacier = start();
    glacier.add_fault(
        Fault::new(Action::LostAnswer { then: ConnectionEnd::Reset }).on(Operation::CompleteMultipartUpload),
    );
    let upload = upload(&glacier);
    upload.set_source_memory(b"x").unwrap();
    upload.run().unwrap();
    assert_eq!(glacier.archives().len(), 1);
    assert_eq!(upload.archive_id().unwrap().to_str().unwrap(), glacier.archives()[0].archive_id);
}

#[test]
fn not_found_after_lost_complete_is_outcome_unknown() {
    let glacier = start();
    let complete = Operation::CompleteMultipartUpload;
    glacier.add_fault(Fault::new(Action::Reset { after_bytes: None }).on(complete));
    glacier.add_fault(refusal(404, "ResourceNotFoundException", "The upload ID was not found: x").on(complete).skip(1));
    let upload = upload(&glacier);
    upload.set_source_memory(b"x").unwrap();
    let error = upload.run().unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (Kind::OutcomeUnknown, Some(404)));
    assert!(!error.is_resumable());
    assert!(!error.message().contains("is kept"), "whether the upload remains is unknown: {error}");
    assert_eq!(upload.state(), State::Unknown);
    assert_eq!(code(upload.abort()), Kind::OutcomeUnknown);
    assert_eq!(code(upload.run()), Kind::OutcomeUnknown);
}

#[test]
fn failure_of_another_request_keeps_complete_pending() {
    let (glacier, complete) = (start(), Operation::CompleteMultipartUpload);
    glacier.add_fault(Fault::new(Action::LostAnswer { then: ConnectionEnd::Reset }).on(complete));
    glacier.add_fault(refusal(403, "AccessDeniedException", "no").on(complete).skip(1));
    let upload = upload(&glacier);
    upload.set_source_memory(b"x").unwrap();
    let error = upload.run().unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (Kind::OutcomeUnknown, Some(403)));
    assert!(error.is_resumable(), "{error}");
    assert_eq!(upload.state(), State::Completing);
    upload.run().unwrap();
    assert_eq!(of(&glacier, Operation::ListParts).len(), 0, "Complete is repeated first");
    assert_eq!(upload.archive_id().unwrap().to_str().unwrap(), glacier.archives()[0].archive_id);
}

#[test]
fn rejected_complete_has_known_outcome() {
    for fault in [refusal(400, "ThrottlingException", "Rate exceeded"), status(429), status(400)] {
        let glacier = start();
        glacier.add_fault(fault.clone().on(Operation::CompleteMultipartUpload).always());
        let upload = upload(&glacier);
        upload.set_source_memory(b"x").unwrap();
        let error = upload.run().unwrap_err();
        assert!(matches!(error.kind(), Kind::Throttled | Kind::Service), "{fault:?}: {error}");
        assert_eq!(upload.state(), State::Transferring, "{fault:?}");
        glacier.clear_faults();
        upload.run().unwrap();
    }
}

#[test]
fn rejected_complete_leaves_upload_open() {
    let glacier = start();
    glacier.add_fault(refusal(403, "AccessDeniedException", "no").on(Operation::CompleteMultipartUpload));
    let upload = upload(&glacier);
    upload.set_source_memory(b"x").unwrap();
    let error = upload.run().unwrap_err();
    assert!(error.is_resumable());
    assert_eq!(upload.state(), State::Transferring);
    upload.run().unwrap();
    assert_eq!(acknowledged_parts(&glacier), [0], "the part is not sent twice");
}

/// The archive exists, and something between rejects the repeated Complete. Only a list of the parts shows that the upload
/// still exists.
#[test]
fn rejection_after_lost_complete_is_not_believed_without_the_upload() {
    let complete = Operation::CompleteMultipartUpload;
    for (rejection, lists) in [
        (refusal(400, "InvalidParameterValueException", "Invalid part"), 1),
        (refusal(400, "SerializationException", "no"), 1),
        (proxy(400, r#"{"code":"BadRequest","message":"policy"}"#), 1),
        (proxy(400, r#"{"code":"Blocked","message":"policy"}"#), 0),
        (proxy(400, r#"{"code":"InvalidParameterValueException"}"#), 1),
        (proxy(403, r#"{"code":"Forbidden"}"#), 0),
    ] {
        let glacier = start();
        glacier.add_fault(Fault::new(Action::LostAnswer { then: ConnectionEnd::Reset }).on(complete));
        glacier.add_fault(rejection.clone().on(complete).skip(1));
        let upload = upload(&glacier);
        upload.set_source_memory(b"x").unwrap();
        upload.run().unwrap_or_else(|error| panic!("{rejection:?}: {error}"));
        assert_eq!(upload.archive_id().unwrap().to_str().unwrap(), glacier.archives()[0].archive_id);
        assert_eq!(
            (of(&glacier, complete).len(), of(&glacier, Operation::ListParts).len()),
            (3, lists),
            "{rejection:?}"
        );
    }
}

#[test]
fn repeated_rejections_after_lost_complete_leave_the_outcome_unknown() {
    let complete = Operation::CompleteMultipartUpload;
    for rejection in [
        refusal(400, "InvalidParameterValueException", "Invalid part"),
        proxy(400, r#"{"code":"BadRequest","message":"policy"}"#),
    ] {
        let glacier = start();
        glacier.add_fault(Fault::new(Action::LostAnswer { then: ConnectionEnd::Reset }).on(complete));
        glacier.add_fault(rejection.clone().on(complete).skip(1).always());
        let upload = upload(&glacier);
        upload.set_source_memory(b"x").unwrap();
        let error = upload.run().unwrap_err();
        assert_eq!((error.kind(), error.is_resumable()), (Kind::OutcomeUnknown, true), "{error}");
        assert_eq!(upload.state(), State::Completing, "{rejection:?}");
        assert_eq!(upload.list_parts().unwrap_err().kind(), Kind::OutcomeUnknown, "the archive exists");
        assert_eq!(code(upload.abort()), Kind::OutcomeUnknown, "there is no upload");
        glacier.clear_faults();
        upload.run().unwrap();
        assert_eq!(upload.archive_id().unwrap().to_str().unwrap(), glacier.archives()[0].archive_id);
    }
}

/// The first Complete was lost on its way, so the rejection of the second one is true.
#[test]
fn rejection_after_lost_complete_is_believed_with_the_upload() {
    let (glacier, complete) = (start(), Operation::CompleteMultipartUpload);
    glacier.add_fault(Fault::new(Action::Reset { after_bytes: None }).on(complete));
    glacier.add_fault(refusal(400, "InvalidParameterValueException", "Invalid part").on(complete).skip(1));
    let upload = upload(&glacier);
    upload.set_source_memory(b"x").unwrap();
    upload.run().unwrap();
    assert_eq!((of(&glacier, complete).len(), of(&glacier, Operation::ListParts).len()), (3, 2), "existence, repair");
}

#[test]
fn rejects_archive_with_wrong_tree_hash() {
    let glacier = start();
    glacier.add_fault(Fault::new(Action::WrongTreeHash).on(Operation::CompleteMultipartUpload));
    let upload = upload(&glacier);
    upload.set_source_memory(b"x").unwrap();
    let error = upload.run().unwrap_err();
    assert_eq!(error.kind(), Kind::TreeHash);
    assert!(error.message().contains(&glacier.archives()[0].archive_id), "{error}");
    let again = upload.run().unwrap_err();
    assert_eq!(again.kind(), Kind::TreeHash, "a repeated call reports the same error");
    assert!(again.message().contains(&glacier.archives()[0].archive_id), "{again}");
    assert_eq!(of(&glacier, Operation::CompleteMultipartUpload).len(), 1);
}
