//! Orphaned uploads can be listed, identified and aborted one by one. A canceled run leaves an upload and reports its ID.

use glacier_emulator::{Action, ConnectionEnd, Fault, Operation};
use glacier_mp::error::Kind;

use crate::support::glacier::{CapturedLog, MIB, VAULT, client, config};
use crate::{content, of, start, upload};

#[test]
fn lists_and_aborts_orphans() {
    let glacier = start();
    glacier.add_fault(
        Fault::new(Action::LostAnswer { then: ConnectionEnd::Reset }).on(Operation::InitiateMultipartUpload),
    );
    let content: &'static [u8] = content(2 << 20).leak();
    let kept = upload(&glacier, |_| ());
    kept.set_description("kept").unwrap();
    kept.set_source_memory(content).unwrap();
    kept.transfer().unwrap();

    let client = client(config(&glacier), &CapturedLog::default());
    let listed = client.list_uploads(VAULT).unwrap();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|one| one.description.as_deref() == Some("kept") && one.part_size == MIB));
    assert!(listed.iter().all(|one| one.created_unix > 1_700_000_000));
    for orphan in listed.iter().filter(|one| one.id != kept.id().unwrap().to_str().unwrap()) {
        let attached = glacier_mp::upload::Upload::new(&client, VAULT).unwrap();
        attached.set_upload_id(&orphan.id).unwrap();
        assert!(attached.list_parts().unwrap().is_empty(), "the orphan is empty");
        attached.abort().unwrap();
    }
    assert_eq!(client.list_uploads(VAULT).unwrap().len(), 1);
    kept.run().unwrap();
    assert_eq!(glacier.archives().len(), 1);
}

#[test]
fn canceled_upload_is_never_aborted() {
    let glacier = start();
    glacier.add_fault(Fault::new(Action::Stall { after_bytes: Some(9) }).on(Operation::UploadMultipartPart).part(1));
    let upload = upload(&glacier, |config| config.set_concurrency(1).unwrap());
    upload.set_source_memory(content(2 << 20).leak()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while of(&glacier, Operation::UploadMultipartPart).len() < 2 {
                std::thread::yield_now();
            }
            upload.cancel();
        });
        let error = upload.run().unwrap_err();
        assert_eq!(error.kind(), Kind::Canceled);
        assert!(error.is_resumable() && error.message().contains(upload.id().unwrap().to_str().unwrap()), "{error}");
    });
    drop(upload);
    assert!(of(&glacier, Operation::AbortMultipartUpload).is_empty());
    assert_eq!(glacier.uploads()[0].parts.len(), 1);
}
