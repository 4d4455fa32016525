//! Retries of one upload, and the end of retrying.

use glacier_emulator::{Action, AfterResponse, ConnectionEnd, Fault, Operation};
use glacier_mp::error::Kind;
use glacier_mp::log::Level;
use glacier_mp::upload::Upload;

use crate::support::glacier::{CapturedLog, VAULT, archive, client, config, file, upload};
use crate::{code, content, of, refusal, start, status};

#[test]
fn retries_transient_failures() {
    let html = Action::Status {
        status: 503,
        body: Some("<html>".to_owned()),
        content_type: Some("text/html".to_owned()),
        headers: Vec::new(),
    };
    let faults = [
        refusal(408, "RequestTimeoutException", "Request timed out."),
        refusal(400, "ThrottlingException", "Rate exceeded"),
        status(500),
        Fault::new(html),
        status(400),
        Fault::new(Action::Reset { after_bytes: Some(100_000) }),
        Fault::new(Action::Close { after_bytes: None }),
        Fault::new(Action::LostAnswer { then: ConnectionEnd::Reset }),
        Fault::new(Action::TruncatedAnswer),
        Fault::new(Action::EarlyAnswer { after_bytes: 70_000, status: 503, body: None, then: AfterResponse::Close }),
        Fault::new(Action::WrongTreeHash),
    ];
    for fault in faults {
        let (glacier, content) = (start(), content());
        glacier.add_fault(fault.clone().on(Operation::UploadMultipartPart).part(1));
        let file = file(&content);
        let lines = CapturedLog::default();
        let upload = Upload::new(&client(config(&glacier), &lines), VAULT).unwrap();
        upload.set_part_size(4 << 20).unwrap();
        upload.set_source_file(file.path()).unwrap();
        upload.run().unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(archive(&glacier), content, "{fault:?}");
        let warnings = lines.of(Level::Warn);
        let retries = upload.progress().unwrap().retries;
        // The emulator closes the connection without announcing it, so the next request may be sent into the close.
        let may_meet_close = matches!(fault.action, Action::EarlyAnswer { .. }) && retries == 2;
        assert!(retries == 1 || may_meet_close, "{fault:?}: {warnings:#?}");
    }
}

#[test]
fn signs_and_logs_each_attempt() {
    let (glacier, lines) = (start(), CapturedLog::default());
    glacier.add_fault(status(500).on(Operation::UploadMultipartPart).times(2));
    let mut config = config(&glacier);
    config.set_concurrency(1).unwrap();
    let upload = Upload::new(&client(config, &lines), VAULT).unwrap();
    upload.set_source_memory(b"x").unwrap();
    upload.run().unwrap();
    assert_eq!(of(&glacier, Operation::UploadMultipartPart).len(), 3);
    let warnings = lines.of(Level::Warn);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("part 0 attempt 1 failed") && warnings[0].contains("500"), "{warnings:?}");
    let requests = lines.of(Level::Debug);
    assert_eq!(requests.len(), 5, "initiate, three attempts, complete: {requests:?}");
    assert!(requests.iter().all(|line| line.contains("HTTP status")), "{requests:?}");
}

#[test]
fn reports_number_of_attempts_when_giving_up() {
    let glacier = start();
    glacier.add_fault(status(503).on(Operation::UploadMultipartPart).always());
    let mut config = config(&glacier);
    config.set_max_attempts(3).unwrap();
    let upload = Upload::new(&client(config, &CapturedLog::default()), VAULT).unwrap();
    upload.set_source_memory(b"x").unwrap();
    let error = upload.run().unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (Kind::Service, Some(503)));
    assert!(error.message().contains("after 3 attempts"), "{error}");
    assert_eq!(of(&glacier, Operation::UploadMultipartPart).len(), 3);
}

#[test]
fn give_up_time_applies_without_attempt_limit() {
    let glacier = start();
    glacier.add_fault(status(503).on(Operation::UploadMultipartPart).always());
    let mut config = config(&glacier);
    config.set_max_attempts(0).unwrap();
    config.set_give_up_after_ms(60_000).unwrap();
    let upload = Upload::new(&client(config, &CapturedLog::default()), VAULT).unwrap();
    upload.set_source_memory(b"x").unwrap();
    assert_eq!(upload.run().unwrap_err().http_status(), Some(503));
    assert!(of(&glacier, Operation::UploadMultipartPart).len() > 3);
    assert!(upload.progress().unwrap().elapsed_ms < 61_000);
}

#[test]
fn retries_hash_mismatch_a_few_times() {
    let glacier = start();
    let text = "Checksum mismatch: expected a, computed b";
    glacier.add_fault(refusal(400, "InvalidParameterValueException", text).on(Operation::UploadMultipartPart).always());
    let upload = upload(&glacier);
    upload.set_source_memory(b"x").unwrap();
    assert_eq!(code(upload.run()), Kind::TreeHash);
    assert_eq!(of(&glacier, Operation::UploadMultipartPart).len(), 4);
}

#[test]
fn repeats_initiate_after_lost_response_with_warning() {
    let (glacier, lines) = (start(), CapturedLog::default());
    glacier.add_fault(
        Fault::new(Action::LostAnswer { then: ConnectionEnd::Close }).on(Operation::InitiateMultipartUpload),
    );
    let upload = Upload::new(&client(config(&glacier), &lines), VAULT).unwrap();
    upload.set_source_memory(b"x").unwrap();
    upload.run().unwrap();
    assert_eq!(of(&glacier, Operation::InitiateMultipartUpload).len(), 2);
    assert_eq!(glacier.uploads().len(), 1, "the orphan remains");
    assert!(lines.of(Level::Warn).iter().any(|line| line.contains("an upload without parts may stay")));
}
