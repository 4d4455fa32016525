//! Parallel parts from one reader. In aws-sdk-go-v2 issue 2509 and glacier-cmd issue 111 parts were sent with the bytes of
//! other parts and rejected for their signature, while serial uploads succeeded.

use glacier_emulator::Operation;
use glacier_mp::source::ReadOutcome;
use glacier_mp::upload::Upload;

use crate::support::glacier::{archive, file};
use crate::{content, of, start, upload};

#[test]
fn parallel_parts_of_one_source_have_their_own_bytes() {
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
    // Buffered parts, and parts above their memory share, which are read twice.
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
            assert!(parts.iter().all(|part| part.status == Some(204)), "no part was rejected");
        }
    }
}
