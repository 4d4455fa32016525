//! Sources that are read once: written streams and read callbacks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use glacier_emulator::{Action, Emulator, Fault, Operation, Options, Storage};
use glacier_mp::error::Kind;
use glacier_mp::log::Level;
use glacier_mp::source::ReadOutcome;
use glacier_mp::upload::state::State;
use glacier_mp::upload::{Flow, Upload};

use crate::support::glacier::{CapturedLog, MIB, VAULT, archive, client, config, file, upload};
use crate::{acknowledged_parts, code, content, of, refusal, start};

/// Returns bytes in pieces of odd sizes, as a pipe does.
fn pieces(content: &[u8]) -> impl FnMut(&mut [u8]) -> ReadOutcome + use<> {
    let (content, mut at, mut n) = (content.to_vec(), 0, 0);
    move |room| {
        n += 1;
        let length = room.len().min(1 + n * 70_001 % 400_000).min(content.len() - at);
        room[..length].copy_from_slice(&content[at..at + length]);
        at += length;
        ReadOutcome::Bytes(length)
    }
}

fn in_small_parts(glacier: &Emulator) -> Arc<Upload> {
    let upload = upload(glacier);
    upload.set_part_size(4 * MIB).unwrap();
    upload
}

fn write_all(upload: &Arc<Upload>, content: &[u8], piece: usize) {
    for piece in content.chunks(piece) {
        upload.write(piece).unwrap();
    }
}

fn wait_for_two_parts(upload: &Upload) {
    while upload.progress().unwrap().parts_done < 2 {
        std::thread::yield_now();
    }
}

#[test]
fn reads_callback_to_its_end() {
    for size in [None, Some(16_200_000)] {
        let (glacier, content) = (start(), content());
        let upload = in_small_parts(&glacier);
        upload.set_source_callback(Box::new(pieces(&content)), size).unwrap();
        upload.run().unwrap();
        assert_eq!(archive(&glacier), content);
        let progress = upload.progress().unwrap();
        assert_eq!((progress.bytes_total, progress.bytes_done), (16_200_000, 16_200_000));
        assert_eq!((progress.parts_total, progress.parts_done), (4, 4));
        upload.run().unwrap();
        assert_eq!(of(&glacier, Operation::CompleteMultipartUpload).len(), 1, "the upload was already completed");
    }
}

#[test]
fn writes_pieces_of_any_size() {
    for piece in [999, 70_001, 5 << 20, 16_200_000] {
        let (glacier, content) = (start(), content());
        let upload = in_small_parts(&glacier);
        write_all(&upload, &content, piece);
        upload.write(b"").unwrap();
        upload.finish().unwrap();
        assert_eq!(archive(&glacier), content, "{piece}");
        assert_eq!(upload.state(), State::Completed);
        upload.finish().unwrap();
        assert_eq!(code(upload.write(b"x")), Kind::State, "write after finish");
    }
}

#[test]
fn stream_of_whole_parts_has_no_empty_part() {
    let (glacier, content) = (start(), vec![7; 8 << 20]);
    let upload = in_small_parts(&glacier);
    write_all(&upload, &content, 1 << 20);
    upload.finish().unwrap();
    assert_eq!(archive(&glacier), content);
    assert_eq!(acknowledged_parts(&glacier), [0, 4 * MIB]);
}

#[test]
fn initiates_when_first_part_is_full() {
    let glacier = start();
    let upload = in_small_parts(&glacier);
    upload.write(&vec![1; (4 << 20) - 1]).unwrap();
    assert!(glacier.requests().is_empty());
    upload.finish().unwrap();
    assert_eq!(of(&glacier, Operation::InitiateMultipartUpload).len(), 1);
}

#[test]
fn empty_stream_initiates_nothing() {
    let glacier = start();
    assert_eq!(code(upload(&glacier).finish()), Kind::Invalid);
    let empty = upload(&glacier);
    empty.set_source_callback(Box::new(|_| ReadOutcome::Bytes(0)), None).unwrap();
    assert_eq!(code(empty.run()), Kind::Invalid);
    assert!(glacier.requests().is_empty());
}

