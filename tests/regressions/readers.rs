//! Parts in parallel out of one reader (aws-sdk-go-v2 issue 2509, glacier-cmd issue 111: parts went out with the bytes of
//! others, and were refused for their signature; one by one they passed).

use glacier_emulator::Operation;
use glacier_mp::source::ReadOutcome;
use glacier_mp::upload::Upload;

use crate::support::glacier::{archive, file};
use crate::{content, of, start, upload};

#[test]
fn parts_in_parallel_out_of_one_reader_are_each_their_own() {
    let content = content((48 << 20) - 77);
    let file = file(&content);
    let lent: &'static [u8] = content.clone().leak();
    let by_callback = |upload: &Upload| {
        let mut rest = lent;
        let read = move |room: &mut [u8]| {
            let (now, later) = rest.split_at(rest.len().min(room.len()).min(300_007));
            room[..now.len()].copy_from_slice(now);
            rest = later;
            ReadOutcome::Bytes(now.len())
        };
        upload.set_source_callback(Box::new(read), None).unwrap();
    };
    let sources: [&dyn Fn(&Upload); 3] = [
        &|upload| upload.set_source_file(file.path()).unwrap(),
        &|upload| upload.set_source_memory(lent).unwrap(),
        &by_callback,
    ];
    // StoredPart, and over their share of memory, so that a file is read twice.
    for memory in [256 << 20, 8 << 20] {
        for source in sources {
            let glacier = start();
            let upload = upload(&glacier, |config| {
                config.set_concurrency(32).unwrap();
                config.set_memory_limit(memory).unwrap();
            });
            source(&upload);
            upload.run().unwrap();
            assert!(archive(&glacier) == content);
            let parts = of(&glacier, Operation::UploadMultipartPart);
            assert_eq!(parts.len(), 48);
            assert!(parts.iter().all(|part| part.status == Some(204)), "none was refused");
        }
    }
}
