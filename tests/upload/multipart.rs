//! Multipart operations called one by one: put_part, lists, complete, abort, and their limits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use glacier_emulator::{Emulator, Operation, Options};
use glacier_mp::clock::Clock;
use glacier_mp::error::{Kind, Result};
use glacier_mp::sync::cancel::Cancel;
use glacier_mp::upload::Upload;
use glacier_mp::upload::state::State;

use crate::support::data::generate;
use crate::support::glacier::{
    self, CapturedLog, MIB, VAULT, VirtualClock, archive, client, client_with_transport, config, upload,
};
use crate::{code, content, of, start};

/// The part size of the multipart operations.
const PART: usize = 1 << 20;

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
    let progress = upload.progress().unwrap();
    assert_eq!((progress.bytes_total, progress.bytes_done), (16_200_000, 16_200_000));
    assert_eq!((progress.parts_total, progress.parts_done), (16, 16));
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
fn complete_without_source_names_part_beyond_its_end() {
    let glacier = start();
    let first = upload(&glacier);
    first.set_part_size(MIB).unwrap();
    first.initiate().unwrap();
    first.put_part(0, &vec![7; PART], None).unwrap();
    let other = upload(&glacier);
    other.set_upload_id(first.id().unwrap().to_str().unwrap()).unwrap();
    other.put_part(1, &vec![8; PART], None).unwrap();

    let error = first.complete().unwrap_err();
    assert_eq!(error.kind(), Kind::Incomplete, "{error}");
    assert!(error.message().contains("part 1 (bytes 1048576-2097151)"), "{error}");
    assert!(!error.message().contains("source"), "no source is set: {error}");
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