#[test]
fn enforces_announced_length() {
    for (announced, kind) in [(16_200_001, Kind::SourceShort), (16_199_999, Kind::SourceChanged)] {
        let (glacier, content) = (start(), content());
        let read = in_small_parts(&glacier);
        read.set_source_callback(Box::new(pieces(&content)), Some(announced)).unwrap();
        let error = read.run().unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.message().contains(&announced.to_string()) && error.is_resumable(), "{error}");

        let pushed = in_small_parts(&glacier);
        pushed.set_archive_size(announced).unwrap();
        let outcome = content.chunks(1 << 20).try_for_each(|piece| pushed.write(piece)).and_then(|()| pushed.finish());
        assert_eq!(code(outcome), kind);
        assert!(of(&glacier, Operation::CompleteMultipartUpload).is_empty());
    }
}

#[test]
fn rejects_stream_if_two_parts_exceed_memory_limit() {
    let glacier = start();
    let mut settings = config(&glacier);
    settings.set_memory_limit(7 * MIB).unwrap();
    let client = client(settings, &CapturedLog::default());
    let pushed = Upload::new(&client, VAULT).unwrap();
    pushed.set_part_size(4 * MIB).unwrap();
    let error = pushed.write(b"x").unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.message().contains("8388608") && error.message().contains("7340032"), "{error}");
    let read = Upload::new(&client, VAULT).unwrap();
    read.set_part_size(4 * MIB).unwrap();
    read.set_source_callback(Box::new(|_| panic!("the callback was called")), None).unwrap();
    assert_eq!(code(read.run()), Kind::Invalid);
    assert!(glacier.requests().is_empty());
}

#[test]
fn streams_share_client_memory_without_deadlock() {
    let (glacier, content) = (start(), content());
    let mut settings = config(&glacier);
    settings.set_memory_limit(8 * MIB).unwrap();
    let client = client(settings, &CapturedLog::default());
    let stream = || {
        let upload = Upload::new(&client, VAULT).unwrap();
        upload.set_part_size(4 * MIB).unwrap();
        upload
    };
    // One thread writes both in turn, so a part that is not full must not block the other stream.
    let (first, second) = (stream(), stream());
    for piece in content.chunks(1 << 20) {
        first.write(piece).unwrap();
        second.write(piece).unwrap();
    }
    let third = stream();
    assert_eq!(code(third.write(b"x")), Kind::Memory, "the memory limit is reached");
    first.finish().unwrap();
    second.finish().unwrap();
    let made = glacier.archives();
    assert_eq!(made.len(), 2);
    assert!(made.iter().all(|archive| std::fs::read(archive.path.as_ref().unwrap()).unwrap() == content));
}

#[test]
fn expected_size_sets_part_size_of_stream() {
    let glacier = Emulator::start(Options { storage: Storage::Count, ..Options::default() }).unwrap();
    for (expected, part_size) in [(None, 64 * MIB), (Some(1), 16 * MIB), (Some(8_000 * 64 * MIB + 1), 128 * MIB)] {
        let upload = upload(&glacier);
        if let Some(bytes) = expected {
            upload.set_expected_size(bytes).unwrap();
        }
        upload.write(b"x").unwrap();
        upload.finish().unwrap();
        assert_eq!(upload.part_size(), part_size, "{expected:?}");
    }
}

#[test]
fn expected_size_sets_part_size_of_stream_that_is_initiated_first() {
    let glacier = Emulator::start(Options { storage: Storage::Count, ..Options::default() }).unwrap();
    for (expected, part_size) in [(None, 16 * MIB), (Some(8_000 * 64 * MIB + 1), 128 * MIB)] {
        let upload = upload(&glacier);
        if let Some(bytes) = expected {
            upload.set_expected_size(bytes).unwrap();
        }
        upload.initiate().unwrap();
        upload.write(b"x").unwrap();
        upload.finish().unwrap();
        assert_eq!(upload.part_size(), part_size, "{expected:?}");
    }
}

#[test]
fn stream_above_10000_parts_warns_then_fails() {
    let glacier = Emulator::start(Options { storage: Storage::Count, ..Options::default() }).unwrap();
    let lines = CapturedLog::default();
    let upload = Upload::new(&client(config(&glacier), &lines), VAULT).unwrap();
    upload.set_part_size(MIB).unwrap();
    let most = 10_000 * MIB;
    let mut left = most + 1;
    upload
        .set_source_callback(
            Box::new(move |room| {
                let length = left.min(room.len() as u64);
                left -= length;
                ReadOutcome::Bytes(usize::try_from(length).unwrap())
            }),
            None,
        )
        .unwrap();
    let error = upload.run().unwrap_err();
    assert_eq!(error.kind(), Kind::Limit);
    assert!(error.message().contains(&most.to_string()) && error.is_resumable(), "{error}");
    let warnings = lines.of(Level::Warn);
    assert!(warnings.iter().any(|line| line.contains("part 8000") && line.contains(&most.to_string())), "{warnings:?}");
    assert!(of(&glacier, Operation::CompleteMultipartUpload).is_empty());
}

