//! Repair of an upload after a rejected Complete.

use glacier_emulator::{Action, Emulator, Fault, Operation};
use glacier_mp::error::Kind;
use glacier_mp::log::Level;
use glacier_mp::upload::{Flow, Upload};

use crate::support::glacier::{CapturedLog, MIB, VAULT, archive, client, config, file, upload};
use crate::{acknowledged_parts, content, of, ready, refusal, start};

fn refused() -> Fault {
    let text = "Invalid x-amz-sha256-tree-hash: 0000";
    refusal(400, "InvalidParameterValueException", text).on(Operation::CompleteMultipartUpload)
}

/// Replaces a stored part by other bytes.
fn overwrite_part(glacier: &Emulator, id: &str, index: u32) {
    let other = upload(glacier);
    other.set_upload_id(id).unwrap();
    other.put_part(index, &vec![9; 4 << 20], None).unwrap();
}

#[test]
fn repairs_part_with_wrong_stored_bytes() {
    let (glacier, content) = (start(), content());
    let file = file(&content);
    let lines = CapturedLog::default();
    let upload = Upload::new(&client(config(&glacier), &lines), VAULT).unwrap();
    upload.set_part_size(4 * MIB).unwrap();
    upload.set_source_file(file.path()).unwrap();
    // Part 1 is replaced after its acknowledgement and before Complete.
    glacier.add_fault(Fault::new(Action::DelayAnswer { millis: 1500 }).on(Operation::UploadMultipartPart).part(3));
    std::thread::scope(|scope| {
        let running = scope.spawn(|| upload.run());
        while acknowledged_parts(&glacier).len() < 3 {
            std::thread::yield_now();
        }
        overwrite_part(&glacier, upload.id().unwrap().to_str().unwrap(), 1);
        running.join().unwrap().unwrap();
    });
    assert_eq!(archive(&glacier), content);
    let sent = acknowledged_parts(&glacier);
    assert_eq!(sent.iter().filter(|start| **start == 4 * MIB).count(), 3, "sent, replaced, and sent again: {sent:?}");
    assert_eq!(sent.len(), 6);
    assert_eq!(of(&glacier, Operation::CompleteMultipartUpload).len(), 2);
    assert!(
        lines.of(Level::Warn).iter().any(|line| line.contains("with another hash (part 1), and retries Complete")),
        "{lines:?}"
    );
}

#[test]
fn repeats_complete_once_if_all_parts_are_correct() {
    let (glacier, content) = (start(), content());
    glacier.add_fault(refused());
    let file = file(&content);
    ready(&glacier, &file).run().unwrap();
    assert_eq!(archive(&glacier), content);
    assert_eq!(acknowledged_parts(&glacier).len(), 4);
}

#[test]
fn repeats_complete_of_stream_once_if_all_parts_are_correct() {
    let (glacier, content) = (start(), content());
    glacier.add_fault(refused());
    let lucky = upload(&glacier);
    content.chunks(1 << 20).for_each(|piece| lucky.write(piece).unwrap());
    lucky.finish().unwrap();
    assert_eq!(archive(&glacier), content);

    glacier.add_fault(refused().always());
    let unlucky = upload(&glacier);
    content.chunks(1 << 20).for_each(|piece| unlucky.write(piece).unwrap());
    let error = unlucky.finish().unwrap_err();
    assert_eq!(error.kind(), Kind::TreeHash);
    assert!(error.is_resumable() && error.message().contains("every part with the expected hash"), "{error}");
    assert_eq!(of(&glacier, Operation::CompleteMultipartUpload).len(), 4);
}

#[test]
fn limits_repeated_completes() {
    let (glacier, content) = (start(), content());
    glacier.add_fault(refused().always());
    let file = file(&content);
    let error = ready(&glacier, &file).run().unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (Kind::TreeHash, Some(400)));
    assert!(error.is_resumable() && error.message().contains("every part with the expected hash"), "{error}");
    assert_eq!(of(&glacier, Operation::CompleteMultipartUpload).len(), 2);
}

#[test]
fn reports_wrong_part_of_stream_that_cannot_be_repaired() {
    let (glacier, content) = (start(), content());
    let upload = upload(&glacier);
    upload.set_part_size(4 * MIB).unwrap();
    for piece in content.chunks(1 << 20) {
        upload.write(piece).unwrap();
    }
    while acknowledged_parts(&glacier).len() < 3 {
        std::thread::yield_now();
    }
    overwrite_part(&glacier, upload.id().unwrap().to_str().unwrap(), 2);
    let error = upload.finish().unwrap_err();
    assert_eq!(error.kind(), Kind::Incomplete);
    assert!(error.message().contains("part 2 (bytes 8388608-12582911)") && error.is_resumable(), "{error}");

    let again = crate::support::glacier::upload(&glacier);
    again.set_upload_id(upload.id().unwrap().to_str().unwrap()).unwrap();
    again.set_progress(Some(Box::new(|_| Flow::Continue))).unwrap();
    for piece in content.chunks(1 << 20) {
        again.write(piece).unwrap();
    }
    again.finish().unwrap();
    assert_eq!(archive(&glacier), content);
}
