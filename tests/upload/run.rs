//! Uploads of files and memory with `run`: results, resuming, source checks, cancel and progress.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use glacier_emulator::{Action, Emulator, Fault, Operation, Options};
use glacier_mp::error::{Kind, Result};
use glacier_mp::source::ReadOutcome;
use glacier_mp::upload::state::State;
use glacier_mp::upload::{Flow, Upload};

use crate::support::glacier::{CapturedLog, MIB, VAULT, archive, client, config, file, upload};
use crate::{acknowledged_parts, code, content, of, ready, ready_for_one_at_a_time, refusal, start};

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

/// A handle knows the upload from its ID or from a journal before a call sends anything.
#[test]
fn canceled_call_of_known_upload_is_resumable_before_it_sends_anything() {
    type Call = fn(&Arc<Upload>) -> Result<()>;
    let calls: [(&str, Call); 9] = [
        ("run", |upload| upload.run()),
        ("transfer", |upload| upload.transfer()),
        ("start", |upload| upload.start(None).and_then(|()| upload.wait(Duration::MAX))),
        ("run with a callback", |upload| {
            upload.set_source_callback(Box::new(|_| ReadOutcome::Stop), None)?;
            upload.run()
        }),
        ("write", |upload| upload.write(b"x")),
        ("put_part", |upload| upload.put_part(0, b"x", None)),
        ("list_parts", |upload| upload.list_parts().map(drop)),
        ("complete", |upload| upload.complete()),
        ("abort", |upload| upload.abort()),
    ];
    let glacier = start();
    let directory = tempfile::tempdir().unwrap();
    for (name, call) in calls {
        for has_journal in [false, true] {
            let journal = directory.path().join(format!("{name}.journal"));
            let handle = || {
                let upload = upload(&glacier);
                if has_journal {
                    upload.set_journal(&journal).unwrap();
                }
                if !matches!(name, "write" | "put_part") {
                    upload.set_source_memory(b"x").unwrap();
                }
                upload
            };
            let first = handle();
            first.initiate().unwrap();
            let id = first.id().unwrap().to_str().unwrap().to_owned();
            drop(first);
            let requests = glacier.requests().len();

            let upload = handle();
            if !has_journal {
                upload.set_upload_id(&id).unwrap();
            }
            upload.cancel();
            let error = call(&upload).unwrap_err();
            assert_eq!(error.kind(), Kind::Canceled, "{name}, journal {has_journal}");
            assert!(error.is_resumable(), "{name}, journal {has_journal}");
            assert!(error.message().contains(&id), "{name}, journal {has_journal}: {error}");
            assert_eq!(glacier.requests().len(), requests, "{name}, journal {has_journal}");
        }
    }
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