#[test]
fn resumed_stream_starts_at_byte_0_and_sends_only_missing_parts() {
    let (glacier, content) = (start(), content());
    glacier.add_fault(refusal(403, "AccessDeniedException", "no").on(Operation::UploadMultipartPart).part(3));
    let mut one_at_a_time = config(&glacier);
    one_at_a_time.set_concurrency(1).unwrap();
    let first = Upload::new(&client(one_at_a_time, &CapturedLog::default()), VAULT).unwrap();
    first.set_part_size(4 * MIB).unwrap();
    first.set_source_callback(Box::new(pieces(&content)), None).unwrap();
    first.run().unwrap_err();
    let held = acknowledged_parts(&glacier).len() as u64;

    let second = upload(&glacier);
    second.set_upload_id(first.id().unwrap().to_str().unwrap()).unwrap();
    write_all(&second, &content, 1 << 20);
    second.finish().unwrap();
    assert_eq!(archive(&glacier), content);
    assert_eq!(acknowledged_parts(&glacier), [0, 4 * MIB, 8 * MIB, 12 * MIB]);
    assert_eq!(second.progress().unwrap().bytes_resumed, held * 4 * MIB);
}

#[test]
fn callback_source_cannot_resume_on_same_handle() {
    let (glacier, content) = (start(), content());
    glacier.add_fault(refusal(403, "AccessDeniedException", "no").on(Operation::UploadMultipartPart).part(1));
    let upload = in_small_parts(&glacier);
    upload.set_source_callback(Box::new(pieces(&content)), None).unwrap();
    assert_eq!(code(upload.run()), Kind::Access);
    let seen = glacier.requests().len();
    for again in [upload.run(), upload.transfer()] {
        let error = again.unwrap_err();
        assert_eq!(error.kind(), Kind::State);
        assert!(error.is_resumable() && error.message().contains("new handle"), "{error}");
    }
    assert_eq!(glacier.requests().len(), seen, "no request is sent");
}

#[test]
fn completes_fully_stored_stream_without_reading() {
    let (glacier, content) = (start(), content());
    let callback = || {
        let upload = in_small_parts(&glacier);
        upload.set_source_callback(Box::new(pieces(&content)), None).unwrap();
        upload
    };
    glacier.add_fault(refusal(403, "AccessDeniedException", "no").on(Operation::CompleteMultipartUpload));
    let refused = callback();
    assert_eq!(code(refused.run()), Kind::Access);
    refused.run().unwrap();
    let transferred = callback();
    transferred.transfer().unwrap();
    transferred.transfer().unwrap();
    transferred.run().unwrap();
    let by_call = callback();
    by_call.transfer().unwrap();
    by_call.complete().unwrap();
    let made = glacier.archives();
    assert_eq!(made.len(), 3);
    assert!(made.iter().all(|archive| std::fs::read(archive.path.as_ref().unwrap()).unwrap() == content));
    assert_eq!(of(&glacier, Operation::UploadMultipartPart).len(), 12, "no part is sent twice");
}

#[test]
fn rejects_complete_of_unfinished_stream() {
    let (glacier, content) = (start(), content());
    let read = in_small_parts(&glacier);
    let (mut left, itself) = (8 << 20, Arc::downgrade(&read));
    let stops = move |room: &mut [u8]| {
        if left == 0 {
            wait_for_two_parts(&itself.upgrade().unwrap());
            return ReadOutcome::Stop;
        }
        left -= room.len();
        ReadOutcome::Bytes(room.len())
    };
    read.set_source_callback(Box::new(stops), None).unwrap();
    assert_eq!(code(read.run()), Kind::Callback);

    let written = in_small_parts(&glacier);
    write_all(&written, &content[..8 << 20], 1 << 20);
    wait_for_two_parts(&written);
    written.cancel();
    assert_eq!(code(written.write(b"x")), Kind::Canceled);

    for upload in [read, written] {
        let error = upload.complete().unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.is_resumable() && error.message().contains("was not read to its end"), "{error}");
    }
    assert!(of(&glacier, Operation::CompleteMultipartUpload).is_empty());
}

