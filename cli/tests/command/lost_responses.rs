//! Lost responses to Initiate, Abort and Complete: the request may have been carried out, and the messages say so.

use glacier_emulator::{Action, ConnectionEnd, Fault, Operation, error_document};

use crate::run::Place;
use crate::service::unfinished;

const MAYBE_ABORTED: &str = "the abort may have been carried out";

fn lost_response(operation: Operation) -> Fault {
    Fault::new(Action::LostAnswer { then: ConnectionEnd::Close }).on(operation)
}

fn lose_responses(place: &Place, operation: Operation) {
    place.glacier.add_fault(lost_response(operation).always());
}

/// Returns the response to an Abort of an upload that is gone.
fn gone() -> Fault {
    let body = Some(error_document(404, "ResourceNotFoundException", "The upload ID was not found"));
    let action = Action::Status { status: 404, body, content_type: None, headers: Vec::new() };
    Fault::new(action).on(Operation::AbortMultipartUpload)
}

#[test]
fn abort_whose_response_is_lost_can_be_repeated() {
    let place = Place::new();
    let id = unfinished(&place, 1).remove(0);
    lose_responses(&place, Operation::AbortMultipartUpload);
    let ran = place.run(["abort", "--yes", "--max-attempts=1", &id]);
    assert!(ran.expect(1).is_empty() && ran.stderr.contains(MAYBE_ABORTED), "{ran:?}");
    assert!(!ran.stderr.contains("is kept"), "{ran:?}");

    place.glacier.clear_faults();
    place.glacier.add_fault(gone());
    let ran = place.run(["abort", "--yes", &id]);
    assert!(ran.expect(1).is_empty() && ran.stderr.contains("an abort whose response was lost"), "{ran:?}");
    let ran = place.run(["upload", "--restart", "f0"]);
    assert_eq!(ran.expect(0).len(), 1, "{ran:?}");
}

#[test]
fn restart_whose_abort_has_no_response_can_be_repeated() {
    let place = Place::new();
    unfinished(&place, 1);
    lose_responses(&place, Operation::AbortMultipartUpload);
    let ran = place.run(["upload", "--restart", "--max-attempts=1", "f0"]);
    assert!(ran.expect(1).is_empty() && ran.stderr.contains(MAYBE_ABORTED), "{ran:?}");
    assert!(!ran.stderr.contains("was not aborted"), "{ran:?}");
    place.glacier.clear_faults();
    assert_eq!(place.run(["upload", "--restart", "f0"]).expect(0).len(), 1);
}

#[test]
fn restart_after_a_lost_complete_says_where_to_look_for_the_archive() {
    let place = Place::new();
    let file = place.file("f", b"x");
    lose_responses(&place, Operation::CompleteMultipartUpload);
    place.run(["upload", "--max-attempts=1", &file]).expect(4);
    place.glacier.clear_faults();
    let id = place.glacier.archives().remove(0).upload_id.unwrap();
    place.glacier.add_fault(lost_response(Operation::AbortMultipartUpload));
    place.glacier.add_fault(gone());
    let ran = place.run(["upload", "--restart", &file]);
    assert_eq!((ran.expect(0).len(), place.archives().len(), place.unfinished()), (1, 2, 0), "{ran:?}");
    let says = format!(
        "{file}: upload {id} may have become an archive: look for it in an inventory of the vault; this upload"
    );
    assert!(ran.stderr.contains(&says) && !ran.stderr.contains("repeat the call"), "{ran:?}");
}

#[test]
fn initiate_whose_response_is_lost_names_the_upload_that_may_be_left() {
    let place = Place::new();
    let file = place.file("f", b"x");
    lose_responses(&place, Operation::InitiateMultipartUpload);
    let ran = place.run(["upload", "--max-attempts=1", &file]);
    assert!(ran.expect(1).is_empty() && ran.stderr.contains("an upload without parts may be in vault"), "{ran:?}");
    assert_eq!(place.run(["list"]).expect(0).len(), 1);
}
