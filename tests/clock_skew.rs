//! Clock skew: a wrong clock is corrected. With a correct clock, an expired signature means that the connection is too slow.
#![cfg(test)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use glacier_emulator::{Action, Emulator, Fault, Operation, Options};
use glacier_mp::client::Client;
use glacier_mp::error::Kind;
use glacier_mp::http::Method;
use glacier_mp::log::Level;
use glacier_mp::upload::Upload;
use support::glacier::{CapturedLog, MIB, VAULT, VirtualClock, archive, client, client_with_transport, config};
use support::operations::{OPERATIONS, perform, prepared_upload, requests};
use support::request_hook::request_hook;

const HOUR: i64 = 3600;

fn start() -> Emulator {
    Emulator::start(Options::default()).unwrap()
}

/// Returns the log messages about corrections.
fn corrections(lines: &CapturedLog) -> Vec<String> {
    lines.of(Level::Warn).into_iter().filter(|line| line.contains("signatures are corrected by")).collect()
}

#[test]
fn each_operation_is_signed_again_with_the_service_time() {
    for operation in OPERATIONS {
        // With the service's clock ahead, signatures have expired. With it behind, they are not yet current.
        for offset in [HOUR, -HOUR, 400, -400] {
            let (glacier, lines) = (start(), CapturedLog::default());
            let client = client(config(&glacier), &lines);
            let upload = prepared_upload(operation, &client);
            glacier.set_clock_offset(offset);
            perform(operation, &upload, &client).unwrap_or_else(|error| panic!("{operation:?}, {offset}: {error}"));
            assert_eq!(requests(&glacier, operation), 2, "{operation:?}, {offset}");

            let messages = corrections(&lines);
            let seconds = |message: &str| message.rsplit(' ').nth(1).unwrap().parse::<i64>().unwrap();
            assert_eq!(messages.len(), 1, "{messages:?}");
            assert!((seconds(&messages[0]) - offset).abs() <= 2, "{operation:?}, {offset}: {messages:?}");
        }
    }
}

/// Gateways in front of the service have error codes of their own for the time of a signature.
#[test]
fn codes_of_gateways_correct_the_clock() {
    for (code, offset) in [("RequestTimeTooSkewed", HOUR), ("RequestExpired", HOUR), ("RequestInTheFuture", -HOUR)] {
        let (glacier, lines) = (start(), CapturedLog::default());
        glacier.set_clock_offset(offset);
        glacier.add_fault(Fault::new(Action::error(403, code, "x")).on(Operation::InitiateMultipartUpload));
        let upload = Upload::new(&client(config(&glacier), &lines), VAULT).unwrap();
        upload.initiate().unwrap_or_else(|error| panic!("{code}: {error}"));
        assert_eq!(requests(&glacier, Operation::InitiateMultipartUpload), 2, "{code}");
        assert_eq!(corrections(&lines).len(), 1, "{code}");
    }
}

#[test]
fn keeps_the_correction_for_all_requests() {
    let (glacier, lines) = (start(), CapturedLog::default());
    glacier.set_clock_offset(-HOUR);
    let client = client(config(&glacier), &lines);
    let upload = Upload::new(&client, VAULT).unwrap();
    let content: &'static [u8] = vec![7; 5 << 20].leak();
    upload.set_source_memory(content).unwrap();
    upload.set_part_size(MIB).unwrap();
    upload.run().unwrap();
    let another = Upload::new(&client, VAULT).unwrap();
    another.initiate().unwrap();
    another.abort().unwrap();
    let refused = glacier.requests().iter().filter(|request| request.status == Some(403)).count();
    assert_eq!(refused, 1, "the first request of all");
    assert_eq!(archive(&glacier), content);

    // The clock is corrected.
    glacier.set_clock_offset(0);
    client.list_uploads(VAULT).unwrap();
    client.list_uploads(VAULT).unwrap();
    assert_eq!(requests(&glacier, Operation::ListMultipartUploads), 3);
    assert_eq!(corrections(&lines).len(), 2);
}

/// A Complete whose signature was rejected had no effect.
#[test]
fn complete_with_a_rejected_signature_has_no_unknown_outcome() {
    let glacier = start();
    let client = client(config(&glacier), &CapturedLog::default());
    let upload = prepared_upload(Operation::CompleteMultipartUpload, &client);
    let gone = Action::error(404, "ResourceNotFoundException", "The upload ID was not found: x");
    glacier.add_fault(Fault::new(gone).on(Operation::CompleteMultipartUpload).skip(1));
    glacier.set_clock_offset(HOUR);
    assert_eq!(upload.complete().unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn concurrent_parts_correct_the_clock_once() {
    let (glacier, lines) = (start(), CapturedLog::default());
    let client = client_with_barrier(&glacier, &lines, 8);
    let upload = Upload::new(&client, VAULT).unwrap();
    upload.set_part_size(MIB).unwrap();
    upload.initiate().unwrap();
    glacier.set_clock_offset(HOUR);
    std::thread::scope(|scope| {
        for index in 0..8 {
            let upload = &upload;
            scope.spawn(move || upload.put_part(index, &vec![1; 1 << 20], None).unwrap());
        }
    });
    upload.complete().unwrap();
    assert_eq!(
        requests(&glacier, Operation::UploadMultipartPart),
        16,
        "each once with the old time and once with the new time"
    );
    assert_eq!(corrections(&lines).len(), 1);
}

/// A fault that reports an expired signature although the clocks agree.
fn too_slow() -> Fault {
    let text = "Signature expired: 20120320T170000Z is now earlier than 20120320T170100Z (20120320T170600Z - 5 min.)";
    Fault::new(Action::error(403, "InvalidSignatureException", text)).on(Operation::UploadMultipartPart)
}

#[test]
fn gives_up_a_slow_part_without_others_in_flight() {
    let (glacier, lines) = (start(), CapturedLog::default());
    glacier.add_fault(too_slow().always());
    let upload = Upload::new(&client(config(&glacier), &lines), VAULT).unwrap();
    upload.set_source_memory(b"x").unwrap();
    let error = upload.run().unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (Kind::Timeout, Some(403)));
    assert!(error.is_resumable() && error.message().contains("smaller parts"), "{error}");
    assert_eq!(requests(&glacier, Operation::UploadMultipartPart), 1);
    assert_eq!(corrections(&lines), [""; 0], "the clock is correct");
}

#[test]
fn resends_a_slow_part_with_others_in_flight() {
    let glacier = start();
    let client = client_with_barrier(&glacier, &CapturedLog::default(), 2);
    glacier.add_fault(too_slow().part(0));
    let upload = Upload::new(&client, VAULT).unwrap();
    upload.set_part_size(MIB).unwrap();
    upload.set_source_memory(vec![7; 2 << 20].leak()).unwrap();
    upload.run().unwrap();
    assert_eq!(requests(&glacier, Operation::UploadMultipartPart), 3);
}

/// Creates a client that sends its first `parts` parts at the same time.
fn client_with_barrier(glacier: &Emulator, lines: &CapturedLog, parts: usize) -> Arc<Client> {
    let (barrier, sent) = (Barrier::new(parts), AtomicUsize::new(0));
    let together = request_hook(move |request| {
        if request.method == Method::Put && sent.fetch_add(1, Ordering::Relaxed) < parts {
            barrier.wait();
        }
    });
    client_with_transport(config(glacier), lines, Arc::new(VirtualClock::default()), together)
}
