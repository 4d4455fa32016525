//! Uploads of files and memory, and multipart operations: results, retries, resuming and error messages.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use glacier_emulator::{Action, AfterResponse, ConnectionEnd, Emulator, Fault, Operation, Options};
use glacier_mp::clock::Clock;
use glacier_mp::error::{Kind, Result};
use glacier_mp::log::Level;
use glacier_mp::sync::cancel::Cancel;
use glacier_mp::upload::state::State;
use glacier_mp::upload::{Flow, Upload};

use crate::support::data::generate;
use crate::support::glacier::{
    self, CapturedLog, MIB, VAULT, VirtualClock, archive, client, client_with_transport, config, file, upload,
};
use crate::{acknowledged_parts, code, content, of, ready, ready_for_one_at_a_time, refusal, start, status};

/// The part size of the multipart operations.
const PART: usize = 1 << 20;

#[test]
fn uploads_file_and_sets_all_getters() {
    let (glacier, content) = (start(), content());
    let file = file(&content);
    let upload = ready(&glacier, &file);
    upload.set_description("two  spaces").unwrap();
    upload.run().unwrap();

    assert_eq!(archive(&glacier), content);
    let made = &glacier.archives()[0];
    assert_eq!(made.description.as_deref(), Some("two  spaces"));
    assert_eq!(upload.archive_id().unwrap().to_str().unwrap(), made.archive_id);
    assert_eq!(
        upload.tree_hash().unwrap().to_str().unwrap(),
        "c082271734c853c2e0c031943ffea811314a88a13040488231a50c90ff17ae03"
    );
    assert_eq!(upload.id().unwrap().to_str().unwrap(), made.upload_id.as_deref().unwrap());
    assert!(upload.archive_location().unwrap().to_str().unwrap().ends_with(&made.archive_id));
    assert_eq!((upload.state(), upload.part_size()), (State::Completed, 4 * MIB));
    assert_eq!(acknowledged_parts(&glacier).len(), 4);

    let progress = upload.progress().unwrap();
    assert_eq!((progress.bytes_total, progress.bytes_done), (16_200_000, 16_200_000));
    assert_eq!((progress.parts_total, progress.parts_done, progress.parts_in_flight), (4, 4, 0));
    assert_eq!((progress.bytes_hashed, progress.bytes_sent), (16_200_000, 16_200_000));

    let requests = glacier.requests().len();
    upload.run().unwrap();
    assert_eq!(glacier.requests().len(), requests, "a completed upload sends nothing");
}

#[test]
fn uploads_memory_over_https() {
    let glacier = Emulator::start(Options { tls: true, ..Options::default() }).unwrap();
    let ca = file(glacier.ca_pem().unwrap().as_bytes());
    let mut config = config(&glacier);
    config.set_ca_file(ca.path()).unwrap();
    let upload = Upload::new(&client(config, &CapturedLog::default()), VAULT).unwrap();
    let content: &'static [u8] = content().leak();
    upload.set_source_memory(content).unwrap();
    upload.set_part_size(MIB).unwrap();
    upload.run().unwrap();
    assert_eq!(archive(&glacier), content);
}

#[test]
fn reads_parts_above_memory_share_twice() {
    let (glacier, content) = (start(), content());
    let file = file(&content);
    let mut config = config(&glacier);
    config.set_memory_limit(8 * MIB).unwrap();
    let upload = Upload::new(&client(config, &CapturedLog::default()), VAULT).unwrap();
    upload.set_part_size(4 * MIB).unwrap();
    upload.set_source_file(file.path()).unwrap();
    upload.run().unwrap();
    assert_eq!(archive(&glacier), content);
}

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
        let upload = ready(&glacier, &file);
        upload.run().unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(archive(&glacier), content, "{fault:?}");
        assert_eq!(upload.progress().unwrap().retries, 1, "{fault:?}");
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
fn keeps_failed_upload_and_resumes_it() {
    let (glacier, content) = (start(), content());
    let file = file(&content);
    glacier.add_fault(refusal(403, "AccessDeniedException", "no").on(Operation::UploadMultipartPart).part(2).times(1));
    let upload = ready_for_one_at_a_time(&glacier, &file);
    let error = upload.run().unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (Kind::Access, Some(403)));
    assert_eq!(error.service_code(), Some("AccessDeniedException"));
    assert_eq!(error.operation(), Some("UploadMultipartPart"));
    assert!(error.request_id().is_some() && error.is_resumable());
    assert!(error.message().contains(upload.id().unwrap().to_str().unwrap()), "{error}");
    assert_eq!(glacier.uploads().len(), 1);

    // The first handle knows the hashes; an attached handle reads the parts again. Neither sends a part twice.
    upload.run().unwrap();
    assert_eq!(archive(&glacier), content);
    assert_eq!(acknowledged_parts(&glacier), [0, 4 * MIB, 8 * MIB, 12 * MIB]);
}

