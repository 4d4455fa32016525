//! Complete of a large archive takes long, and its response is lost. In glacieruploader issue 64 an archive of 3.1 TB
//! existed, but its owner never received the archive ID.

use glacier_emulator::{Action, ConnectionEnd, Fault, Operation, ResponsePrefix};

use crate::support::glacier::archive;
use crate::{content, of, start, upload};

const COMPLETE: Operation = Operation::CompleteMultipartUpload;

#[test]
fn response_to_complete_may_exceed_stall_timeout() {
    let glacier = start();
    glacier.add_fault(Fault::new(Action::DelayAnswer { millis: 3000 }).on(COMPLETE));
    let upload = upload(&glacier, |config| config.set_stall_timeout_ms(1000).unwrap());
    let content: &'static [u8] = content(3 << 20).leak();
    upload.set_source_memory(content).unwrap();
    upload.run().unwrap();
    assert!(archive(&glacier) == content);
    assert_eq!(of(&glacier, COMPLETE).len(), 1, "the library waits for the response");
}

#[test]
fn finds_archive_after_lost_responses() {
    let glacier = start();
    let lost = |then| Fault::new(Action::DelayAnswer { millis: 300 }).and(Action::LostAnswer { then }).on(COMPLETE);
    glacier.add_fault(lost(ConnectionEnd::Reset));
    glacier.add_fault(lost(ConnectionEnd::Close).skip(1));
    let cut = Action::CutResponse { after: ResponsePrefix::HalfHeaders, then: ConnectionEnd::Close };
    glacier.add_fault(Fault::new(cut).on(COMPLETE).skip(2));
    glacier.add_fault(Fault::new(Action::status(504)).on(COMPLETE).skip(3));
    let upload = upload(&glacier, |_| ());
    let content: &'static [u8] = content(3 << 20).leak();
    upload.set_source_memory(content).unwrap();
    upload.run().unwrap();
    assert_eq!(of(&glacier, COMPLETE).len(), 5);
    let made = glacier.archives();
    assert_eq!(made.len(), 1);
    assert_eq!(upload.archive_id().unwrap().to_str().unwrap(), made[0].archive_id);
    assert_eq!(of(&glacier, Operation::UploadMultipartPart).len(), 3);
}