#[test]
fn rejects_stream_shorter_than_stored_parts() {
    let (glacier, content) = (start(), content());
    glacier.add_fault(refusal(403, "AccessDeniedException", "no").on(Operation::CompleteMultipartUpload));
    let first = in_small_parts(&glacier);
    write_all(&first, &content, 1 << 20);
    let error = first.finish().unwrap_err();
    assert!(error.is_resumable());

    let second = upload(&glacier);
    second.set_upload_id(first.id().unwrap().to_str().unwrap()).unwrap();
    write_all(&second, &content[..9_000_000], 1 << 20);
    assert_eq!(code(second.finish()), Kind::SourceChanged);
    // The first handle still knows all parts: only Complete is missing.
    first.finish().unwrap();
    assert_eq!(archive(&glacier), content);
    assert_eq!(acknowledged_parts(&glacier).len(), 4, "the shorter stream replaced no part");
}

#[test]
fn failed_stream_stays_failed() {
    let (glacier, content) = (start(), content());
    glacier.add_fault(refusal(403, "AccessDeniedException", "no").on(Operation::UploadMultipartPart).part(0));
    let upload = in_small_parts(&glacier);
    let error = content.chunks(1 << 20).cycle().find_map(|piece| upload.write(piece).err()).unwrap();
    assert_eq!(error.kind(), Kind::Access);
    assert_eq!(code(upload.write(b"more")), Kind::Access, "bytes from the middle cannot become the first ones");
    assert_eq!(code(upload.finish()), Kind::Access);
    assert!(of(&glacier, Operation::CompleteMultipartUpload).is_empty());
    upload.abort().unwrap();
    assert!(glacier.uploads().is_empty());
    assert_eq!(code(upload.finish()), Kind::State, "the abort takes precedence over the earlier failure");
}

#[test]
fn rejects_write_to_aborted_upload() {
    let glacier = start();
    let upload = in_small_parts(&glacier);
    upload.initiate().unwrap();
    upload.abort().unwrap();
    assert_eq!(code(upload.finish()), Kind::State);
    assert_eq!(code(upload.write(b"x")), Kind::State);
}

#[test]
fn cancel_ends_running_stream_permanently() {
    let (glacier, content) = (start(), content());
    let upload = in_small_parts(&glacier);
    upload.cancel();
    assert_eq!(code(upload.write(b"x")), Kind::Canceled);
    write_all(&upload, &content[..5_000_000], 1 << 20);
    upload.cancel();
    assert_eq!(code(upload.write(b"x")), Kind::Canceled);
    assert_eq!(code(upload.write(b"x")), Kind::Canceled, "the stream has ended");
    assert_eq!(code(upload.finish()), Kind::Canceled);
    assert_eq!(code(upload.run()), Kind::State, "the handle is in stream mode");
}

#[test]
fn read_callback_stop_ends_call_with_callback_error() {
    let glacier = start();
    for (supply, word) in [(ReadOutcome::Stop, "read callback"), (ReadOutcome::Bytes(usize::MAX), "more bytes than")] {
        let upload = upload(&glacier);
        upload.set_source_callback(Box::new(move |_| supply), None).unwrap();
        let error = upload.run().unwrap_err();
        assert_eq!(error.kind(), Kind::Callback);
        assert!(error.message().contains(word), "{error}");
    }
    assert!(glacier.requests().is_empty());
}

#[test]
fn stream_callbacks_run_on_callers_thread() {
    let (glacier, content) = (start(), content());
    let here = std::thread::current().id();
    let upload = in_small_parts(&glacier);
    let mut read = pieces(&content);
    upload
        .set_source_callback(
            Box::new(move |room| {
                assert_eq!(std::thread::current().id(), here);
                read(room)
            }),
            None,
        )
        .unwrap();
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    let progress = move |_: &_| {
        assert_eq!(std::thread::current().id(), here);
        counted.fetch_add(1, Ordering::Relaxed);
        Flow::Continue
    };
    upload.set_progress(Some(Box::new(progress.clone()))).unwrap();
    upload.run().unwrap();
    assert!(calls.swap(0, Ordering::Relaxed) > 0);

    let upload = in_small_parts(&glacier);
    upload.set_progress(Some(Box::new(progress))).unwrap();
    write_all(&upload, &content, 1 << 20);
    upload.finish().unwrap();
    assert!(calls.load(Ordering::Relaxed) > 0);
}