#[test]
fn attached_handle_sends_only_missing_parts() {
    let (glacier, content) = (start(), content());
    let file = file(&content);
    glacier.add_fault(refusal(403, "AccessDeniedException", "no").on(Operation::UploadMultipartPart).part(3));
    let first = ready_for_one_at_a_time(&glacier, &file);
    first.run().unwrap_err();
    let held = acknowledged_parts(&glacier);
    assert_eq!(held.len(), 3);

    let second = upload(&glacier);
    second.set_upload_id(first.id().unwrap().to_str().unwrap()).unwrap();
    second.set_source_file(file.path()).unwrap();
    second.run().unwrap();
    assert_eq!(archive(&glacier), content);
    assert_eq!(acknowledged_parts(&glacier), [0, 4 * MIB, 8 * MIB, 12 * MIB]);
    let progress = second.progress().unwrap();
    assert_eq!(progress.parts_done, 4);
    assert_eq!(progress.bytes_resumed, held.len() as u64 * 4 * MIB);
    assert_eq!(second.part_size(), 4 * MIB, "the part size comes from ListParts");
    assert_eq!(of(&glacier, Operation::ListParts).len(), 1, "one list is enough");
}

#[test]
fn resends_stored_part_that_differs_from_source() {
    let (glacier, mut content) = (start(), content());
    let before = file(&content);
    glacier.add_fault(refusal(403, "AccessDeniedException", "no").on(Operation::CompleteMultipartUpload));
    let first = ready(&glacier, &before);
    first.run().unwrap_err();

    content[5_000_000] ^= 1;
    let after = file(&content);
    let second = upload(&glacier);
    second.set_upload_id(first.id().unwrap().to_str().unwrap()).unwrap();
    second.set_source_file(after.path()).unwrap();
    second.run().unwrap();
    assert_eq!(archive(&glacier), content);
    assert_eq!(acknowledged_parts(&glacier), [0, 4 * MIB, 4 * MIB, 8 * MIB, 12 * MIB]);
}

#[test]
fn rejects_source_smaller_than_stored_parts() {
    let (glacier, content) = (start(), content());
    let whole = file(&content);
    glacier.add_fault(refusal(403, "AccessDeniedException", "no").on(Operation::CompleteMultipartUpload));
    let first = ready(&glacier, &whole);
    first.run().unwrap_err();

    let cut = file(&content[..9_000_000]);
    let second = upload(&glacier);
    second.set_upload_id(first.id().unwrap().to_str().unwrap()).unwrap();
    second.set_source_file(cut.path()).unwrap();
    assert_eq!(code(second.run()), Kind::SourceChanged);
}

#[test]
fn detects_source_change_before_complete() {
    let (glacier, content) = (start(), content());
    let file = file(&content);
    let upload = ready(&glacier, &file);
    let path = file.path().to_owned();
    upload
        .set_progress(Some(Box::new(move |progress| {
            if progress.parts_done > 0 {
                let longer = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
                std::io::Write::write_all(&mut &longer, b"more").unwrap();
            }
            Flow::Continue
        })))
        .unwrap();
    // The last part waits until the file has been changed.
    glacier.add_fault(Fault::new(Action::DelayAnswer { millis: 1500 }).on(Operation::UploadMultipartPart).part(3));
    let error = upload.run().unwrap_err();
    assert_eq!(error.kind(), Kind::SourceChanged);
    assert!(error.is_resumable());
    assert!(of(&glacier, Operation::CompleteMultipartUpload).is_empty());
}

#[test]
fn invalid_source_sends_nothing() {
    let glacier = start();
    let run = |prepare: &dyn Fn(&Upload)| {
        let upload = upload(&glacier);
        prepare(&upload);
        upload.run().unwrap_err()
    };
    assert_eq!(run(&|_| ()).kind(), Kind::State, "no source");
    let empty = file(b"");
    let error = run(&|upload| upload.set_source_file(empty.path()).unwrap());
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.message().contains("empty"), "{error}");
    assert_eq!(run(&|upload| upload.set_source_file("/no/such/file".as_ref()).unwrap()).kind(), Kind::Io);
    let sparse = file(b"");
    sparse.as_file().set_len(10_001 * MIB).unwrap();
    let error = run(&|upload| {
        upload.set_source_file(sparse.path()).unwrap();
        upload.set_part_size(MIB).unwrap();
    });
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.message().contains("10,000") || error.message().contains("10000"), "{error}");
    assert!(glacier.requests().is_empty());
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
    assert!(lines.of(Level::Warn).iter().any(|line| line.contains("an empty upload remains")));
}

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

