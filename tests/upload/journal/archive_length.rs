//! A finished upload compares the length of a stream as well as its tree hash: the tree hash of the two leaf hashes of an
//! archive, 64 bytes, is that of the archive.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use glacier_emulator::Emulator;
use glacier_mp::error::{Error, Kind};
use glacier_mp::source::{ReadFn, ReadOutcome};
use glacier_mp::upload::Upload;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::start;
use crate::support::glacier::{CapturedLog, MIB, VAULT, client, config};

const PART: usize = 1 << 20;

/// A service, and the journal of an archive of two parts that was uploaded as a stream or by hand. The journal of a stream
/// records the size of the archive only with Complete.
struct Fixture {
    glacier: Emulator,
    directory: TempDir,
    content: Vec<u8>,
}

impl Fixture {
    fn new(by_hand: bool) -> Self {
        let content = (0..=250).cycle().take(2 * PART).collect();
        let fixture = Self { glacier: start(), directory: tempfile::tempdir().unwrap(), content };
        let upload = fixture.handle();
        if by_hand {
            upload.initiate().unwrap();
            for (index, part) in (0..).zip(fixture.content.chunks(PART)) {
                upload.put_part(index, part, None).unwrap();
            }
            upload.complete().unwrap();
        } else {
            upload.write(&fixture.content).unwrap();
            upload.finish().unwrap();
        }
        fixture
    }

    fn journal(&self) -> PathBuf {
        self.directory.path().join("journal")
    }

    fn handle(&self) -> Arc<Upload> {
        let upload = Upload::new(&client(config(&self.glacier), &CapturedLog::default()), VAULT).unwrap();
        upload.set_part_size(MIB).unwrap();
        upload.set_journal(&self.journal()).unwrap();
        upload
    }

    /// The bytes whose only leaf hash is the root of the archive.
    fn leaf_hashes(&self) -> Vec<u8> {
        self.content.chunks(PART).flat_map(Sha256::digest).collect()
    }

    fn read(&self, bytes: &[u8], announced: Option<u64>) -> Result<(), Error> {
        let upload = self.handle();
        upload.set_source_callback(reader(bytes.to_vec()), announced).unwrap();
        upload.run()
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Error> {
        let upload = self.handle();
        upload.write(bytes).and_then(|()| upload.finish())
    }
}

fn reader(bytes: Vec<u8>) -> ReadFn {
    let mut next = 0;
    Box::new(move |room| {
        let length = room.len().min(bytes.len() - next);
        room[..length].copy_from_slice(&bytes[next..next + length]);
        next += length;
        ReadOutcome::Bytes(length)
    })
}

fn kind(result: Result<(), Error>) -> Option<Kind> {
    result.err().map(|error| error.kind())
}

#[test]
fn finished_journal_rejects_stream_with_tree_hash_of_archive_and_another_length() {
    for by_hand in [false, true] {
        let fixture = Fixture::new(by_hand);
        let requests = fixture.glacier.requests().len();
        let (other, content) = (fixture.leaf_hashes(), &fixture.content);
        for result in [fixture.read(&other, None), fixture.read(&other, Some(64)), fixture.write(&other)] {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), Kind::SourceChanged, "{error}");
            assert!(error.message().contains("64 bytes") && error.message().contains("2097152"), "{error}");
            assert!(error.message().contains("another journal"), "{error}");
        }
        for result in
            [fixture.read(content, None), fixture.read(content, Some(content.len() as u64)), fixture.write(content)]
        {
            result.unwrap();
        }
        let short = fixture.read(&content[..PART], Some(content.len() as u64));
        assert_eq!(kind(short), Some(Kind::SourceShort));
        assert_eq!(fixture.glacier.requests().len(), requests, "no request is sent");
    }
}

#[test]
fn finished_journal_rejects_archive_size_of_another_archive_before_stream_is_read() {
    let fixture = Fixture::new(true);
    let upload = fixture.handle();
    upload.set_archive_size(64).unwrap();
    upload.set_source_callback(Box::new(|_| ReadOutcome::Stop), None).unwrap();
    let error = upload.run().unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.message().contains("archive size 64 was set, but the archive has 2097152 bytes"), "{error}");
}

#[test]
fn finished_journal_reads_at_most_one_byte_beyond_archive() {
    let fixture = Fixture::new(false);
    let (upload, read) = (fixture.handle(), Arc::new(AtomicUsize::new(0)));
    let (counter, content) = (Arc::clone(&read), fixture.content.clone());
    let endless: ReadFn = Box::new(move |room| {
        let from = counter.fetch_add(room.len(), Ordering::Relaxed);
        if from > 10 * PART {
            return ReadOutcome::Stop;
        }
        for (byte, index) in room.iter_mut().zip(from..) {
            *byte = content[index % content.len()];
        }
        ReadOutcome::Bytes(room.len())
    });
    upload.set_source_callback(endless, None).unwrap();
    let error = upload.run().unwrap_err();
    assert_eq!(error.kind(), Kind::SourceChanged, "{error}");
    assert!(error.message().contains("more than the 2097152 bytes"), "{error}");
    assert_eq!(read.load(Ordering::Relaxed), fixture.content.len() + 1);
}

/// Removes the record of Complete, as if the disk had been full when it was written.
fn without_record_of_complete(journal: &Path) {
    let text = std::fs::read_to_string(journal).unwrap();
    let lines = text.lines().filter(|line| !line.contains("\"completing\""));
    std::fs::write(journal, lines.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

#[test]
fn journal_without_record_of_complete_has_length_of_its_parts() {
    let fixture = Fixture::new(false);
    without_record_of_complete(&fixture.journal());
    assert_eq!(kind(fixture.read(&fixture.leaf_hashes(), None)), Some(Kind::SourceChanged));
    fixture.read(&fixture.content, None).unwrap();
}