#[test]
fn progress_callback_stops_stream() {
    let (glacier, content) = (start(), content());
    glacier.add_fault(Fault::new(Action::Stall { after_bytes: None }).on(Operation::UploadMultipartPart).always());
    let upload = in_small_parts(&glacier);
    upload.set_progress(Some(Box::new(|_| Flow::Stop))).unwrap();
    let error = content.chunks(1 << 20).cycle().find_map(|piece| upload.write(piece).err()).unwrap();
    assert_eq!(error.kind(), Kind::Callback);
    for again in [upload.write(b"more"), upload.finish()] {
        assert_eq!(again.unwrap_err().to_string(), error.to_string(), "each call returns the same error");
    }
}

#[test]
fn handle_is_busy_during_stream() {
    let (glacier, content) = (start(), content());
    let upload = in_small_parts(&glacier);
    write_all(&upload, &content[..9_000_000], 1 << 20);
    assert_eq!(code(upload.list_parts().map(drop)), Kind::Busy);
    assert_eq!(code(upload.complete()), Kind::Busy);
    assert_eq!(code(upload.run()), Kind::Busy);
    upload.set_progress(None).unwrap();
    assert_eq!(code(upload.set_description("late")), Kind::State);
    upload.abort().unwrap();
    assert!(glacier.uploads().is_empty());
    assert_eq!(upload.state(), State::Aborted);
    assert_eq!(code(upload.write(b"x")), Kind::State);
    assert_eq!(code(upload.finish()), Kind::State);
}

#[test]
fn cancel_of_stream_does_not_stop_next_call() {
    let (glacier, content) = (start(), content());
    glacier.add_fault(Fault::new(Action::Stall { after_bytes: Some(9) }).on(Operation::UploadMultipartPart).always());
    let upload = in_small_parts(&glacier);
    write_all(&upload, &content[..5_000_000], 1 << 20);
    upload.cancel();
    upload.abort().unwrap();
    assert!(glacier.uploads().is_empty());
}

#[test]
fn free_ends_threads_of_stream() {
    let (glacier, content) = (start(), content());
    glacier.add_fault(Fault::new(Action::Stall { after_bytes: Some(9) }).on(Operation::UploadMultipartPart).always());
    let gone = Arc::new(AtomicBool::new(false));
    struct DropFlag(Arc<AtomicBool>);
    impl Drop for DropFlag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }
    let upload = in_small_parts(&glacier);
    let drop_flag = DropFlag(Arc::clone(&gone));
    upload
        .set_progress(Some(Box::new(move |_| {
            let _ = &drop_flag;
            Flow::Continue
        })))
        .unwrap();
    write_all(&upload, &content[..5_000_000], 1 << 20);
    upload.release();
    drop(upload);
    while !gone.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
}

#[test]
fn rejects_mixing_source_and_write() {
    let glacier = start();
    let source = file(b"x");
    let with_source = upload(&glacier);
    with_source.set_source_file(source.path()).unwrap();
    assert_eq!(code(with_source.write(b"x")), Kind::State);
    assert_eq!(code(with_source.finish()), Kind::State);
    with_source.run().unwrap();

    let pushed = upload(&glacier);
    pushed.write(b"x").unwrap();
    pushed.finish().unwrap();
    assert_eq!(code(pushed.put_part(0, b"x", None)), Kind::State);
}

#[test]
fn drops_replaced_callback() {
    let glacier = start();
    let upload = upload(&glacier);
    let held = Arc::new(Mutex::new(()));
    let in_callback = Arc::clone(&held);
    upload
        .set_source_callback(
            Box::new(move |_| {
                let _ = &in_callback;
                ReadOutcome::Stop
            }),
            None,
        )
        .unwrap();
    assert_eq!(Arc::strong_count(&held), 2);
    upload.set_source_memory(b"x").unwrap();
    assert_eq!(Arc::strong_count(&held), 1);
    upload.run().unwrap();
}

#[test]
fn repeats_lost_complete_of_stream() {
    let (glacier, content) = (start(), content());
    glacier.add_fault(
        Fault::new(Action::LostAnswer { then: glacier_emulator::ConnectionEnd::Reset })
            .on(Operation::CompleteMultipartUpload),
    );
    let upload = in_small_parts(&glacier);
    write_all(&upload, &content, 1 << 20);
    upload.finish().unwrap();
    assert_eq!(archive(&glacier), content);
}