#[test]
fn upload_that_no_longer_exists_is_not_resumable() {
    let glacier = start();
    let upload = upload(&glacier);
    upload.set_upload_id("vanished").unwrap();
    upload.set_source_memory(b"x").unwrap();
    let error = upload.run().unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(!error.is_resumable() && error.message().contains("vanished"), "{error}");
    assert!(of(&glacier, Operation::InitiateMultipartUpload).is_empty(), "no upload replaces it");
}

#[test]
fn cancel_stops_run_and_next_run_resumes() {
    let (glacier, content) = (start(), content());
    let file = file(&content);
    glacier
        .add_fault(Fault::new(Action::Stall { after_bytes: Some(10_000) }).on(Operation::UploadMultipartPart).part(2));
    let upload = ready(&glacier, &file);
    let (sender, receiver) = mpsc::channel::<()>();
    let sender = std::sync::Mutex::new(Some(sender));
    upload
        .set_progress(Some(Box::new(move |progress| {
            if progress.parts_done == 3 {
                drop(sender.lock().unwrap().take());
            }
            Flow::Continue
        })))
        .unwrap();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| upload.run());
        let _ = receiver.recv();
        upload.cancel();
        let error = running.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), Kind::Canceled);
        assert!(error.is_resumable() && error.message().contains("upload ID"), "{error}");
    });
    assert_eq!(upload.progress().unwrap().parts_in_flight, 0);
    upload.run().unwrap();
    assert_eq!(archive(&glacier), content);
    assert_eq!(acknowledged_parts(&glacier), [0, 4 * MIB, 8 * MIB, 12 * MIB]);
}

#[test]
fn cancel_without_call_stops_next_call_once() {
    let glacier = start();
    let upload = upload(&glacier);
    upload.set_source_memory(b"x").unwrap();
    upload.cancel();
    upload.cancel();
    assert_eq!(code(upload.run()), Kind::Canceled);
    assert!(glacier.requests().is_empty());
    upload.run().unwrap();
}

#[test]
fn progress_callback_stops_run_on_callers_thread() {
    let glacier = start();
    glacier.add_fault(Fault::new(Action::Stall { after_bytes: None }).on(Operation::UploadMultipartPart));
    let upload = upload(&glacier);
    upload.set_source_memory(b"x").unwrap();
    let calls = Arc::new(AtomicU64::new(0));
    let (counted, here) = (Arc::clone(&calls), std::thread::current().id());
    upload
        .set_progress(Some(Box::new(move |_| {
            assert_eq!(std::thread::current().id(), here);
            if counted.fetch_add(1, Ordering::Relaxed) == 3 { Flow::Stop } else { Flow::Continue }
        })))
        .unwrap();
    assert_eq!(code(upload.run()), Kind::Callback);
    assert!(calls.load(Ordering::Relaxed) >= 4);
    upload.set_progress(None).unwrap();
    upload.run().unwrap();
}

#[test]
fn puts_parts_from_many_threads() {
    let (glacier, content) = (start(), content());
    let upload = upload(&glacier);
    upload.set_part_size(MIB).unwrap();
    assert_eq!(code(upload.put_part(0, b"x", None)), Kind::State, "before Initiate");
    upload.initiate().unwrap();
    assert_eq!(code(upload.initiate()), Kind::State, "twice");
    std::thread::scope(|scope| {
        for (index, part) in content.chunks(PART).enumerate() {
            let upload = &upload;
            scope.spawn(move || upload.put_part(u32::try_from(index).unwrap(), part, None).unwrap());
        }
    });
    let listed = upload.list_parts().unwrap();
    assert_eq!(listed.len(), 16);
    assert_eq!((listed[15].offset, listed[15].length), (15 * MIB, 16_200_000 - 15 * MIB));
    let lists = of(&glacier, Operation::ListParts).len();
    upload.complete().unwrap();
    assert_eq!(of(&glacier, Operation::ListParts).len(), lists, "this handle put every part");
    assert_eq!(archive(&glacier), content);
}

/// A clock that cancels an upload when its working thread reads the time. `put_part` reads it just before hashing.
#[derive(Debug, Default)]
struct CancelingClock {
    quick: VirtualClock,
    upload: Mutex<Option<Arc<Upload>>>,
}

