//! Uploads that several handles share, as several processes do.

use std::sync::Arc;

use glacier_emulator::Operation;
use glacier_mp::error::Kind;
use glacier_mp::source::ReadOutcome;
use glacier_mp::upload::Upload;

use crate::support::glacier::{MIB, archive, file, upload};
use crate::{acknowledged_parts, code, content, of, ready, start};

fn attached(glacier: &glacier_emulator::Emulator, first: &Upload) -> Arc<Upload> {
    let upload = upload(glacier);
    upload.set_upload_id(first.id().unwrap().to_str().unwrap()).unwrap();
    upload
}

fn with_range(
    glacier: &glacier_emulator::Emulator,
    first: &Upload,
    path: &std::path::Path,
    range: (u32, u32),
) -> Arc<Upload> {
    let upload = attached(glacier, first);
    upload.set_source_file(path).unwrap();
    upload.set_part_range(range.0, range.1).unwrap();
    upload
}

#[test]
fn part_ranges_of_several_handles_make_one_archive() {
    let (glacier, content) = (start(), content());
    let file = file(&content);
    let first = ready(&glacier, &file);
    first.initiate().unwrap();
    std::thread::scope(|scope| {
        // The ranges overlap in part 1.
        for range in [(0, 2), (1, u32::MAX)] {
            let other = with_range(&glacier, &first, file.path(), range);
            scope.spawn(move || other.transfer().unwrap());
        }
    });
    let last = attached(&glacier, &first);
    last.set_archive_size(16_200_000).unwrap();
    last.complete().unwrap();
    assert_eq!(archive(&glacier), content);
}

#[test]
fn sends_only_parts_in_range() {
    let (glacier, content) = (start(), content());
    let file = file(&content);
    let first = ready(&glacier, &file);
    first.initiate().unwrap();
    let other = with_range(&glacier, &first, file.path(), (1, 2));
    other.transfer().unwrap();
    assert_eq!(acknowledged_parts(&glacier), [4 * MIB, 8 * MIB]);
    assert!(of(&glacier, Operation::CompleteMultipartUpload).is_empty());
    other.transfer().unwrap();
    assert_eq!(acknowledged_parts(&glacier).len(), 2, "two parts are stored");
    // A handle that initiated the upload but did not send every part lists the parts of the others.
    let last = attached(&glacier, &first);
    last.set_source_file(file.path()).unwrap();
    last.run().unwrap();
    assert_eq!(archive(&glacier), content);
}

#[test]
fn rejects_incomplete_upload_and_names_part() {
    let (glacier, content) = (start(), content());
    let part = |index: usize| &content[index * 4 * 1024 * 1024..((index + 1) * 4 * 1024 * 1024).min(content.len())];
    let complete = |put: &[(u32, &[u8])], size: u64| {
        let first = upload(&glacier);
        first.set_part_size(4 * MIB).unwrap();
        first.initiate().unwrap();
        // Another handle sends each part and does not know the others.
        let others: Vec<_> = put.iter().map(|_| attached(&glacier, &first)).collect();
        for other in &others {
            other.put_part(0, &[], None).unwrap_err();
        }
        for (other, (index, data)) in others.iter().zip(put) {
            other.put_part(*index, data, None).unwrap();
        }
        let last = attached(&glacier, &first);
        last.set_archive_size(size).unwrap();
        let error = last.complete().unwrap_err();
        assert!(error.is_resumable());
        (error.kind(), error.message().to_owned())
    };
    let all = [(0, part(0)), (1, part(1)), (2, part(2)), (3, part(3))];
    for (put, size, expected) in [
        (&[all[0], all[2], all[3]][..], 16_200_000, "part 1 is missing"),
        (&all[..3], 16_200_000, "part 3 is missing"),
        (&all, 16_200_001, "part 3 has 3617088 bytes"),
        (&all, 12 * MIB, "part 3 ends at byte 16200000"),
        (&all, 16_199_998, "part 3 has 3617088 bytes"),
    ] {
        let (kind, message) = complete(put, size);
        assert_eq!(kind, Kind::Incomplete);
        assert!(message.contains(expected), "{message}");
    }
    let short = [all[0], (1, &part(1)[..5]), all[2], all[3]];
    let (kind, message) = complete(&short, 16_200_000);
    assert_eq!(kind, Kind::Incomplete);
    assert!(message.contains("part 1 has 5 bytes"), "{message}");
    assert!(of(&glacier, Operation::CompleteMultipartUpload).is_empty());
    // The service was seen to list an end that is one too large, so only the service can tell.
    let (kind, message) = complete(&all, 16_199_999);
    assert_eq!(kind, Kind::Incomplete);
    assert!(
        message.contains("part 3 has 3617088 bytes, but in an archive of 16199999 bytes it must have"),
        "{message}"
    );
    assert_eq!(of(&glacier, Operation::CompleteMultipartUpload).len(), 1);
}

#[test]
fn rejects_part_replaced_by_another_handle() {
    let glacier = start();
    let first = upload(&glacier);
    first.set_part_size(MIB).unwrap();
    first.initiate().unwrap();
    let part = vec![1; 1 << 20];
    let knows = attached(&glacier, &first);
    knows.set_archive_size(2 * MIB).unwrap();
    knows.put_part(0, &part, None).unwrap();
    let other = attached(&glacier, &first);
    other.put_part(0, &vec![2; 1 << 20], None).unwrap();
    other.put_part(1, &part, None).unwrap();
    assert_eq!(code(other.complete()), Kind::Invalid, "the handle does not know the size");
    let error = knows.complete().unwrap_err();
    assert_eq!(error.kind(), Kind::TreeHash);
    assert!(error.message().contains("part 0"), "{error}");
    knows.put_part(0, &part, None).unwrap();
    knows.complete().unwrap();
}

#[test]
fn rejects_invalid_part_ranges() {
    let (glacier, content) = (start(), content());
    let file = file(&content);
    let fresh = ready(&glacier, &file);
    assert_eq!(code(fresh.set_part_range(0, 0)), Kind::Invalid);
    fresh.set_part_range(0, 1).unwrap();
    assert_eq!(code(fresh.run()), Kind::State, "a part range is for transfer only");
    assert_eq!(code(fresh.transfer()), Kind::State, "no upload exists yet");
    assert!(glacier.requests().is_empty());

    let first = ready(&glacier, &file);
    first.initiate().unwrap();
    for range in [(4, 1), (0, 5), (3, 2), (u32::MAX, 2), (4, u32::MAX)] {
        let error = with_range(&glacier, &first, file.path(), range).transfer().unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{range:?}");
        assert!(error.message().contains("0 to 3"), "{error}");
    }
    let stream = attached(&glacier, &first);
    stream.set_source_callback(Box::new(|_| ReadOutcome::Stop), None).unwrap();
    stream.set_part_range(0, 1).unwrap();
    assert_eq!(code(stream.transfer()), Kind::State);
    assert!(acknowledged_parts(&glacier).is_empty());
}

#[test]
fn source_size_other_than_archive_size_sends_nothing() {
    let (glacier, content) = (start(), content());
    let file = file(&content);
    let upload = ready(&glacier, &file);
    upload.set_archive_size(16_200_001).unwrap();
    let error = upload.run().unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.message().contains("16200001") && error.message().contains("16200000"), "{error}");
    assert!(glacier.requests().is_empty());
    for bytes in [0, u64::MAX] {
        assert_eq!(code(ready(&glacier, &file).set_archive_size(bytes)), Kind::Invalid);
        assert_eq!(code(ready(&glacier, &file).set_expected_size(bytes)), Kind::Invalid);
    }
}