impl Clock for CancelingClock {
    fn unix_time(&self) -> i64 {
        self.quick.unix_time()
    }

    fn monotonic(&self) -> Duration {
        // The caller's thread also reads the time, for progress reports.
        if std::thread::current().name() == Some("glacier-job")
            && let Some(upload) = self.upload.lock().unwrap().take()
        {
            upload.cancel();
        }
        self.quick.monotonic()
    }

    fn wait(&self, time: Duration, cancel: &Cancel) -> Result<()> {
        self.quick.wait(time, cancel)
    }
}

#[test]
fn put_part_counts_hashed_bytes_and_cancel_interrupts_it() {
    let (glacier, clock) = (start(), Arc::new(CancelingClock::default()));
    let client = client_with_transport(config(&glacier), &CapturedLog::default(), clock.clone(), |transport| {
        Arc::new(transport)
    });
    let upload = Upload::new(&client, VAULT).unwrap();
    upload.set_part_size(4 * MIB).unwrap();
    upload.initiate().unwrap();
    let hashed = || upload.progress().unwrap().bytes_hashed;
    let part = vec![7; 4 * PART];

    *clock.upload.lock().unwrap() = Some(Arc::clone(&upload));
    assert_eq!(code(upload.put_part(0, &part, None)), Kind::Canceled);
    assert_eq!(hashed(), MIB, "one check interval of the cancel token");
    assert!(of(&glacier, Operation::UploadMultipartPart).is_empty());

    upload.put_part(0, &part, None).unwrap();
    assert_eq!(hashed(), 5 * MIB, "the same part can be put again");
    assert_eq!(code(upload.put_part(1, &part[..5], Some([1; 32]))), Kind::TreeHash);
    assert_eq!(hashed(), 5 * MIB + 5, "hashed bytes count even if the part fails");
    upload.put_part(1, &part[..5], None).unwrap();
    assert_eq!(hashed(), 5 * MIB + 10);
    upload.complete().unwrap();
    assert_eq!(archive(&glacier), vec![7; 4 * PART + 5]);
}

#[test]
fn invalid_multipart_calls_send_nothing() {
    let glacier = start();
    let upload = upload(&glacier);
    upload.set_part_size(MIB).unwrap();
    upload.initiate().unwrap();
    let part = vec![7; PART];
    assert_eq!(code(upload.put_part(0, &[], None)), Kind::Invalid);
    assert_eq!(code(upload.put_part(10_000, &part, None)), Kind::Invalid);
    assert_eq!(code(upload.put_part(0, &vec![7; PART + 1], None)), Kind::Invalid);
    assert_eq!(code(upload.put_part(0, &part, Some([1; 32]))), Kind::TreeHash);
    assert_eq!(code(upload.complete()), Kind::Incomplete);
    assert!(of(&glacier, Operation::UploadMultipartPart).is_empty());
    upload.put_part(1, &part, None).unwrap();
    assert!(upload.complete().unwrap_err().message().contains("part 0 is missing"));
    upload.put_part(0, &part, None).unwrap();
    upload.complete().unwrap();
    assert_eq!(code(upload.abort()), Kind::State);
}

#[test]
fn attached_handle_needs_archive_size_to_complete() {
    let (glacier, content) = (start(), generate("mod251", 3 * PART + 17));
    let first = upload(&glacier);
    first.set_part_size(MIB).unwrap();
    first.initiate().unwrap();
    for (index, part) in content.chunks(PART).enumerate().take(3) {
        first.put_part(u32::try_from(index).unwrap(), part, None).unwrap();
    }
    let attached = |source: bool| {
        let upload = upload(&glacier);
        upload.set_upload_id(first.id().unwrap().to_str().unwrap()).unwrap();
        if source {
            upload.set_source_memory(content.clone().leak()).unwrap();
        }
        upload
    };
    assert_eq!(code(attached(false).complete()), Kind::Invalid, "a missing tail would not be detected");
    let second = attached(true);
    let error = second.complete().unwrap_err();
    assert_eq!(error.kind(), Kind::Incomplete);
    assert!(error.message().contains("part 3"), "{error}");
    second.put_part(3, &content[3 * PART..], None).unwrap();
    second.complete().unwrap();
    assert_eq!(archive(&glacier), content);
}

#[test]
fn lists_read_all_pages() {
    let glacier = Emulator::start(Options { page_max: 7, ..Options::default() }).unwrap();
    let upload = upload(&glacier);
    upload.set_part_size(MIB).unwrap();
    upload.initiate().unwrap();
    let part = vec![1; PART];
    for index in 0..23 {
        upload.put_part(index, &part, None).unwrap();
    }
    let offsets: Vec<_> = upload.list_parts().unwrap().iter().map(|part| part.offset).collect();
    assert_eq!(offsets, (0..23).map(|n| n * MIB).collect::<Vec<_>>());

    let client = client(config(&glacier), &CapturedLog::default());
    for n in 0..29 {
        let other = Upload::new(&client, VAULT).unwrap();
        other.set_description(&format!("n{n}")).unwrap();
        other.initiate().unwrap();
    }
    let listed = client.list_uploads(VAULT).unwrap();
    let mut ids: Vec<_> = listed.iter().map(|upload| upload.id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 30);
    assert_eq!(listed.iter().filter(|upload| upload.description.is_none()).count(), 1);
    assert!(listed.iter().all(|upload| upload.created_unix > 1_700_000_000));
}

#[test]
fn abort_deletes_upload() {
    let glacier = start();
    let upload = upload(&glacier);
    upload.abort().unwrap();
    assert!(glacier.requests().is_empty(), "no upload exists yet");
    upload.initiate().unwrap();
    upload.abort().unwrap();
    assert!(glacier.uploads().is_empty());
    assert_eq!(upload.state(), State::Aborted);
    upload.abort().unwrap();
    assert_eq!(of(&glacier, Operation::AbortMultipartUpload).len(), 1);
    assert_eq!(code(upload.put_part(0, b"x", None)), Kind::State);
}

#[test]
fn rejects_late_settings_and_mixed_modes() {
    let glacier = start();
    let first = upload(&glacier);
    first.set_source_memory(b"x").unwrap();
    first.initiate().unwrap();
    assert_eq!(code(first.set_description("late")), Kind::State);
    assert_eq!(code(first.set_source_memory(b"y")), Kind::State);
    first.put_part(0, b"x", None).unwrap();
    assert_eq!(code(first.run()), Kind::State, "the handle is in multipart mode");

    let attached = upload(&glacier);
    attached.set_upload_id(first.id().unwrap().to_str().unwrap()).unwrap();
    assert_eq!(attached.id(), first.id());
    assert_eq!(code(attached.set_upload_id("another")), Kind::State);
    attached.set_part_size(MIB).unwrap();
    attached.set_source_memory(b"x").unwrap();
    let error = attached.run().unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid, "the upload has parts of 16 MiB: {error}");
}

#[test]
fn reports_service_error_message() {
    let glacier = start();
    let client = client(config(&glacier), &CapturedLog::default());
    let upload = Upload::new(&client, "no-such-vault").unwrap();
    upload.set_source_memory(b"x").unwrap();
    let error = upload.run().unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (Kind::NotFound, Some(404)));
    assert_eq!(error.service_code(), Some("ResourceNotFoundException"));
    assert!(error.message().contains("Vault not found for ARN"), "{error}");
    assert!(!error.is_resumable());

    let mut config = glacier::config(&glacier);
    config.set_credentials("AKIAIOSFODNN7EXAMPLE", "wrong-secret", None).unwrap();
    let wrong = glacier::client(config, &CapturedLog::default());
    let error = wrong.list_uploads(VAULT).unwrap_err();
    assert_eq!(error.kind(), Kind::Credentials);
    assert!(!error.message().contains("wrong-secret"));
}

#[test]
fn accepts_10000_parts_and_rejects_10001() {
    let glacier = Emulator::start(Options { storage: glacier_emulator::Storage::Count, ..Options::default() }).unwrap();
    let first = upload(&glacier);
    first.set_part_size(MIB).unwrap();
    first.initiate().unwrap();
    let part = vec![1; PART];
    std::thread::scope(|scope| {
        for start in 0..4 {
            let (first, part) = (&first, &part);
            scope
                .spawn(move || (start..10_000).step_by(4).for_each(|index| first.put_part(index, part, None).unwrap()));
        }
    });
    assert_eq!(code(first.put_part(10_000, &part, None)), Kind::Invalid);

    let attached = upload(&glacier);
    attached.set_upload_id(first.id().unwrap().to_str().unwrap()).unwrap();
    let offsets: Vec<_> = attached.list_parts().unwrap().iter().map(|part| part.offset).collect();
    assert_eq!(offsets, (0..10_000).map(|n| n * MIB).collect::<Vec<_>>());
    first.complete().unwrap();
    assert_eq!(glacier.archives()[0].size, 10_000 * MIB);
}
